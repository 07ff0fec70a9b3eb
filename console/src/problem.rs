//! Errors of pages and API: `application/problem+json` as of RFC 9457 for programs, a page for people.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong, and what to do.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// `/problems/<word>`, a page that says more.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What to do.
    detail: String,
    /// The longest stretch that is answered, where this one was too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_s: Option<i64>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, word: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{word}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            longest_s: None,
            retry_after_s: None,
        }
    }

    /// What to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(word: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, word, "The request cannot be answered as it stands", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-name", "There is nothing of that name", detail)
    }

    /// So long a stretch is not read for one answer.
    pub(crate) fn period_too_long(longest: chrono::TimeDelta) -> Self {
        let detail = format!("Ask for {} s at most, or for a longer step.", longest.num_seconds());
        let mut problem = Self::bad_request("period-too-long", detail);
        problem.longest_s = Some(longest.num_seconds());
        problem
    }

    /// A service does not answer.
    pub(crate) fn store_away(service: &str, why: impl std::fmt::Display) -> Self {
        let detail =
            format!("{service} does not answer: {why}. Look at `storepulse stack status`, then try again.");
        let mut problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-away", "A service does not answer", detail);
        problem.retry_after_s = Some(5);
        problem
    }

    /// Too much is asked at once.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much is asked at once", detail);
        problem.retry_after_s = Some(5);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.retry_after_s;
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
