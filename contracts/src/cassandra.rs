//! The Cassandra tables, derived from the cube.
//!
//! Every write is an upsert: the key is deterministic, all measures are non-null, and the write time is the
//! row's version (see [`cube::write_time`](crate::cube::write_time)).

use std::fmt::Write;

use crate::cube::{CUBE, GROUPINGS, Grouping, MeasureKind};
use crate::namespace::Namespace;
use crate::record::Column;

/// The statements that create the keyspace and every table, in order; each may be run again.
#[must_use]
pub fn statements(namespace: &Namespace, replication_factor: u32) -> Vec<String> {
    let keyspace = namespace.keyspace();
    let mut all = vec![format!(
        "create keyspace if not exists {keyspace} with replication = \
         {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replication_factor}}}"
    )];
    all.extend(GROUPINGS.iter().map(|grouping| table(keyspace, grouping)));
    all
}

fn table(keyspace: &str, grouping: &Grouping) -> String {
    let mut cql = format!("create table if not exists {keyspace}.{} (\n", grouping.table);
    for &column in grouping.partition_key.iter().chain(&grouping.clustering_key()) {
        // Writing to a String cannot fail.
        let _ = writeln!(cql, "    {column} {},", key_type(column));
    }
    for measure in grouping.measures {
        let _ = writeln!(cql, "    {} {},", measure.column, measure_type(measure.kind));
    }
    let names = |columns: &[Column]| columns.iter().map(Column::to_string).collect::<Vec<_>>().join(", ");
    let clustering = grouping.clustering_key();
    let order = clustering
        .iter()
        .map(|&column| format!("{column} {}", if column == CUBE.minute { "desc" } else { "asc" }))
        .collect::<Vec<_>>()
        .join(", ");
    let _ = write!(
        cql,
        "    primary key (({}), {})\n) with clustering order by ({order})\n    and comment = '{}'",
        names(grouping.partition_key),
        names(&clustering),
        grouping.question
    );
    cql
}

/// The CQL type of a key column: day, hour and minute of the window, or a dimension, which is text.
#[must_use]
pub fn key_type(column: Column) -> &'static str {
    if column == CUBE.day {
        "date"
    } else if column == CUBE.hour {
        "int"
    } else if column == CUBE.minute {
        "timestamp"
    } else {
        "text"
    }
}

/// The CQL type of a measure.
#[must_use]
pub const fn measure_type(kind: MeasureKind) -> &'static str {
    match kind {
        MeasureKind::Count | MeasureKind::Distinct => "bigint",
        MeasureKind::Money => "decimal",
        MeasureKind::Instant => "timestamp",
    }
}
