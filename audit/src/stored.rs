//! What the tables hold, read as any reader of Cassandra would.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Namespace;
use contracts::cassandra::key_type;
use contracts::cube::{CUBE, Grouping};
use contracts::event::EVENT;
use contracts::family::{Family, Geometry};
use contracts::measure::MeasureKind;
use contracts::record::Column;
use futures::TryStreamExt;
use rust_decimal::Decimal;
use scylla::client::session::Session;
use scylla::value::{CqlDecimal, CqlTimestamp, CqlValue, Row};

use crate::VerifyError;
use crate::row::{Figure, Key, Rows, instant_text};

/// Rows a page: bounds the memory of a scan.
const PAGE_ROWS: i32 = 5_000;

/// Every row of a table: a row that should not be there is in no partition one would think of.
pub(crate) async fn all(
    session: &Session,
    namespace: &Namespace,
    grouping: &'static Grouping,
) -> Result<Rows, VerifyError> {
    let mut rows = Rows::new();
    read(session, namespace, grouping, "", Vec::new(), &mut rows).await?;
    Ok(rows)
}

/// Every row in a range of the family's axis, wherever it is filed: a scan of the whole table, of which only
/// these come back.
pub(crate) async fn within(
    session: &Session,
    namespace: &Namespace,
    family: &Family,
    grouping: &'static Grouping,
    range: &Range<DateTime<Utc>>,
) -> Result<Rows, VerifyError> {
    let axis = match family.geometry {
        Geometry::Sessions => EVENT.session_started_at,
        Geometry::Windows { .. } | Geometry::Records => grouping.at,
    };
    let at = TimeDelta::microseconds(family.at_us());
    let bounds = format!(" where {axis} >= ? and {axis} < ? allow filtering");
    let mut rows = Rows::new();
    let values = bounds_of(&(range.start + at..range.end + at)).into();
    read(session, namespace, grouping, &bounds, values, &mut rows).await?;
    Ok(rows)
}

fn bounds_of(windows: &Range<DateTime<Utc>>) -> [CqlValue; 2] {
    [windows.start, windows.end].map(|at| CqlValue::Timestamp(CqlTimestamp(at.timestamp_millis())))
}

/// The rows whose instants lie in a range, from the partitions that the keys lie in.
pub(crate) async fn partitions_of(
    session: &Session,
    namespace: &Namespace,
    grouping: &'static Grouping,
    keys: impl IntoIterator<Item = &Key>,
    instants: &Range<DateTime<Utc>>,
) -> Result<Rows, VerifyError> {
    let mut bounds = String::from(" where ");
    for column in grouping.partition_key {
        bounds += &format!("{column} = ? and ");
    }
    bounds += &format!("{at} >= ? and {at} < ?", at = grouping.at);
    let partitions: BTreeSet<Partition<'_>> =
        keys.into_iter().map(|key| Partition::of(grouping, key)).collect();
    let mut rows = Rows::new();
    for partition in partitions {
        let mut values = partition.values(grouping)?;
        values.extend(bounds_of(instants));
        read(session, namespace, grouping, &bounds, values, &mut rows).await?;
    }
    Ok(rows)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Partition<'a> {
    day: chrono::NaiveDate,
    hour: Option<i32>,
    dimensions: Vec<Option<&'a str>>,
}

impl<'a> Partition<'a> {
    fn of(grouping: &Grouping, key: &'a Key) -> Self {
        let dimensions =
            grouping.partition_key.iter().map(|&column| key.dimension(grouping, column)).collect();
        Self { day: key.day, hour: key.hour, dimensions }
    }

    fn values(&self, grouping: &'static Grouping) -> Result<Vec<CqlValue>, VerifyError> {
        let columns = grouping.partition_key.iter().zip(&self.dimensions);
        columns
            .map(|(&column, dimension)| {
                Ok(if column == CUBE.day {
                    CqlValue::Date(self.day.into())
                } else if column == CUBE.hour {
                    CqlValue::Int(self.hour.unwrap_or_default())
                } else {
                    dimension_value(column, dimension.unwrap_or_default())
                        .ok_or(VerifyError::UnexpectedType { table: grouping.table, column: column.name() })?
                })
            })
            .collect()
    }
}

/// The value of a dimension as Cassandra takes it, or nothing where it should be an id or an instant and is
/// none.
#[must_use]
pub fn dimension_value(column: Column, text: &str) -> Option<CqlValue> {
    Some(match key_type(column) {
        "uuid" => CqlValue::Uuid(text.parse().ok()?),
        "timestamp" => {
            CqlValue::Timestamp(CqlTimestamp(text.parse::<DateTime<Utc>>().ok()?.timestamp_millis()))
        }
        _ => CqlValue::Text(text.to_owned()),
    })
}

async fn read(
    session: &Session,
    namespace: &Namespace,
    grouping: &'static Grouping,
    bounds: &str,
    values: Vec<CqlValue>,
    rows: &mut Rows,
) -> Result<(), VerifyError> {
    let columns = grouping.columns();
    let names = columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
    let table = format!("{}.{}", namespace.keyspace(), grouping.table);
    let doing = || format!("read {table}");
    let mut statement = session
        .prepare(format!("select {names} from {table}{bounds}"))
        .await
        .map_err(VerifyError::cassandra(doing()))?;
    statement.set_page_size(PAGE_ROWS);
    let mut stream = session
        .execute_iter(statement, values)
        .await
        .map_err(VerifyError::cassandra(doing()))?
        .rows_stream::<Row>()
        .map_err(VerifyError::cassandra(doing()))?;
    while let Some(row) = stream.try_next().await.map_err(VerifyError::cassandra(doing()))? {
        let (key, figures) = parse(grouping, &columns, row)?;
        rows.insert(key, figures);
    }
    Ok(())
}

