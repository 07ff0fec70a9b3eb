//! Answers that go on: events of a stream, for as long as the session is good and the console runs.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};

use crate::access::{StreamPermit, Visitor};
use crate::app::App;
use crate::problem::Problem;
use crate::watch::Looking;

/// How often an open stream says that it is alive, and how often its session is looked at again.
const ALIVE: Duration = Duration::from_secs(15);
const SESSION: Duration = Duration::from_secs(60);

struct Open<S> {
    app: App,
    visitor: Visitor,
    events: Pin<Box<S>>,
    session_due: tokio::time::Instant,
    /// Named, so that sources are asked more often while the stream is open, and that it counts as one.
    _looking: Looking,
    _permit: StreamPermit,
}

/// Sends events until they end.
pub(crate) fn send(
    app: &App,
    visitor: Visitor,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Result<Response, Problem> {
    let open = Open {
        _permit: app.access.stream_permit(&visitor)?,
        _looking: app.watch.look(),
        session_due: tokio::time::Instant::now() + SESSION,
        events: Box::pin(events),
        app: app.clone(),
        visitor,
    };
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(([("x-accel-buffering", "no")], Sse::new(guarded(open)).keep_alive(alive)).into_response())
}

fn guarded<S: Stream<Item = Event>>(open: Open<S>) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        let stop = open.app.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(open.session_due) => {
                    if !open.app.access.still_valid(&open.visitor).await {
                        return Some((Ok(Event::default().event("signed-out").data("")), None));
                    }
                    open.session_due = tokio::time::Instant::now() + SESSION;
                }
                event = open.events.next() => return Some((Ok(event?), Some(open))),
            }
        }
    })
}
