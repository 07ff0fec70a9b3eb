use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, StructBuilder};
use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;

use super::*;

/// A mapping of these columns, in this order; what they mean does not matter here.
fn mapping(columns: &[&str]) -> Mapping {
    let fields = ["event_name", "user_id", "gender", "city", "device", "channel"];
    let times = ["occurred_at", "session_started_at"];
    let constants = ["age", "country", "latitude", "longitude", "session_id", "returning"];
    let mut text = "[fields]\n".to_owned();
    for (at, field) in fields.iter().enumerate() {
        text += &match columns.get(at) {
            Some(column) => format!("{field} = {{ column = \"{column}\" }}\n"),
            None => format!("{field} = {{ value = \"x\" }}\n"),
        };
    }
    for field in times {
        text += &format!("{field} = {{ value = \"2026-03-01\" }}\n");
    }
    for field in constants {
        text += &format!("{field} = {{ value = \"1\" }}\n");
    }
    Mapping::parse(&text).unwrap()
}

/// Every row as its line and its values, or what is wrong with it and how it stands in the file.
fn read(path: &Path, columns: &[&str]) -> Vec<(u64, Result<Vec<String>, String>)> {
    let mapping = mapping(columns);
    let source = Source::open(path, &mapping).unwrap();
    let mut pages = Pages::open(&source, &mapping).unwrap();
    let mut found = Vec::new();
    // Columns in the order of the test, not of the mapping.
    let places: Vec<usize> = columns
        .iter()
        .map(|name| mapping.columns().iter().position(|known| known == name).unwrap())
        .collect();
    while let Some(page) = pages.next().unwrap() {
        for row in &page.rows {
            let cells = match row.cells {
                Ok(at) => Ok(places
                    .iter()
                    .map(|place| page.columns[*place].text(at).unwrap_or("-").to_owned())
                    .collect()),
                Err(_) => Err(String::from_utf8(page.record(row, mapping.columns())).unwrap()),
            };
            found.push((row.line, cells));
        }
    }
    found
}

fn row(line: u64, cells: &[&str]) -> (u64, Result<Vec<String>, String>) {
    (line, Ok(cells.iter().map(ToString::to_string).collect()))
}

fn bad(line: u64, record: &str) -> (u64, Result<Vec<String>, String>) {
    (line, Err(record.to_owned()))
}

#[test]
fn csv_is_read_around_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, b"\xef\xbb\xbfid,name, price \n1,\"a, \"\"b\"\"\nc\",19.90\n2,d\n\n3, e ,\n4,\xff,1\n5,f,2,3\n6,g,007").unwrap();
    let expected = [
        row(2, &["1", "a, \"b\"\nc", "19.90"]),
        bad(4, "2,d"),
        row(6, &["3", "e", "-"]),
        bad(8, "5,f,2,3"),
        row(9, &["6", "g", "007"]),
    ];
    // A line that is no text cannot stand in a string.
    let text = fs::read(&path).unwrap();
    fs::write(&path, text.iter().map(|b| if *b == 0xff { b'4' } else { *b }).collect::<Vec<_>>()).unwrap();
    let mut found = read(&path, &["id", "name", "price"]);
    assert_eq!(found.remove(3), row(7, &["4", "4", "1"]));
    assert_eq!(found, expected);
    fs::write(&path, text).unwrap();
    let mapping = mapping(&["id", "name"]);
    let source = Source::open(&path, &mapping).unwrap();
    let page = Pages::open(&source, &mapping).unwrap().next().unwrap().unwrap();
    assert_eq!(page.record(&page.rows[3], mapping.columns()), b"4,\xff,1");
    assert!(page.rows[3].is_marked && page.rows[3].cells.is_ok());
    assert!(page.rows[1].cells.as_ref().unwrap_err().contains("expected 3 got 2"));
}

#[test]
fn ndjson_is_read_around_what_is_broken_and_numbers_stay_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.ndjson");
    let lines = [
        r#"{"id": 12345678901234567890123, "user": {"id": "a", "age": 3}, "price": 19.90, "x": [1]}"#,
        r#"{"id": true, "user": null}"#,
        r#"{"id": 1"#,
        r#"{"id": 2}{"id": 3}"#,
        r#"[1]"#,
        r#"{"id": {"a": 1}}"#,
        "",
        r#"{"price": "\u00e4", "user": {}}"#,
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    let expected = [
        row(1, &["12345678901234567890123", "a", "19.90"]),
        row(2, &["true", "-", "-"]),
        bad(3, lines[2]),
        bad(4, lines[3]),
        bad(5, lines[4]),
        bad(6, lines[5]),
        row(8, &["-", "-", "ä"]),
    ];
    assert_eq!(read(&path, &["id", "user.id", "price"]), expected);
}

#[test]
fn parquet_columns_become_text_by_their_type() {
    let mut user = StructBuilder::from_fields(
        vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)],
        2,
    );
    for (id, present) in [(7, true), (8, false)] {
        user.field_builder::<Int64Builder>(0).unwrap().append_value(id);
        user.field_builder::<StringBuilder>(1).unwrap().append_value("n");
        user.append(present);
    }
    let prices = Decimal128Array::from(vec![1990, -5]).with_precision_and_scale(12, 2).unwrap();
    let local = TimestampMillisecondArray::from(vec![Some(1_772_359_200_123), None]);
    let utc = TimestampMillisecondArray::from(vec![1_772_359_200_000; 2]).with_timezone("Europe/Berlin");
    let columns: [(&str, ArrayRef); 6] = [
        ("user", Arc::new(user.finish())),
        ("price", Arc::new(prices)),
        ("local", Arc::new(local)),
        ("utc", Arc::new(utc)),
        ("count", Arc::new(Float64Array::from(vec![12.0, f64::NAN]))),
        ("a.b", Arc::new(StringArray::from(vec!["dot", ""]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let expected = [
        row(1, &["7", "19.90", "2026-03-01T10:00:00.123", "2026-03-01T10:00:00Z", "12", "dot"]),
        row(2, &["-", "-0.05", "-", "2026-03-01T10:00:00Z", "-", "-"]),
    ];
    assert_eq!(read(&path, &["user.id", "price", "local", "utc", "count", "a.b"]), expected);
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, "id,name\n1,a\n").unwrap();
    let mapping = mapping(&["nmae"]);
    let source = Source::open(&path, &mapping).unwrap();
    let error = Pages::open(&source, &mapping).err().unwrap().to_string();
    assert!(error.contains("\"nmae\"") && error.contains("id, name"), "{error}");
    assert!(Source::open(&folder.path().join("rows.xml"), &mapping).is_err());
}
