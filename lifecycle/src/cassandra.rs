//! Deletes in Cassandra that hold for ever: with a write time above that of any revision.
//!
//! Which tables there are and what their keys are is read from Cassandra itself, so that a table that is
//! added is not forgotten.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::admission::FOR_EVER_US;
use futures::{StreamExt, TryStreamExt};
use scylla::client::session::Session;
use scylla::value::{CqlValue, Row};
use uuid::Uuid;

use crate::LifecycleError;

/// The column that bounds partitions by time.
const DAY: &str = "day";
/// The key of tables with a partition a user.
const USER: &str = "user_id";
/// Deletes under way at once.
const AT_ONCE: usize = 16;

/// A table's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    name: String,
    partition: Vec<String>,
    first_clustering: Option<String>,
}

impl Table {
    /// Its partitions hold a day each, or less.
    fn is_by_day(&self) -> bool {
        self.partition.iter().any(|column| column == DAY)
    }

    /// Its partitions hold a user each.
    fn is_by_user(&self) -> bool {
        self.partition == [USER]
    }
}

/// A keyspace and its tables.
pub(crate) struct Keyspace<'a> {
    session: &'a Session,
    name: String,
    tables: Vec<Table>,
}

impl<'a> Keyspace<'a> {
    pub(crate) async fn open(session: &'a Session, name: &str) -> Result<Self, LifecycleError> {
        let rows = rows(
            session,
            "select table_name, column_name, kind, position from system_schema.columns where keyspace_name = ?",
            "system_schema.columns",
            vec![CqlValue::Text(name.to_owned())],
        )
        .await?;
        let mut keys: BTreeMap<String, BTreeMap<(String, i32), String>> = BTreeMap::new();
        for row in rows {
            let [Some(table), Some(column), Some(kind), Some(position)] = &row.columns[..] else { continue };
            let text = |value: &CqlValue| value.as_text().cloned().unwrap_or_default();
            let place = (text(kind), position.as_int().unwrap_or_default());
            keys.entry(text(table)).or_default().insert(place, text(column));
        }
        let tables = keys.into_iter().map(|(name, columns)| Table {
            name,
            partition: columns
                .iter()
                .filter(|((kind, _), _)| kind == "partition_key")
                .map(|(_, column)| column.clone())
                .collect(),
            first_clustering: columns.get(&("clustering".to_owned(), 0)).cloned(),
        });
        Ok(Self { session, name: name.to_owned(), tables: tables.collect() })
    }

    /// Removes all partitions of days before a day; how many, by table.
    pub(crate) async fn remove_days_before(
        &self,
        day: NaiveDate,
        dry_run: bool,
    ) -> Result<BTreeMap<String, u64>, LifecycleError> {
        let mut removed = BTreeMap::new();
        for table in self.tables.iter().filter(|table| table.is_by_day()) {
            let name = self.qualified(table);
            let columns = table.partition.join(", ");
            let all = format!("select distinct {columns} from {name}");
            let old: Vec<Vec<CqlValue>> = rows(self.session, &all, &name, Vec::new())
                .await?
                .into_iter()
                .filter_map(|row| row.columns.into_iter().collect::<Option<Vec<_>>>())
                .filter(|key| {
                    let of_key = table.partition.iter().zip(key).find(|(column, _)| *column == DAY);
                    let of: Option<NaiveDate> =
                        of_key.and_then(|(_, value)| value.as_cql_date()?.try_into().ok());
                    of.is_some_and(|of| of < day)
                })
                .collect();
            removed.insert(table.name.clone(), old.len() as u64);
            if !dry_run {
                let of: Vec<String> = table.partition.iter().map(|column| format!("{column} = ?")).collect();
                let delete =
                    format!("delete from {name} using timestamp {FOR_EVER_US} where {}", of.join(" and "));
                self.delete_all(&delete, &name, old).await?;
            }
        }
        Ok(removed)
    }

