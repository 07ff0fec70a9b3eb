//! The job and its queries, as page and API show them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::family::{self, CUBE_FAMILY};
use contracts::ledger::CHECKPOINT_SUFFIX;
use serde::Serialize;
use utoipa::ToSchema;

use super::freshness;
use super::hops::lag;
use super::view::text;
use crate::api::answer::Freshness;
use crate::watch::Snapshot;
use crate::watch::ops::{Batch, Fault, Ops, Query, query_names};

/// The job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// As its supervisor last reported; nothing where it has never run.
    pub(crate) state: Option<String>,
    /// Why, in the supervisor's words.
    pub(crate) detail: Option<String>,
    pub(crate) holder: Option<String>,
    /// Since the supervisor renewed its lease; it ends after ten seconds without.
    pub(crate) lease_age_ms: Option<i64>,
    /// Whether somebody has the lease.
    pub(crate) leased: bool,
    /// Grows with every holder: writes of an earlier one are refused by it.
    pub(crate) fencing: Option<i64>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) reported_at: Option<DateTime<Utc>>,
    pub(crate) stop_requested: bool,
    /// Of this supervisor.
    pub(crate) restarts: Option<i64>,
    /// Failures of queries, of this and earlier supervisors.
    pub(crate) restarts_15m: i64,
    /// Rows that Spark dropped as too late; anything but 0 is a fault.
    pub(crate) dropped_rows: Option<i64>,
    pub(crate) plan: Option<PlanView>,
    /// What every amount is converted to.
    pub(crate) base_currency: Option<String>,
    /// What occurred before is gone; nothing where retention has never run.
    pub(crate) retention_floor: Option<DateTime<Utc>>,
    pub(crate) queries: Vec<QueryView>,
}

/// The plan whose figures are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PlanView {
    pub(crate) revision: i64,
    /// Of everything that shapes figures: another plan is another fingerprint, and needs a rebuild.
    pub(crate) fingerprint: String,
    pub(crate) topic_generation: i32,
    pub(crate) shuffle_partitions: i32,
    pub(crate) started_at: DateTime<Utc>,
}

/// A query of the job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct QueryView {
    pub(crate) query: &'static str,
    /// What it answers.
    pub(crate) what: &'static str,
    /// The tables it writes.
    pub(crate) tables: Vec<&'static str>,
    /// `waiting`, `running` or `ended`; nothing where the job does not report it.
    pub(crate) state: Option<String>,
    pub(crate) revision: Option<i64>,
    pub(crate) trigger_ms: Option<i64>,
    pub(crate) trigger_active: Option<bool>,
    pub(crate) data_available: Option<bool>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) reported_at: Option<DateTime<Utc>>,
    pub(crate) checkpoint: Option<String>,
    pub(crate) last_batch: Option<BatchView>,
    pub(crate) behind: Option<QueryBehind>,
    pub(crate) freshness: Freshness,
}

/// Offsets that a query has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct QueryBehind {
    pub(crate) offsets: i64,
    /// `checkpoint`: Kafka's ends now, minus what it has read. `progress`: by its own last report.
    pub(crate) by: &'static str,
}

/// A micro-batch.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct BatchView {
    pub(crate) batch_id: i64,
    pub(crate) revision: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) rows_in: i64,
    pub(crate) duration_ms: i64,
    /// By Spark's names.
    pub(crate) phases_ms: BTreeMap<String, i64>,
    pub(crate) state_rows: i64,
    pub(crate) dropped_rows: i64,
    pub(crate) watermark: Option<DateTime<Utc>>,
    pub(crate) newest_event_at: Option<DateTime<Utc>>,
    pub(crate) lag_p50_ms: Option<i64>,
    pub(crate) lag_p99_ms: Option<i64>,
    pub(crate) offsets_behind: i64,
}

/// Why a query ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FaultView {
    #[serde(serialize_with = "text_of")]
    #[schema(value_type = String)]
    pub(crate) fault_id: i64,
    pub(crate) query: String,
    pub(crate) revision: i64,
    pub(crate) batch_id: Option<i64>,
    /// In one line.
    pub(crate) summary: String,
    /// Whole, with its stack.
    pub(crate) exception: String,
    pub(crate) occurred_at: DateTime<Utc>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn text_of<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    text(&Some(*id), serializer)
}

