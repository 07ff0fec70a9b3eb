//! Subjects of the Schema Registry. Nothing here registers anything.

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Freshness, FreshnessState};
use super::tag::{Look, known, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::schemas::check::{Checked, LARGEST};
use crate::schemas::view::{self, DiffView, SchemaView};
use crate::watch::Seen;
use crate::watch::registry::Subjects;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(subjects))
        .routes(routes!(version))
        .routes(routes!(compared))
        // A schema is sent as a text within JSON, where each of its quotes has a backslash.
        .merge(OpenApiRouter::new().routes(routes!(check)).layer(DefaultBodyLimit::max(3 * LARGEST)))
}

/// Every subject: versions, what it is held to, and which version is in force here.
#[utoipa::path(get, path = "/subjects", tag = "schemas", responses(
    (status = 200, body = Answer<Subjects>), (status = 304), (status = 503, body = Problem)))]
async fn subjects(
    _visitor: Visitor,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Read before the subjects: a tag that is older than its answer only has it told once more.
    let tag = of_looks(app.hub.epoch(), &[Look::at(&app.watch.registry.borrow())], Utc::now());
    let data = view::subjects(&app)?.as_ref().clone();
    Ok(known(&headers, &tag, &Answer::new(data, freshness(&app.watch.registry.borrow()), None)))
}

/// One version's schema with its fields.
#[utoipa::path(get, path = "/subjects/{subject}/versions/{version}", tag = "schemas",
    params(("subject" = String, Path), ("version" = i32, Path)), responses(
    (status = 200, body = Answer<SchemaView>), (status = 304), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn version(
    _visitor: Visitor,
    State(app): State<App>,
    Path((name, number)): Path<(String, i32)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let subjects = view::subjects(&app)?;
    let subject = view::subject(&subjects, &name)?;
    let version = view::version(subject, Some(number))?;
    let tag = format!("\"schema.{}.{}\"", version.version, version.id);
    immutable(&headers, &tag, async || {
        let known = view::known(&app, version.id).await?;
        Ok(view::schema(&subject.name, version, &known))
    })
    .await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct Between {
    from: i32,
    to: i32,
}

/// What changed from one version to another, by meaning and line by line.
#[utoipa::path(get, path = "/subjects/{subject}/diff", tag = "schemas",
    params(("subject" = String, Path), Between), responses(
    (status = 200, body = Answer<DiffView>), (status = 304), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn compared(
    _visitor: Visitor,
    State(app): State<App>,
    Path(name): Path<String>,
    Query(between): Query<Between>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let subjects = view::subjects(&app)?;
    let subject = view::subject(&subjects, &name)?;
    let (from, to) = (view::version(subject, Some(between.from))?, view::version(subject, Some(between.to))?);
    let tag = format!("\"diff.{}.{}-{}.{}\"", from.version, from.id, to.version, to.id);
    immutable(&headers, &tag, async || {
        let (old, new) = (view::known(&app, from.id).await?, view::known(&app, to.id).await?);
        Ok(view::compared(&subject.name, (from, &old), (to, &new)))
    })
    .await
}

/// A schema that is to be judged.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ToCheck {
    /// The schema, as a text or as JSON; 256 KiB at most.
    #[schema(value_type = Object)]
    schema: Value,
}

/// Whether a schema may become the next version: by the registry, and against each version. Registers nothing.
#[utoipa::path(post, path = "/subjects/{subject}/check", tag = "schemas", request_body = ToCheck,
    params(("subject" = String, Path)), responses(
    (status = 200, body = Answer<Checked>), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn check(
    _visitor: Visitor,
    State(app): State<App>,
    Path(name): Path<String>,
    Json(asked): Json<ToCheck>,
) -> Result<Json<Answer<Checked>>, Problem> {
    let text = match asked.schema {
        Value::String(text) => text,
        schema => schema.to_string(),
    };
    let data = view::check(&app, &name, &text).await?;
    Ok(Json(Answer::new(data, freshness(&app.watch.registry.borrow()), None)))
}

/// An answer that never changes under its tag: asked with the tag, it is not even read.
async fn immutable<T: Serialize>(
    headers: &HeaderMap,
    tag: &str,
    read: impl AsyncFnOnce() -> Result<T, Problem>,
) -> Result<Response, Problem> {
    let told = [(header::ETAG, tag.to_owned()), (header::CACHE_CONTROL, "private, max-age=60".to_owned())];
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    if asked.split(',').any(|asked| asked.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, told).into_response());
    }
    let freshness = Freshness { state: FreshnessState::Live, as_of: None, age_ms: None, why: None };
    Ok((told, Json(Answer::new(read().await?, freshness, None))).into_response())
}

/// How old what a source told is: as of when it was read, and why it is not newer.
pub(super) fn freshness<T>(seen: &Seen<T>) -> Freshness {
    let state = match (&seen.away, seen.read_at) {
        (None, Some(_)) => FreshnessState::Live,
        (Some(_), Some(_)) => FreshnessState::Stalled,
        (_, None) => FreshnessState::Unknown,
    };
    Freshness {
        state,
        as_of: seen.read_at,
        age_ms: seen.read_at.map(|at| (Utc::now() - at).num_milliseconds()),
        why: seen.away.as_ref().map(|away| away.why.clone()),
    }
}
