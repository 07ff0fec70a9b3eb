//! Alerts: what fires, the rules, silences, and 400 days of history.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::schemas::freshness;
use super::tag::{Look, known, of_looks};
use crate::access::{Act, Visitor};
use crate::actions::forms::{SilenceForm, UnsilenceForm};
use crate::actions::silences;
use crate::alerts::view::{ChangeView, change_view};
use crate::alerts::{Alerts, store};
use crate::app::App;
use crate::problem::{Problem, wants_page};
use crate::watch::words;

/// How many changes an answer has, and at most.
const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 500;
/// How long PostgreSQL may take.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(5);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(alerts))
        .routes(routes!(history))
        .routes(routes!(silence))
        .routes(routes!(unsilence))
}

/// What fires and what is listed under it, what is blind, silences, undelivered notices, the rules and the newest history.
#[utoipa::path(get, path = "/alerts", tag = "alerts", responses(
    (status = 200, body = Answer<Alerts>), (status = 304), (status = 503, body = Problem)))]
async fn alerts(_visitor: Visitor, State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = app.watch.alerts.borrow().clone();
    let tag = of_looks(app.hub.epoch(), &[Look::at(&seen)], Utc::now());
    let freshness = freshness(&seen);
    let data = seen.value.ok_or_else(|| Problem::store_away("postgresql", "alerts were not judged yet"))?;
    Ok(known(&headers, &tag, &Answer::new(data.as_ref().clone(), freshness, None)))
}

/// Which changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Go on below this change: `next` of the answer before.
    after: Option<i64>,
    /// How many: 50, 500 at most.
    limit: Option<i64>,
}

/// A change of state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertEvent)]
struct EventView {
    at: DateTime<Utc>,
    rule: String,
    /// The service or query; empty where there is but one.
    subject: String,
    #[serde(flatten)]
    change: ChangeView,
}

/// Changes of state, the newest first.
#[utoipa::path(get, path = "/alerts/history", tag = "alerts", params(Wanted), responses(
    (status = 200, body = Answer<Vec<EventView>>), (status = 400, body = Problem),
    (status = 503, body = Problem)))]
async fn history(
    _visitor: Visitor,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Answer<Vec<EventView>>>, Problem> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let away = |why: String| Problem::store_away("postgresql", why);
    let ask = async {
        let client = app.pool.get().await.map_err(|error| away(words(&error)))?;
        store::events(&**client, wanted.after, limit).await.map_err(|error| away(words(&error)))
    };
    let asked = tokio::time::timeout(ANSWER, ask).await;
    let events = asked.map_err(|_| away(format!("no answer within {} s", ANSWER.as_secs())))??;
    let full = i64::try_from(events.len()).is_ok_and(|count| count == limit);
    let next = events.last().filter(|_| full).map(|last| last.event_id.to_string());
    let data = events
        .iter()
        .map(|event| EventView {
            at: event.at,
            rule: event.rule.clone(),
            subject: event.subject.clone(),
            change: change_view(event),
        })
        .collect();
    Ok(Json(Answer::read_now(data, next)))
}

/// The number of a silence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SilenceNumber)]
struct Numbered {
    silence_id: i64,
}

fn changed(headers: &HeaderMap, status: StatusCode, silence_id: i64) -> Response {
    if wants_page(headers) {
        return Redirect::to("/alerts").into_response();
    }
    (status, Json(Answer::read_now(Numbered { silence_id }, None))).into_response()
}

/// Keeps back what alerts have to tell, for a while. `storepulse alerts silence` does the same.
#[utoipa::path(post, path = "/alerts/silences", tag = "alerts",
    request_body(content = SilenceForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 201, body = Answer<Numbered>), (status = 303), (status = 400, body = Problem),
    (status = 403, body = Problem),
    (status = 503, body = Problem)))]
async fn silence(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, form }: Act<SilenceForm>,
) -> Result<Response, Problem> {
    let SilenceForm { rule, subject, severity, r#for, until, zone, .. } = form;
    let of = silences::matcher(rule, subject, severity)?;
    let lasting = silences::lasting(&r#for, until.as_deref(), zone.as_deref(), Utc::now())?;
    let silence_id = silences::begin(&app, &by, &why, &of, lasting).await?;
    Ok(changed(&headers, StatusCode::CREATED, silence_id))
}

/// Ends a silence: what still fires is told then. `storepulse alerts unsilence` does the same.
#[utoipa::path(post, path = "/alerts/silences/{silence}/end", tag = "alerts", params(("silence" = i64, Path)),
    request_body(content = UnsilenceForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = Answer<Numbered>), (status = 303), (status = 400, body = Problem),
    (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn unsilence(
    State(app): State<App>,
    headers: HeaderMap,
    // Read after the form: who may not act is told so whatever the number is.
    Path(silence): Path<String>,
    Act { by, why, .. }: Act<UnsilenceForm>,
) -> Result<Response, Problem> {
    let silence_id =
        silence.parse().map_err(|_| Problem::not_found("A silence has a number: /alerts shows it."))?;
    silences::end(&app, &by, &why, silence_id).await?;
    Ok(changed(&headers, StatusCode::OK, silence_id))
}
