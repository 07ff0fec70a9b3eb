//! The peer: the scylla driver, which writes rows by itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Timelike, Utc};
use contracts::cube::CUBE;
use futures::{StreamExt, TryStreamExt};
use scylla::client::session::Session;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;
use tokio::task::JoinSet;

use super::rows::{self, Place, Rows, TASKS};

/// Rows of a batch, all of one partition.
const BATCH_ROWS: usize = 16;
/// Batches under way in each task: more did not write more.
const UNDER_WAY: usize = 16;

/// A session with a statement for each table.
#[derive(Clone)]
pub(super) struct Driver {
    session: Arc<Session>,
    statements: Arc<Vec<PreparedStatement>>,
}

impl Driver {
    pub(super) async fn connect(session: Session, keyspace: &str) -> anyhow::Result<Self> {
        let mut statements = Vec::new();
        for grouping in contracts::cube::GROUPINGS {
            let columns: Vec<String> = grouping.columns().iter().map(ToString::to_string).collect();
            let marks = vec!["?"; columns.len()].join(", ");
            let cql = format!(
                "insert into {keyspace}.{} ({}) values ({marks}) using timestamp ?",
                grouping.table,
                columns.join(", ")
            );
            statements.push(session.prepare(cql).await?);
        }
        Ok(Self { session: Arc::new(session), statements: Arc::new(statements) })
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Writes rows, and tells how long that took.
    pub(super) async fn write(&self, rows: Rows) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let ids = rows.count * task / TASKS..rows.count * (task + 1) / TASKS;
            let driver = self.clone();
            tasks.spawn(async move { driver.write_part(rows, ids).await });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(began.elapsed())
    }

    async fn write_part(&self, rows: Rows, ids: Range<u64>) -> anyhow::Result<()> {
        let batches = Batches { rows, ids, open: HashMap::new() };
        futures::stream::iter(batches)
            .map(|(table, values)| async move {
                let statement = BatchStatement::from(self.statements[table].clone());
                let batch = Batch::new_with_statements(BatchType::Unlogged, vec![statement; values.len()]);
                self.session.batch(&batch, values).await.map(drop)
            })
            .buffer_unordered(UNDER_WAY)
            .try_collect::<()>()
            .await
            .context("the driver cannot write")
    }
}

/// A partition of a table: its place, and what of a row is in the key.
type Partition = (usize, NaiveDate, Option<u32>, Option<u64>);

/// The values of rows of one table.
type Values = Vec<Vec<CqlValue>>;

/// Rows by partition, as batches that are full, and at the end those that are not.
struct Batches {
    rows: Rows,
    ids: Range<u64>,
    open: HashMap<Partition, Values>,
}

impl Iterator for Batches {
    type Item = (usize, Values);

    fn next(&mut self) -> Option<Self::Item> {
        for id in self.ids.by_ref() {
            let place = self.rows.place(id);
            let mut values = place.values();
            values.push(CqlValue::BigInt(place.write_time()));
            match self.open.entry(partition(&place)) {
                Entry::Occupied(mut open) => {
                    open.get_mut().push(values);
                    if open.get().len() == BATCH_ROWS {
                        return Some((place.table, open.remove()));
                    }
                }
                Entry::Vacant(none) => {
                    none.insert(vec![values]);
                }
            }
        }
        let last = self.open.keys().next().copied()?;
        self.open.remove(&last).map(|values| (last.0, values))
    }
}

fn partition(place: &Place) -> Partition {
    let key = rows::grouping(place.table).partition_key;
    let minute: DateTime<Utc> = place.minute;
    let hour = key.contains(&CUBE.hour).then(|| minute.hour());
    let dimension = key.iter().any(|column| ![CUBE.day, CUBE.hour].contains(column));
    (place.table, minute.date_naive(), hour, dimension.then_some(place.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinking::rows::MINUTE_ROWS;

    #[test]
    fn every_row_is_in_one_batch_of_its_partition() {
        let rows = Rows { first_day: 0, count: 90 * MINUTE_ROWS };
        let batches: Vec<_> = Batches { rows, ids: 0..rows.count, open: HashMap::new() }.collect();
        assert!(batches.iter().all(|(_, values)| values.len() <= BATCH_ROWS));
        assert_eq!(batches.iter().map(|(_, values)| values.len() as u64).sum::<u64>(), rows.count);
        for (table, values) in batches {
            let key = rows::grouping(table).partition_key.len();
            assert!(values.iter().all(|row| row[..key] == values[0][..key]), "{table}");
        }
    }
}
