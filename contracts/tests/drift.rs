//! Holds the committed Avro, CQL and SQL files to the records they are derived from.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use contracts::migrations::MIGRATIONS;
use contracts::record::Field;
use contracts::{Event, Namespace, User, cassandra, topics};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const REMEDY: &str = "run `cargo run -p contracts --example render` and look at the difference";

#[test]
fn avro_files_are_the_registered_schemas() {
    for topic in topics::topics(&Namespace::default(), 1, topics::EVENTS_PARTITIONS) {
        let path = file(&format!("avro/{}.avsc", topic.subject.trim_end_matches("-value")));
        let committed: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(committed, topic.schema, "{}: {REMEDY}", path.display());
        apache_avro::Schema::parse(&committed).unwrap();
    }
}

#[test]
fn cql_file_is_the_tables() {
    let committed = fs::read_to_string(file("cql/tables.cql")).unwrap();
    let derived = cassandra::statements(&Namespace::default(), 1).join(";\n\n") + ";\n";
    assert_eq!(committed, derived, "{REMEDY}");
}

fn columns_in(sql: &str, table: &str) -> Vec<String> {
    let start = sql.find(&format!("create table {table} (")).unwrap();
    sql[start..]
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("    "))
        .map(|line| line.trim().trim_end_matches(',').replace('"', ""))
        .filter(|line| !line.starts_with("--") && !line.starts_with("primary key"))
        .collect()
}

/// The columns that a migration adds to a table, each in a statement of one line.
fn added_in(sql: &str, table: &str) -> Vec<String> {
    let begin = format!("alter table {table} add column ");
    sql.lines()
        .filter_map(|line| line.strip_prefix(&begin))
        .map(|column| column.trim_end_matches(';').replace('"', ""))
        .collect()
}

fn derived(fields: &[Field]) -> Vec<String> {
    fields
        .iter()
        .map(|field| {
            let null = if field.nullable { "" } else { " not null" };
            format!("{} {}{null}", field.name, field.kind.postgres())
        })
        .collect()
}

#[test]
fn tables_have_the_columns_of_their_records_and_their_own() {
    let own = [
        ("raw.events", derived(Event::FIELDS), "tx xid8 not null default pg_current_xact_id()"),
        ("raw.users", derived(User::FIELDS), "profile jsonb not null"),
    ];
    for (table, derived, own) in own {
        // A field that came later is a column behind the table's own.
        let mut columns = columns_in(MIGRATIONS[0].sql, table);
        let at = columns.iter().position(|column| column == own).unwrap();
        columns.remove(at);
        assert_eq!(at, columns.len(), "{table}");
        columns.extend(MIGRATIONS.iter().flat_map(|migration| added_in(migration.sql, table)));
        assert_eq!(columns, derived, "{table}");
    }
}

#[test]
fn migrations_on_disk_and_in_the_list_are_the_same() {
    let mut on_disk: Vec<String> = fs::read_dir(file("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".sql").to_owned())
        .collect();
    on_disk.sort_by_key(|name| name[1..].split_once("__").unwrap().0.parse::<u32>().unwrap());
    let listed: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.name).collect();
    assert_eq!(on_disk, listed);
}
