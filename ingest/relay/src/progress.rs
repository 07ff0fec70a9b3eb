//! What the relay tells about itself.

use tokio::sync::watch;

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
}
