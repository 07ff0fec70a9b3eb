//! When rows of a table that were counted have to be counted anew: counts are kept from one look to the next,
//! and a look reads young rows alone.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::Refused;
use crate::access;

/// Rows younger than this are read at each look: what is committed late by less is counted at once.
pub(super) const SETTLES: TimeDelta = TimeDelta::minutes(2);
/// How soon all is counted anew where earlier rows were changed or removed, as while they are judged again.
const CHANGED: TimeDelta = TimeDelta::minutes(1);
/// How soon where the number of rows alone does not add up: PostgreSQL's counters trail by seconds, and count
/// what was rolled back.
const UNEVEN: TimeDelta = TimeDelta::minutes(5);
/// And how soon in any case.
const ALWAYS: TimeDelta = TimeDelta::hours(1);
/// How many hours before the one under way are told.
pub(super) const HOURS: i64 = 24;

/// What PostgreSQL has counted of a table of `raw` since its counters began.
const COUNTERS: &str = "
    select n_tup_ins, n_tup_upd + n_tup_del from pg_stat_all_tables where schemaname = 'raw' and relname = $1";

/// PostgreSQL's counters of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    inserted: i64,
    changed: i64,
}

impl Counters {
    /// As they stand.
    pub(super) async fn read(
        client: &impl GenericClient,
        table: &str,
    ) -> Result<Self, tokio_postgres::Error> {
        let row = client.query_one(COUNTERS, &[&table]).await?;
        Ok(Self { inserted: row.try_get(0)?, changed: row.try_get(1)? })
    }
}

/// A count of all rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// When it was made.
    pub(super) at: DateTime<Utc>,
    /// How many there were.
    pub(super) rows: i64,
    /// Where the counters stood before.
    pub(super) counters: Counters,
}

impl Count {
    /// Whether earlier rows are no longer as they were counted: `whole` is what the count has grown to since.
    pub(super) fn outdated(&self, whole: i64, counters: Counters, now: DateTime<Utc>) -> bool {
        let age = now - self.at;
        let inserted = counters.inserted - self.counters.inserted;
        age >= ALWAYS
            || (age >= CHANGED && counters.changed != self.counters.changed)
            || (age >= UNEVEN && inserted != whole - self.rows)
    }
}

/// The connection that was kept, or a new one. It is taken out: a look that is cut off leaves none behind
/// that still owes an answer.
pub(super) async fn connection(kept: &mut Option<Client>, pg_url: &str) -> Result<Client, Refused> {
    match kept.take().filter(|client| !client.is_closed()) {
        Some(client) => Ok(client),
        None => Ok(access::connect(pg_url).await?),
    }
}

/// All rows as of one moment.
pub(super) async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
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

    pub(in crate::watch) fn counted(at: DateTime<Utc>) -> Count {
        Count { at, rows: 10, counters: Counters { inserted: 100, changed: 5 } }
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::{at, counted};
    use super::*;

    #[test]
    fn all_is_counted_anew_where_earlier_rows_changed_and_not_at_each_look() {
        let then = at("2026-01-02T03:04:05Z");
        let count = counted(then);
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
