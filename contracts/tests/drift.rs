//! Holds the committed Avro, CQL and SQL files to the records they are derived from.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
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

/// What was published stays readable: the registry refuses anything else, and this test says so before it is
/// asked.
#[test]
fn every_published_schema_is_read_by_the_one_of_today() {
    let today = apache_avro::Schema::parse(&topics::event_schema()).unwrap();
    for entry in fs::read_dir(file("avro/published")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let published = apache_avro::Schema::parse_str(&text).unwrap();
        SchemaCompatibility::can_read(&published, &today).unwrap();
    }
}

#[test]
fn what_was_written_when_everything_was_known_reads_the_same() {
    let text = fs::read_to_string(file("avro/published/shop.events.1.avsc")).unwrap();
    let written_by = apache_avro::Schema::parse_str(&text).unwrap();
    let event = Event::sample(chrono::DateTime::from_timestamp_micros(1_770_000_000_123_456).unwrap());
    let mut body = Vec::new();
    event.write_avro(&mut body);
    let today = apache_avro::Schema::parse(&topics::event_schema()).unwrap();
    let record =
        GenericDatumReader::builder(&today).build().unwrap().read_value(&mut body.as_slice()).unwrap();
    let Value::Record(fields) = &record else { panic!("{record:?}") };
    let bare = fields.iter().map(|(name, value)| {
        let optional = ["age", "city", "latitude", "longitude"].contains(&name.as_str());
        let value = match value {
            Value::Union(1, inner) if optional => (**inner).clone(),
            other => other.clone(),
        };
        (name.clone(), value)
    });
    let before = GenericDatumWriter::builder(&written_by)
        .build()
        .unwrap()
        .write_value_to_vec(Value::Record(bare.collect()))
        .unwrap();
    let reader = GenericDatumReader::builder(&written_by).reader_schema(&today).build().unwrap();
    assert_eq!(reader.read_value(&mut before.as_slice()).unwrap(), record);
}

#[test]
fn cql_file_is_the_tables() {
    let committed = fs::read_to_string(file("cql/tables.cql")).unwrap();
    assert_eq!(committed, cassandra::rendered(), "{REMEDY}");
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

/// The columns that a migration lets be null, each on a line of its own in a statement about the table.
fn made_optional_in(sql: &str, table: &str) -> Vec<String> {
    let begin = format!("alter table {table}\n");
    let Some((_, statement)) = sql.split_once(&begin) else { return Vec::new() };
    let (statement, _) = statement.split_once(';').unwrap();
    statement
        .lines()
        .filter_map(|line| line.trim().strip_prefix("alter column ")?.split_once(" drop not null"))
        .map(|(column, _)| column.replace('"', ""))
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
        for optional in MIGRATIONS.iter().flat_map(|migration| made_optional_in(migration.sql, table)) {
            let begin = format!("{optional} ");
            let column = columns.iter_mut().find(|column| column.starts_with(&begin)).unwrap();
            *column = column.strip_suffix(" not null").unwrap().to_owned();
        }
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
