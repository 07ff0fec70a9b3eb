//! Errors of pages and API: `application/problem+json` as of RFC 9457 for programs, a page for people.

mod words;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;

pub(crate) use words::routes;

use crate::page::plain;

/// Of a request's body: a larger one is a problem.
pub(crate) const LARGEST_BODY: usize = 256 * 1024;

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
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// The service that is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// The longest period that would be answered.
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
            instance: None,
            service: None,
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
        problem.service = Some(service.to_owned());
        problem.retry_after_s = Some(5);
        problem
    }

    /// Whether a service failed, and not whoever asked.
    pub(crate) const fn is_of_a_store(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }

    /// What went wrong and what to do.
    pub(crate) fn told(&self) -> &str {
        &self.detail
    }

    /// Too much is asked at once.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much is asked at once", detail);
        problem.retry_after_s = Some(5);
        problem
    }

    /// Nobody is signed in.
    pub(crate) fn sign_in() -> Self {
        let detail =
            "Sign in, or send a key: `Authorization: Bearer …`. `storepulse console key add NAME` makes one.";
        Self::new(StatusCode::UNAUTHORIZED, "sign-in", "Nobody is signed in", detail)
    }

    /// Somebody is signed in who may not.
    pub(crate) fn not_allowed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-allowed", "You may not do this", detail)
    }

    /// The request was not made by a page of this console.
    pub(crate) fn not_same_origin(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-same-origin",
            "The request does not come from a page of this console",
            detail,
        )
    }

    /// Somebody else was faster.
    pub(crate) fn changed_meanwhile(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "changed-meanwhile",
            "Somebody changed it meanwhile",
            detail,
        )
    }

    /// The request names another host.
    pub(crate) fn wrong_host() -> Self {
        let detail = "Use one of the names that this console was started with; `storepulse console --host NAME` adds one.";
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong-host",
            "This console does not answer to that host name",
            detail,
        )
    }

    /// The request's body is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("At most {} KiB are taken.", limit / 1024);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    /// It took too long.
    pub(crate) fn too_slow() -> Self {
        let detail = "No answer was ready in time. Ask for less, or look at `storepulse stack status`.";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too-slow", "The answer took too long", detail)
    }

    /// A defect.
    pub(crate) fn failed() -> Self {
        let detail = "The console's log says more. Please report it.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            "The console failed, which is a defect",
            detail,
        )
    }

    /// What a status says that comes without a problem, as those of extractors do.
    pub(crate) fn of_status(status: StatusCode, said: String) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("There is no page and no endpoint at this address."),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "bad-choice",
                "That cannot be done here",
                "The address takes other methods.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(LARGEST_BODY),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::too_slow(),
            status if status.is_server_error() => Self::failed(),
            status => {
                let said =
                    if said.is_empty() { "The request cannot be understood.".to_owned() } else { said };
                Self::new(status, "bad-choice", "The request cannot be answered as it stands", said)
            }
        }
    }

    /// As it is sent to whoever asked for a path: a page for people, JSON for programs.
    pub(crate) fn render(mut self, as_page: bool, theme: &str, path: &str) -> (HeaderValue, Body) {
        self.instance = Some(path.to_owned());
        if as_page {
            let page = self.page(theme).into_string();
            return (HeaderValue::from_static("text/html; charset=utf-8"), Body::from(page));
        }
        (JSON, Body::from(serde_json::to_vec(&self).unwrap_or_default()))
    }

    fn page(&self, theme: &str) -> Markup {
        let body = html! {
            p role="alert" { (self.detail) }
            p { a href=(self.kind) { "What this means" } }
            @if self.status == StatusCode::UNAUTHORIZED.as_u16() {
                p { a href="/sign-in" { "Sign in" } }
            }
            p { a href="/" { "To the first page" } }
        };
        plain::page(theme, self.title, &html! {}, &body)
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Whether somebody would rather read a page: browsers ask for HTML by name, programs do not.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let quality = |wanted: &[&str]| {
        let qualities = accepted.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let of = parts.next()?.to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            wanted.contains(&of.as_str()).then_some(quality)
        });
        qualities.fold(0.0, f32::max)
    };
    let page = quality(&["text/html", "application/xhtml+xml"]);
    page > 0.0 && page >= quality(&["application/json", "application/problem+json"])
}

impl IntoResponse for Problem {
    /// As JSON; the server draws it as a page for those who would rather read one.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_read_pages_and_programs_json() {
        let of =
            |accept: &str| wants_page(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(of("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(of("TEXT/HTML"));
        for accept in [
            "*/*",
            "application/json",
            "text/event-stream",
            "",
            "text/html;q=0.5, application/json",
            "text/html;q=0",
        ] {
            assert!(!of(accept), "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn every_problem_has_a_word_that_is_explained() {
        let problems = [
            Problem::bad_request("bad-period", ""),
            Problem::bad_request("before-floor", ""),
            Problem::period_too_long(chrono::TimeDelta::hours(1)),
            Problem::not_found(""),
            Problem::store_away("kafka", ""),
            Problem::busy(""),
            Problem::sign_in(),
            Problem::not_allowed(""),
            Problem::not_same_origin(""),
            Problem::changed_meanwhile(""),
            Problem::wrong_host(),
            Problem::too_large(1024),
            Problem::too_slow(),
            Problem::failed(),
            Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, String::new()),
            Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, String::new()),
        ];
        for problem in problems {
            assert!(words::is_explained(&problem.kind), "{}", problem.kind);
        }
    }

    #[test]
    fn what_is_said_is_escaped_on_the_page() {
        let page = Problem::not_found("<script>").page("system").into_string();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    }

    #[test]
    fn json_has_the_members_of_the_rfc() {
        let text = serde_json::to_value(Problem::store_away("kafka", "refused")).unwrap();
        assert_eq!(text["type"], "/problems/store-away");
        assert_eq!(text["status"], 503);
        assert_eq!(text["service"], "kafka");
        assert!(text.get("retry_after_s").is_none() && text.get("longest_s").is_none());
    }
}
