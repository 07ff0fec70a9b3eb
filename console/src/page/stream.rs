//! `/events`: live parts of pages, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::Stream;
use serde::{Deserialize, Serialize};

use super::frame::Frame;
use crate::access::StreamPermit;
use crate::app::App;
use crate::hub::Seat;
use crate::problem::Problem;
use crate::watch::Looking;

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);
/// How often a stream without news says that it is alive: the page notices within 5 s when nothing comes.
const ALIVE: Duration = Duration::from_secs(3);
/// How often a stream's session is looked at again.
const SESSION: Duration = Duration::from_secs(60);

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/events", get(events))
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// Pages whose panels are wanted, separated by commas.
    pages: String,
    /// The newest event that the page has had; a browser tells it by header only where it connects again by
    /// itself.
    last: Option<String>,
}

/// One panel of an event.
#[derive(Serialize)]
struct Part<'a> {
    /// Its element's id.
    p: &'a str,
    /// Its element.
    h: &'a str,
}

struct Reader {
    app: App,
    frame: Frame,
    seat: Seat,
    pages: Vec<String>,
    seen: u64,
    session_due: tokio::time::Instant,
    /// Named, so that sources are asked more often while the stream is open.
    _looking: Looking,
    /// Named, so that the stream counts as open until it ends.
    _permit: StreamPermit,
}

async fn events(
    State(app): State<App>,
    frame: Frame,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let pages: Vec<String> = asked.pages.split(',').map(str::to_owned).collect();
    let seat = app
        .hub
        .join(&frame.viewing, &pages)
        .map_err(|_| Problem::busy("too many time zones are watched at once"))?;
    let permit = app.access.stream_permit(&frame.visitor)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).or(asked.last.as_deref());
    let reader = Reader {
        seen: seen(last, app.hub.epoch()),
        session_due: tokio::time::Instant::now() + SESSION,
        _looking: app.watch.look(),
        _permit: permit,
        pages,
        app,
        frame,
        seat,
    };
    let stream = stream(reader);
    let alive = KeepAlive::new().interval(ALIVE).event(Event::default().event("alive").data(""));
    Ok(([("x-accel-buffering", "no")], Sse::new(stream).keep_alive(alive)).into_response())
}

/// The version that a browser has; none where it had it of another process.
fn seen(last: Option<&str>, epoch: &str) -> u64 {
    last.and_then(|id| id.split_once('.'))
        .filter(|(of, _)| *of == epoch)
        .and_then(|(_, version)| version.parse().ok())
        .unwrap_or(0)
}

fn stream(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let stop = reader.app.stop.clone();
        loop {
            let pages: Vec<&str> = reader.pages.iter().map(String::as_str).collect();
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(reader.session_due) => {
                    if !reader.app.access.still_valid(&reader.frame.visitor).await {
                        return Some((Ok(Event::default().event("signed-out").data("")), None));
                    }
                    reader.session_due = tokio::time::Instant::now() + SESSION;
                }
                (version, parts) = reader.seat.newer(&pages, reader.seen) => {
                    reader.seen = version;
                    let data: Vec<Part<'_>> = parts.iter().map(|(id, html)| Part { p: id, h: html }).collect();
                    let event = Event::default()
                        .id(format!("{}.{version}", reader.app.hub.epoch()))
                        .event("panels")
                        .retry(RETRY)
                        .data(serde_json::to_string(&data).unwrap_or_default());
                    return Some((Ok(event), Some(reader)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_another_process_counts_as_none() {
        assert_eq!(seen(Some("a.17"), "a"), 17);
        assert_eq!(seen(Some("b.17"), "a"), 0);
        assert_eq!(seen(Some("17"), "a"), 0);
        assert_eq!(seen(None, "a"), 0);
    }
}
