//! The HTTP interface: JSON, packed by gzip or not. What it says of itself is in [`openapi`].

mod batch;
mod door;
mod ga4;
mod hooks;
mod problem;
mod segment;
mod stretches;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, extract::rejection::BytesRejection};
use contracts::validation::{Draft, Rejection};
use ingest::source::draft;
use serde::Serialize;
use serde_json::value::RawValue;
use tower_http::decompression::RequestDecompressionLayer;
use uuid::Uuid;

use crate::gate::Caller;
use crate::intake::{Intake, beside};
use crate::openapi::{self, EVENTS_PATH, HEALTH_PATH, OPENAPI_PATH};
use crate::record::SenderRecord;
use crate::refusal::Refusal;
use crate::verdict::Verdict;

use door::QueryKey;

/// Where a browser's key may stand, because `navigator.sendBeacon` sets no headers.
const KEY_IN_QUERY: QueryKey = QueryKey { name: "key", of_servers: false };

pub(crate) fn router(intake: &Arc<Intake>) -> Router {
    Router::new()
        .route(EVENTS_PATH, door::guarded(post(collect), intake, KEY_IN_QUERY))
        .route(OPENAPI_PATH, get(describe))
        .route(HEALTH_PATH, get(health))
        .merge(segment::router())
        .merge(ga4::routes(intake))
        .merge(hooks::routes())
        .fallback(nothing_here)
        .layer(RequestDecompressionLayer::new())
        .with_state(Arc::clone(intake))
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) ignored: u64,
    pub(crate) rejected: u64,
    /// One for each event, in their order.
    pub(crate) verdicts: Vec<Verdict>,
}

impl From<Vec<Verdict>> for Answer {
    fn from(verdicts: Vec<Verdict>) -> Self {
        let mut answer = Self::default();
        for verdict in &verdicts {
            *match verdict {
                Verdict::Accepted { .. } => &mut answer.accepted,
                Verdict::Repeated { .. } => &mut answer.repeated,
                Verdict::Ignored { .. } => &mut answer.ignored,
                Verdict::Rejected { .. } => &mut answer.rejected,
            } += 1;
        }
        Self { verdicts, ..answer }
    }
}

impl SenderRecord for &RawValue {
    fn draft(&self) -> Result<Draft, Rejection> {
        draft::read(self.get().as_bytes())
    }

    fn visitor(&self, source: &str) -> Option<Uuid> {
        draft::visitor(self.get().as_bytes(), source)
    }

    fn size_bytes(&self) -> usize {
        self.get().len()
    }

    fn payload(&self) -> Vec<u8> {
        self.get().as_bytes().to_vec()
    }
}

async fn collect(
    State(intake): State<Arc<Intake>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Answer>, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::ContentType);
    }
    let room = caller.share.bytes_within(declared_bytes(&request), intake.limits.body_within).await?;
    let body = read(&intake, request, intake.limits.body_bytes).await?;
    // The place among the requests is held until the answer.
    let sender = caller.clone();
    let judged = move || {
        let events = batch::read(&body, intake.limits.request_events)?;
        let room = intake.room(&sender, events.len(), body.len())?;
        intake.judge(&sender, room, events.into_iter())
    };
    let answer = beside(judged).await?.verdicts().await?;
    drop(room);
    Ok(Json(answer.into()))
}

/// How large a body will be, where that is known; one that is packed may become as large as any.
fn declared_bytes(request: &Request) -> usize {
    let packed = request.headers().contains_key(CONTENT_ENCODING);
    let declared = request.body().size_hint().upper().filter(|_| !packed);
    declared.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}

/// `text/plain` is what a page may post without a preflight, and what `navigator.sendBeacon` makes of a text.
fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim();
    ["application/json", "text/plain"].iter().any(|read| essence.eq_ignore_ascii_case(read))
}

async fn read(intake: &Intake, mut request: Request, limit_bytes: usize) -> Result<Bytes, Refusal> {
    let within = intake.limits.body_within;
    // What is limited is the body as it is read, so after unpacking: a small one cannot become a large one.
    DefaultBodyLimit::max(limit_bytes).apply(&mut request);
    let body = tokio::time::timeout(within, Bytes::from_request(request, &()));
    match body.await {
        Err(_) => Err(Refusal::TooSlow(within)),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => Err(unread(&rejection, limit_bytes)),
    }
}

fn unread(rejection: &BytesRejection, limit_bytes: usize) -> Refusal {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { limit_bytes },
        // Gone away, or no gzip although it says so.
        _ => Refusal::Malformed(rejection.body_text()),
    }
}

async fn describe() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi::COMMITTED).into_response()
}

async fn health(State(intake): State<Arc<Intake>>) -> Response {
    let (status, word) = match intake.is_serving() {
        true => (StatusCode::OK, "serving"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_serving"),
    };
    (status, Json(serde_json::json!({ "status": word }))).into_response()
}

async fn nothing_here(method: Method, uri: Uri) -> Response {
    problem::response(
        StatusCode::NOT_FOUND,
        &format!("{method} {} is nothing; see {OPENAPI_PATH}", uri.path()),
        None,
    )
}
