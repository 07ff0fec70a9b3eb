//! Counts over the last minutes: what grew, and by how much.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::watch::Snapshot;

/// Longer than the longest stretch that a rule asks about.
const KEPT_S: i64 = 17 * 60;

/// Counts that grow, or that are compared with what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Events that the relay has sent.
    Relayed,
    /// Records that the cube's query has read.
    Read,
    /// Times that the plan was submitted again.
    Restarts,
    /// Rows that Spark dropped.
    Dropped,
    /// Records in quarantine that are open.
    Quarantined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    at: DateTime<Utc>,
    counts: [Option<i64>; 5],
}

/// Growth over a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grown {
    pub(crate) by: i64,
    /// Whether the whole stretch is known: after a start it is not.
    pub(crate) whole: bool,
}

/// The last minutes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ring {
    samples: VecDeque<Sample>,
}

impl Ring {
    /// Adds what is known now.
    pub(crate) fn add(&mut self, snapshot: &Snapshot, now: DateTime<Utc>) {
        let ops = if snapshot.ops.away.is_some() { None } else { snapshot.ops.value.as_deref() };
        let progress = ops.and_then(|ops| ops.run.as_ref()).and_then(|run| run.progress.as_ref());
        let quarantine =
            if snapshot.quarantine.away.is_some() { None } else { snapshot.quarantine.value.as_deref() };
        let counts = [
            ops.and_then(|ops| ops.relay.as_ref()).map(|relay| relay.events_out),
            progress.map(|progress| progress.input_rows),
            ops.and_then(|ops| ops.run.as_ref()).map(|run| run.restarts),
            progress.map(|progress| progress.rows_dropped_by_watermark),
            quarantine.map(|summary| summary.total.open),
        ];
        // A clock that was put back: what is later than now tells nothing.
        while self.samples.back().is_some_and(|last| last.at >= now) {
            self.samples.pop_back();
        }
        self.samples.push_back(Sample { at: now, counts });
        while self.samples.front().is_some_and(|first| now - first.at > TimeDelta::seconds(KEPT_S)) {
            self.samples.pop_front();
        }
    }

    /// The known readings of a count, the oldest first.
    fn of(&self, count: Count) -> impl Iterator<Item = (DateTime<Utc>, i64)> {
        self.samples
            .iter()
            .filter_map(move |sample| Some((sample.at, sample.counts.get(count as usize).copied()??)))
    }

    /// By how much a counter has grown over a stretch that ends now. One that is smaller than before began
    /// again.
    pub(crate) fn increase(&self, count: Count, over_s: i64, now: DateTime<Utc>) -> Option<Grown> {
        let from = now - TimeDelta::seconds(over_s);
        let first = self.of(count).next()?.0;
        let mut within = self.of(count).filter(|(at, _)| *at >= from).map(|(_, value)| value);
        let mut last = within.next()?;
        let mut by = 0_i64;
        for value in within {
            by = by.saturating_add(if value >= last { value - last } else { value });
            last = value;
        }
        Some(Grown { by, whole: first <= from })
    }

    /// By how much a count is above what it was so long ago, or as long ago as is known.
    pub(crate) fn growth(&self, count: Count, over_s: i64, now: DateTime<Utc>) -> Option<Grown> {
        let from = now - TimeDelta::seconds(over_s);
        let before = self.of(count).take_while(|(at, _)| *at <= from).last();
        let (_, earlier) = before.or_else(|| self.of(count).next())?;
        let (_, last) = self.of(count).last()?;
        Some(Grown { by: last.saturating_sub(earlier), whole: before.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn ring(values: &[(i64, i64)]) -> Ring {
        let samples = values.iter().map(|(seconds, value)| Sample {
            at: at(*seconds),
            counts: [Some(*value), None, None, None, None],
        });
        Ring { samples: samples.collect() }
    }

    #[test]
    fn a_counter_that_began_again_has_grown_by_what_it_counts() {
        let ring = ring(&[(0, 100), (10, 110), (20, 4), (30, 9)]);
        assert_eq!(ring.increase(Count::Relayed, 30, at(30)), Some(Grown { by: 19, whole: true }));
        assert_eq!(ring.increase(Count::Relayed, 10, at(30)), Some(Grown { by: 5, whole: true }));
        assert_eq!(ring.increase(Count::Relayed, 60, at(30)), Some(Grown { by: 19, whole: false }));
        assert_eq!(ring.increase(Count::Read, 60, at(30)), None);
    }

    #[test]
    fn a_count_is_compared_with_what_it_was() {
        let ring = ring(&[(0, 100), (10, 90), (20, 250)]);
        assert_eq!(ring.growth(Count::Relayed, 15, at(20)), Some(Grown { by: 150, whole: true }));
        assert_eq!(ring.growth(Count::Relayed, 60, at(20)), Some(Grown { by: 150, whole: false }));
    }

    proptest! {
        #[test]
        fn it_does_not_grow_for_ever(steps in prop::collection::vec(1i64..120, 1..400)) {
            let (mut ring, mut seconds) = (Ring::default(), 0);
            for step in steps {
                seconds += step;
                ring.add(&Snapshot::default(), at(seconds));
            }
            prop_assert!(ring.samples.len() <= 1_021);
            prop_assert!(
                ring.samples.iter().all(|sample| at(seconds) - sample.at <= TimeDelta::seconds(KEPT_S))
            );
        }
    }
}
