//! A table's sums in memory: by quarter of an hour, because every zone's days begin at one; by minute where
//! that is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::store::{Key, Stored};
use crate::figures::period::Stretch;
use crate::figures::sums::Sums;

/// A quarter of an hour.
pub(crate) const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// The start of the quarter that a moment lies in.
pub(crate) fn quarter(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp() - at.timestamp().rem_euclid(QUARTER.num_seconds());
    DateTime::from_timestamp(seconds, 0).unwrap_or(at)
}

/// Sums by key.
pub(crate) type Cells = BTreeMap<Key, Sums>;
type Minutes = BTreeMap<DateTime<Utc>, Arc<Cells>>;

/// One quarter of an hour.
#[derive(Debug, Clone, Default)]
struct Quarter {
    sums: Cells,
    /// Nothing where the minutes were not kept.
    minutes: Option<Minutes>,
}

impl Quarter {
    fn of(minutes: Minutes, keep: bool) -> Self {
        let mut sums = Cells::new();
        for cells in minutes.values() {
            add(&mut sums, cells);
        }
        Self { sums, minutes: keep.then_some(minutes) }
    }
}

fn add(sums: &mut Cells, cells: &Cells) {
    for (key, cell) in cells {
        match sums.get_mut(key) {
            Some(sum) => *sum += cell,
            None => {
                sums.insert(key.clone(), *cell);
            }
        }
    }
}

/// Adds one row.
pub(crate) fn add_row(sums: &mut Cells, row: Stored) {
    *sums.entry(row.key).or_default() += &row.sums;
}

/// What was asked for is not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotKept;

/// All quarters that were read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    quarters: Arc<BTreeMap<DateTime<Utc>, Arc<Quarter>>>,
}

impl Table {
    /// Takes what was read of a stretch of whole quarters: nothing that was in memory of it stays. Quarters
    /// without a row are there from then on, as empty.
    pub(crate) fn replace(
        &mut self,
        stretch: Stretch,
        rows: impl IntoIterator<Item = Stored>,
        keep_minutes: impl Fn(DateTime<Utc>) -> bool,
    ) {
        let mut read: BTreeMap<DateTime<Utc>, BTreeMap<DateTime<Utc>, Cells>> = BTreeMap::new();
        let mut at = quarter(stretch.from);
        while at < stretch.to {
            read.insert(at, BTreeMap::new());
            at += QUARTER;
        }
        for row in rows {
            let minutes = read.entry(quarter(row.at)).or_default();
            add_row(minutes.entry(row.at).or_default(), row);
        }
        let quarters = Arc::make_mut(&mut self.quarters);
        for (at, minutes) in read {
            let minutes = minutes.into_iter().map(|(at, cells)| (at, Arc::new(cells))).collect();
            quarters.insert(at, Arc::new(Quarter::of(minutes, keep_minutes(at))));
        }
    }

    /// Takes newer rows: each stands for what was there of its minute and key. Rows of quarters that were not
    /// read, or whose minutes were not kept, are left out.
    pub(crate) fn merge(&mut self, rows: impl IntoIterator<Item = Stored>) {
        let mut newer: BTreeMap<DateTime<Utc>, Vec<Stored>> = BTreeMap::new();
        for row in rows {
            newer.entry(quarter(row.at)).or_default().push(row);
        }
        let quarters = Arc::make_mut(&mut self.quarters);
        for (at, rows) in newer {
            let Some(quarter) = quarters.get_mut(&at) else { continue };
            let Some(minutes) = &quarter.minutes else { continue };
            let differs =
                |row: &Stored| minutes.get(&row.at).and_then(|cells| cells.get(&row.key)) != Some(&row.sums);
            if !rows.iter().any(differs) {
                continue;
            }
            let mut minutes = minutes.clone();
            for row in rows {
                Arc::make_mut(minutes.entry(row.at).or_default()).insert(row.key, row.sums);
            }
            *quarter = Arc::new(Quarter::of(minutes, true));
        }
    }

    /// Whether a quarter is there.
    pub(crate) fn has(&self, at: DateTime<Utc>) -> bool {
        self.quarters.contains_key(&quarter(at))
    }

    /// Whether a quarter is there with its minutes.
    pub(crate) fn has_minutes(&self, at: DateTime<Utc>) -> bool {
        self.quarters.get(&quarter(at)).is_some_and(|quarter| quarter.minutes.is_some())
    }

    /// Leaves out quarters before a moment, and minutes that are not wanted.
    pub(crate) fn thin(&mut self, from: DateTime<Utc>, keep_minutes: impl Fn(DateTime<Utc>) -> bool) {
        let too_many =
            |(at, quarter): (&DateTime<Utc>, &Arc<Quarter>)| quarter.minutes.is_some() && !keep_minutes(*at);
        if self.quarters.first_key_value().is_none_or(|(first, _)| *first >= from)
            && !self.quarters.iter().any(too_many)
        {
            return;
        }
        let quarters = Arc::make_mut(&mut self.quarters);
        *quarters = quarters.split_off(&from);
        for (at, quarter) in quarters.iter_mut().filter(|(at, quarter)| too_many((at, quarter))) {
            debug_assert!(!keep_minutes(*at));
            *quarter = Arc::new(Quarter { sums: quarter.sums.clone(), minutes: None });
        }
    }

