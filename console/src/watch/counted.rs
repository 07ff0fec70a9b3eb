//! Counts of a table's rows that are kept from one look to the next: a look reads young rows alone, and all
//! rows are counted anew where PostgreSQL's own counters say that earlier rows were changed.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, GenericClient, IsolationLevel, Row, Transaction};

use super::Refused;
use crate::access;

/// Rows younger than this are read at each look: what is committed late by less is counted at once.
const SETTLES: TimeDelta = TimeDelta::minutes(2);
/// How soon all is counted anew where earlier rows were changed or removed, as while they are judged again.
const CHANGED: TimeDelta = TimeDelta::minutes(1);
/// How soon where the number of rows alone does not add up: PostgreSQL's counters trail by seconds, and count
/// what was rolled back.
const UNEVEN: TimeDelta = TimeDelta::minutes(5);
/// And how soon in any case.
const ALWAYS: TimeDelta = TimeDelta::hours(1);
/// How many hours before the one under way are told.
const HOURS: i64 = 24;

/// What PostgreSQL has counted of a table of `raw` since its counters began.
const COUNTERS: &str = "
    select n_tup_ins, n_tup_upd + n_tup_del from pg_stat_all_tables where schemaname = 'raw' and relname = $1";

/// A table of `raw` whose rows are counted, and the counts.
pub(crate) trait CountedTable: Clone + Send + Sync {
    /// Its name, without the schema.
    const NAME: &'static str;
    /// Reads the rows that came at $1 or later. The column `settles` says whether they came before $2.
    const YOUNG: &'static str;
    /// Rows that came in the same hour and are alike.
    type Young: Send + Sync;
    /// What is told of the counts.
    type View;

