//! What the console knows of the system: one look at each source for all viewers, and how old it is.
//!
//! Each source has a task of its own, so that one that hangs holds up no other. A source that does not answer
//! keeps its last value, with the time at which it was read and since when and why no newer one comes: what
//! is shown is never silently old.

mod counted;
pub(crate) mod kafka;
pub(crate) mod ops;
pub(crate) mod orders;
pub(crate) mod others;
pub(crate) mod quarantine;
pub(crate) mod registry;
pub(crate) mod services;
pub(crate) mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::actions::operations::Operations;
use crate::alerts::Alerts;

/// Why a source told nothing.
pub(crate) type Refused = Box<dyn std::error::Error + Send + Sync>;

/// What a source last told.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    /// Its last value; none where it has never answered.
    pub(crate) value: Option<Arc<T>>,
    /// When that was read.
    pub(crate) read_at: Option<DateTime<Utc>>,
    /// Set while it does not answer.
    pub(crate) away: Option<Away>,
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), read_at: self.read_at, away: self.away.clone() }
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { value: None, read_at: None, away: None }
    }
}

/// A source that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Away {
    pub(crate) since: DateTime<Utc>,
    /// In its own words.
    pub(crate) why: String,
}

/// The sources, as panels name what they are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// `ops.*` in PostgreSQL: relay, slot, job, ledger, verifications.
    Ops,
    /// The shop's tables in Cassandra.
    Shop,
    /// Topics.
    Kafka,
    /// Orders as they come in, from Kafka.
    Orders,
    /// Subjects.
    Registry,
    /// `raw.quarantine`.
    Quarantine,
    /// `raw.other_events`.
    Others,
    /// What operators have this console do.
    Operations,
    /// What the console makes of all of them.
    Alerts,
}

impl Source {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 9] = [
        Self::Ops,
        Self::Shop,
        Self::Kafka,
        Self::Orders,
        Self::Registry,
        Self::Quarantine,
        Self::Others,
        Self::Operations,
        Self::Alerts,
    ];
}

/// Everything known at one moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) ops: Seen<ops::Ops>,
    pub(crate) shop: Seen<shop::Shop>,
    pub(crate) kafka: Seen<kafka::Topics>,
    pub(crate) orders: Seen<orders::Ticker>,
    pub(crate) registry: Seen<registry::Subjects>,
    pub(crate) quarantine: Seen<quarantine::Summary>,
    pub(crate) others: Seen<others::Others>,
    pub(crate) operations: Seen<Operations>,
    /// No page is drawn from it.
    pub(crate) services: Seen<services::Services>,
    pub(crate) alerts: Seen<Alerts>,
}

/// The channels that the sources' tasks write to.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) ops: watch::Sender<Seen<ops::Ops>>,
    pub(crate) shop: watch::Sender<Seen<shop::Shop>>,
    pub(crate) kafka: watch::Sender<Seen<kafka::Topics>>,
    pub(crate) orders: watch::Sender<Seen<orders::Ticker>>,
    pub(crate) registry: watch::Sender<Seen<registry::Subjects>>,
    pub(crate) quarantine: watch::Sender<Seen<quarantine::Summary>>,
    pub(crate) others: watch::Sender<Seen<others::Others>>,
    pub(crate) operations: watch::Sender<Seen<Operations>>,
    pub(crate) services: watch::Sender<Seen<services::Services>>,
    pub(crate) alerts: watch::Sender<Seen<Alerts>>,
    viewers: AtomicUsize,
    came: Notify,
}

