//! Cassandra: the keyspace, a table for every grouping of the cube, and those of the ledger.
//!
//! A measure that the contract gained is added to its table; any other difference is refused, since what
//! reads the table would read something else than it thinks.

use std::collections::BTreeMap;

use contracts::Namespace;
use contracts::cassandra::{clustering_order, key_type, measure_type, statements};
use contracts::cube::Grouping;
use contracts::family;
use contracts::ledger;
use contracts::record::Column;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::{Outcome, Progress, ProvisionError, Step};

/// As many copies as there are nodes, and no more than this.
const MAX_REPLICATION_FACTOR: u32 = 3;

/// Connects to Cassandra, given `host:port` comma-separated.
///
/// # Errors
/// When no node answers.
pub async fn connect(contact_points: &str) -> Result<Session, ProvisionError> {
    let nodes = contact_points.split(',').map(str::trim).filter(|node| !node.is_empty());
    SessionBuilder::new()
        .known_nodes(nodes)
        .build()
        .await
        .map_err(|error| ProvisionError::CassandraConnect(Box::new(error)))
}

/// What a column is: its type and its place in the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    cql_type: String,
    role: String,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.role, self.cql_type)
    }
}

const REGULAR: &str = "regular";

/// A table's columns by name.
type Shapes = BTreeMap<String, Shape>;

/// Every table with its columns, in the order of the statements.
fn tables() -> impl Iterator<Item = (&'static str, Shapes)> {
    let metrics = family::tables().map(|(_, grouping)| (grouping.table, expected(grouping)));
    metrics.chain(ledger::TABLES.iter().map(|table| (table.name, expected_ledger(table))))
}

fn expected_ledger(table: &ledger::Table) -> Shapes {
    let day = ledger::Table::PARTITION;
    let shape = |cql_type: &str, role: String| Shape { cql_type: cql_type.to_owned(), role };
    let mut columns = Shapes::from([(day.to_string(), shape(key_type(day), "partition_key 0".into()))]);
    columns.extend(table.clustering.iter().enumerate().map(|(index, (column, cql_type))| {
        let role = format!("clustering {index} {}", clustering_order(*column));
        (column.to_string(), shape(cql_type, role))
    }));
    let counts = table.counts.iter();
    columns
        .extend(counts.map(|column| (column.to_string(), shape(ledger::Table::COUNT_TYPE, REGULAR.into()))));
    columns
}

fn expected(grouping: &Grouping) -> Shapes {
    let key = |role: String, column: Column| {
        (column.to_string(), Shape { cql_type: key_type(column).to_owned(), role })
    };
    let partition = grouping.partition_key.iter().enumerate();
    let mut columns: BTreeMap<_, _> =
        partition.map(|(index, &column)| key(format!("partition_key {index}"), column)).collect();
    columns.extend(
        grouping
            .clustering_key()
            .into_iter()
            .enumerate()
            .map(|(index, column)| key(format!("clustering {index} {}", clustering_order(column)), column)),
    );
    columns.extend(grouping.measures.iter().map(|measure| {
        let shape = Shape { cql_type: measure_type(measure.kind()).to_owned(), role: REGULAR.to_owned() };
        (measure.column().to_string(), shape)
    }));
    columns
}

async fn found(session: &Session, keyspace: &str, table: &str) -> Result<Shapes, ProvisionError> {
    let doing = || format!("describe {keyspace}.{table}");
    let rows = session
        .query_unpaged(
            "select column_name, kind, position, clustering_order, type from system_schema.columns \
             where keyspace_name = ? and table_name = ?",
            (keyspace, table),
        )
        .await
        .map_err(ProvisionError::cassandra(doing()))?
        .into_rows_result()
        .map_err(ProvisionError::cassandra(doing()))?;
    let mut columns = BTreeMap::new();
    for row in
        rows.rows::<(String, String, i32, String, String)>().map_err(ProvisionError::cassandra(doing()))?
    {
        let (name, kind, position, order, cql_type) = row.map_err(ProvisionError::cassandra(doing()))?;
        let role = match kind.as_str() {
            "partition_key" => format!("{kind} {position}"),
            "clustering" => format!("{kind} {position} {order}"),
            _ => kind,
        };
        columns.insert(name, Shape { cql_type, role });
    }
    Ok(columns)
}

