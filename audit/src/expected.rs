//! What the tables should hold, computed from `raw.events` with SQL that shares nothing with the plan but
//! the names of columns.

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, Utc};
use contracts::cube::{Grouping, MEASURE, MeasureKind, NONE};
use contracts::event::EVENT;
use contracts::lateness::ON_TIME_SQL;
use contracts::record::Column;
use futures::TryStreamExt;
use rust_decimal::Decimal;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use crate::VerifyError;
use crate::row::{Figure, Key, Rows};

/// The SQL of a measure.
fn measure_sql(measure: Column) -> Result<String, VerifyError> {
    let event_name = EVENT.event_name;
    let lines = |name: &str| format!("count(*) filter (where {event_name} = '{name}')");
    let amount = |name: &str| {
        format!("coalesce(sum({}) filter (where {event_name} = '{name}'), 0.00)", EVENT.amount_base)
    };
    let sql = [
        (MEASURE.events, "count(*)".to_owned()),
        (MEASURE.session_starts, lines("session_start")),
        (MEASURE.sessions, format!("count(distinct {})", EVENT.session_id)),
        (MEASURE.users, format!("count(distinct {})", EVENT.user_id)),
        (MEASURE.item_views, lines("view_item")),
        (MEASURE.cart_adds, lines("add_to_cart")),
        (MEASURE.checkouts, lines("begin_checkout")),
        (
            MEASURE.orders,
            format!("count(*) filter (where {event_name} = 'purchase' and {} = 1)", EVENT.order_line),
        ),
        (MEASURE.order_lines, lines("purchase")),
        (
            MEASURE.units,
            format!("coalesce(sum({}) filter (where {event_name} = 'purchase'), 0)", EVENT.quantity),
        ),
        (MEASURE.gross, amount("purchase")),
        (MEASURE.refunds, amount("refund")),
        (MEASURE.net, format!("{} - {}", amount("purchase"), amount("refund"))),
        (MEASURE.last_occurred_at, format!("max({})", EVENT.occurred_at)),
    ];
    sql.into_iter()
        .find_map(|(column, sql)| (column == measure).then_some(sql))
        .ok_or(VerifyError::UnknownMeasure(measure.name()))
}

/// Which records belong to their windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Records {
    /// Those on time, and late ones that a repair of their window has seen.
    Belonging,
    /// All that the snapshot sees: what a closed window comes to when it is repaired.
    All,
}

/// Whether a repair of its window has seen a record.
pub(crate) const REPAIRED_SQL: &str = "exists (select from ops.repair where occurred_at >= from_minute and occurred_at < to_minute \
                            and pg_visible_in_snapshot(tx, snapshot))";

impl Records {
    fn sql(self) -> String {
        match self {
            // The subquery is asked of late records only.
            Self::Belonging => format!("({ON_TIME_SQL} or {REPAIRED_SQL})"),
            Self::All => "true".to_owned(),
        }
    }
}

/// The query of a table: the window's start, the dimensions, the measures. `$1` and `$2` bound `occurred_at`.
fn query(grouping: &Grouping, records: Records) -> Result<String, VerifyError> {
    let mut selected = vec![format!("date_trunc('minute', {} at time zone 'UTC')", EVENT.occurred_at)];
    selected.extend(grouping.dimensions.iter().map(|dimension| format!("coalesce({dimension}, '{NONE}')")));
    let keys = (1..=selected.len()).map(|index| index.to_string()).collect::<Vec<_>>().join(", ");
    for measure in grouping.measures {
        selected.push(measure_sql(measure.column)?);
    }
    let only_items =
        if grouping.only_items { format!(" and {} is not null", EVENT.item_id) } else { String::new() };
    Ok(format!(
        "select {} from raw.events where {belongs}{only_items} \
         and ($1::timestamptz is null or {occurred_at} >= $1) \
         and ($2::timestamptz is null or {occurred_at} < $2) group by {keys}",
        selected.join(", "),
        belongs = records.sql(),
        occurred_at = EVENT.occurred_at,
    ))
}

/// The rows a table should hold, of all time or of the windows in a range; as of the transaction's snapshot.
pub(crate) async fn rows(
    transaction: &Transaction<'_>,
    grouping: &Grouping,
    records: Records,
    windows: Option<&Range<DateTime<Utc>>>,
) -> Result<Rows, VerifyError> {
    let failed = || VerifyError::postgres("compute what the tables should hold");
    let from = windows.map(|windows| windows.start);
    let to = windows.map(|windows| windows.end);
    let parameters: [&(dyn ToSql + Sync); 2] = [&from, &to];
    let stream = transaction.query_raw(&query(grouping, records)?, parameters).await.map_err(failed())?;
    futures::pin_mut!(stream);
    let mut rows = Rows::new();
    while let Some(row) = stream.try_next().await.map_err(failed())? {
        let (key, figures) = parse(grouping, &row).map_err(failed())?;
        rows.insert(key, figures);
    }
    Ok(rows)
}

fn parse(grouping: &Grouping, row: &Row) -> Result<(Key, Vec<Figure>), tokio_postgres::Error> {
    let minute: NaiveDateTime = row.try_get(0)?;
    let first_measure = 1 + grouping.dimensions.len();
    let dimensions = (1..first_measure).map(|index| row.try_get(index)).collect::<Result<_, _>>()?;
    let mut figures = Vec::with_capacity(grouping.measures.len());
    for (index, measure) in (first_measure..).zip(grouping.measures) {
        figures.push(match measure.kind {
            MeasureKind::Count => Figure::Count(row.try_get(index)?),
            MeasureKind::Distinct => Figure::Distinct(row.try_get(index)?),
            MeasureKind::Money => Figure::Money(row.try_get::<_, Decimal>(index)?),
            MeasureKind::Instant => {
                // Cassandra keeps ms; the µs are cut, not rounded.
                let at: DateTime<Utc> = row.try_get(index)?;
                Figure::Instant(at.timestamp_micros().div_euclid(1000))
            }
        });
    }
    Ok((Key::of(grouping, minute.and_utc(), dimensions), figures))
}

/// How many records are late and belong to no window yet: left to reconciliation.
pub(crate) async fn late_events(transaction: &Transaction<'_>) -> Result<i64, VerifyError> {
    let sql = format!("select count(*) from raw.events where not ({ON_TIME_SQL}) and not {REPAIRED_SQL}");
    let row = transaction.query_one(&sql, &[]).await.map_err(VerifyError::postgres("count late records"))?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use contracts::cube::GROUPINGS;

    use super::*;

    #[test]
    fn every_measure_of_every_table_has_its_sql() {
        for grouping in GROUPINGS {
            for records in [Records::Belonging, Records::All] {
                let sql = query(grouping, records).unwrap();
                assert_eq!(sql.contains("item_id is not null"), grouping.only_items, "{sql}");
            }
        }
    }
}
