//! The rows that are written: those of so many minutes, by a formula, in SQL and in Rust.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use contracts::cube::{CUBE, GROUPINGS, Grouping, WINDOW_US, write_time};
use contracts::measure::{Measure, MeasureKind};
use contracts::record::Column;
use scylla::value::{CqlDate, CqlDecimal, CqlTimestamp, CqlValue};

/// Rows of a minute in every table.
const ROWS: [(&str, u64); 6] = [
    ("activity_by_minute", 1),
    ("activity_by_country", 10),
    ("demographics_by_minute", 10),
    ("sales_by_product", 24),
    ("sales_by_category", 8),
    ("engagement_by_channel", 11),
];
/// Rows of a minute in all.
pub(super) const MINUTE_ROWS: u64 = 64;
const MINUTES_OF_A_DAY: u64 = 1_440;
/// The first day that anything is written for, counted from 1970: one of the year 2027.
const FIRST_DAY: i64 = 20_833;
const REVISION: i64 = 1;

/// Into how many tasks Spark splits the rows, and this program its own.
pub(super) const TASKS: u64 = 2;

/// Rows of a minute in a table.
pub(super) fn of(table: &str) -> u64 {
    ROWS.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| *rows)
}

/// Rows of some days.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Their first day, counted from the first of all turns.
    pub(super) first_day: i64,
    pub(super) count: u64,
}

/// One of them.
pub(super) struct Place {
    pub(super) table: usize,
    /// Which of the rows of its table and minute.
    pub(super) number: u64,
    pub(super) minute: DateTime<Utc>,
    id: u64,
}

impl Rows {
    /// The first day behind them.
    pub(super) fn next_day(self) -> i64 {
        self.first_day + self.count.div_ceil(MINUTE_ROWS * MINUTES_OF_A_DAY).cast_signed()
    }

    fn start(self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(FIRST_DAY + self.first_day)
    }

    /// Their first day.
    pub(super) fn day(self) -> NaiveDate {
        self.start().date_naive()
    }

    /// One row by its number among all.
    pub(super) fn place(self, id: u64) -> Place {
        let minute = self.start() + TimeDelta::microseconds(WINDOW_US * (id / MINUTE_ROWS).cast_signed());
        let mut number = id % MINUTE_ROWS;
        let mut table = 0;
        while number >= ROWS[table].1 {
            number -= ROWS[table].1;
            table += 1;
        }
        Place { table, number, minute, id }
    }

    /// The same rows as a query of Spark's, with the columns of all tables.
    pub(super) fn sql(self) -> String {
        let mut below = 0;
        let (mut routes, mut numbers) = (String::new(), String::new());
        for (table, rows) in ROWS {
            numbers +=
                &format!("when id % {MINUTE_ROWS} < {} then id % {MINUTE_ROWS} - {below} ", below + rows);
            below += rows;
            routes += &format!("when id % {MINUTE_ROWS} < {below} then '{table}' ");
        }
        let start_us = self.start().timestamp_micros();
        let minute = CUBE.minute;
        let keys = [
            format!("cast({minute} as date) as {}", CUBE.day),
            format!("hour({minute}) as {}", CUBE.hour),
            minute.to_string(),
            format!("route as {}", CUBE.route),
            format!(
                "unix_micros({minute}) + {} + id % 1000 as {}",
                write_time(0, REVISION, 0),
                CUBE.write_time
            ),
        ];
        let dimensions = each(|grouping| grouping.dimensions.to_vec());
        let dimensions = dimensions.iter().map(|column| format!("concat('{column} ', number) as {column}"));
        let measures = each(|grouping| grouping.measures.to_vec());
        let measures = measures.iter().map(|measure| {
            let value = match measure.kind() {
                MeasureKind::Money => "cast(id % 100000 as decimal(20, 0)) * 0.01BD".to_owned(),
                MeasureKind::Instant => {
                    format!("timestamp_micros(unix_micros({minute}) + id % 60 * 1000000)")
                }
                _ => format!("id % 1000 + {}", length(measure.column())),
            };
            format!("{value} as {}", measure.column())
        });
        let columns = keys.into_iter().chain(dimensions).chain(measures).collect::<Vec<_>>().join(", ");
        format!(
            "select {columns} from (select id, case {routes} end as route, case {numbers} end as number, \
             timestamp_micros({start_us} + id div {MINUTE_ROWS} * {WINDOW_US}) as {minute} \
             from range(0, {}, 1, {TASKS}))",
            self.count
        )
    }
}

