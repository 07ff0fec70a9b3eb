//! Removing rows that should not be there.
//!
//! A delete carries the highest write time of its revision, so it wins over every row of that revision and
//! before, and a later repair can still bring the row back.

use audit::Key;
use contracts::Namespace;
use contracts::cube::{CUBE, Grouping, REVISION_STEP, write_time};
use scylla::client::session::Session;
use scylla::value::{CqlTimestamp, CqlValue};

/// Cassandra did not remove a row.
#[derive(Debug, thiserror::Error)]
#[error("cassandra did not remove a row of {table}: check `storepulse stack status`, then run this again")]
pub struct RemovalError {
    table: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Removes a row, from where it is filed.
pub(crate) async fn remove(
    session: &Session,
    namespace: &Namespace,
    grouping: &'static Grouping,
    key: &Key,
    revision: i64,
) -> Result<(), RemovalError> {
    let at = write_time(key.at.timestamp_micros(), revision, REVISION_STEP - 1);
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    for column in grouping.partition_key.iter().copied().chain(grouping.clustering_key()) {
        conditions.push(format!("{column} = ?"));
        values.push(if column == CUBE.day {
            CqlValue::Date(key.day.into())
        } else if column == CUBE.hour {
            CqlValue::Int(key.hour.unwrap_or_default())
        } else if column == grouping.at {
            CqlValue::Timestamp(CqlTimestamp(key.at.timestamp_millis()))
        } else {
            let index = grouping.dimensions.iter().position(|dimension| *dimension == column);
            let text = index.and_then(|index| key.dimensions.get(index)).map_or("", String::as_str);
            // A key that was read as an id is one.
            audit::dimension_value(column, text).unwrap_or_else(|| CqlValue::Text(text.to_owned()))
        });
    }
    let delete = format!(
        "delete from {}.{} using timestamp {at} where {}",
        namespace.keyspace(),
        grouping.table,
        conditions.join(" and ")
    );
    let failed = |source| RemovalError { table: grouping.table, source: Box::new(source) };
    session.query_unpaged(delete, values).await.map_err(failed)?;
    Ok(())
}
