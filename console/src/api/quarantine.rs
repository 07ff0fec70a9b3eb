//! What is in quarantine: counts, pages of records, one record. Never their bytes.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::schemas::freshness;
use super::tag::{Look, known, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::quarantine_records::{self, Record, Records, Wanted};
use crate::watch::quarantine::Summary;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(summary)).routes(routes!(list)).routes(routes!(record))
}

/// How many records are open and how many have passed, by reason and source, and the last 24 hours.
#[utoipa::path(get, path = "/quarantine/summary", tag = "quarantine", responses(
    (status = 200, body = Answer<Summary>), (status = 304), (status = 503, body = Problem)))]
async fn summary(_visitor: Visitor, State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = app.watch.quarantine.borrow().clone();
    let tag = of_looks(app.hub.epoch(), &[Look::at(&seen)], Utc::now());
    let freshness = freshness(&seen);
    let data = seen.value.ok_or_else(|| {
        let why = seen.away.map_or_else(|| "it has not been asked yet".to_owned(), |away| away.why);
        Problem::store_away("PostgreSQL", why)
    })?;
    Ok(known(&headers, &tag, &Answer::new(data.as_ref().clone(), freshness, None)))
}

/// A page of records, the newest first.
#[utoipa::path(get, path = "/quarantine", tag = "quarantine", params(Wanted), responses(
    (status = 200, body = Answer<Vec<Record>>), (status = 400, body = Problem),
    (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn list(
    _visitor: Visitor,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Answer<Vec<Record>>>, Problem> {
    let Records { records, next } = quarantine_records::list(&app, &wanted.tidy()).await?;
    Ok(Json(Answer::read_now(records, next)))
}

/// Where a record stands.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Place {
    pub(crate) source: String,
    pub(crate) coordinates: String,
}

/// One record.
#[utoipa::path(get, path = "/quarantine/record", tag = "quarantine", params(Place), responses(
    (status = 200, body = Answer<Record>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn record(
    _visitor: Visitor,
    State(app): State<App>,
    Query(place): Query<Place>,
) -> Result<Json<Answer<Record>>, Problem> {
    let record = quarantine_records::record(&app, &place.source, &place.coordinates).await?;
    Ok(Json(Answer::read_now(record, None)))
}
