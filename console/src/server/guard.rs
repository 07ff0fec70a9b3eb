//! What is refused before any handler sees it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::json;

use crate::access::{Entry, Hosts, Phase, same_origin};
use crate::app::App;
use crate::problem::{LARGEST_BODY, Problem};

/// How long an answer may take to begin; streams begin at once.
const ANSWER: Duration = Duration::from_secs(30);
/// What is read of a body that is too large before the answer, so that a client that only reads afterwards
/// gets it.
const DRAINED: usize = 8 * LARGEST_BODY;
const DRAINING: Duration = Duration::from_secs(2);

/// Refuses requests to another host name: a page elsewhere can make its name lead here.
pub(super) async fn host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if hosts.take(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    Problem::wrong_host().into_response()
}

/// Refuses changes that no page of ours asks for, and writes them down.
pub(super) async fn origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A key is sent by programs alone, never by a browser of its own accord; it changes nothing, which the
    // gate sees to.
    let by_program = request.headers().contains_key(header::AUTHORIZATION);
    if safe || by_program || same_origin(request.headers(), app.config.public_url.as_deref()) {
        return next.run(request).await;
    }
    let path: String = request.uri().path().chars().take(200).collect();
    let target = format!("{} {path}", request.method());
    let detail = json!({ "why": "not from a page of this console" });
    let entry = Entry::of_stranger("", "request", Phase::Refused, detail);
    app.access.audit_refusal(&Entry { target: &target, ..entry }).await;
    Problem::not_same_origin("Open the page here and send its form from there.").into_response()
}

/// Refuses bodies that say they are too large; those that do not say so are cut by the extractors.
pub(super) async fn size(request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or_default();
    if length <= LARGEST_BODY {
        return next.run(request).await;
    }
    if length <= DRAINED {
        let mut body = request.into_body().into_data_stream();
        let drained = async { while let Some(Ok(_)) = body.next().await {} };
        let _ = tokio::time::timeout(DRAINING, drained).await;
    }
    Problem::too_large(LARGEST_BODY).into_response()
}

/// Gives up on what takes too long.
pub(super) async fn time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::too_slow().into_response(),
    }
}
