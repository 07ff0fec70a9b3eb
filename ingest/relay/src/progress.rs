//! What the relay tells about itself.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::guard::{SlotHealth, Warning};
use crate::latency::LatencySummary;

/// What it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RelayState {
    /// Another relay holds the lock; this one takes over when it goes.
    Standby,
    /// Getting the lock, fencing, reading the position, checking.
    #[default]
    Starting,
    /// Rows flow.
    Streaming,
    /// Something is not reachable; the next attempt follows.
    Reconnecting {
        /// What failed, in one line.
        why: String,
    },
    /// It has ended by request.
    Stopped,
}

/// A snapshot. Counts are of this process since it began and hold committed rows only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RelayProgress {
    /// What it is doing.
    pub state: RelayState,
    /// Records committed to the events topic.
    pub events_out: u64,
    /// Records committed to the users topic, tombstones among them.
    pub users_out: u64,
    /// Rows that could not be transcoded and lie in `raw.quarantine`.
    pub rows_quarantined: u64,
    /// Kafka transactions committed.
    pub kafka_transactions: u64,
    /// Rows in the last of them.
    pub last_transaction_rows: u64,
    /// The position that is committed and confirmed.
    pub committed_lsn: u64,
    /// Where PostgreSQL's log ended when last asked.
    pub server_lsn: u64,
    /// Bytes of log between the two; all databases of the cluster share it.
    pub lag_bytes: u64,
    /// From PostgreSQL's commit to Kafka's, over the last 10 to 20 s.
    pub latency: LatencySummary,
    /// How often it has started again after a failure.
    pub restarts: u64,
    /// Since when Kafka has been waited for, where that is longer than a commit takes.
    pub awaiting_kafka_since: Option<Instant>,
    /// The slot when last asked about.
    pub slot: Option<SlotHealth>,
    /// What will go wrong unless somebody acts.
    pub warning: Option<Warning>,
}

impl RelayProgress {
    /// How long Kafka has acknowledged nothing of what it was sent. The session goes on until its patience
    /// ends: nothing is known about the open transaction before the start order has run again.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<Duration> {
        self.awaiting_kafka_since.map(|since| since.elapsed())
    }
}

/// The sending side.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(watch::Sender<RelayProgress>);

impl Reporter {
    pub(crate) const fn new(sender: watch::Sender<RelayProgress>) -> Self {
        Self(sender)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut RelayProgress)) {
        self.0.send_modify(|progress| {
            change(progress);
            progress.lag_bytes = progress.server_lsn.saturating_sub(progress.committed_lsn);
        });
    }

    pub(crate) fn state(&self, state: RelayState) {
        self.update(|progress| progress.state = state);
    }

    pub(crate) fn snapshot(&self) -> RelayProgress {
        self.0.borrow().clone()
    }

    /// Tells once that Kafka is being waited for.
    pub(crate) fn awaiting_kafka(&self, since: Instant) {
        if self.0.borrow().awaiting_kafka_since.is_none() {
            self.update(|progress| progress.awaiting_kafka_since = Some(since));
        }
    }
}
