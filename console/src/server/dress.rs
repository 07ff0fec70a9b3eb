//! What every answer wears: the policies that browsers keep to, and errors in a form that whoever asked can
//! read.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::trusted_by_browsers;
use crate::app::App;
use crate::page::plain;
use crate::problem::{Problem, wants_page};

/// Nothing but our own files, no markup from strings, no frame around us.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types storepulse",
);
/// Of what an extractor says about a request.
const LONGEST_SAID: usize = 4096;

pub(super) async fn dress(State(app): State<App>, request: Request, next: Next) -> Response {
    let as_page = wants_page(request.headers());
    let theme = plain::theme(request.headers());
    let trusted = trusted_by_browsers(request.headers(), app.config.public_url.as_deref());
    let path = request.uri().path().to_owned();
    let mut response = readable(next.run(request).await, as_page, theme, &path).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|media_type| media_type.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    if is_page {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Without a referrer browsers send `Origin: null` with forms, and where they do not trust the address no
    // `Sec-Fetch-Site` either: there a form could not be told from a forged one.
    let referrer = if trusted { "no-referrer" } else { "same-origin" };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // The same address answers with a page or with JSON.
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Draws a problem as whoever asked would rather read it. Errors without one, as those of extractors, become
/// one.
async fn readable(mut response: Response, as_page: bool, theme: &str, path: &str) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if !(status.is_client_error() || status.is_server_error()) => return response,
        None => {
            let media_type = response.headers().get(header::CONTENT_TYPE);
            if media_type.is_some_and(|media_type| !media_type.as_bytes().starts_with(b"text/plain")) {
                return response;
            }
            let body = std::mem::replace(response.body_mut(), Body::empty());
            let said = to_bytes(body, LONGEST_SAID).await.unwrap_or_default();
            let problem = Problem::of_status(status, String::from_utf8_lossy(&said).into_owned());
            *response.body_mut() = Body::empty();
            problem
        }
    };
    let (media_type, body) = problem.render(as_page, theme, path);
    *response.body_mut() = body;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

/// What stands in place of an answer whose handler panicked.
#[allow(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub(super) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(|said| (*said).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(said, "a handler panicked, which is a defect");
    Problem::failed().into_response()
}
