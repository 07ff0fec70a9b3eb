//! What the relay that holds the lock tells other terminals, in `ops.relay_status`.
//!
//! Each report of a session that has passed its checks also takes the next *beat*, and every position in
//! Kafka names the last beat that PostgreSQL had acknowledged before. A PostgreSQL that knows only of an
//! earlier beat than the position was put back to an earlier state, even if its log has since grown past the
//! position.

use chrono::{DateTime, Utc};
use contracts::{reported, silence};
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;

use crate::progress::{RelayProgress, RelayState};
use crate::quarantine::QuarantineProgress;

/// Which slot is reported about, by whom.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) slot: String,
    pub(crate) holder: String,
    pub(crate) started_at: DateTime<Utc>,
    quarantine: Option<watch::Receiver<QuarantineProgress>>,
}

impl Desk {
    pub(crate) fn new(slot: String, quarantine: Option<watch::Receiver<QuarantineProgress>>) -> Self {
        Self { slot, holder: contracts::process_name::this(), started_at: Utc::now(), quarantine }
    }

    /// Writes a report and returns the beat that is now committed.
    pub(crate) async fn report(
        &self,
        client: &Client,
        progress: &RelayProgress,
        detail: &str,
        next_beat: bool,
    ) -> Result<i64, tokio_postgres::Error> {
        let (state, why) = words(&progress.state);
        let detail = if detail.is_empty() { why } else { detail };
        let slot = progress.slot;
        let committed = (progress.committed_lsn > 0).then(|| PgLsn::from(progress.committed_lsn));
        let waiting_ms = progress
            .awaiting_kafka_since
            .map(|since| i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX));
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let latency = Some(progress.latency).filter(|latency| latency.rows > 0);
        // A copy: the channel's lock must not be held while waiting.
        let quarantine = self.quarantine.as_ref().map(|quarantine| quarantine.borrow().state.clone());
        let quarantine = quarantine.as_ref().map(words);
        let row = client
            .query_one(
                "insert into ops.relay_status as known (slot, holder, state, detail, beat, committed_lsn, server_lsn, \
                     slot_active, wal_status, retained_bytes, safe_bytes, unacknowledged_ms, warning, warning_detail, \
                     events_out, users_out, restarts, started_at, latency_p50_us, latency_p99_us, \
                     quarantine_state, quarantine_detail, reported_at, state_since) \
                 select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
                     at, at from clock_timestamp() at \
                 on conflict (slot) do update set holder = excluded.holder, state = excluded.state, \
                     detail = excluded.detail, beat = known.beat + excluded.beat, \
                     committed_lsn = coalesce(excluded.committed_lsn, known.committed_lsn), \
                     server_lsn = excluded.server_lsn, slot_active = excluded.slot_active, \
                     wal_status = excluded.wal_status, retained_bytes = excluded.retained_bytes, \
                     safe_bytes = excluded.safe_bytes, unacknowledged_ms = excluded.unacknowledged_ms, \
                     warning = excluded.warning, warning_detail = excluded.warning_detail, \
                     events_out = excluded.events_out, users_out = excluded.users_out, \
                     restarts = excluded.restarts, started_at = excluded.started_at, \
                     latency_p50_us = excluded.latency_p50_us, latency_p99_us = excluded.latency_p99_us, \
                     quarantine_state = excluded.quarantine_state, quarantine_detail = excluded.quarantine_detail, \
                     reported_at = excluded.reported_at, \
                     state_since = case when known.state = excluded.state and known.state_since is not null \
                         then known.state_since else excluded.state_since end \
                 returning beat",
                &[
                    &self.slot,
                    &self.holder,
                    &state,
                    &detail,
                    &i64::from(next_beat),
                    &committed,
                    &PgLsn::from(progress.server_lsn),
                    &slot.is_some_and(|slot| slot.active),
                    &slot.map_or("missing", |slot| slot.wal_status.as_str()),
                    &slot.and_then(|slot| slot.retained_bytes).map(count),
                    &slot.and_then(|slot| slot.safe_bytes),
                    &waiting_ms,
                    &progress.warning.map(|warning| warning.kind()),
                    &progress.warning.map(|warning| warning.to_string()).unwrap_or_default(),
                    &count(progress.events_out),
                    &count(progress.users_out),
                    &count(progress.restarts),
                    &self.started_at,
                    &latency.map(|latency| microseconds(latency.p50_ms)),
                    &latency.map(|latency| microseconds(latency.p99_ms)),
                    &quarantine.map(|(state, _)| state),
                    &quarantine.map_or("", |(_, why)| why),
                ],
            )
            .await?;
        Ok(row.get(0))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "minutes at most")]