    /// How many sums are kept.
    pub(crate) fn cells(&self) -> usize {
        let of_minutes = |minutes: &Minutes| minutes.values().map(|cells| cells.len()).sum::<usize>();
        let cells = self
            .quarters
            .values()
            .map(|quarter| quarter.sums.len() + quarter.minutes.as_ref().map_or(0, of_minutes));
        cells.sum()
    }

    /// The sums of a stretch by key, or nothing where a part of it is not in memory.
    pub(crate) fn sums(&self, stretch: Stretch) -> Result<Cells, NotKept> {
        let mut sums = Cells::new();
        let mut at = quarter(stretch.from);
        while at < stretch.to {
            let quarter = self.quarters.get(&at).ok_or(NotKept)?;
            if stretch.from <= at && at + QUARTER <= stretch.to {
                add(&mut sums, &quarter.sums);
            } else {
                let minutes = quarter.minutes.as_ref().ok_or(NotKept)?;
                for (_, cells) in minutes.range(stretch.from..stretch.to) {
                    add(&mut sums, cells);
                }
            }
            at += QUARTER;
        }
        Ok(sums)
    }

    /// Minutes that have rows; nothing where a part of the stretch is not in memory minute by minute.
    pub(crate) fn minutes(&self, stretch: Stretch) -> Result<BTreeMap<DateTime<Utc>, Sums>, NotKept> {
        let mut sums = BTreeMap::new();
        let mut at = quarter(stretch.from);
        while at < stretch.to {
            let minutes =
                self.quarters.get(&at).and_then(|quarter| quarter.minutes.as_ref()).ok_or(NotKept)?;
            for (minute, cells) in minutes.range(stretch.from.max(at)..stretch.to.max(at)) {
                let mut total = Sums::default();
                cells.values().for_each(|cell| total += cell);
                sums.insert(*minute, total);
            }
            at += QUARTER;
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::sums::Slot;
    use crate::figures::view::Measure;
    use proptest::prelude::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    fn stretch(from: i64, to: i64) -> Stretch {
        Stretch { from: at(from), to: at(to) }
    }

    fn row(minute: i64, key: &str, events: i64) -> Stored {
        let mut sums = Sums::default();
        let Some(Slot::Count(slot)) = Sums::slot(Measure::Events.column()) else { panic!() };
        sums.set_count(slot, events);
        let key = [Arc::from(key), Arc::from("")];
        Stored { at: at(minute), key, sums, before: Sums::default(), users: None, newest: None }
    }

    fn events(table: &Table, from: i64, to: i64) -> Result<i64, NotKept> {
        let sums = table.sums(stretch(from, to))?;
        Ok(sums.values().map(|sums| sums.count(Measure::Events)).sum())
    }

    #[test]
    fn what_was_not_read_is_not_0_and_what_was_read_without_rows_is() {
        let mut table = Table::default();
        table.replace(stretch(0, 30), [row(3, "CH", 5)], |_| false);
        assert_eq!(events(&table, 0, 30), Ok(5));
        assert_eq!(events(&table, 15, 30), Ok(0));
        assert_eq!(events(&table, 0, 45), Err(NotKept));
        assert_eq!(events(&table, 0, 10), Err(NotKept), "its minutes were not kept");
        table.replace(stretch(0, 15), [], |_| true);
        assert_eq!(events(&table, 0, 10), Ok(0), "read anew, and there is nothing any more");
    }

    #[test]
    fn newer_rows_stand_for_older_ones_of_their_minute_and_key() {
        let mut table = Table::default();
        table.replace(stretch(0, 15), [row(3, "CH", 5), row(3, "DE", 1)], |_| true);
        let shared = table.clone();
        table.merge([row(3, "CH", 7), row(4, "US", 2), row(20, "US", 9)]);
        assert_eq!(events(&table, 0, 15), Ok(10));
        assert_eq!(events(&shared, 0, 15), Ok(6), "what was handed out stays as it was");
        assert!(!table.has(at(20)));
    }

    #[test]
    fn thinning_keeps_sums_and_forgets_minutes_and_what_is_old() {
        let mut table = Table::default();
        table.replace(stretch(0, 45), [row(3, "CH", 5), row(20, "CH", 6)], |_| true);
        table.thin(at(15), |at| at >= self::at(30));
        assert_eq!(events(&table, 15, 30), Ok(6));
        assert_eq!(events(&table, 0, 15), Err(NotKept));
        assert!(!table.has_minutes(at(20)) && table.has_minutes(at(31)));
        assert_eq!(table.cells(), 1);
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_rows(
            rows in proptest::collection::btree_map((0_i64..120, 0_usize..3), 1_i64..100, 0..80),
            from in 0_i64..120,
            length in 0_i64..120,
        ) {
            let keys = ["CH", "DE", "US"];
            let stored: Vec<_> = rows.iter().map(|((minute, key), n)| row(*minute, keys[*key], *n)).collect();
            let mut table = Table::default();
            table.replace(stretch(0, 120), stored, |_| true);
            let to = (from + length).min(120);
            let expected: i64 =
                rows.iter().filter(|((at, _), _)| (from..to).contains(at)).map(|(_, n)| n).sum();
            prop_assert_eq!(events(&table, from, to), Ok(expected));
            let by_minute = table.minutes(stretch(from, to)).unwrap();
            let together: i64 = by_minute.values().map(|sums| sums.count(Measure::Events)).sum();
            prop_assert_eq!(together, expected);
        }
    }
}
