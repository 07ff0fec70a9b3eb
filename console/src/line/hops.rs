//! The hops of the line: how each does, since when, and why it stands still where it does.
//!
//! Why is said by the store or part itself; what the console has only seen from outside is told apart. A hop
//! that stands still makes those behind it wait: they are not to blame. A quiet shop is not a line that
//! stands still.

mod parts;
#[cfg(test)]
pub(crate) mod tests_support;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use parts::{LATE_MS, is_quiet, lag, newest_event, patience};

use crate::page::states::State;
use crate::watch::Snapshot;

/// A part of the way from the shop to its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HopName {
    /// Who brings events in.
    Senders,
    /// Where they are stored first.
    Postgresql,
    /// What takes them from its log.
    Relay,
    /// Where it puts them.
    Kafka,
    /// What computes figures.
    Spark,
    /// Where these are read.
    Cassandra,
}

impl HopName {
    /// As people write it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Senders => "Senders",
            Self::Postgresql => "PostgreSQL",
            Self::Relay => "Relay",
            Self::Kafka => "Kafka",
            Self::Spark => "Spark",
            Self::Cassandra => "Cassandra",
        }
    }

    /// As the API's parameter has it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Senders => "senders",
            Self::Postgresql => "postgresql",
            Self::Relay => "relay",
            Self::Kafka => "kafka",
            Self::Spark => "spark",
            Self::Cassandra => "cassandra",
        }
    }

    /// All of them, in the order of the way.
    pub(crate) const ALL: [Self; 6] =
        [Self::Senders, Self::Postgresql, Self::Relay, Self::Kafka, Self::Spark, Self::Cassandra];
}

/// How a hop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HopState {
    /// It does what it should.
    Runs,
    /// It trails.
    Late,
    /// It stands still.
    Stopped,
    /// Another hop stands still, and it can do nothing before that goes on.
    Waits,
    /// It cannot be told.
    Unknown,
}

impl HopState {
    /// How it is drawn.
    pub(crate) const fn mark(self) -> State {
        match self {
            Self::Runs => State::Runs,
            Self::Late => State::Late,
            Self::Stopped => State::Stopped,
            Self::Waits => State::Waits,
            Self::Unknown => State::Unknown,
        }
    }

    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Late => "late",
            Self::Stopped => "stopped",
            Self::Waits => "waits",
            Self::Unknown => "not known",
        }
    }
}

/// Who says since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SinceIs {
    /// The console noticed it then; it may have begun earlier.
    Seen,
    /// The part itself reported it.
    Reported,
}

/// Milliseconds from an event to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lag {
    pub(crate) p50: Option<i64>,
    pub(crate) p99: Option<i64>,
}

/// What a hop has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Behind {
    /// Offsets of Kafka, transaction markers included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offsets: Option<i64>,
    /// Bytes of PostgreSQL's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<i64>,
    /// By how much that grows a second; less than 0 where it catches up.
    pub(crate) growth_per_s: Option<f64>,
    pub(crate) growing: bool,
}

/// A hop.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Hop {
    pub(crate) hop: HopName,
    pub(crate) state: HopState,
    /// Since when it is in a state other than `runs`.
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) since_is: Option<SinceIs>,
    /// In the words of the store or part itself.
    pub(crate) why: Option<String>,
    /// What can be seen from outside.
    pub(crate) seen: Option<String>,
    /// The hop that it waits for.
    pub(crate) waits_for: Option<HopName>,
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) lag_ms: Option<Lag>,
    pub(crate) behind: Option<Behind>,
    /// The newest event that got here.
    pub(crate) newest_event_at: Option<DateTime<Utc>>,
}

impl Hop {
    /// One that runs.
    fn runs(hop: HopName) -> Self {
        Self {
            hop,
            state: HopState::Runs,
            since: None,
            since_is: None,
            why: None,
            seen: None,
            waits_for: None,
            rate_per_s: None,
            lag_ms: None,
            behind: None,
            newest_event_at: None,
        }
    }

    fn in_state(self, state: HopState) -> Self {
        Self { state, ..self }
    }

    fn since(self, at: Option<DateTime<Utc>>, is: SinceIs) -> Self {
        Self { since: at, since_is: at.map(|_| is), ..self }
    }

    /// In its own words, where it has any.
    fn why(self, words: &str) -> Self {
        let words = words.trim();
        if words.is_empty() { self } else { Self { why: Some(words.to_owned()), ..self } }
    }

    fn seen(self, text: impl Into<String>) -> Self {
        Self { seen: Some(text.into()), ..self }
    }

    /// Its own words, or what is seen of it.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.why.as_deref().or(self.seen.as_deref())
    }
}

/// Every hop, in the order of the way.
pub(crate) fn hops(snapshot: &Snapshot, now: DateTime<Utc>) -> Vec<Hop> {
    let mut hops = vec![
        parts::senders(snapshot),
        parts::postgresql(snapshot, now),
        parts::relay(snapshot),
        parts::kafka(snapshot, now),
        parts::spark(snapshot),
        parts::cassandra(snapshot, now),
    ];
    blame(&mut hops);
    hops
}

/// What stands still because of another hop waits for that one.
fn blame(hops: &mut [Hop]) {
    let stands =
        |hops: &[Hop], hop: HopName| hops.iter().any(|h| h.hop == hop && h.state == HopState::Stopped);
    // Where a store behind them is away, relay and Spark try again and say so; the store is what to look at.
    for (trying, store) in [
        (HopName::Relay, HopName::Kafka),
        (HopName::Spark, HopName::Kafka),
        (HopName::Spark, HopName::Cassandra),
    ] {
        if !stands(hops, store) {
            continue;
        }
        for hop in hops.iter_mut().filter(|hop| hop.hop == trying && parts::tries(hop)) {
            hop.state = HopState::Waits;
            hop.waits_for = Some(store);
        }
    }
    let Some(first) = hops.iter().position(|hop| hop.state == HopState::Stopped) else { return };
    let (cause, since, since_is) = match hops.get(first) {
        Some(hop) => (hop.hop, hop.since, hop.since_is),
        None => return,
    };
    for hop in hops.iter_mut().skip(first + 1) {
        if matches!(hop.state, HopState::Runs | HopState::Late) {
            hop.state = HopState::Waits;
            hop.waits_for = Some(cause);
            (hop.since, hop.since_is) = (since, since_is);
        }
    }
}

/// The hop to look at first: one that stands still, else one of which nothing is known, else one that trails.
pub(crate) fn worst(hops: &[Hop]) -> Option<&Hop> {
    [HopState::Stopped, HopState::Unknown, HopState::Late]
        .into_iter()
        .find_map(|state| hops.iter().find(|hop| hop.state == state))
}

#[cfg(test)]
mod tests;
