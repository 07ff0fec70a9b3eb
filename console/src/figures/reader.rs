//! Figures that are not in memory, from the tables: which table a figure comes from, and how long a stretch
//! may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::cube::{GROUPINGS, Grouping};
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::family::{HOURS, LIVE};
use tokio::sync::Semaphore;

use super::breakdown::Groups;
use super::compare::Sides;
use super::coverage::Coverage;
use super::distinct::Distinct;
use super::live::compared;
use super::period::{Period, Stretch};
use super::series::Rows;
use super::sums::Sums;
use super::view::Estimate;
use crate::problem::Problem;
use crate::watch::shop::store::{Ask, Store, Stored, Which};
use crate::watch::shop::table::{Cells, add_row};
use crate::watch::shop::{Hour, Kept, Shop, asks};
use crate::watch::{Refused, words};

/// Of the whole shop, minute by minute.
pub(crate) const BY_MINUTE: TimeDelta = TimeDelta::hours(48);
/// Of the whole shop, added up from hours.
pub(crate) const BY_HOUR: TimeDelta = TimeDelta::days(400);
/// By country, category, channel, device, gender or age: a day and its two ends more than a week, for any
/// zone.
pub(crate) const BY_DIMENSION: TimeDelta = TimeDelta::hours(7 * 24 + 1);
/// By product, which have the most rows.
pub(crate) const BY_PRODUCT: TimeDelta = TimeDelta::hours(49);
/// Visitors, window by window.
pub(crate) const BY_WINDOW: TimeDelta = TimeDelta::hours(7 * 24 + 1);

/// How long all reads of one answer may take together.
const DEADLINE: Duration = Duration::from_secs(20);
/// How many long answers are read for at once; others wait for their turn.
const LONG_READS: usize = 2;

/// Why a figure cannot be told.
#[derive(Debug)]
pub(crate) enum Failure {
    /// So much is not read for one answer.
    TooLong(TimeDelta),
    /// What was asked for is gone, or was never computed.
    BeforeFloor(String),
    /// The line has not written it.
    NotReached(String),
    /// Cassandra does not answer.
    Away(String),
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Self {
        Self::Away(words(&*error))
    }
}

impl Failure {
    /// In one sentence.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::TooLong(longest) => {
                format!("it is told of {} at most", crate::format::stretch(*longest).replace('\u{a0}', " "))
            }
            Self::BeforeFloor(why) | Self::NotReached(why) => why.clone(),
            Self::Away(why) => format!("Cassandra does not answer: {why}"),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let words = failure.words();
        match failure {
            Failure::TooLong(longest) => Self::period_too_long(longest),
            Failure::BeforeFloor(_) => Self::bad_request("before-floor", words),
            Failure::NotReached(why) => Self::store_away("The streaming job", why),
            Failure::Away(why) => Self::store_away("Cassandra", why),
        }
    }
}

/// Reads figures that the poller does not keep.
pub(crate) struct Reader {
    store: Arc<Store>,
    turn: Semaphore,
}

impl Reader {
    pub(crate) fn new(endpoints: &Endpoints) -> Self {
        Self { store: Arc::new(Store::new(endpoints)), turn: Semaphore::new(LONG_READS) }
    }

    /// The tables, over the session that the poller uses too.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The sums of a period and of the one that it is compared with.
    pub(crate) async fn sides(
        &self,
        shop: &Shop,
        coverage: &Coverage,
        period: &Period,
    ) -> Result<Sides, Failure> {
        told(coverage, period)?;
        let value = self.total(shop, period.whole).await?;
        let closed =
            if period.whole == period.closed { value } else { self.total(shop, period.closed).await? };
        let compared = match compared(coverage, period) {
            Ok(stretch) => Ok(self.total(shop, stretch).await?),
            Err(why) => Err(why),
        };
        Ok(Sides { value, closed, compared, length: period.closed.length(), provisional: period.provisional })
    }

    /// The sums of a stretch of the whole shop.
    pub(crate) async fn total(&self, shop: &Shop, stretch: Stretch) -> Result<Sums, Failure> {
        if let Ok(total) = shop.total(stretch) {
            return Ok(total);
        }
        let mut total = Sums::default();
        for sums in self.rows(stretch).await?.values() {
            total += sums;
        }
        Ok(total)
    }

