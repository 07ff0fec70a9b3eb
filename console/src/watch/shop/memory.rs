//! What of the cube's tables is in memory, and how it gets there from the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::future::try_join_all;

use super::Kept;
use super::fetch::{fetch, fetch_newest};
use super::loads::{DAYS_KEPT, Load};
use super::minutes::{compared_ends, keeps_minutes};
use super::store::{Ask, Store, Stored, Which};
use super::table::{NotKept, QUARTER, Table, quarter};
use crate::figures::period::Stretch;
use crate::figures::sums::Sums;
use crate::figures::view::Measure;
use crate::watch::Refused;

/// Sums that are kept at most: 64 MiB of them. The oldest go first.
const MAX_CELLS: usize = (64 << 20) / 176;

/// The tables, and which days and countries they have.
pub(super) struct Memory {
    tables: HashMap<Kept, Table>,
    /// The days on which each country has rows.
    countries: BTreeMap<NaiveDate, BTreeSet<Arc<str>>>,
    first_row: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            tables: Kept::ALL.into_iter().map(|kept| (kept, Table::default())).collect(),
            countries: BTreeMap::new(),
            first_row: None,
            newest: None,
        }
    }

    pub(super) const fn tables(&self) -> &HashMap<Kept, Table> {
        &self.tables
    }

    /// The earliest row of all.
    pub(super) const fn first_row(&self) -> Option<DateTime<Utc>> {
        self.first_row
    }

    /// The newest event as it stands in the tables, which may be ahead of the clock.
    pub(super) const fn newest(&self) -> Option<DateTime<Utc>> {
        self.newest
    }

    /// Rows that are read from now on say it anew.
    pub(super) const fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// The countries that have rows.
    pub(super) fn countries(&self) -> Arc<[Arc<str>]> {
        self.countries.values().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many of them have rows of a day.
    pub(super) fn countries_of(&self, day: NaiveDate) -> usize {
        self.countries.get(&day).map_or(0, BTreeSet::len)
    }

    /// How many sums are kept.
    pub(super) fn cells(&self) -> usize {
        self.tables.values().map(Table::cells).sum()
    }

    /// Whether a table has no minutes of now.
    pub(super) fn has_a_gap(&self, now: DateTime<Utc>) -> bool {
        Kept::ALL.iter().any(|kept| !self.tables[kept].has_minutes(now))
    }

    /// Whether the countries together have less of a stretch than the shop: one has come that is not listed.
    pub(super) fn lacks_a_country(&self, stretch: Stretch) -> bool {
        let events = |kept| {
            let cells = self.tables[&kept].sums(stretch)?;
            Ok::<_, NotKept>(cells.values().map(|sums| sums.count(Measure::Events)).sum::<i64>())
        };
        let (shop, countries) = (events(Kept::Activity), events(Kept::Countries));
        matches!((shop, countries), (Ok(shop), Ok(countries)) if countries < shop)
    }

    /// Stretches that today is compared with end amid a quarter: those of which minutes are needed and not
    /// there.
    pub(super) fn without_minutes(&self, now: DateTime<Utc>) -> Vec<Load> {
        let mut loads = Vec::new();
        for at in compared_ends(now, self.newest) {
            for kept in Kept::ALL {
                let table = &self.tables[&kept];
                if table.has(at) && !table.has_minutes(at) {
                    loads.push(Load { kept, stretch: Stretch { from: at, to: at + QUARTER } });
                }
            }
        }
        loads
    }

    /// Reads which days and countries there are, and the earliest row of all.
    pub(super) async fn list(&mut self, store: &Store) -> Result<(), Refused> {
        let (days, countries) = futures::future::try_join(
            store.partitions(Kept::Activity.grouping()),
            store.partitions(Kept::Countries.grouping()),
        )
        .await?;
        let mut by_day: BTreeMap<_, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (day, country) in countries {
            by_day.entry(day).or_default().extend(country);
        }
        self.countries = by_day;
        self.first_row = None;
        if let Some((day, _)) = days.into_iter().min() {
            let ask = Ask {
                grouping: Kept::Activity.grouping(),
                at: day.and_time(chrono::NaiveTime::MIN).and_utc(),
                dimension: None,
                rows: Which::First,
            };
            let mut first = None;
            store.read(&ask, |row| first = Some(row.at)).await?;
            self.first_row = first;
        }
        Ok(())
    }

    /// Reads a stretch of some tables: the whole of it, or what is newer than what is there.
    pub(super) async fn read(
        &mut self,
        store: &Store,
        tables: &[Kept],
        stretch: Stretch,
        now: DateTime<Utc>,
        whole: bool,
    ) -> Result<(), Refused> {
        let read = try_join_all(tables.iter().map(async |kept| {
            let dimensions = |day| self.dimensions(*kept, day);
            if whole {
                fetch(store, kept.grouping(), stretch, dimensions).await
            } else {
                fetch_newest(store, kept.grouping(), stretch, dimensions).await
            }
        }));
        let read = read.await?;
        for (kept, rows) in tables.iter().zip(read) {
            self.note_newest(*kept, &rows);
            let keep = keeps_minutes(*kept, now, self.newest);
            let table = self.tables.entry(*kept).or_default();
            if whole {
                table.replace(stretch, rows, keep);
            } else {
                table.merge(rows);
            }
        }
        Ok(())
    }

    /// Reads a stretch of a table anew.
    pub(super) async fn load(
        &mut self,
        store: &Store,
        load: Load,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let Load { kept, stretch } = load;
        let nothing_before = self.first_row.map(quarter);
        // Days without any row need no asking.
        let rows = match nothing_before {
            Some(first) if first < stretch.to => {
                let asked = Stretch { from: stretch.from.max(first), to: stretch.to };
                self.fetch(store, kept, asked).await?
            }
            _ => Vec::new(),
        };
        self.note_newest(kept, &rows);
        let keep = keeps_minutes(kept, now, self.newest);
        self.tables.entry(kept).or_default().replace(stretch, rows, keep);
        Ok(())
    }

    /// The quarters of a stretch that are stored otherwise than they are in memory.
    pub(super) async fn differing(
        &mut self,
        store: &Store,
        stretch: Stretch,
    ) -> Result<BTreeSet<DateTime<Utc>>, Refused> {
        let rows = self.fetch(store, Kept::Activity, stretch).await?;
        let Ok(kept) = self.tables[&Kept::Activity].minutes(stretch) else { return Ok(BTreeSet::new()) };
        self.note_newest(Kept::Activity, &rows);
        let stored: BTreeMap<DateTime<Utc>, Sums> = rows.into_iter().map(|row| (row.at, row.sums)).collect();
        let minutes: BTreeSet<_> = stored.keys().chain(kept.keys()).collect();
        let differ = minutes.into_iter().filter(|at| stored.get(at) != kept.get(at));
        Ok(differ.map(|at| quarter(*at)).collect())
    }

    /// The hours of a stretch of whole hours whose stored sums are not those in memory. Hours that are not in
    /// memory are not among them.
    pub(super) fn differing_hours(&self, rows: &[Stored], stretch: Stretch) -> Vec<Stretch> {
        let stored: BTreeMap<DateTime<Utc>, &Sums> = rows.iter().map(|row| (row.at, &row.sums)).collect();
        let hours = std::iter::successors(Some(stretch.from), |at| Some(*at + TimeDelta::hours(1)));
        let hours = hours.take_while(|at| *at < stretch.to);
        hours
            .map(|at| Stretch { from: at, to: at + TimeDelta::hours(1) })
            .filter(|hour| {
                let Ok(cells) = self.tables[&Kept::Activity].sums(*hour) else { return false };
                let mut kept = Sums::default();
                cells.values().for_each(|sums| kept += sums);
                stored.get(&hour.from).copied().copied().unwrap_or_default() != kept
            })
            .collect()
    }

    /// Forgets what is old, and minutes that are not needed.
    pub(super) fn thin(&mut self, now: DateTime<Utc>) {
        let mut days = DAYS_KEPT + 1;
        let mut cells = usize::MAX;
        while cells > MAX_CELLS && days > 2 {
            let from = quarter(now) - TimeDelta::days(days);
            for (kept, table) in &mut self.tables {
                table.thin(from, keeps_minutes(*kept, now, self.newest));
            }
            cells = self.cells();
            days -= 1;
        }
    }

    async fn fetch(&self, store: &Store, kept: Kept, stretch: Stretch) -> Result<Vec<Stored>, Refused> {
        fetch(store, kept.grouping(), stretch, |day| self.dimensions(kept, day)).await
    }

    /// What the partitions of a day differ in.
    fn dimensions(&self, kept: Kept, day: NaiveDate) -> Vec<Option<Arc<str>>> {
        if kept != Kept::Countries {
            return vec![None];
        }
        // A day that has just begun is not listed yet: whoever was there last comes again.
        let newest = self.countries.last_key_value().map(|(_, countries)| countries);
        let known =
            self.countries.get(&day).into_iter().chain(newest.filter(|_| day >= Utc::now().date_naive()));
        known.flatten().cloned().collect::<BTreeSet<_>>().into_iter().map(Some).collect()
    }

    fn note_newest(&mut self, kept: Kept, rows: &[Stored]) {
        if kept == Kept::Activity {
            let newest = rows.iter().filter_map(|row| row.newest).max();
            self.newest = self.newest.max(newest);
        }
    }
}