fn parse(
    grouping: &'static Grouping,
    columns: &[Column],
    row: Row,
) -> Result<(Key, Vec<Figure>), VerifyError> {
    let unexpected =
        |column: Column| VerifyError::UnexpectedType { table: grouping.table, column: column.name() };
    let mut day = None;
    let mut hour = None;
    let mut at = None;
    let mut dimensions = vec![String::new(); grouping.dimensions.len()];
    let mut figures = Vec::with_capacity(grouping.measures.len());
    let key_columns = columns.len() - grouping.measures.len();
    for (index, (&column, value)) in columns.iter().zip(row.columns).enumerate() {
        if index >= key_columns {
            let kind = grouping.measures[index - key_columns].kind();
            figures.push(figure(kind, value).ok_or_else(|| unexpected(column))?);
            continue;
        }
        match value {
            Some(CqlValue::Date(date)) if column == CUBE.day => {
                day = Some(date.try_into().map_err(|_| unexpected(column))?);
            }
            Some(CqlValue::Int(value)) if column == CUBE.hour => hour = Some(value),
            Some(CqlValue::Timestamp(CqlTimestamp(unix_ms))) if column == grouping.at => {
                at = DateTime::from_timestamp_millis(unix_ms);
            }
            Some(value @ (CqlValue::Text(_) | CqlValue::Uuid(_) | CqlValue::Timestamp(_))) => {
                let dimension = grouping.dimensions.iter().position(|dimension| *dimension == column);
                dimensions[dimension.ok_or_else(|| unexpected(column))?] = match value {
                    CqlValue::Uuid(id) => id.to_string(),
                    CqlValue::Timestamp(CqlTimestamp(unix_ms)) => instant_text(
                        DateTime::from_timestamp_millis(unix_ms).ok_or_else(|| unexpected(column))?,
                    ),
                    CqlValue::Text(text) => text,
                    _ => return Err(unexpected(column)),
                };
            }
            _ => return Err(unexpected(column)),
        }
    }
    let at: DateTime<Utc> = at.ok_or_else(|| unexpected(grouping.at))?;
    let day = if grouping.partition_key.contains(&CUBE.day) {
        day.ok_or_else(|| unexpected(CUBE.day))?
    } else {
        at.date_naive()
    };
    Ok((Key { at, day, hour, dimensions }, figures))
}

/// A stored figure, or nothing where it has another type than its measure.
fn figure(kind: MeasureKind, value: Option<CqlValue>) -> Option<Figure> {
    Some(match (kind, value) {
        (_, None) => Figure::Absent,
        (MeasureKind::Count, Some(CqlValue::BigInt(count))) => Figure::Count(count),
        (MeasureKind::Distinct, Some(CqlValue::BigInt(count))) => Figure::Distinct(count),
        (MeasureKind::Money, Some(CqlValue::Decimal(amount))) => Figure::Money(decimal(&amount)?),
        (MeasureKind::Instant, Some(CqlValue::Timestamp(CqlTimestamp(unix_ms)))) => Figure::Instant(unix_ms),
        (MeasureKind::Text, Some(CqlValue::Text(text))) => Figure::Text(text),
        (MeasureKind::Flag, Some(CqlValue::Boolean(flag))) => Figure::Flag(flag),
        _ => return None,
    })
}

/// Cassandra's decimal: a two's complement of any length, and the digits after the point. Nothing where it is
/// larger than any of ours.
#[must_use]
pub fn decimal(value: &CqlDecimal) -> Option<Decimal> {
    let (bytes, scale) = value.as_signed_be_bytes_slice_and_exponent();
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    wide.get_mut(16usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Decimal::try_from_i128_with_scale(i128::from_be_bytes(wide), u32::try_from(scale).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_start_of_a_key_is_the_same_as_text_and_as_a_value() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_007).unwrap();
        let value = dimension_value(EVENT.session_started_at, &instant_text(at));
        assert_eq!(value, Some(CqlValue::Timestamp(CqlTimestamp(1_800_000_000_007))));
        assert_eq!(dimension_value(EVENT.session_started_at, "yesterday"), None);
    }

    #[test]
    fn decimals_of_any_length_and_sign_are_read() {
        let stored =
            |bytes: &[u8], scale| decimal(&CqlDecimal::from_signed_be_bytes_slice_and_exponent(bytes, scale));
        assert_eq!(stored(&[0x04, 0xd2], 2), Some(Decimal::new(1234, 2)));
        assert_eq!(stored(&[0xff], 2), Some(Decimal::new(-1, 2)));
        assert_eq!(stored(&[0x00, 0xff], 0), Some(Decimal::new(255, 0)));
        assert_eq!(stored(&[], 2), Some(Decimal::ZERO));
        assert_eq!(stored(&[0x7f; 17], 2), None);
    }
}
