//! What rules look at: pure functions of what `watch` knows and of the last minutes' counts.

mod away;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{reported, slot};

use away::{blind, down};

use super::ring::{Count, Grown, Ring};
use crate::format::{self, plain};
use crate::line::{differing, kafka_ends, under_replicated};
use crate::watch::Snapshot;
use crate::watch::ops::{Difference, Ops, Verification};

/// A supervisor that has been silent for this long has no running query; a relay likewise.
const JOB_SILENT_S: i64 = 30;
const RELAY_SILENT_S: i64 = 15;
/// The lag of a micro-batch tells something while records come in.
const LAG_S: i64 = 120;
const FLOW_S: i64 = 180;
const RESTARTS_S: i64 = 900;
const DROPPED_S: i64 = 600;
const QUARANTINE_S: i64 = 900;

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    LagP50,
    FlowStopped,
    JobSilent,
    JobHeld,
    RelaySilent,
    SlotMargin,
    SlotLost,
    DroppedRows,
    Restarts,
    QuarantineGrowth,
    UnderReplicated,
    IntakeDown,
    ServiceDown,
    QueryFailed,
    Freshness,
    VerificationFailed,
    VerificationAge,
    LedgerImbalance,
    LedgerAge,
    Blind,
}

/// How its value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Count,
    /// 1 or 0.
    YesNo,
}

impl Signal {
    /// As tables show it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LagP50 => "lag_p50_seconds",
            Self::FlowStopped => "flow_stopped_records",
            Self::JobSilent => "job_silent",
            Self::JobHeld => "job_held",
            Self::RelaySilent => "relay_silent",
            Self::SlotMargin => "slot_margin_bytes",
            Self::SlotLost => "slot_lost",
            Self::DroppedRows => "dropped_rows_10m",
            Self::Restarts => "restarts_15m",
            Self::QuarantineGrowth => "quarantine_growth_15m",
            Self::UnderReplicated => "under_replicated_partitions",
            Self::IntakeDown => "intake_down",
            Self::ServiceDown => "service_down",
            Self::QueryFailed => "query_failed",
            Self::Freshness => "freshness_seconds",
            Self::VerificationFailed => "verification_failed_rows",
            Self::VerificationAge => "verification_age_seconds",
            Self::LedgerImbalance => "ledger_imbalanced_minutes",
            Self::LedgerAge => "ledger_age_seconds",
            Self::Blind => "blind_seconds",
        }
    }

    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::LagP50 | Self::Freshness | Self::VerificationAge | Self::LedgerAge | Self::Blind => {
                Unit::Seconds
            }
            Self::SlotMargin => Unit::Bytes,
            Self::FlowStopped
            | Self::DroppedRows
            | Self::Restarts
            | Self::QuarantineGrowth
            | Self::UnderReplicated
            | Self::VerificationFailed
            | Self::LedgerImbalance => Unit::Count,
            Self::JobSilent
            | Self::JobHeld
            | Self::RelaySilent
            | Self::SlotLost
            | Self::IntakeDown
            | Self::ServiceDown
            | Self::QueryFailed => Unit::YesNo,
        }
    }

    /// What Prometheus calls what it is about.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::QueryFailed | Self::Freshness => "query",
            _ => "service",
        }
    }
}

impl Unit {
    /// A value as people read it.
    pub(crate) fn text(self, value: f64) -> String {
        // A float beyond an integer's range becomes its end.
        match self {
            Self::Seconds => format::ms((value * 1_000.0) as i64),
            Self::Bytes => format::bytes(value as i64),
            Self::Count => format::count(value as i64),
            Self::YesNo => if value > 0.0 { "yes" } else { "no" }.to_owned(),
        }
    }
}

/// What a signal says of one service, query, or of the line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// The service or query; empty where there is but one.
    pub(crate) subject: String,
    pub(crate) value: f64,
    /// More about it, in the words of the part itself where it has any.
    pub(crate) detail: String,
    /// Whether less is known than the stretch it is about.
    pub(crate) partial: bool,
}

impl Reading {
    fn of(subject: &str, value: f64) -> Self {
        Self { subject: subject.to_owned(), value, detail: String::new(), partial: false }
    }

    fn flag(subject: &str, up: bool, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::of(subject, f64::from(u8::from(up))) }
    }
}

/// What a signal says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Readings {
    /// All that there is to say: what is not in it is well, or not there.
    Known(Vec<Reading>),
    /// It cannot be told.
    Missing,
}