impl Watch {
    /// Everything known now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            ops: self.ops.borrow().clone(),
            shop: self.shop.borrow().clone(),
            kafka: self.kafka.borrow().clone(),
            orders: self.orders.borrow().clone(),
            registry: self.registry.borrow().clone(),
            quarantine: self.quarantine.borrow().clone(),
            others: self.others.borrow().clone(),
            operations: self.operations.borrow().clone(),
            services: self.services.borrow().clone(),
            alerts: self.alerts.borrow().clone(),
        }
    }

    /// Says that somebody looks, until the guard is dropped: sources are asked more often meanwhile.
    pub(crate) fn look(self: &Arc<Self>) -> Looking {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        self.came.notify_waiters();
        Looking(Arc::clone(self))
    }

    /// Whether somebody looks.
    pub(crate) fn watched(&self) -> bool {
        self.viewers() > 0
    }

    /// How many look.
    pub(crate) fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Waits until a source is due again: earlier where somebody begins to look.
    pub(crate) async fn due(&self, pace: Pace) {
        if self.watched() {
            return tokio::time::sleep(pace.watched).await;
        }
        let came = self.came.notified();
        tokio::select! {
            () = tokio::time::sleep(pace.alone) => {}
            () = came => {}
        }
    }
}

#[derive(Debug)]
pub(crate) struct Looking(Arc<Watch>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often a source is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// While somebody looks.
    pub(crate) watched: Duration,
    /// While nobody does.
    pub(crate) alone: Duration,
    /// How long an answer may take.
    pub(crate) answer: Duration,
}

/// Asks a source again and again until the console stops. An answer that does not come in time counts as a
/// refusal.
///
/// A plain closure that returns a future: of an asynchronous one the compiler cannot tell that its task may
/// be spawned.
pub(crate) async fn keep<T, F>(
    watch: &Watch,
    channel: &watch::Sender<Seen<T>>,
    pace: Pace,
    stop: &CancellationToken,
    mut ask: impl FnMut(Option<Arc<T>>) -> F,
) where
    F: Future<Output = Result<T, Refused>>,
{
    loop {
        let before = channel.borrow().value.clone();
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tokio::time::timeout(pace.answer, ask(before)) => answer,
        };
        publish(channel, pace, answer);
        tokio::select! {
            () = stop.cancelled() => return,
            () = watch.due(pace) => {}
        }
    }
}

/// Publishes an answer, or why there is none.
fn publish<T>(
    channel: &watch::Sender<Seen<T>>,
    pace: Pace,
    answer: Result<Result<T, Refused>, tokio::time::error::Elapsed>,
) {
    match answer {
        Ok(Ok(value)) => told(channel, value),
        Ok(Err(error)) => refused(channel, words(&*error)),
        Err(_) => refused(channel, format!("no answer within {} s", pace.answer.as_secs_f32())),
    }
}

/// Publishes a value.
pub(crate) fn told<T>(channel: &watch::Sender<Seen<T>>, value: T) {
    channel.send_replace(Seen { value: Some(Arc::new(value)), read_at: Some(Utc::now()), away: None });
}

/// Keeps the last value and says that no newer one comes.
pub(crate) fn refused<T>(channel: &watch::Sender<Seen<T>>, why: String) {
    channel.send_modify(|seen| {
        let since = seen.away.as_ref().map_or_else(Utc::now, |away| away.since);
        seen.away = Some(Away { since, why });
    });
}

/// An error and its causes in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// What a source that is away says, and since when.
pub(crate) fn words_of_away(service: &str, away: &Away) -> String {
    let since = away.since.format("%H:%M:%S UTC");
    format!("{service} does not answer since {since}: {}", away.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_goes_away_keeps_its_value_and_the_time_since_when() {
        let channel = watch::Sender::new(Seen::<i32>::default());
        told(&channel, 7);
        refused(&channel, "first".into());
        let since = channel.borrow().away.clone().unwrap().since;
        refused(&channel, "second".into());
        let seen = channel.borrow().clone();
        assert_eq!(seen.value.as_deref(), Some(&7));
        assert_eq!(seen.away, Some(Away { since, why: "second".into() }));
        told(&channel, 8);
        assert_eq!(channel.borrow().away, None);
    }
}
