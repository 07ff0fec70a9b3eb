//! Cassandra, for reading alone. It has no accounts here, so what keeps the console from writing is that
//! nothing else is offered.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use contracts::cube::{CUBE, Grouping};
use contracts::ledger;
use contracts::record::Column;
use scylla::client::session::Session;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};

use crate::watch::Refused;

/// Rows a page: bounds the memory of an answer.
const PAGE_ROWS: i32 = 5_000;

/// A statement that reads one of the contract's tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Select(String);

/// Which rows of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// From one instant up to, not including, another.
    Between,
    /// The same of several partitions at once, which differ in the dimension alone.
    BetweenOfSeveral,
    /// At one instant.
    At,
    /// The newest up to an instant.
    NewestTo { limit: u32 },
    /// The earliest.
    First,
}

impl Select {
    /// Rows of a partition.
    pub(crate) fn of(keyspace: &str, grouping: &Grouping, columns: &[Column], rows: Rows) -> Self {
        let names = columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
        let mut text = format!("select {names} from {keyspace}.{}", grouping.table);
        for (index, column) in grouping.partition_key.iter().enumerate() {
            let word = if index == 0 { "where" } else { "and" };
            let several = rows == Rows::BetweenOfSeveral && grouping.dimensions.contains(column);
            let _ = write!(text, " {word} {column} {} ?", if several { "in" } else { "=" });
        }
        let at = grouping.at;
        let _ = match rows {
            Rows::Between | Rows::BetweenOfSeveral => write!(text, " and {at} >= ? and {at} < ?"),
            Rows::At => write!(text, " and {at} = ?"),
            Rows::NewestTo { limit } => write!(text, " and {at} <= ? order by {at} desc limit {limit}"),
            Rows::First => write!(text, " order by {at} asc limit 1"),
        };
        Self(text)
    }

    /// Minutes of a day of a ledger's table.
    pub(crate) fn of_ledger(keyspace: &str, table: &ledger::Table) -> Self {
        let names = table.row_columns().map(|column| column.name()).collect::<Vec<_>>().join(", ");
        let (day, minute) = (ledger::Table::PARTITION, CUBE.minute);
        Self(format!(
            "select {names} from {keyspace}.{} where {day} = ? and {minute} >= ? and {minute} < ?",
            table.name
        ))
    }

    /// The partitions of a table.
    pub(crate) fn partitions(keyspace: &str, grouping: &Grouping) -> Self {
        let names = grouping.partition_key.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
        Self(format!("select distinct {names} from {keyspace}.{}", grouping.table))
    }

    /// Its text, with `?` for values.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// A session that can only read.
pub(crate) struct ReadOnly {
    session: Session,
    prepared: Mutex<HashMap<Select, PreparedStatement>>,
}

impl ReadOnly {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, prepared: Mutex::default() }
    }

    /// One page of rows, and where the next begins.
    pub(crate) async fn select(
        &self,
        select: &Select,
        values: &[CqlValue],
        from: PagingState,
    ) -> Result<(Vec<Row>, Option<PagingState>), Refused> {
        let prepared = self.prepared(select).await?;
        let (page, next): (_, PagingStateResponse) =
            self.session.execute_single_page(&prepared, values, from).await?;
        let page = page.into_rows_result()?;
        let rows = page.rows::<Row>()?.collect::<Result<Vec<_>, _>>()?;
        let next = match next.into_paging_control_flow() {
            ControlFlow::Break(()) => None,
            ControlFlow::Continue(next) => Some(next),
        };
        Ok((rows, next))
    }

    async fn prepared(&self, select: &Select) -> Result<PreparedStatement, Refused> {
        let kept = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(select).cloned();
        if let Some(prepared) = kept {
            return Ok(prepared);
        }
        let mut prepared = self.session.prepare(select.text()).await?;
        prepared.set_page_size(PAGE_ROWS);
        prepared.set_is_idempotent(true);
        let mut kept = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(select.clone(), prepared.clone());
        Ok(prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::family::tables;

    #[test]
    fn every_statement_reads_and_names_its_partition_whole() {
        for (_, table) in tables() {
            for rows in [Rows::Between, Rows::At, Rows::NewestTo { limit: 7 }, Rows::First] {
                let select = Select::of("shop", table, &table.columns(), rows);
                assert!(select.text().starts_with("select "), "{select:?}");
                assert!(!select.text().contains("allow filtering"), "{select:?}");
                for column in table.partition_key {
                    assert!(select.text().contains(&format!("{column} = ?")), "{select:?}");
                }
            }
        }
    }

    #[test]
    fn several_partitions_are_named_in_one_statement() {
        let table = contracts::cube::grouping("activity_by_country").unwrap();
        let select = Select::of("shop", table, &[table.at], Rows::BetweenOfSeveral);
        let expected = "select minute from shop.activity_by_country where country in ? and day = ? and minute >= ? and minute < ?";
        assert_eq!(select.text(), expected);
    }

    #[test]
    fn nothing_but_reading_is_in_the_sources() {
        // Every use of the driver's session in the console is in this file or in /metrics, which reads one
        // table.
        let source = include_str!("read_only.rs");
        let before_tests = source.split("mod tests").next().unwrap();
        for word in ["query_unpaged", "batch(", "insert ", "update ", "delete ", "truncate"] {
            assert!(!before_tests.contains(word), "{word}");
        }
    }
}