impl From<&Batch> for BatchView {
    fn from(batch: &Batch) -> Self {
        Self {
            batch_id: batch.batch_id,
            revision: batch.revision,
            started_at: batch.started_at,
            rows_in: batch.rows_in,
            duration_ms: batch.duration_ms,
            phases_ms: batch.phases_ms.clone(),
            state_rows: batch.state_rows,
            dropped_rows: batch.dropped_rows,
            watermark: batch.watermark,
            newest_event_at: batch.newest_event_at,
            lag_p50_ms: batch.lag_p50_ms,
            lag_p99_ms: batch.lag_p99_ms,
            offsets_behind: batch.offsets_behind,
        }
    }
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self {
            fault_id: fault.fault_id,
            query: fault.query.clone(),
            revision: fault.revision,
            batch_id: fault.batch_id,
            summary: fault.summary.clone(),
            exception: fault.exception.clone(),
            occurred_at: fault.occurred_at,
        }
    }
}

/// What a query answers.
fn what(query: &str) -> &'static str {
    match query {
        "ledger" => "What became of each record that Kafka has?",
        "refusals" => "Which records are no events? They go to the quarantine.",
        "cube" => "What happens in the shop, by minute and country, product, channel, person?",
        _ => family::families()
            .find(|family| family.name == query)
            .map_or("", |family| family.tables.first().map_or("", |table| table.question)),
    }
}

fn tables(query: &str) -> Vec<&'static str> {
    match query {
        "ledger" => vec![contracts::ledger::JUDGED_COUNTS.name],
        "refusals" => Vec::new(),
        _ => {
            let family = family::families().find(|family| family.name == query);
            family.into_iter().flat_map(|family| family.tables).map(|table| table.table).collect()
        }
    }
}

/// What follows the path of the cube's checkpoint in that of a query.
fn suffix(query: &str) -> String {
    match query {
        "ledger" => CHECKPOINT_SUFFIX.to_owned(),
        _ => {
            let family = family::families().find(|family| family.name == query);
            family.map_or_else(|| format!("-{query}"), family::Family::checkpoint_suffix)
        }
    }
}

/// The job with all its queries.
pub(crate) fn job(snapshot: &Snapshot, now: DateTime<Utc>) -> JobView {
    let ops = snapshot.ops.value.as_deref();
    let run = ops.and_then(|ops| ops.run.as_ref());
    let lease = ops.and_then(|ops| ops.lease.as_ref());
    let at = ops.map_or(now, |ops| ops.at);
    let plan = ops.and_then(Ops::plan).map(|plan| PlanView {
        revision: plan.revision,
        fingerprint: plan.fingerprint.clone(),
        topic_generation: plan.topic_generation,
        shuffle_partitions: plan.shuffle_partitions,
        started_at: plan.started_at,
    });
    JobView {
        state: run.map(|run| run.state.clone()),
        detail: run.map(|run| run.detail.clone()).filter(|detail| !detail.is_empty()),
        holder: run.map(|run| run.holder.clone()),
        lease_age_ms: lease.map(|lease| (at - lease.renewed_at).num_milliseconds().max(0)),
        leased: lease.is_some_and(|lease| lease.expires_at > at),
        fencing: lease.map(|lease| lease.fencing),
        started_at: run.map(|run| run.started_at),
        reported_at: run.map(|run| run.reported_at),
        stop_requested: run.is_some_and(|run| run.stop_requested),
        restarts: run.map(|run| run.restarts),
        restarts_15m: ops.map_or(0, |ops| ops.standing.faults_15m),
        dropped_rows: run.and_then(|run| Some(run.progress.as_ref()?.rows_dropped_by_watermark)),
        plan,
        base_currency: ops.and_then(Ops::base_currency).map(str::to_owned),
        retention_floor: ops.and_then(Ops::retention_floor),
        queries: query_names().map(|name| query(snapshot, ops, name, now)).collect(),
    }
}

/// One query; nothing where there is none of that name.
pub(crate) fn of_name(snapshot: &Snapshot, name: &str, now: DateTime<Utc>) -> Option<QueryView> {
    let name = query_names().find(|known| *known == name)?;
    Some(query(snapshot, snapshot.ops.value.as_deref(), name, now))
}

