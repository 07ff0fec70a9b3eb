//! The line as page and API show it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::hops::{Hop, hops};
use crate::watch::Snapshot;
use crate::watch::ops::{Difference, Ops, Point, Rates, Verification};

/// The line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LineView {
    /// In the order of the way.
    pub(crate) hops: Vec<Hop>,
    /// Nothing where there is no slot, or PostgreSQL does not answer.
    pub(crate) slot: Option<SlotView>,
    /// Records a second that come in and what becomes of them.
    pub(crate) rates: Option<Rates>,
    /// The newest event that is in the figures.
    pub(crate) newest_event_at: Option<DateTime<Utc>>,
    /// The consumer that fetches what Spark refused; nothing where the relay does not report it.
    pub(crate) quarantine_consumer: Option<ConsumerView>,
    /// Partitions that lack replicas.
    pub(crate) under_replicated: Option<i64>,
}

/// The slot that keeps PostgreSQL's log for the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SlotView {
    pub(crate) active: bool,
    pub(crate) wal_status: Option<String>,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub(crate) retained_bytes: Option<i64>,
    /// What may still be written before the slot is given up; nothing where there is no limit.
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub(crate) safe_bytes: Option<i64>,
    /// Bytes that the relay has not committed in Kafka.
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub(crate) behind_bytes: Option<i64>,
}

impl SlotView {
    /// As reports told it last; nothing where there was none.
    pub(crate) fn of(ops: &Ops) -> Option<Self> {
        let slot = ops.slot.as_ref()?;
        Some(Self {
            active: slot.active,
            wal_status: slot.wal_status.clone(),
            retained_bytes: slot.retained_bytes,
            safe_bytes: slot.safe_bytes,
            behind_bytes: ops.relay.as_ref().and_then(|relay| relay.behind_bytes),
        })
    }
}

/// A consumer inside the relay's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ConsumerView {
    pub(crate) state: String,
    pub(crate) detail: String,
}

/// A count beyond what every reader of JSON can hold is a text.
pub(crate) fn text<S: Serializer>(count: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match count {
        Some(count) => serializer.collect_str(count),
        None => serializer.serialize_none(),
    }
}

/// The line now.
pub(crate) fn line(snapshot: &Snapshot, now: DateTime<Utc>) -> LineView {
    let ops = snapshot.ops.value.as_deref().filter(|_| snapshot.ops.away.is_none());
    let relay = ops.and_then(|ops| ops.relay.as_ref());
    let quarantine_consumer = relay.and_then(|relay| {
        let state = relay.quarantine_state.clone()?;
        Some(ConsumerView { state, detail: relay.quarantine_detail.clone() })
    });
    LineView {
        hops: hops(snapshot, now),
        slot: ops.and_then(SlotView::of),
        rates: ops.and_then(|ops| ops.ingest.rates),
        newest_event_at: ops.and_then(super::hops::newest_event),
        quarantine_consumer,
        under_replicated: super::under_replicated(&snapshot.kafka),
    }
}

/// The line over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct HistoryView {
    pub(crate) step_s: i64,
    /// Oldest first. A step in which the console was not there, or nothing was told, has no values.
    pub(crate) points: Vec<PointView>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PointView {
    pub(crate) at: DateTime<Utc>,
    pub(crate) lag_p50_ms: Option<i64>,
    pub(crate) lag_p99_ms: Option<i64>,
    pub(crate) rates: Option<Rates>,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub(crate) retained_bytes: Option<i64>,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub(crate) relay_behind_bytes: Option<i64>,
    pub(crate) offsets_behind: Option<i64>,
}