impl Place {
    /// Its values in the order of its table's columns.
    pub(super) fn values(&self) -> Vec<CqlValue> {
        let grouping = grouping(self.table);
        let keys = grouping.partition_key.iter().copied().chain(grouping.clustering_key());
        keys.map(|column| self.key(column))
            .chain(grouping.measures.iter().map(|m| self.measure(*m)))
            .collect()
    }

    pub(super) fn write_time(&self) -> i64 {
        write_time(self.minute.timestamp_micros(), REVISION, (self.id % 1_000).cast_signed())
    }

    fn key(&self, column: Column) -> CqlValue {
        if column == CUBE.day {
            CqlValue::Date(CqlDate::from(self.minute.date_naive()))
        } else if column == CUBE.hour {
            CqlValue::Int(self.minute.hour().cast_signed())
        } else if column == CUBE.minute {
            CqlValue::Timestamp(CqlTimestamp(self.minute.timestamp_millis()))
        } else {
            CqlValue::Text(format!("{column} {}", self.number))
        }
    }

    fn measure(&self, measure: Measure) -> CqlValue {
        let id = self.id.cast_signed();
        match measure.kind() {
            MeasureKind::Money => {
                let cents = ((id % 100_000) as u32).to_be_bytes();
                // The shortest form, as Java's: a leading zero only where the next byte would be a sign.
                let sign = cents.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
                CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_slice_and_exponent(&cents[sign..], 2))
            }
            MeasureKind::Instant => {
                CqlValue::Timestamp(CqlTimestamp(self.minute.timestamp_millis() + id % 60 * 1_000))
            }
            _ => CqlValue::BigInt(id % 1_000 + length(measure.column())),
        }
    }
}

/// The grouping of a table of [`ROWS`].
pub(super) fn grouping(table: usize) -> &'static Grouping {
    // The test below holds both lists to one order.
    &GROUPINGS[table]
}

/// A number that tells most measures apart.
fn length(column: Column) -> i64 {
    column.name().len() as i64
}

/// What any table has, once each.
fn each<T: PartialEq + Copy>(of: impl Fn(&Grouping) -> Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in GROUPINGS.iter().flat_map(of) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_cube_has_rows_of_a_minute_and_no_key_twice() {
        let tables: Vec<&str> = ROWS.iter().map(|(table, _)| *table).collect();
        assert_eq!(tables, GROUPINGS.iter().map(|grouping| grouping.table).collect::<Vec<_>>());
        assert_eq!(ROWS.iter().map(|(_, rows)| rows).sum::<u64>(), MINUTE_ROWS);
        let rows = Rows { first_day: 0, count: 3 * MINUTE_ROWS };
        let mut keys: Vec<_> = (0..rows.count)
            .map(|id| rows.place(id))
            .map(|place| (place.table, place.minute, place.number))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len() as u64, rows.count);
        let undivided = GROUPINGS.iter().filter(|grouping| grouping.dimensions.is_empty());
        assert!(undivided.into_iter().all(|grouping| of(grouping.table) == 1));
    }

    #[test]
    fn turns_share_no_day() {
        let rows = Rows { first_day: 3, count: MINUTE_ROWS * MINUTES_OF_A_DAY + 1 };
        assert_eq!(rows.next_day(), 5);
        assert_eq!(rows.place(rows.count - 1).minute, rows.start() + TimeDelta::days(1));
    }
}