fn query(snapshot: &Snapshot, ops: Option<&Ops>, name: &'static str, now: DateTime<Utc>) -> QueryView {
    let reported = ops.and_then(|ops| ops.queries.get(name));
    let told = reported.map(|query| &query.told);
    let ends = super::kafka_ends(&snapshot.kafka);
    let behind = reported.and_then(|query| {
        let offsets = super::behind(query, ends.as_ref())?;
        let by = if super::behind_by_ends(query, ends.as_ref()) { "checkpoint" } else { "progress" };
        Some(QueryBehind { offsets, by })
    });
    // The supervisor tells of the cube's query, also where it does not tell of each.
    let progress = ops
        .filter(|_| name == CUBE_FAMILY.name)
        .and_then(|ops| ops.run.as_ref()?.progress.as_ref().map(|progress| (ops, progress)));
    // Before its first micro-batch it has counted nothing, which is not 0.
    let by_progress = progress
        .filter(|(_, progress)| progress.batch_id.is_some())
        .map(|(_, progress)| QueryBehind { offsets: progress.offsets_behind, by: "progress" });
    let last_batch = reported.and_then(Query::last).map(BatchView::from).or_else(|| {
        let (ops, progress) = progress?;
        let lag = lag(ops);
        Some(BatchView {
            batch_id: progress.batch_id?,
            revision: ops.plan().map_or(0, |plan| plan.revision),
            started_at: ops.run.as_ref()?.reported_at,
            rows_in: rows(progress.rows_per_s, progress.batch_ms),
            duration_ms: progress.batch_ms,
            phases_ms: BTreeMap::new(),
            state_rows: progress.state_rows,
            dropped_rows: progress.rows_dropped_by_watermark,
            watermark: progress.watermark,
            newest_event_at: progress.newest_event,
            lag_p50_ms: lag.and_then(|lag| lag.p50),
            lag_p99_ms: lag.and_then(|lag| lag.p99),
            offsets_behind: progress.offsets_behind,
        })
    });
    QueryView {
        query: name,
        what: what(name),
        tables: tables(name),
        state: told.map(|told| told.state.clone()),
        revision: told.map(|told| told.revision),
        trigger_ms: told.map(|told| told.trigger_ms),
        trigger_active: told.map(|told| told.trigger_active),
        data_available: told.map(|told| told.data_available),
        started_at: told.and_then(|told| told.started_at),
        reported_at: told.map(|told| told.reported_at),
        checkpoint: ops.and_then(Ops::plan).map(|plan| format!("{}{}", plan.checkpoint, suffix(name))),
        last_batch,
        behind: behind.or(by_progress),
        freshness: freshness(snapshot, name, None, now),
    }
}

/// The supervisor tells the speed of a batch and its time, not its records.
fn rows(a_second: f64, ms: i64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "a batch is shorter than a day")]
    let rows = a_second * ms as f64 / 1_000.0;
    // A float beyond an integer's range becomes its end, and what is no number becomes 0.
    rows.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{now, snapshot, well};

    #[test]
    fn every_query_of_the_job_is_there() {
        let view = job(&snapshot(well()), now());
        assert_eq!(view.queries.len(), 9);
        for query in &view.queries {
            assert!(query.state.as_deref() == Some("running") && !query.what.is_empty(), "{query:?}");
        }
        assert_eq!(of_name(&snapshot(well()), "nothing", now()).map(|query| query.query), None);
    }

    #[test]
    fn a_job_that_does_not_report_its_queries_is_not_known_but_for_the_cube() {
        let mut ops = well();
        ops.queries.clear();
        ops.run.as_mut().unwrap().progress.as_mut().unwrap().batch_id = Some(7);
        let view = job(&snapshot(ops), now());
        assert!(view.queries.iter().all(|query| query.state.is_none()));
        let known: Vec<_> = view.queries.iter().filter(|query| query.last_batch.is_some()).collect();
        assert_eq!((known.len(), known[0].query), (1, "cube"));
    }

    #[test]
    fn checkpoints_lie_beside_that_of_the_cube() {
        assert_eq!(
            ["cube", "ledger", "refusals", "hours"].map(suffix),
            ["", "-ledger", "-refusals", "-hours"]
        );
    }
}
