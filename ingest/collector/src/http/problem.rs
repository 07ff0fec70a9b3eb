//! Refusals as HTTP has them: problem details (RFC 9457).

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::refusal::Refusal;

/// The body of a refusal.
#[derive(Debug, Serialize)]
pub(crate) struct Problem<'a> {
    pub(crate) title: &'a str,
    pub(crate) status: u16,
    pub(crate) detail: &'a str,
    /// When the same request may be sent again, finer than `Retry-After` can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
}

pub(crate) fn response(status: StatusCode, detail: &str, retry_after: Option<Duration>) -> Response {
    let problem = Problem {
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        detail,
        retry_after_ms: retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    };
    let mut response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    set_retry_after(headers, retry_after);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Tells when the same request may be sent again, in whole seconds: rounded up, or the client would come too
/// early.
pub(super) fn set_retry_after(headers: &mut HeaderMap, retry_after: Option<Duration>) {
    if let Some(wait) = retry_after {
        let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        response(self.http_status(), &self.to_string(), self.retry_after())
    }
}