    /// Rows of a stretch of the whole shop: of minutes, or of whole hours where it is long and of minutes at
    /// its ends.
    async fn rows(&self, stretch: Stretch) -> Result<Rows, Failure> {
        if stretch.length() <= BY_MINUTE {
            return self.of(Kept::Activity.grouping(), stretch).await;
        }
        limit(stretch, BY_HOUR)?;
        let hours = whole_hours(stretch);
        let ends =
            [Stretch { from: stretch.from, to: hours.from }, Stretch { from: hours.to, to: stretch.to }];
        let mut rows = self.of(&HOURS.tables[0], hours).await?;
        for end in ends.into_iter().filter(|end| !end.is_empty()) {
            rows.extend(self.of(Kept::Activity.grouping(), end).await?);
        }
        Ok(rows)
    }

    async fn of(&self, grouping: &'static Grouping, stretch: Stretch) -> Result<Rows, Failure> {
        let rows = self.read(asks(grouping, stretch, |_| vec![None])).await?;
        Ok(rows.into_iter().map(|row| (row.at, row.sums)).collect())
    }

    /// Rows of which each lies within one of these steps.
    pub(crate) async fn in_steps(&self, shop: &Shop, steps: &[Stretch]) -> Result<Rows, Failure> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(Rows::new()) };
        let stretch = Stretch { from: first.from, to: last.to };
        if let Some(Ok(rows)) = shop.table(Kept::Activity).map(|table| table.minutes(stretch)) {
            return Ok(rows);
        }
        if stretch.length() <= BY_MINUTE {
            return self.of(Kept::Activity.grouping(), stretch).await;
        }
        // Of hours only where every step begins with one; the last may end amid one that is not over.
        let on_the_hour = |at: DateTime<Utc>| at.timestamp() % 3_600 == 0;
        if !steps.iter().all(|step| on_the_hour(step.from)) {
            limit(stretch, BY_DIMENSION)?;
            return self.of(Kept::Activity.grouping(), stretch).await;
        }
        self.rows(stretch).await
    }

    /// The sums of a stretch by the values of a table's dimensions.
    pub(crate) async fn cells(
        &self,
        shop: &Shop,
        kept: Kept,
        stretch: Stretch,
    ) -> Result<Arc<Cells>, Failure> {
        limit(stretch, BY_DIMENSION)?;
        if let Ok(cells) = shop.sums(kept, stretch) {
            return Ok(cells);
        }
        let asks = asks(kept.grouping(), stretch, |_| match kept {
            Kept::Countries => shop.countries.iter().cloned().map(Some).collect(),
            _ => vec![None],
        });
        let mut cells = Cells::new();
        for row in self.read(asks).await? {
            add_row(&mut cells, row);
        }
        Ok(Arc::new(cells))
    }

    /// The sums of a stretch by product, and what each was called last.
    pub(crate) async fn products(
        &self,
        stretch: Stretch,
    ) -> Result<(Groups, BTreeMap<String, String>), Failure> {
        limit(stretch, BY_PRODUCT)?;
        let (mut groups, mut names) = (Groups::new(), BTreeMap::new());
        let mut rows = self.read(asks(by_product(), stretch, |_| vec![None])).await?;
        rows.sort_by_key(|row| row.at);
        for row in rows {
            let [item_id, item_name] = row.key;
            *groups.entry(item_id.to_string()).or_default() += &row.sums;
            names.insert(item_id.to_string(), item_name.to_string());
        }
        Ok((groups, names))
    }

    /// The hours that a stretch touches, and from where on they are known to be all.
    pub(crate) async fn hours(
        &self,
        shop: &Shop,
        stretch: Stretch,
    ) -> Result<BTreeMap<DateTime<Utc>, Hour>, Failure> {
        let hour = TimeDelta::hours(1);
        let first = stretch.from.duration_trunc(hour).unwrap_or(stretch.from);
        if shop.hours_from.is_some_and(|from| from <= first) {
            return Ok(shop.hours.range(first..stretch.to).map(|(at, hour)| (*at, *hour)).collect());
        }
        limit(stretch, BY_HOUR)?;
        let touched = Stretch { from: first, to: stretch.to };
        let rows = self.read(asks(&HOURS.tables[0], touched, |_| vec![None])).await?;
        let hour = |row: Stored| {
            (row.at, Hour { sums: row.sums, users: Distinct::new(row.users.unwrap_or_default()) })
        };
        Ok(rows.into_iter().map(hour).collect())
    }

    /// Visitors of the windows that end in a stretch, thinned to `most`.
    pub(crate) async fn visitors(&self, stretch: Stretch, most: usize) -> Result<Vec<Estimate>, Failure> {
        limit(stretch, BY_WINDOW)?;
        let rows = self.read(asks(&LIVE.tables[0], stretch, |_| vec![None])).await?;
        let users: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.at, Distinct::new(row.users.unwrap_or_default()))).collect();
        let every = users.len().div_ceil(most.max(1)).max(1);
        Ok(users.into_iter().rev().step_by(every).map(|(at, users)| users.of_window(at)).rev().collect())
    }

    /// What is asked, read at once, as much as the store takes.
    pub(crate) async fn read(&self, asks: Vec<Ask>) -> Result<Vec<Stored>, Failure> {
        let reads = async {
            let _turn = self.turn.acquire().await.map_err(|error| Refused::from(error.to_string()))?;
            let reads = asks.iter().map(async |ask| {
                let mut rows = Vec::new();
                self.store.read(ask, |row| rows.push(row)).await?;
                Ok::<_, Refused>(rows)
            });
            futures::future::try_join_all(reads).await
        };
        match tokio::time::timeout(DEADLINE, reads).await {
            Ok(rows) => Ok(rows?.into_iter().flatten().collect()),
            Err(_) => Err(Failure::Away(format!("not all was read within {} s", DEADLINE.as_secs()))),
        }
    }
}

