//! Answers that one who has them already is not sent again.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// Whether who asks has this answer already.
pub(super) fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

/// An answer with its tag; `over` says that it can change only where its tag does, so that it is kept unasked.
pub(super) fn tagged(mut response: Response, tag: &str, over: bool) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    let cache = if over { "private, max-age=60" } else { "private, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_one_has_is_recognised_in_a_list_and_weak() {
        let headers = |value: &str| {
            HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap())])
        };
        for value in ["\"a.1\"", "W/\"a.1\"", "\"b\", \"a.1\"", "*"] {
            assert!(has(&headers(value), "\"a.1\""), "{value}");
        }
        for value in ["\"a.2\"", "a.1", ""] {
            assert!(!has(&headers(value), "\"a.1\""), "{value}");
        }
    }
}
