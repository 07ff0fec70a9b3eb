//! Answers that one who has them already is not sent again.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::answer::Answer;
use crate::watch::{Seen, Snapshot};

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

/// When a source was last read, and since when it does not answer; in µs since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    read_at: i64,
    away_since: Option<i64>,
}

impl Look {
    pub(super) fn at<T>(seen: &Seen<T>) -> Self {
        Self {
            read_at: seen.read_at.map_or(0, |at| at.timestamp_micros()),
            away_since: seen.away.as_ref().map(|away| away.since.timestamp_micros()),
        }
    }

    /// The sources that tell how the line does.
    pub(super) fn at_line(snapshot: &Snapshot) -> [Self; 3] {
        [Self::at(&snapshot.ops), Self::at(&snapshot.kafka), Self::at(&snapshot.shop)]
    }
}

/// What an answer from memory is recognised by: the process, and when its sources were read. While one of them
/// does not answer, what is said of it goes on with the clock.
pub(super) fn of_looks(epoch: &str, looks: &[Look], now: DateTime<Utc>) -> String {
    let read: Vec<String> = looks.iter().map(|look| look.read_at.to_string()).collect();
    let away = looks.iter().filter_map(|look| look.away_since).max();
    let away = away.map_or_else(String::new, |since| format!(".away.{since}.{}", now.timestamp()));
    format!("\"{epoch}.{}{away}\"", read.join("."))
}

/// Tells an answer from memory, unless who asks has it already.
pub(super) fn known<T: Serialize>(headers: &HeaderMap, tag: &str, answer: &Answer<T>) -> Response {
    if has(headers, tag) {
        return tagged(StatusCode::NOT_MODIFIED.into_response(), tag, false);
    }
    tagged(Json(answer).into_response(), tag, false)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::watch::Away;

    #[test]
    fn an_answer_is_another_one_when_a_source_was_read_again_or_goes_away() {
        let now = Utc::now();
        let later = now + TimeDelta::seconds(2);
        let read = |at| Look::at(&Seen::<()> { value: None, read_at: Some(at), away: None });
        let away = Seen::<()> {
            value: None,
            read_at: Some(now),
            away: Some(Away { since: now, why: "gone".into() }),
        };
        let tag = of_looks("e", &[read(now), read(now)], now);
        assert_eq!(tag, of_looks("e", &[read(now), read(now)], later), "nothing was read meanwhile");
        for other in [
            of_looks("f", &[read(now), read(now)], now),
            of_looks("e", &[read(now), read(later)], now),
            of_looks("e", &[Look::at(&away), read(now)], now),
        ] {
            assert_ne!(tag, other);
        }
        let looks = [Look::at(&away), read(now)];
        assert_eq!(of_looks("e", &looks, now), of_looks("e", &looks, now));
        assert_ne!(of_looks("e", &looks, now), of_looks("e", &looks, later), "how long it is away goes on");
    }

    #[test]
    fn who_has_an_answer_from_memory_is_not_sent_it_again() {
        let answer = Answer::read_now("told", None);
        let first = known(&HeaderMap::new(), "\"e.1\"", &answer);
        assert_eq!(
            (first.status(), &first.headers()[header::ETAG]),
            (StatusCode::OK, &"\"e.1\"".parse().unwrap())
        );
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(known(&headers, "\"e.1\"", &answer).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known(&headers, "\"e.2\"", &answer).status(), StatusCode::OK);
    }

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