    /// Rows as [`Self::YOUNG`] reads them.
    fn young(row: &Row) -> Result<Self::Young, Error>;
    /// How many rows they are.
    fn len(young: &Self::Young) -> i64;
    /// Counts all rows, but not by hour.
    fn read(snapshot: &Transaction<'_>) -> impl Future<Output = Result<Self, Error>> + Send;
    /// Counts the rows of a stretch by hour.
    fn read_hours(
        &mut self,
        snapshot: &Transaction<'_>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// How many rows were counted.
    fn rows(&self) -> i64;
    /// Counts rows, also by hour.
    fn add(&mut self, young: &Self::Young);
    /// Takes rows out again that were counted, but not by hour.
    fn take_out(&mut self, young: &Self::Young);
    /// What is told of them.
    fn view(&self, counted_at: DateTime<Utc>, now: DateTime<Utc>) -> Self::View;
}

/// What is known of all rows of a table.
struct Tally<T> {
    /// Rows that came before `settled`.
    before: T,
    settled: DateTime<Utc>,
    /// When all was counted last.
    count: Count,
}

/// Counts over a connection of its own.
pub(crate) struct Counting<T> {
    client: Option<Client>,
    tally: Option<Tally<T>>,
}

impl<T> Default for Counting<T> {
    fn default() -> Self {
        Self { client: None, tally: None }
    }
}

impl<T: CountedTable> Counting<T> {
    /// The rows that are there now; those that were changed or removed since the last look, within a minute.
    pub(crate) async fn look(&mut self, pg_url: &str) -> Result<T::View, Refused> {
        let mut client = connection(&mut self.client, pg_url).await?;
        let now = Utc::now();
        let added = match self.tally.take() {
            Some(tally) => tally.add(&client, now).await?,
            None => None,
        };
        let (tally, young) = match added {
            Some(added) => added,
            None => Tally::count(&mut client, now).await?,
        };
        let mut all = tally.before.clone();
        young.iter().for_each(|rows| all.add(rows));
        let view = all.view(tally.count.at, now);
        (self.tally, self.client) = (Some(tally), Some(client));
        Ok(view)
    }
}

impl<T: CountedTable> Tally<T> {
    /// Adds what has come, and returns what is too young for it; nothing where all has to be counted anew.
    async fn add(
        mut self,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Option<(Self, Vec<T::Young>)>, Refused> {
        let settles = self.settled.max(now - SETTLES);
        let since: [&(dyn ToSql + Sync); 2] = [&self.settled, &settles];
        let (rows, counters) =
            tokio::try_join!(client.query(T::YOUNG, &since), Counters::read(client, T::NAME))?;
        let mut young = Vec::new();
        for row in &rows {
            let rows = T::young(row)?;
            if row.try_get("settles")? {
                self.before.add(&rows);
            } else {
                young.push(rows);
            }
        }
        self.settled = settles;
        let whole = self.before.rows() + young.iter().map(T::len).sum::<i64>();
        Ok((!self.count.outdated(whole, counters, now)).then_some((self, young)))
    }

    /// Counts all rows as of one moment.
    async fn count(client: &mut Client, now: DateTime<Utc>) -> Result<(Self, Vec<T::Young>), Refused> {
        let settled = now - SETTLES;
        let snapshot = snapshot(client).await?;
        // The counters first: what is changed while all is counted then counts as changed since.
        let counters = Counters::read(&snapshot, T::NAME).await?;
        let mut before = T::read(&snapshot).await?;
        let count = Count { at: now, rows: before.rows(), counters };
        let young = snapshot.query(T::YOUNG, &[&settled, &settled]).await?;
        let young = young.iter().map(T::young).collect::<Result<Vec<_>, _>>()?;
        // Those are added at each look.
        young.iter().for_each(|rows| before.take_out(rows));
        before.read_hours(&snapshot, first_hour(now), settled).await?;
        snapshot.commit().await?;
        Ok((Self { before, settled, count }, young))
    }
}

/// PostgreSQL's counters of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    inserted: i64,
    changed: i64,
}

impl Counters {
    /// As they stand.
    async fn read(client: &impl GenericClient, table: &str) -> Result<Self, Error> {
        let row = client.query_one(COUNTERS, &[&table]).await?;
        Ok(Self { inserted: row.try_get(0)?, changed: row.try_get(1)? })
    }
}

/// A count of all rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// When it was made.
    at: DateTime<Utc>,
    /// How many there were.
    rows: i64,
    /// Where the counters stood before.
    counters: Counters,
}

impl Count {
    /// Whether earlier rows are no longer as they were counted: `whole` is what the count has grown to since.
    fn outdated(&self, whole: i64, counters: Counters, now: DateTime<Utc>) -> bool {
        let age = now - self.at;
        let inserted = counters.inserted - self.counters.inserted;
        age >= ALWAYS
            || (age >= CHANGED && counters.changed != self.counters.changed)
            || (age >= UNEVEN && inserted != whole - self.rows)
    }
}

/// The connection that was kept, or a new one. It is taken out: a look that is cut off leaves none behind
/// that still owes an answer.
async fn connection(kept: &mut Option<Client>, pg_url: &str) -> Result<Client, Refused> {
    match kept.take().filter(|client| !client.is_closed()) {
        Some(client) => Ok(client),
        None => Ok(access::connect(pg_url).await?),
    }
}

/// All rows as of one moment.
async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, Error> {
    client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await
}

/// The start of an hour of UTC.
pub(super) fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

/// The start of the first hour that is told.
pub(super) fn first_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    hour_of(now) - TimeDelta::hours(HOURS)
}

/// The starts of all of them, the oldest first; the last one is under way.
pub(super) fn hours(now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let first = first_hour(now);
    (0..=HOURS).map(move |hour| first + TimeDelta::hours(hour))
}

#[cfg(test)]
pub(super) mod tests_support {
    use super::*;

    pub(in crate::watch) fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::at;
    use super::*;

    #[test]
    fn all_is_counted_anew_where_earlier_rows_changed_and_not_at_each_look() {
        let then = at("2026-01-02T03:04:05Z");
        let count = Count { at: then, rows: 10, counters: Counters { inserted: 100, changed: 5 } };
        let (same, after) = (count.counters, |minutes| then + TimeDelta::minutes(minutes));
        let more = Counters { inserted: 103, ..same };
        assert!(!count.outdated(10, same, after(10)));
        assert!(!count.outdated(13, more, after(10)));
        assert!(count.outdated(12, more, after(10)), "a row that was committed late");
        assert!(!count.outdated(12, more, after(4)), "the counters may trail");
        let changed = Counters { changed: 6, ..same };
        assert!(count.outdated(10, changed, after(1)));
        assert!(!count.outdated(10, changed, then), "at most once a minute");
        assert!(count.outdated(10, same, after(60)));
    }
}
