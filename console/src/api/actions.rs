//! What operators do. Each is taken as the form of a page, whose token is good once: programs act by the
//! commands of `storepulse`.
//!
//! A browser is led to where the outcome is seen; a program is told the number of what it began.

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::answer::Answer;
use super::tag::{Look, known, of_looks};
use crate::access::{Act, Operator, Visitor};
use crate::actions::bytes::Shown;
use crate::actions::dry_run::Selection;
use crate::actions::forms::{
    BytesForm, DryRunForm, RegisterForm, ReplayForm, TraceForm, VerifyForm, WishForm,
};
use crate::actions::log::{self, Asked, Logged};
use crate::actions::operations::Operation;
use crate::actions::{self, bytes, job, quarantine_replay, register};
use crate::app::App;
use crate::page::address::encoded;
use crate::page::frame::Frame;
use crate::page::quarantine::shown_bytes;
use crate::problem::{Problem, wants_page};
use crate::schemas::check::LARGEST;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(form))
        .routes(routes!(wish))
        .routes(routes!(verify))
        .routes(routes!(trace))
        .routes(routes!(dry_run))
        .routes(routes!(replays))
        .routes(routes!(show))
        .routes(routes!(operations))
        .routes(routes!(operation))
        .routes(routes!(audit))
        // A form writes most of JSON's characters in three bytes.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(new_version))
                .layer(DefaultBodyLimit::max(3 * LARGEST + 64 * 1024)),
        )
}

/// The number of what was begun or done.
#[derive(Debug, Serialize, ToSchema)]
struct Begun {
    /// `/api/v1/operations/{id}` tells how far it is.
    operation: Uuid,
}

/// Leads a browser on, and tells a program.
fn begun(headers: &HeaderMap, operation: Uuid, to: &str) -> Response {
    if wants_page(headers) {
        return Redirect::to(to).into_response();
    }
    (StatusCode::ACCEPTED, Json(Answer::read_now(Begun { operation }, None))).into_response()
}

fn page_of(operation: Uuid) -> String {
    format!("/actions/{operation}")
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FormFor {
    /// The path that it is to be sent to, as `/api/v1/verifications`.
    path: String,
}

/// A token that stands in a form.
#[derive(Debug, Serialize, ToSchema)]
struct FormToken {
    /// Good for one sending to that path by this session, within 15 minutes.
    form_token: String,
}

/// The token of a form that acts. Programs with a key get none.
#[utoipa::path(get, path = "/form", tag = "actions", params(FormFor), responses(
    (status = 200, body = Answer<FormToken>), (status = 400, body = Problem), (status = 403, body = Problem)))]
async fn form(
    by: Operator,
    State(app): State<App>,
    Query(asked): Query<FormFor>,
) -> Result<Json<Answer<FormToken>>, Problem> {
    let token = app.access.forms().issue(&by, &asked.path);
    let form_token = token.ok_or_else(|| Problem::not_allowed("A key reads and does nothing else."))?;
    Ok(Json(Answer::read_now(FormToken { form_token }, None)))
}

/// Holds the job, lets it go on, or submits its queries again. `storepulse job hold|resume|restart` does the same.
#[utoipa::path(post, path = "/jobs/wish", tag = "actions",
    request_body(content = WishForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 202, body = Answer<Begun>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 503, body = Problem)))]
async fn wish(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, form }: Act<WishForm>,
) -> Result<Response, Problem> {
    let wish = job::wish(&form.wish)?;
    let operation = job::want(&app, &by, &why, wish, form.job.as_deref()).await?;
    Ok(begun(&headers, operation, "/jobs"))
}

/// Begins to compute figures again and compare them. `storepulse verify` does the same.
#[utoipa::path(post, path = "/verifications", tag = "actions",
    request_body(content = VerifyForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 202, body = Answer<Begun>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn verify(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, form }: Act<VerifyForm>,
) -> Result<Response, Problem> {
    let operation = actions::verify(&app, &by, &why, form.only.as_deref()).await?;
    Ok(begun(&headers, operation, &page_of(operation)))
}

/// Begins to follow one event of country XD through the line. `storepulse doctor` does the same.
#[utoipa::path(post, path = "/traces", tag = "actions",
    request_body(content = TraceForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 202, body = Answer<Begun>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn trace(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, .. }: Act<TraceForm>,
) -> Result<Response, Problem> {
    let operation = actions::trace(&app, &by, &why).await?;
    Ok(begun(&headers, operation, &page_of(operation)))
}