impl From<Option<Reading>> for Readings {
    fn from(reading: Option<Reading>) -> Self {
        Self::Known(reading.into_iter().collect())
    }
}

/// What signals are taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) ring: &'a Ring,
    pub(crate) now: DateTime<Utc>,
}

/// What a signal says now.
pub(crate) fn read(signal: Signal, sight: &Sight<'_>) -> Readings {
    match signal {
        Signal::IntakeDown => down(sight, |service| matches!(service, "postgres" | "collector")),
        Signal::ServiceDown => down(sight, |service| !matches!(service, "postgres" | "collector")),
        Signal::Blind => blind(sight),
        Signal::UnderReplicated => match under_replicated(&sight.snapshot.kafka) {
            Some(partitions) => Some(Reading::of("", float(partitions))).into(),
            None => Readings::Missing,
        },
        Signal::QuarantineGrowth if sight.snapshot.quarantine.away.is_some() => Readings::Missing,
        Signal::QuarantineGrowth => grown(sight.ring.growth(Count::Quarantined, QUARANTINE_S, sight.now)),
        _ => match reports(sight.snapshot) {
            Some(ops) => reported(signal, ops, sight),
            None => Readings::Missing,
        },
    }
}

/// What is reported through PostgreSQL, while that answers.
fn reports(snapshot: &Snapshot) -> Option<&Ops> {
    if snapshot.ops.away.is_some() { None } else { snapshot.ops.value.as_deref() }
}

fn reported(signal: Signal, ops: &Ops, sight: &Sight<'_>) -> Readings {
    let (ring, now) = (sight.ring, sight.now);
    match signal {
        Signal::LagP50 => lag(ops, sight),
        Signal::FlowStopped => flow_stopped(sight),
        Signal::JobSilent => ops.run.as_ref().map(|run| job_silent(ops, run)).into(),
        Signal::JobHeld => ops
            .run
            .as_ref()
            .map(|run| Reading::flag("", run.state == reported::job::HELD, run.detail.clone()))
            .into(),
        Signal::RelaySilent => ops.relay.as_ref().map(|relay| relay_silent(ops, relay)).into(),
        Signal::SlotMargin => slot_margin(ops).into(),
        Signal::SlotLost => {
            let lost = ops.slot.as_ref().is_none_or(|slot| slot.retained_bytes.is_none());
            let detail = if ops.slot.is_none() { "there is no slot" } else { "the slot is lost" };
            Some(Reading::flag("", lost, if lost { detail } else { "" })).into()
        }
        Signal::DroppedRows => counted(ops, ring.increase(Count::Dropped, DROPPED_S, now)),
        Signal::Restarts => counted(ops, ring.increase(Count::Restarts, RESTARTS_S, now)),
        Signal::QueryFailed => queries(ops, |query| {
            let failed = query.told.state == reported::query::ENDED;
            let fault = ops.standing.faults.iter().find(|fault| failed && fault.query == query.told.query);
            Reading::flag(&query.told.query, failed, fault.map_or("", |fault| fault.summary.as_str()))
        }),
        Signal::Freshness => {
            let ends = kafka_ends(&sight.snapshot.kafka);
            queries(ops, |query| {
                let waits = query.told.data_available
                    || crate::line::behind(query, ends.as_ref()).is_some_and(|offsets| offsets > 0);
                let since = query.last().map(|batch| seconds(ops.at - batch.ended_at()));
                let runs = query.told.state == reported::query::RUNNING;
                Reading::of(&query.told.query, since.filter(|_| waits && runs).unwrap_or(0.0))
            })
        }
        Signal::VerificationFailed => differing(&ops.standing).map(|(rows, first)| found(rows, first)).into(),
        Signal::LedgerImbalance => ops.verification("ledger").map(unbalanced).into(),
        Signal::VerificationAge => age(ops, ops.verification("verify")),
        Signal::LedgerAge => age(ops, ops.verification("ledger")),
        Signal::Blind
        | Signal::IntakeDown
        | Signal::ServiceDown
        | Signal::UnderReplicated
        | Signal::QuarantineGrowth => Readings::Missing,
    }
}

/// How far the newest micro-batch trailed, while records come in.
fn lag(ops: &Ops, sight: &Sight<'_>) -> Readings {
    let progress = ops.run.as_ref().and_then(|run| run.progress.as_ref());
    let Some(ms) = progress.and_then(|progress| progress.lag_p50_ms) else {
        return Readings::Known(Vec::new());
    };
    match sight.ring.increase(Count::Read, LAG_S, sight.now) {
        Some(Grown { by, .. }) if by > 0 => Some(Reading::of("", float(ms) / 1_000.0)).into(),
        Some(Grown { whole: true, .. }) => Some(Reading::of("", 0.0)).into(),
        _ => Readings::Missing,
    }
}