fn microseconds(ms: f64) -> i64 {
    (ms * 1_000.0).round() as i64
}

/// The word for a state, and why.
fn words(state: &RelayState) -> (&'static str, &str) {
    match state {
        // One that stands by does not report: the row is its holder's.
        RelayState::Starting | RelayState::Standby => (reported::relay::STARTING, ""),
        RelayState::Streaming => (reported::relay::STREAMING, ""),
        RelayState::Reconnecting { why } => (reported::relay::RECONNECTING, why),
        RelayState::Stopped => (reported::relay::STOPPED, ""),
    }
}

/// The last beat that PostgreSQL knows of, if any.
pub(crate) async fn beat(client: &Client, slot: &str) -> Result<Option<i64>, tokio_postgres::Error> {
    let row = client.query_opt("select beat from ops.relay_status where slot = $1", &[&slot]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// A report, as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayStatus {
    /// Which process, as in `pid 4711 on shop-1`.
    pub holder: String,
    /// `starting`, `streaming`, `reconnecting` or `stopped`.
    pub state: String,
    /// Why, where there is something to say.
    pub detail: String,
    /// The position that is committed in Kafka.
    pub committed_lsn: Option<PgLsn>,
    /// Where PostgreSQL's log ended.
    pub server_lsn: PgLsn,
    /// For how long Kafka had acknowledged nothing of the open transaction, in ms, where that is worth
    /// telling.
    pub unacknowledged_ms: Option<i64>,
    /// Records committed to the events topic by this process.
    pub events_out: i64,
    /// Records committed to the users topic by this process.
    pub users_out: i64,
    /// How often it has started again after a failure.
    pub restarts: i64,
    /// When the process began.
    pub started_at: DateTime<Utc>,
    /// When it last reported.
    pub reported_at: DateTime<Utc>,
    /// How long ago that was, in ms by PostgreSQL's clock.
    pub silent_ms: i64,
}

impl RelayStatus {
    /// Whether nothing was reported for so long that no relay is at work.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent_ms > silence::RELAY_S * 1_000
    }

    /// Whether a relay streams, as far as can be told.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.state == reported::relay::STREAMING && !self.is_silent()
    }
}

/// The last report about a slot; nothing where no relay has ever held its lock.
///
/// # Errors
/// When PostgreSQL cannot be asked, or is not set up.
pub async fn read(client: &Client, slot: &str) -> Result<Option<RelayStatus>, tokio_postgres::Error> {
    let row = client
        .query_opt(
            "select holder, state, detail, committed_lsn, server_lsn, unacknowledged_ms, events_out, users_out, restarts, \
                    started_at, reported_at, \
                    (extract(epoch from clock_timestamp() - reported_at) * 1000)::bigint \
             from ops.relay_status where slot = $1",
            &[&slot],
        )
        .await?;
    Ok(row.map(|row| RelayStatus {
        holder: row.get(0),
        state: row.get(1),
        detail: row.get(2),
        committed_lsn: row.get(3),
        server_lsn: row.get(4),
        unacknowledged_ms: row.get(5),
        events_out: row.get(6),
        users_out: row.get(7),
        restarts: row.get(8),
        started_at: row.get(9),
        reported_at: row.get(10),
        silent_ms: row.get(11),
    }))
}
