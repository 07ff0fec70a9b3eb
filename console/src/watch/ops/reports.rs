//! What relay, supervisor, ingestors and audits write to `ops`, as it comes out of PostgreSQL.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::shortened::shortened;

/// The relay's own report, at most a second old while it is well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Relay {
    pub(crate) holder: String,
    /// `starting`, `streaming`, `reconnecting` or `stopped`.
    pub(crate) state: String,
    /// Why, in its own words.
    pub(crate) detail: String,
    /// Since when it is in this state; not known of relays that do not report it.
    pub(crate) state_since: Option<DateTime<Utc>>,
    pub(crate) warning: Option<String>,
    pub(crate) warning_detail: String,
    /// Bytes of PostgreSQL's log that are not yet committed in Kafka.
    pub(crate) behind_bytes: Option<i64>,
    pub(crate) unacknowledged_ms: Option<i64>,
    pub(crate) events_out: i64,
    pub(crate) users_out: i64,
    pub(crate) restarts: i64,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) reported_at: DateTime<Utc>,
    /// From the commit in PostgreSQL to the commit in Kafka, of the last minute.
    pub(crate) latency_p50_us: Option<i64>,
    pub(crate) latency_p99_us: Option<i64>,
    /// The consumer that fetches refused records.
    pub(crate) quarantine_state: Option<String>,
    pub(crate) quarantine_detail: String,
}

/// The replication slot, as PostgreSQL has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Slot {
    pub(crate) active: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(crate) wal_status: Option<String>,
    /// Log that is kept for it.
    pub(crate) retained_bytes: Option<i64>,
    /// Log that may still be written before it is given up; nothing where there is no limit.
    pub(crate) safe_bytes: Option<i64>,
}

/// The newest run of the job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Run {
    pub(crate) run_id: String,
    pub(crate) holder: String,
    /// `starting`, `running`, `restarting`, `stopping`, `stopped` or `held`.
    pub(crate) state: String,
    pub(crate) stop_requested: bool,
    pub(crate) restarts: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) reported_at: DateTime<Utc>,
    /// Why, in the supervisor's words.
    pub(crate) detail: String,
    pub(crate) progress: Option<Progress>,
}

/// The supervisor's figures of the cube's query.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    pub(crate) batch_id: Option<i64>,
    pub(crate) batches: i64,
    pub(crate) batch_ms: i64,
    pub(crate) input_rows: i64,
    pub(crate) rows_per_s: f64,
    pub(crate) watermark: Option<DateTime<Utc>>,
    pub(crate) newest_event: Option<DateTime<Utc>>,
    pub(crate) lag_p50_ms: Option<i64>,
    pub(crate) lag_p99_ms: Option<i64>,
    pub(crate) offsets_behind: i64,
    pub(crate) state_rows: i64,
    pub(crate) rows_dropped_by_watermark: i64,
}

/// Who may run the job, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Lease {
    pub(crate) holder: String,
    pub(crate) fencing: i64,
    pub(crate) renewed_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// How a query does now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct QueryReport {
    pub(crate) query: String,
    pub(crate) revision: i64,
    pub(crate) newest: bool,
    /// `waiting`, `running` or `ended`.
    pub(crate) state: String,
    pub(crate) trigger_ms: i64,
    pub(crate) trigger_active: bool,
    pub(crate) data_available: bool,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) reported_at: DateTime<Utc>,
}

/// One micro-batch.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Batch {
    pub(crate) query: String,
    pub(crate) revision: i64,
    pub(crate) batch_id: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) rows_in: i64,
    pub(crate) duration_ms: i64,
    /// By Spark's names; `triggerExecution` is the whole.
    pub(crate) phases_ms: BTreeMap<String, i64>,
    pub(crate) state_rows: i64,
    pub(crate) dropped_rows: i64,
    pub(crate) watermark: Option<DateTime<Utc>>,
    pub(crate) newest_event_at: Option<DateTime<Utc>>,
    pub(crate) lag_p50_ms: Option<i64>,
    pub(crate) lag_p99_ms: Option<i64>,
    /// Topic, partition, offset behind its last record.
    pub(crate) end_offsets: BTreeMap<String, BTreeMap<String, i64>>,
    pub(crate) offsets_behind: i64,
}

impl Batch {
    /// When it ended.
    pub(crate) fn ended_at(&self) -> DateTime<Utc> {
        self.started_at + chrono::TimeDelta::milliseconds(self.duration_ms)
    }
}

/// Why a query ended, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Fault {
    pub(crate) fault_id: i64,
    pub(crate) job: String,
    pub(crate) query: String,
    pub(crate) revision: i64,
    pub(crate) batch_id: Option<i64>,
    pub(crate) summary: String,
    pub(crate) exception: String,
    pub(crate) occurred_at: DateTime<Utc>,
}

