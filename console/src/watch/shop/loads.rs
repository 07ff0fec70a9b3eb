//! What of the shop's tables is still to be read into memory, in the order in which it is shown.

use std::collections::VecDeque;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::Kept;
use super::table::{QUARTER, quarter};
use crate::figures::period::Stretch;

/// Days of sums that are kept, beside today: a week before today, in any zone.
pub(super) const DAYS_KEPT: i64 = 8;
/// How much of a table with dimensions is loaded at once.
const LOADED: TimeDelta = TimeDelta::hours(4);

/// A stretch of whole quarters of one table that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) kept: Kept,
    pub(super) stretch: Stretch,
}

/// What is to be read, the most wanted first.
#[derive(Debug, Default)]
pub(super) struct Loads(VecDeque<Load>);

impl Loads {
    /// Everything anew, what is shown first read first.
    pub(super) fn all(now: DateTime<Utc>) -> Self {
        let today = quarter(now).duration_trunc(TimeDelta::days(1)).unwrap_or(now);
        let day = |back: i64| {
            let from = today - TimeDelta::days(back);
            Stretch { from, to: (from + TimeDelta::days(1)).min(quarter(now) + QUARTER) }
        };
        // Today and yesterday, which in some zones began a day earlier; the same of last week; the rest.
        let order = [0, 1, 2, 7, 8, 3, 4, 5, 6];
        debug_assert!(order.iter().all(|back| *back <= DAYS_KEPT));
        let whole_shop = order.iter().map(|back| Load { kept: Kept::Activity, stretch: day(*back) });
        let mut loads: VecDeque<Load> = whole_shop.collect();
        for back in order {
            // The newest part of a day first; a whole day of them at once would take tens of MiB.
            for stretch in parts(day(back)).into_iter().rev() {
                loads.extend(Kept::ALL.into_iter().skip(1).map(|kept| Load { kept, stretch }));
            }
        }
        Self(loads)
    }

    /// These windows of all tables, before everything else; false where they hold nothing that is kept.
    pub(super) fn again(&mut self, windows: Stretch, now: DateTime<Utc>) -> bool {
        let oldest = now - TimeDelta::days(DAYS_KEPT);
        let stretch = Stretch {
            from: quarter(windows.from.max(oldest)),
            to: quarter(windows.to.min(now) - TimeDelta::seconds(1)) + QUARTER,
        };
        if stretch.is_empty() {
            return false;
        }
        for kept in Kept::ALL.into_iter().rev() {
            self.first(Load { kept, stretch });
        }
        true
    }

    /// This one before all others, once.
    pub(super) fn first(&mut self, load: Load) {
        if !self.0.contains(&load) {
            self.0.push_front(load);
        }
    }

    /// The most wanted; it stays until [`done`](Self::done).
    pub(super) fn next(&self) -> Option<Load> {
        self.0.front().copied()
    }

    /// The most wanted was read.
    pub(super) fn done(&mut self) {
        self.0.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pieces of at most [`LOADED`] of a stretch of whole quarters.
fn parts(stretch: Stretch) -> Vec<Stretch> {
    let mut parts = Vec::new();
    let mut from = stretch.from;
    while from < stretch.to {
        let to = (from + LOADED).min(stretch.to);
        parts.push(Stretch { from, to });
        from = to;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_loaded_in_parts_that_are_the_whole_of_it() {
        let day = Stretch { from: at("2026-11-28T00:00:00Z"), to: at("2026-11-28T17:15:00Z") };
        let parts = parts(day);
        assert_eq!(parts.len(), 5);
        assert_eq!((parts[0].from, parts[4].to), (day.from, day.to));
        assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert!(parts.iter().all(|part| quarter(part.from) == part.from));
    }

    #[test]
    fn every_day_of_every_table_is_loaded_and_today_first() {
        let now = at("2026-11-28T17:05:00Z");
        let mut loads = Loads::all(now);
        let first = loads.next().unwrap();
        assert_eq!((first.kept, first.stretch.from), (Kept::Activity, at("2026-11-28T00:00:00Z")));
        let mut loaded = std::collections::BTreeMap::new();
        while let Some(Load { kept, stretch }) = loads.next() {
            *loaded.entry(format!("{kept:?}")).or_insert_with(TimeDelta::zero) += stretch.to - stretch.from;
            loads.done();
        }
        let whole = TimeDelta::days(DAYS_KEPT) + TimeDelta::minutes(17 * 60 + 15);
        assert_eq!(loaded.len(), Kept::ALL.len());
        assert!(loaded.values().all(|length| *length == whole), "{loaded:?}");
    }

    #[test]
    fn what_has_changed_is_read_again_once_and_first() {
        let now = at("2026-11-28T17:05:00Z");
        let mut loads = Loads::default();
        let changed = Stretch { from: at("2026-11-28T16:50:00Z"), to: at("2026-11-28T16:55:00Z") };
        assert!(loads.again(changed, now) && loads.again(changed, now));
        let mut read = Vec::new();
        while let Some(load) = loads.next() {
            assert_eq!(load.stretch.from, at("2026-11-28T16:45:00Z"));
            read.push(load.kept);
            loads.done();
        }
        assert_eq!(read, Kept::ALL);
        let long_ago = Stretch { from: at("2026-10-01T00:00:00Z"), to: at("2026-10-02T00:00:00Z") };
        assert!(!loads.again(long_ago, now) && loads.is_empty());
    }
}