    /// Removes the rows of every user from before an instant; of how many users there were any, by table.
    pub(crate) async fn remove_of_users_before(
        &self,
        floor: DateTime<Utc>,
        dry_run: bool,
    ) -> Result<BTreeMap<String, u64>, LifecycleError> {
        let mut removed = BTreeMap::new();
        for table in self.tables.iter().filter(|table| table.is_by_user()) {
            let Some(time) = &table.first_clustering else { continue };
            let name = self.qualified(table);
            let at = CqlValue::Timestamp(floor.into());
            let users =
                rows(self.session, &format!("select distinct {USER} from {name}"), &name, Vec::new()).await?;
            let any = format!("select {USER} from {name} where {USER} = ? and {time} < ? limit 1");
            let keys = users.into_iter().filter_map(|row| row.columns.into_iter().next().flatten());
            // A delete where there is nothing would only leave a mark behind.
            let old: Vec<Vec<CqlValue>> = futures::stream::iter(keys)
                .map(|user| {
                    let (any, name, key) = (&any, &name, vec![user, at.clone()]);
                    async move {
                        let found = rows(self.session, any, name, key.clone()).await?;
                        Ok::<_, LifecycleError>((!found.is_empty()).then_some(key))
                    }
                })
                .buffer_unordered(AT_ONCE)
                .try_filter_map(async |key| Ok(key))
                .try_collect()
                .await?;
            removed.insert(table.name.clone(), old.len() as u64);
            if !dry_run {
                let delete = format!(
                    "delete from {name} using timestamp {FOR_EVER_US} where {USER} = ? and {time} < ?"
                );
                self.delete_all(&delete, &name, old).await?;
            }
        }
        Ok(removed)
    }

    /// Removes all partitions of a user; the tables it was in, with the rows that were there.
    ///
    /// The delete is written where nothing is, too: what the stream still writes of the user, from records in
    /// Kafka, is covered by it for as long as Cassandra keeps it (`gc_grace_seconds`, ten days), and Kafka
    /// forgets after seven.
    pub(crate) async fn remove_user(&self, user: &Uuid) -> Result<BTreeMap<String, u64>, LifecycleError> {
        let mut removed = BTreeMap::new();
        for table in self.tables.iter().filter(|table| table.is_by_user()) {
            let name = self.qualified(table);
            let key = vec![CqlValue::Uuid(*user)];
            let there = format!("select {USER} from {name} where {USER} = ?");
            let count = rows(self.session, &there, &name, key.clone()).await?.len() as u64;
            let delete = format!("delete from {name} using timestamp {FOR_EVER_US} where {USER} = ?");
            self.delete_all(&delete, &name, vec![key]).await?;
            removed.insert(table.name.clone(), count);
        }
        Ok(removed)
    }

    fn qualified(&self, table: &Table) -> String {
        format!("{}.{}", self.name, table.name)
    }

    async fn delete_all(
        &self,
        delete: &str,
        table: &str,
        keys: Vec<Vec<CqlValue>>,
    ) -> Result<(), LifecycleError> {
        if keys.is_empty() {
            return Ok(());
        }
        let failed = || LifecycleError::cassandra("delete from", table);
        let prepared = self.session.prepare(delete).await.map_err(failed())?;
        let prepared = &prepared;
        futures::stream::iter(keys)
            .map(|key| async move {
                let failed = LifecycleError::cassandra("delete from", table);
                self.session.execute_unpaged(prepared, key).await.map(drop).map_err(failed)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// All rows of a question, page by page.
async fn rows(
    session: &Session,
    select: &str,
    table: &str,
    values: Vec<CqlValue>,
) -> Result<Vec<Row>, LifecycleError> {
    let prepared = session.prepare(select).await.map_err(LifecycleError::cassandra("read", table))?;
    let pager =
        session.execute_iter(prepared, values).await.map_err(LifecycleError::cassandra("read", table))?;
    let stream = pager.rows_stream::<Row>().map_err(LifecycleError::cassandra("read", table))?;
    stream.try_collect().await.map_err(LifecycleError::cassandra("read", table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_key() {
        let table = |partition: &[&str]| Table {
            name: "t".into(),
            partition: partition.iter().map(|&column| column.to_owned()).collect(),
            first_clustering: None,
        };
        assert!(table(&["country", "day"]).is_by_day());
        assert!(table(&["user_id"]).is_by_user());
        assert!(!table(&["user_id"]).is_by_day() && !table(&["day", "hour"]).is_by_user());
    }
}