/// What is remembered of a stretch, in steps that are a multiple of ten seconds. Of steps taken together the
/// last value counts, of lags the largest.
pub(crate) fn history(ops: &Ops, from: DateTime<Utc>, to: DateTime<Utc>, step_s: i64) -> HistoryView {
    let floor = |at: DateTime<Utc>| {
        let seconds = at.timestamp();
        DateTime::from_timestamp(seconds - seconds.rem_euclid(step_s), 0).unwrap_or(at)
    };
    let mut points = Vec::<PointView>::new();
    let empty = |at| PointView {
        at,
        lag_p50_ms: None,
        lag_p99_ms: None,
        rates: None,
        retained_bytes: None,
        relay_behind_bytes: None,
        offsets_behind: None,
    };
    let mut at = floor(from);
    while at < to {
        points.push(empty(at));
        at += TimeDelta::seconds(step_s);
    }
    let start = floor(from);
    for point in ops.history.iter().chain([&ops.step]).filter(|point| point.at >= from && point.at < to) {
        let index = (floor(point.at) - start).num_seconds() / step_s;
        if let Some(of_step) = usize::try_from(index).ok().and_then(|index| points.get_mut(index)) {
            take_in(of_step, point);
        }
    }
    HistoryView { step_s, points }
}

fn take_in(step: &mut PointView, point: &Point) {
    step.lag_p50_ms = step.lag_p50_ms.max(point.lag_p50_ms);
    step.lag_p99_ms = step.lag_p99_ms.max(point.lag_p99_ms);
    step.rates = point.rates.or(step.rates);
    step.retained_bytes = point.retained_bytes.or(step.retained_bytes);
    step.relay_behind_bytes = point.relay_behind_bytes.or(step.relay_behind_bytes);
    step.offsets_behind = point.offsets_behind.or(step.offsets_behind);
}

/// A verdict of `verify` or `ledger`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct VerdictView {
    pub(crate) kind: String,
    /// The one family that was looked at.
    pub(crate) family: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    /// What was committed by then was judged.
    pub(crate) snapshot_at: DateTime<Utc>,
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) passed: bool,
    /// How many rows, or records, by table, or stage.
    pub(crate) compared: std::collections::BTreeMap<String, serde_json::Value>,
    /// The first 100.
    pub(crate) differences: Vec<Difference>,
    pub(crate) differing: i64,
    pub(crate) late_outstanding: i64,
    pub(crate) open_rows: i64,
    pub(crate) deferred_rows: i64,
    pub(crate) by_whom: String,
}

impl From<&Verification> for VerdictView {
    fn from(verification: &Verification) -> Self {
        Self {
            kind: verification.kind.clone(),
            family: verification.family.clone(),
            started_at: verification.started_at,
            snapshot_at: verification.snapshot_at,
            finished_at: verification.finished_at,
            passed: verification.passed,
            compared: verification.compared.clone(),
            differences: verification.differences.iter().map(Difference::shortened).collect(),
            differing: verification.differing,
            late_outstanding: verification.late_outstanding,
            open_rows: verification.open_rows,
            deferred_rows: verification.deferred_rows,
            by_whom: verification.by_whom.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn ops(points: impl IntoIterator<Item = (i64, Option<i64>)>) -> Ops {
        let point = |(seconds, lag)| Point { at: at(seconds), lag_p50_ms: lag, ..Point::default() };
        Ops { history: Arc::new(points.into_iter().map(point).collect()), ..Ops::default() }
    }

    #[test]
    fn what_is_not_remembered_has_no_value() {
        let ops = ops([(0, Some(900)), (10, Some(1_400)), (20, None), (60, Some(700))]);
        let view = history(&ops, at(0), at(90), 30);
        let lags: Vec<_> = view.points.iter().map(|point| point.lag_p50_ms).collect();
        assert_eq!(lags, [Some(1_400), None, Some(700)]);
    }

    proptest! {
        #[test]
        fn every_step_is_there_once_and_holds_the_largest_lag(
            lags in prop::collection::vec(prop::option::of(0i64..20_000), 1..200), step in 1i64..7
        ) {
            let points =
                lags.iter().enumerate().map(|(index, lag)| (i64::try_from(index).unwrap() * 10, *lag));
            let end = i64::try_from(lags.len()).unwrap() * 10;
            let view = history(&ops(points), at(0), at(end), step * 10);
            prop_assert_eq!(
                view.points.iter().filter_map(|p| p.lag_p50_ms).max(),
                lags.iter().flatten().copied().max()
            );
            prop_assert!(
                view.points
                    .iter()
                    .zip(view.points.iter().skip(1))
                    .all(|(a, b)| (b.at - a.at).num_seconds() == step * 10)
            );
        }
    }
}
