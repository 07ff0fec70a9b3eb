//! Segment's paths, and its answers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use serde_json::value::RawValue;

use super::door::{Head, preflight};
use super::{batch, declared_bytes, problem, read};
use crate::gate::{Caller, presented};
use crate::intake::{Intake, beside};
use crate::item::Item;
use crate::refusal::Refusal;
use crate::segment::openapi::BATCH_PATHS;
use crate::segment::{BATCH_BYTES, Call, MESSAGE_BYTES, Object, Received, too_large, translate};

/// The path of a batch, and those of single messages, each also by its first letter, as the SDK of browsers
/// has them.
pub(super) fn router() -> Router<Arc<Intake>> {
    let mut router = Router::new();
    for path in BATCH_PATHS {
        router = router.route(path, post(|state, request| collect(state, request, None)).options(preflight));
    }
    for call in Call::ALL {
        let handler = move |state, request| collect(state, request, Some(call));
        let (long, short) = (format!("/v1/{}", call.name()), format!("/v1/{:.1}", call.name()));
        let handlers = post(handler).options(preflight);
        router = router.route(&long, handlers.clone()).route(&short, handlers);
    }
    router
}

async fn collect(State(intake): State<Arc<Intake>>, request: Request, call: Option<Call>) -> Response {
    let head = Head::of(&request);
    let response = match take(&intake, &head, request, call).await {
        Ok(()) => (StatusCode::OK, Json(json!({ "success": true }))).into_response(),
        Err(refusal) => refused(&refusal),
    };
    head.answer(&intake.gate, response)
}

async fn take(
    intake: &Arc<Intake>,
    head: &Head,
    request: Request,
    call: Option<Call>,
) -> Result<(), Refusal> {
    let limit = BATCH_BYTES.min(intake.limits.body_bytes);
    let (caller, body, room) = match key_of(request.headers()) {
        Some(key) => {
            let caller = head.admit(&intake.gate, Some(&key))?;
            let room = bytes(intake, &caller, declared_bytes(&request).min(limit)).await?;
            (caller, read(intake, request, limit).await?, room)
        }
        None => {
            // As long as nobody knows whose it is, it takes a place that all such requests share.
            let place = intake.strangers.try_acquire().map_err(|_| Refusal::Busy)?;
            let body = read(intake, request, limit).await?;
            let key = Object::read(&body).ok().and_then(|object| object.text("writeKey"));
            let caller = head.admit(&intake.gate, key.as_deref())?;
            let room = bytes(intake, &caller, body.len()).await?;
            drop(place);
            (caller, body, room)
        }
    };
    let (sender, intake) = (caller.clone(), Arc::clone(intake));
    let judged = move || {
        let items = items(&intake, &sender, &body, call)?;
        let events = items.iter().map(Item::len).sum();
        let room = intake.room(&sender, events, body.len())?;
        intake.judge_items(&sender, room, items)
    };
    beside(judged).await?.verdicts().await?;
    drop((room, caller));
    Ok(())
}

async fn bytes(
    intake: &Intake,
    caller: &Caller,
    bytes: usize,
) -> Result<tokio::sync::OwnedSemaphorePermit, Refusal> {
    caller.share.bytes_within(bytes, intake.limits.body_within).await
}

/// The write key as the user name, without a password; or as our own API has it.
fn key_of(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = presented(headers) {
        return Some(key.to_owned());
    }
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded =
        STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let key = decoded.split(':').next().unwrap_or_default();
    (!key.is_empty()).then(|| key.to_owned())
}

/// What a request tells. Reading ends with the first record too many.
fn items(intake: &Intake, caller: &Caller, body: &Bytes, call: Option<Call>) -> Result<Vec<Item>, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::Malformed(error.to_string());
    let limit = intake.limits.request_events;
    let mended;
    let (body, whole): (&[u8], &RawValue) = match serde_json::from_slice(body) {
        Ok(whole) => (body, whole),
        Err(error) => {
            let may_mend = call.is_none().then(|| batch::mended(body, "batch", limit)).flatten();
            mended = may_mend.ok_or_else(|| malformed(error))?;
            (&mended, serde_json::from_slice(&mended).map_err(malformed)?)
        }
    };
    let object = Object::read(body).map_err(malformed)?;
    let messages = match call {
        Some(_) => vec![whole],
        None => {
            let list =
                object.get("batch").ok_or_else(|| Refusal::Malformed("`batch` is missing".to_owned()))?;
            batch::list(list, limit)?
        }
    };
    let sent_at = object.get("sentAt");
    let received = Received {
        source: &caller.source,
        at: intake.now(),
        sent_at,
        occurred_at: None,
        base: intake.base_currency(),
    };
    let (mut items, mut records) = (Vec::with_capacity(messages.len()), 0);
    for message in messages {
        let item = match message.get().len() {
            ..=MESSAGE_BYTES => translate(message, call, &received),
            _ if call.is_some() => return Err(Refusal::TooLarge { limit_bytes: MESSAGE_BYTES }),
            // Of a batch it costs itself alone.
            _ => too_large(message),
        };
        records += item.len();
        if records > limit {
            return Err(Refusal::TooManyEvents { limit });
        }
        items.push(item);
    }
    Ok(items)
}

/// A refusal as Segment tells it: what is malformed or too large is a bad request. Its SDKs send again what
/// is answered with 429 or 5xx.
fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::TooLarge { .. } | Refusal::TooManyEvents { .. } | Refusal::ContentType => {
            StatusCode::BAD_REQUEST
        }
        other => other.http_status(),
    };
    let code = status.canonical_reason().unwrap_or("refused").to_lowercase().replace(' ', "_");
    let told = json!({ "success": false, "code": code, "message": refusal.to_string() });
    let mut response = (status, Json(told)).into_response();
    let headers = response.headers_mut();
    problem::set_retry_after(headers, refusal.retry_after());
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"write key\""));
    }
    response
}
