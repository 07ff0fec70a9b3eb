//! What is kept beside the figures: counts by source and name. Never what an event says.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::schemas::freshness;
use super::tag::{Look, known, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::others::Others;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(others))
}

/// Events that arrived and are in no figure, by source and name: those that our vocabulary has no word for, and
/// those of programs.
#[utoipa::path(get, path = "/other-events", tag = "line", responses(
    (status = 200, body = Answer<Others>), (status = 304), (status = 503, body = Problem)))]
async fn others(_visitor: Visitor, State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = app.watch.others.borrow().clone();
    let tag = of_looks(app.hub.epoch(), &[Look::at(&seen)], Utc::now());
    let freshness = freshness(&seen);
    let data = seen.value.ok_or_else(|| {
        let why = seen.away.map_or_else(|| "it has not been counted yet".to_owned(), |away| away.why);
        Problem::store_away("PostgreSQL", why)
    })?;
    Ok(known(&headers, &tag, &Answer::new(data.as_ref().clone(), freshness, None)))
}
