//! What the tables should hold, computed from the raw rows with SQL that shares nothing with the plan but
//! the names of columns.

mod measures;
mod orders;
mod registrations;
mod sessions;
mod windows;

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::admission::{BELONGS_TO_NOBODY, FLOOR_SQL, SINCE_FLOOR};
use contracts::cube::Grouping;
use contracts::event::EVENT;
use contracts::family::{CUBE_FAMILY, Family, Geometry, Source};
use contracts::ids;
use contracts::lateness::ON_TIME_SQL;
use contracts::measure::MeasureKind;
use futures::TryStreamExt;
use rust_decimal::Decimal;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use crate::VerifyError;
use crate::row::{Figure, Key, Rows};

/// Which records belong to their windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Records {
    /// Those on time, and late ones that a repair of their window has seen.
    Belonging,
    /// All that the snapshot sees: what a closed window comes to when it is repaired.
    All,
}

/// Whether a repair of a family has seen a record, whose place on the axis an expression gives.
pub(crate) fn repaired_sql(family: &Family, axis: &str) -> String {
    format!(
        "exists (select from ops.repair where family = '{}' \
         and {axis} >= from_minute and {axis} < to_minute and pg_visible_in_snapshot(tx, snapshot))",
        family.name
    )
}

impl Records {
    /// The condition on a record of a family, whose place on the axis an expression gives.
    fn sql(self, family: &Family, axis: &str) -> String {
        let of_somebody =
            if family.is_by_user() { format!(" and not {BELONGS_TO_NOBODY}") } else { String::new() };
        format!("{} and {axis} >= {FLOOR_SQL}{of_somebody}", self.counted_sql(family, axis))
    }

    fn counted_sql(self, family: &Family, axis: &str) -> String {
        match self {
            Self::All => "true".to_owned(),
            Self::Belonging if !family.repaired => ON_TIME_SQL.to_owned(),
            // The subquery is asked of late records only.
            Self::Belonging => format!("({ON_TIME_SQL} or {})", repaired_sql(family, axis)),
        }
    }
}

/// The query of a table: the row's instant, the dimensions, the measures. `$1` and `$2` bound the family's
/// axis. `events` is what to read events from.
fn query(family: &Family, grouping: &Grouping, records: Records, events: &str) -> String {
    match (family.geometry, family.source) {
        (_, Source::Users) => registrations::query(grouping),
        (Geometry::Windows { step_us, length_us, at_us }, Source::Events) => {
            windows::query(family, grouping, records, events, [step_us, length_us, at_us])
        }
        (Geometry::Sessions, Source::Events) => sessions::query(family, grouping, records, events),
        (Geometry::Records, Source::Events) => orders::query(family, grouping, records, events),
    }
}

/// The events that rows in a range of a family's axis may be computed from. Each day of events is a table,
/// and bounds on the id that stand in the statement spare its planner all other days. An id is within a
/// minute of its event's time; a day is left, so that this takes nothing from the check.
fn events_of(family: &Family, axis: Option<&Range<DateTime<Utc>>>) -> String {
    let Some(range) = axis else { return "raw.events".to_owned() };
    let (step_us, length_us) = family.stretch_us();
    let to = range.end + TimeDelta::microseconds(length_us - step_us);
    let bound = |at: DateTime<Utc>| ids::v7_lower_bound(at.timestamp_millis());
    format!(
        "(select * from raw.events where {id} >= '{}' and {id} < '{}') events",
        bound(range.start - TimeDelta::days(1)),
        bound(to + TimeDelta::days(1)),
        id = EVENT.event_id
    )
}

/// The rows a table should hold, of all time or of a range of the family's axis; as of the transaction's
/// snapshot.
pub(crate) async fn rows(
    transaction: &Transaction<'_>,
    family: &Family,
    grouping: &Grouping,
    records: Records,
    axis: Option<&Range<DateTime<Utc>>>,
) -> Result<Rows, VerifyError> {
    let failed = || VerifyError::postgres("compute what the tables should hold");
    let from = axis.map(|range| range.start);
    let to = axis.map(|range| range.end);
    let parameters: [&(dyn ToSql + Sync); 2] = [&from, &to];
    let stream = transaction
        .query_raw(&query(family, grouping, records, &events_of(family, axis)), parameters)
        .await
        .map_err(failed())?;
    futures::pin_mut!(stream);
    let mut rows = Rows::new();
    while let Some(row) = stream.try_next().await.map_err(failed())? {
        let (key, figures) = parse(grouping, &row).map_err(failed())?;
        rows.insert(key, figures);
    }
    Ok(rows)
}

fn parse(grouping: &Grouping, row: &Row) -> Result<(Key, Vec<Figure>), tokio_postgres::Error> {
    let at: DateTime<Utc> = row.try_get(0)?;
    let first_measure = 1 + grouping.dimensions.len();
    let dimensions = (1..first_measure).map(|index| row.try_get(index)).collect::<Result<_, _>>()?;
    let mut figures = Vec::with_capacity(grouping.measures.len());
    for (index, measure) in (first_measure..).zip(grouping.measures) {
        figures.push(match measure.kind() {
            MeasureKind::Count => Figure::Count(row.try_get(index)?),
            MeasureKind::Distinct => Figure::Distinct(row.try_get(index)?),
            MeasureKind::Money => Figure::Money(row.try_get::<_, Decimal>(index)?),
            MeasureKind::Instant => {
                // Cassandra keeps ms; the µs are cut, not rounded.
                let at: DateTime<Utc> = row.try_get(index)?;
                Figure::Instant(at.timestamp_micros().div_euclid(1000))
            }
            MeasureKind::Text => Figure::Text(row.try_get(index)?),
            MeasureKind::Flag => Figure::Flag(row.try_get(index)?),
        });
    }
    Ok((Key::of(grouping, at, dimensions), figures))
}

/// How many records are late and belong to no window yet: left to reconciliation.
pub(crate) async fn late_events(transaction: &Transaction<'_>) -> Result<i64, VerifyError> {
    let repaired = repaired_sql(&CUBE_FAMILY, EVENT.occurred_at.name());
    let sql = format!(
        "select count(*) from raw.events where not ({ON_TIME_SQL}) and not {repaired} and {SINCE_FLOOR}"
    );
    let row = transaction.query_one(&sql, &[]).await.map_err(VerifyError::postgres("count late records"))?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use contracts::family;

    use super::*;

    #[test]
    fn only_tables_of_products_leave_out_other_records() {
        for (family, grouping) in family::tables() {
            for records in [Records::Belonging, Records::All] {
                let sql = query(family, grouping, records, "raw.events");
                assert_eq!(sql.contains("item_id is not null"), grouping.only_items, "{sql}");
            }
        }
    }
}