/// What ingestors counted of one minute of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Minute {
    pub(crate) minute: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// What became of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) records_in: i64,
    pub(crate) records_out: i64,
    pub(crate) repeated: i64,
    pub(crate) quarantined: i64,
    /// Kept beside the figures.
    pub(crate) other: i64,
}

impl Counts {
    /// By how much each has grown since an earlier reading; a count that went down was lost with its rows and
    /// counts as none.
    pub(crate) fn grown_since(&self, earlier: &Self) -> Self {
        let grown = |now: i64, then: i64| now.saturating_sub(then).max(0);
        Self {
            records_in: grown(self.records_in, earlier.records_in),
            records_out: grown(self.records_out, earlier.records_out),
            repeated: grown(self.repeated, earlier.repeated),
            quarantined: grown(self.quarantined, earlier.quarantined),
            other: grown(self.other, earlier.other),
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records_in = self.records_in.saturating_add(other.records_in);
        self.records_out = self.records_out.saturating_add(other.records_out);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.quarantined = self.quarantined.saturating_add(other.quarantined);
        self.other = self.other.saturating_add(other.other);
    }
}

/// A verdict of `verify` or `ledger`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Verification {
    pub(crate) verification_id: i64,
    /// `verify` or `ledger`.
    pub(crate) kind: String,
    /// The one family that was verified; all where there is none.
    pub(crate) family: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    /// What was committed by then was judged.
    pub(crate) snapshot_at: DateTime<Utc>,
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) passed: bool,
    /// By table, or by stage.
    pub(crate) compared: BTreeMap<String, serde_json::Value>,
    /// The first 100.
    pub(crate) differences: Vec<Difference>,
    /// How many there are.
    pub(crate) differing: i64,
    pub(crate) late_outstanding: i64,
    pub(crate) open_rows: i64,
    pub(crate) deferred_rows: i64,
    pub(crate) by_whom: String,
}

/// A row that is not as it was recomputed; of a ledger, a stage and minute that do not balance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(default)]
pub(crate) struct Difference {
    pub(crate) table: String,
    pub(crate) row: String,
    pub(crate) text: String,
}

impl Difference {
    /// As it is shown: ids that stand in a row's key are cut.
    pub(crate) fn shortened(&self) -> Self {
        let Self { table, row, text } = self;
        Self { table: table.clone(), row: shortened(row), text: shortened(text) }
    }
}

/// A plan of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Plan {
    pub(crate) query: String,
    pub(crate) revision: i64,
    pub(crate) fingerprint: String,
    pub(crate) topic_generation: i32,
    /// The path of the cube's checkpoint; those of the others follow from it.
    pub(crate) checkpoint: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) retired_at: Option<DateTime<Utc>>,
    /// Which minutes it owns; unbounded where nothing is given.
    pub(crate) owned_from: Option<DateTime<Utc>>,
    pub(crate) owned_to: Option<DateTime<Utc>>,
    pub(crate) shuffle_partitions: i32,
}

/// A generation of the events topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Generation {
    pub(crate) generation: i32,
    pub(crate) partitions: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) retired_at: Option<DateTime<Utc>>,
}

/// A rebuild of all figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Rebuild {
    pub(crate) rebuild_id: i64,
    pub(crate) generation: i32,
    pub(crate) revision: Option<i64>,
    pub(crate) cut_minute: Option<DateTime<Utc>>,
    pub(crate) done_to: Option<DateTime<Utc>>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Numbers that move when something is added that is read seldom: it is read again when they differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Marks {
    pub(crate) fault: Option<i64>,
    pub(crate) verification: Option<i64>,
    pub(crate) repair: Option<i64>,
    pub(crate) rebuild: Option<i64>,
    pub(crate) generation: Option<i32>,
    pub(crate) setting: Option<DateTime<Utc>>,
}

/// What changes seldom.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Standing {
    /// The newest 20, newest first.
    pub(crate) faults: Vec<Fault>,
    /// The newest few of each kind, newest first.
    pub(crate) verifications: Vec<Verification>,
    /// When a family's figures were last put right, by family.
    pub(crate) repaired_at: BTreeMap<String, DateTime<Utc>>,
    /// The newest, ended or not.
    pub(crate) rebuild: Option<Rebuild>,
    /// All, newest first, the retired ones too: they own minutes of before.
    pub(crate) plans: Vec<Plan>,
    /// Newest first.
    pub(crate) generations: Vec<Generation>,
    /// What every amount is in.
    pub(crate) base_currency: Option<String>,
    /// What occurred before is gone.
    pub(crate) retention_floor: Option<DateTime<Utc>>,
    /// How often the job was restarted in the last 15 minutes, as far as faults tell.
    pub(crate) faults_15m: i64,
}