/// Whether a period can be told at all.
pub(crate) fn told(coverage: &Coverage, period: &Period) -> Result<(), Failure> {
    coverage.whole(period.whole).map_err(Failure::BeforeFloor)?;
    coverage.reached(period.whole).map_err(Failure::NotReached)
}

/// The table of products.
pub(crate) fn by_product() -> &'static Grouping {
    let own = GROUPINGS.iter().find(|grouping| grouping.dimensions.first() == Some(&EVENT.item_id));
    // A test holds that there is one.
    own.unwrap_or(&GROUPINGS[0])
}

/// What a figure of the whole shop is read from.
pub(crate) fn sources(stretch: Stretch) -> Vec<Ask> {
    if stretch.length() <= BY_MINUTE {
        return asks(Kept::Activity.grouping(), stretch, |_| vec![None]);
    }
    let hours = whole_hours(stretch);
    let mut sources = asks(&HOURS.tables[0], hours, |_| vec![None]);
    let ends = [Stretch { from: stretch.from, to: hours.from }, Stretch { from: hours.to, to: stretch.to }];
    for end in ends.into_iter().filter(|end| !end.is_empty()) {
        sources.extend(asks(Kept::Activity.grouping(), end, |_| vec![None]));
    }
    sources
}

/// The newest window of live visitors up to a moment.
pub(crate) fn newest_window(now: DateTime<Utc>) -> Ask {
    Ask { grouping: &LIVE.tables[0], at: now, dimension: None, rows: Which::NewestTo(now, 1) }
}

fn whole_hours(stretch: Stretch) -> Stretch {
    let hour = TimeDelta::hours(1);
    let to = stretch.to.duration_trunc(hour).unwrap_or(stretch.to);
    let from = (stretch.from + hour - TimeDelta::minutes(1)).duration_trunc(hour).unwrap_or(stretch.from);
    Stretch { from: from.min(to), to }
}

pub(crate) fn limit(stretch: Stretch, longest: TimeDelta) -> Result<(), Failure> {
    if stretch.length() > longest { Err(Failure::TooLong(longest)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    #[test]
    fn products_have_a_table_with_their_names() {
        assert_eq!(by_product().dimensions, [EVENT.item_id, EVENT.item_name]);
    }

    proptest! {
        #[test]
        fn hours_and_ends_are_the_whole_stretch(from in 0_i64..10_000, length in 61_i64..600_000) {
            let stretch = Stretch { from: at(from), to: at(from + length) };
            let hours = whole_hours(stretch);
            prop_assert!(stretch.from <= hours.from && hours.from <= hours.to && hours.to <= stretch.to);
            prop_assert_eq!((hours.from.timestamp() % 3_600, hours.to.timestamp() % 3_600), (0, 0));
            prop_assert!(hours.from - stretch.from < TimeDelta::hours(1));
            prop_assert!(stretch.to - hours.to < TimeDelta::hours(1));
        }
    }
}