/// Begins to say what would become of open records. `storepulse quarantine replay --dry-run` does the same.
#[utoipa::path(post, path = "/quarantine/dry-runs", tag = "actions",
    request_body(content = DryRunForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 202, body = Answer<Begun>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn dry_run(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, form }: Act<DryRunForm>,
) -> Result<Response, Problem> {
    let selection = Selection::of(form.source, form.of_reason, form.coordinates)?;
    let operation = quarantine_replay::dry_run(&app, &by, &why, selection).await?;
    Ok(begun(&headers, operation, &page_of(operation)))
}

/// Begins to take in what a dry run has judged. `storepulse quarantine replay` does the same.
#[utoipa::path(post, path = "/quarantine/replays", tag = "actions",
    request_body(content = ReplayForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 202, body = Answer<Begun>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 412, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn replays(
    State(app): State<App>,
    headers: HeaderMap,
    Act { by, why, form }: Act<ReplayForm>,
) -> Result<Response, Problem> {
    let operation =
        quarantine_replay::in_earnest(&app, &by, &why, form.dry_run, form.count.as_deref()).await?;
    Ok(begun(&headers, operation, &page_of(operation)))
}

/// The bytes of a record in quarantine. `storepulse quarantine show` does the same.
#[utoipa::path(post, path = "/quarantine/bytes", tag = "actions",
    request_body(content = BytesForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = Answer<Shown>), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    frame: Frame,
    Act { by, why, form }: Act<BytesForm>,
) -> Result<Response, Problem> {
    let shown = bytes::show(&app, &by, &why, &form.source, &form.coordinates).await?;
    if wants_page(&headers) {
        return Ok(shown_bytes(&app, &frame, &shown).into_response());
    }
    Ok(Json(Answer::read_now(shown, None)).into_response())
}

/// A version that was registered.
#[derive(Debug, Serialize, ToSchema)]
struct NewVersion {
    /// The schema's id, which every record carries.
    id: u32,
}

/// Registers a version of a subject that the contract does not own, after a check that finds nothing against it.
/// `storepulse schemas register` does the same.
#[utoipa::path(post, path = "/subjects/{subject}/versions", tag = "actions", params(("subject" = String, Path)),
    request_body(content = RegisterForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 201, body = Answer<NewVersion>), (status = 303), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn new_version(
    State(app): State<App>,
    headers: HeaderMap,
    Path(subject): Path<String>,
    Act { by, why, form }: Act<RegisterForm>,
) -> Result<Response, Problem> {
    let text = form.schema.replace("\r\n", "\n");
    let id = register::register(&app, &by, &why, &subject, &text).await?;
    if wants_page(&headers) {
        return Ok(Redirect::to(&format!("/schemas/{}", encoded(&subject))).into_response());
    }
    Ok((StatusCode::CREATED, Json(Answer::read_now(NewVersion { id }, None))).into_response())
}

/// What this console does and has done lately, the newest first.
#[utoipa::path(get, path = "/operations", tag = "actions",
    responses((status = 200, body = Answer<Vec<Operation>>), (status = 304)))]
async fn operations(_visitor: Visitor, State(app): State<App>, headers: HeaderMap) -> Response {
    let seen = app.watch.operations.borrow().clone();
    let tag = of_looks(app.hub.epoch(), &[Look::at(&seen)], Utc::now());
    let list: Vec<Operation> =
        seen.value.map(|operations| operations.list.iter().cloned().collect()).unwrap_or_default();
    known(&headers, &tag, &Answer::read_now(list, None))
}

/// How far something is that was begun, or what came of it.
#[utoipa::path(get, path = "/operations/{id}", tag = "actions", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Answer<Operation>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn operation(
    _visitor: Visitor,
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Json<Answer<Operation>>, Problem> {
    let known = app.watch.operations.borrow().value.clone();
    let operation = match known.as_deref().and_then(|known| known.of_id(id)) {
        Some(operation) => operation.clone(),
        None => log::operation(&app, id).await?,
    };
    Ok(Json(Answer::read_now(operation, None)))
}

/// The log of actions, the newest first, for operators.
#[utoipa::path(get, path = "/audit", tag = "actions", params(Asked), responses(
    (status = 200, body = Answer<Vec<Logged>>), (status = 400, body = Problem), (status = 403, body = Problem),
    (status = 503, body = Problem)))]
async fn audit(
    _by: Operator,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Json<Answer<Vec<Logged>>>, Problem> {
    let log::Rows { rows, next } = log::list(&app, &asked).await?;
    Ok(Json(Answer::read_now(rows, next.map(|next| next.to_string()))))
}