/// How many records the relay has sent of which Spark has read none.
fn flow_stopped(sight: &Sight<'_>) -> Readings {
    let of = |count| sight.ring.increase(count, FLOW_S, sight.now);
    let Some(relayed) = of(Count::Relayed) else { return Readings::Known(Vec::new()) };
    match of(Count::Read) {
        Some(read) if read.by > 0 => Some(Reading::of("", 0.0)).into(),
        // Nothing was read yet in the little that is known.
        Some(Grown { whole: false, .. }) => Readings::Missing,
        _ => Some(Reading { partial: !relayed.whole, ..Reading::of("", float(relayed.by)) }).into(),
    }
}

fn job_silent(ops: &Ops, run: &crate::watch::ops::Run) -> Reading {
    let age = ops.at - run.reported_at;
    if run.state == reported::job::HELD && age <= TimeDelta::seconds(JOB_SILENT_S) {
        return Reading::of("", 0.0);
    }
    let silent = age > TimeDelta::seconds(JOB_SILENT_S);
    let detail = match (run.state.as_str(), silent) {
        (reported::job::RUNNING, false) => String::new(),
        (state, true) => {
            plain(&format!("no report for {}; its last state was {state}", format::stretch(age)))
        }
        (state, false) => said(state, &run.detail),
    };
    Reading::flag("", run.state != reported::job::RUNNING || silent, detail)
}

fn relay_silent(ops: &Ops, relay: &crate::watch::ops::Relay) -> Reading {
    let age = ops.at - relay.reported_at;
    let silent = age > TimeDelta::seconds(RELAY_SILENT_S);
    let detail = match (relay.state.as_str(), silent) {
        (reported::relay::STREAMING, false) => String::new(),
        (state, true) => {
            plain(&format!("no report for {}; its last state was {state}", format::stretch(age)))
        }
        (state, false) => said(state, &relay.detail),
    };
    Reading::flag("", relay.state != reported::relay::STREAMING || silent, detail)
}

fn said(state: &str, detail: &str) -> String {
    if detail.is_empty() { state.to_owned() } else { format!("{state}: {detail}") }
}

/// By how much more may still be written before the slot is given up than must be.
fn slot_margin(ops: &Ops) -> Option<Reading> {
    let slot = ops.slot.as_ref()?;
    let (safe, retained) = (slot.safe_bytes?, slot.retained_bytes?);
    let detail = plain(&format!("{} kept, {} safe", format::bytes(retained), format::bytes(safe)));
    Some(Reading { detail, ..Reading::of("", float(slot::margin_bytes(safe, retained))) })
}

fn counted(ops: &Ops, grown: Option<Grown>) -> Readings {
    if ops.run.is_none() { Readings::Known(Vec::new()) } else { self::grown(grown) }
}

fn grown(grown: Option<Grown>) -> Readings {
    match grown {
        Some(Grown { by, whole }) => Some(Reading { partial: !whole, ..Reading::of("", float(by)) }).into(),
        None => Readings::Missing,
    }
}

/// One reading a query, while the job runs.
fn queries(ops: &Ops, reading: impl Fn(&crate::watch::ops::Query) -> Reading) -> Readings {
    let runs = ops.run.as_ref().is_some_and(|run| run.state == reported::job::RUNNING);
    Readings::Known(if runs { ops.queries.values().map(reading).collect() } else { Vec::new() })
}

fn unbalanced(last: &Verification) -> Reading {
    if last.passed { Reading::of("", 0.0) } else { found(last.differing.max(1), last.differences.first()) }
}

/// So many rows that are not as they should be, the first of them by name.
fn found(rows: i64, first: Option<&Difference>) -> Reading {
    let named = |first: &Difference| {
        let Difference { table, row, .. } = first.shortened();
        format!("first: {table} {row}")
    };
    Reading { detail: first.map(named).unwrap_or_default(), ..Reading::of("", float(rows)) }
}

/// Nothing where none was ever made: not everybody asks for it.
fn age(ops: &Ops, verification: Option<&Verification>) -> Readings {
    verification.map(|last| Reading::of("", seconds(ops.at - last.finished_at))).into()
}

fn seconds(stretch: TimeDelta) -> f64 {
    float(stretch.num_milliseconds()) / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "thresholds are not that exact")]
fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