pub(crate) async fn ensure(
    contact_points: &str,
    namespace: &Namespace,
    progress: Progress<'_>,
) -> Result<(), ProvisionError> {
    let session = connect(contact_points).await?;
    let nodes = u32::try_from(session.get_cluster_state().get_nodes_info().len()).unwrap_or(1);
    let statements = statements(namespace, nodes.clamp(1, MAX_REPLICATION_FACTOR));
    let keyspace = namespace.keyspace();

    let existed = keyspace_exists(&session, keyspace).await?;
    if !existed {
        alter(&session, &statements[0], format!("create keyspace {keyspace}")).await?;
    }
    let outcome = if existed { Outcome::Exists } else { Outcome::Created };
    progress(Step { kind: "keyspace", name: keyspace.to_owned(), outcome });

    for ((table, shapes), statement) in tables().zip(&statements[1..]) {
        let outcome = ensure_table(&session, keyspace, table, &shapes, statement).await?;
        progress(Step { kind: "table", name: format!("{keyspace}.{table}"), outcome });
    }
    Ok(())
}

async fn keyspace_exists(session: &Session, keyspace: &str) -> Result<bool, ProvisionError> {
    let doing = || format!("look for keyspace {keyspace}");
    let rows = session
        .query_unpaged(
            "select keyspace_name from system_schema.keyspaces where keyspace_name = ?",
            (keyspace,),
        )
        .await
        .map_err(ProvisionError::cassandra(doing()))?
        .into_rows_result()
        .map_err(ProvisionError::cassandra(doing()))?;
    Ok(rows.rows_num() > 0)
}

async fn ensure_table(
    session: &Session,
    keyspace: &str,
    table: &str,
    expected: &Shapes,
    statement: &str,
) -> Result<Outcome, ProvisionError> {
    let found = found(session, keyspace, table).await?;
    let table = format!("{keyspace}.{table}");
    if found.is_empty() {
        alter(session, statement, format!("create {table}")).await?;
        return Ok(Outcome::Created);
    }
    let differs = |column: &str, expected: String, found: String| ProvisionError::TableDiffers {
        table: table.clone(),
        column: column.to_owned(),
        expected,
        found,
    };
    for (column, found) in &found {
        match expected.get(column) {
            Some(expected) if expected == found => {}
            Some(expected) => return Err(differs(column, expected.to_string(), found.to_string())),
            None => return Err(differs(column, "absent".into(), found.to_string())),
        }
    }
    let missing: Vec<_> = expected.iter().filter(|(column, _)| !found.contains_key(*column)).collect();
    if let Some((column, shape)) = missing.iter().find(|(_, shape)| shape.role != REGULAR) {
        return Err(differs(column, shape.to_string(), "absent".into()));
    }
    for (column, shape) in &missing {
        let statement = format!("alter table {table} add {column} {}", shape.cql_type);
        alter(session, &statement, format!("add {column} to {table}")).await?;
    }
    Ok(if missing.is_empty() { Outcome::Exists } else { Outcome::Restored })
}

/// Runs a statement that changes the schema; the driver waits until all nodes agree on it.
async fn alter(session: &Session, statement: &str, doing: String) -> Result<(), ProvisionError> {
    session.query_unpaged(statement, ()).await.map_err(ProvisionError::cassandra(doing))?;
    Ok(())
}

pub(crate) async fn drop_keyspace(contact_points: &str, keyspace: &str) -> Result<(), ProvisionError> {
    let session = connect(contact_points).await?;
    alter(&session, &format!("drop keyspace if exists {keyspace}"), format!("drop keyspace {keyspace}")).await
}

#[cfg(test)]
mod tests {
    use contracts::cube::CUBE;

    use super::*;

    #[test]
    fn shapes_name_every_column_of_the_statement() {
        for (_, grouping) in family::tables() {
            let expected = expected(grouping);
            assert_eq!(expected.len(), grouping.columns().len(), "{}", grouping.table);
            let partition = grouping.partition_key[0].name();
            assert_eq!(expected[partition].role, "partition_key 0");
            assert_eq!(expected[grouping.at.name()].role, "clustering 0 desc");
        }
        assert_eq!(key_type(CUBE.hour), "int");
        for table in ledger::TABLES {
            let expected = expected_ledger(table);
            assert_eq!(expected.len(), table.columns().len(), "{}", table.name);
            assert_eq!(expected["day"].role, "partition_key 0");
        }
    }
}
