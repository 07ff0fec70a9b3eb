use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// One answer gone wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A right answer: what comes before or between faults.
    None,
    /// 429 with a JSON `error` body.
    RateLimited {
        /// The header of that name, in seconds; the API sends none.
        retry_after_s: Option<u32>,
    },
    /// 503 with the same body, as until 2020.
    RateLimitedAs503,
    /// Status 200 with an `error` body.
    ErrorWith200,
    /// Status 200 with no users, as in the outage of 2026.
    Empty,
    /// 502 with HTML from whoever stands in front.
    BadGateway,
    /// 403 with HTML: the address is blocked.
    Blocked,
    /// Status 200 with HTML.
    Html,
    /// JSON that ends in the middle.
    Truncated,
    /// One user fewer than asked for.
    OneTooFew,
    /// No answer for this long.
    Slow(Duration),
    /// A page in which this record is replaced.
    Record {
        /// Which one, from 0.
        index: usize,
        /// By what.
        by: Value,
    },
    /// A page whose second user has the first one's `login.uuid`.
    DuplicateUuid,
    /// Another version's page.
    OtherVersion,
}

/// What is to go wrong, shared with the server.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    script: Mutex<VecDeque<Fault>>,
    requests: AtomicU64,
}

impl Faults {
    pub(super) fn add(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    pub(super) fn next(&self) -> Option<Fault> {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body>cloudy</body></html>";

/// Faults that need no page.
pub(super) async fn instead_of_an_answer(
    fault: Option<&Fault>,
    asked: u32,
    stop: &CancellationToken,
) -> Option<Response> {
    let html = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
    let limited = json!({ "error": "You have reached the limit of 20000 users in 5 minutes" }).to_string();
    let as_json = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    Some(match fault? {
        Fault::RateLimited { retry_after_s: None } => {
            (StatusCode::TOO_MANY_REQUESTS, as_json, limited).into_response()
        }
        Fault::RateLimited { retry_after_s: Some(seconds) } => {
            let wait = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, as_json, wait, limited).into_response()
        }
        Fault::RateLimitedAs503 => (StatusCode::SERVICE_UNAVAILABLE, as_json, limited).into_response(),
        Fault::ErrorWith200 => {
            (as_json, json!({ "error": "Uh oh, something has gone wrong" }).to_string()).into_response()
        }
        Fault::Empty => {
            let info = json!({ "seed": "", "results": 1, "page": 1, "version": super::API_VERSION });
            tracing::debug!(asked, "simulated outage");
            (as_json, json!({ "results": [], "info": info }).to_string()).into_response()
        }
        Fault::BadGateway => (StatusCode::BAD_GATEWAY, html, HTML).into_response(),
        Fault::Blocked => (StatusCode::FORBIDDEN, html, HTML).into_response(),
        Fault::Html => (html, HTML).into_response(),
        Fault::Slow(by) => {
            tokio::select! {
                () = tokio::time::sleep(*by) => {}
                () = stop.cancelled() => {}
            }
            return None;
        }
        _ => return None,
    })
}

/// Faults within a page.
pub(super) fn spoil_page(fault: Option<&Fault>, mut page: Value) -> Value {
    match fault {
        Some(Fault::OneTooFew) => {
            if let Some(results) = page["results"].as_array_mut() {
                results.pop();
            }
        }
        Some(Fault::Record { index, by }) => {
            if let Some(record) = page["results"].get_mut(*index) {
                *record = by.clone();
            }
        }
        Some(Fault::DuplicateUuid) => {
            let first = page["results"][0]["login"]["uuid"].clone();
            if let Some(second) = page["results"].get_mut(1) {
                second["login"]["uuid"] = first;
            }
        }
        Some(Fault::OtherVersion) => page["info"]["version"] = json!("1.5"),
        _ => {}
    }
    page
}

/// Faults of the bytes.
pub(super) fn spoil_body(fault: Option<&Fault>, body: String) -> Vec<u8> {
    let mut bytes = body.into_bytes();
    if fault == Some(&Fault::Truncated) {
        bytes.truncate(bytes.len() * 2 / 3);
    }
    bytes
}
