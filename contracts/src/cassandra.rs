//! The Cassandra tables, derived from the cube and the ledger.
//!
//! Every write is an upsert: the key is deterministic, all measures are non-null, and the write time is the
//! row's version (see [`cube::write_time`](crate::cube::write_time)).

use std::fmt::Write;

use crate::cube::{CUBE, Grouping};
use crate::event::EVENT;
use crate::family;
use crate::ledger;
use crate::measure::MeasureKind;
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
    all.extend(family::tables().map(|(_, grouping)| table(keyspace, grouping)));
    all.extend(ledger::TABLES.iter().map(|table| ledger_table(keyspace, table)));
    all
}

/// `cql/tables.cql`: the statements as they are published, for an installation without a prefix.
#[must_use]
pub fn rendered() -> String {
    let statements = statements(&Namespace::default(), 1).join(";\n\n");
    format!("-- Rendered by `cargo run -p contracts --example render` from contracts/src.\n\n{statements};\n")
}

fn ledger_table(keyspace: &str, table: &ledger::Table) -> String {
    let day = ledger::Table::PARTITION;
    let mut cql =
        format!("create table if not exists {keyspace}.{} (\n    {day} {},\n", table.name, key_type(day));
    let counts = table.counts.iter().map(|&column| (column, ledger::Table::COUNT_TYPE));
    for (column, cql_type) in table.clustering.iter().copied().chain(counts) {
        // Writing to a String cannot fail.
        let _ = writeln!(cql, "    {column} {cql_type},");
    }
    let list = |text: &dyn Fn(Column) -> String| {
        table.clustering.iter().map(|(column, _)| text(*column)).collect::<Vec<_>>().join(", ")
    };
    let _ = write!(
        cql,
        "    primary key (({day}), {})\n) with clustering order by ({})\n    and comment = '{}'",
        list(&|column| column.to_string()),
        list(&|column| format!("{column} {}", clustering_order(column))),
        table.comment
    );
    cql
}

/// How rows of a partition are ordered by a clustering column: the newest first.
#[must_use]
pub fn clustering_order(column: Column) -> &'static str {
    let is_instant = column == ledger::LEDGER.ingested_minute || key_type(column) == "timestamp";
    if is_instant { "desc" } else { "asc" }
}

fn table(keyspace: &str, grouping: &Grouping) -> String {
    let mut cql = format!("create table if not exists {keyspace}.{} (\n", grouping.table);
    for &column in grouping.partition_key.iter().chain(&grouping.clustering_key()) {
        // Writing to a String cannot fail.
        let _ = writeln!(cql, "    {column} {},", key_type(column));
    }
    for measure in grouping.measures {
        let _ = writeln!(cql, "    {} {},", measure.column(), measure_type(measure.kind()));
    }
    let names = |columns: &[Column]| columns.iter().map(Column::to_string).collect::<Vec<_>>().join(", ");
    let clustering = grouping.clustering_key();
    let order = clustering
        .iter()
        .map(|&column| format!("{column} {}", clustering_order(column)))
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

/// The CQL type of a key column: day and hour, the instant of the row, an id, a declared start, or another
/// dimension, which is text.
#[must_use]
pub fn key_type(column: Column) -> &'static str {
    if column == CUBE.day {
        "date"
    } else if column == CUBE.hour {
        "int"
    } else if column == EVENT.session_started_at
        || family::tables().any(|(_, grouping)| grouping.at == column)
    {
        "timestamp"
    } else if [EVENT.user_id, EVENT.session_id, EVENT.event_id].contains(&column) {
        "uuid"
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
        MeasureKind::Text => "text",
        MeasureKind::Flag => "boolean",
    }
}
