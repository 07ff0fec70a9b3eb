//! Small files with what other readers take as they like: each is honoured as it says, or refused with a
//! reason.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use contracts::Event;
use contracts::money::Rates;
use ingest::clock::Clock;
use parquet::arrow::ArrowWriter;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tokio_util::sync::CancellationToken;

use crate::{Checked, HistoryError, Mapping, Outcome, Shop, check};

mod none;
mod texts;

/// Fields that the mapping under test leaves out.
const REST: [(&str, &str); 14] = [
    ("event_name", "{ value = \"purchase\" }"),
    ("occurred_at", "{ value = \"2026-03-01T10:00:00Z\" }"),
    ("session_started_at", "{ value = \"2026-03-01T10:00:00Z\" }"),
    ("user_id", "{ value = \"u\" }"),
    ("session_id", "{ value = \"v\" }"),
    ("gender", "{ value = \"other\" }"),
    ("age", "{ value = 40 }"),
    ("country", "{ value = \"DE\" }"),
    ("city", "{ value = \"Kassel\" }"),
    ("latitude", "{ value = 51.3 }"),
    ("longitude", "{ value = 9.5 }"),
    ("returning", "{ value = false }"),
    ("device", "{ value = \"other\" }"),
    ("channel", "{ value = \"other\" }"),
];

/// What becomes of a file by the head of a mapping and some of its fields.
fn read(path: &Path, head: &str, fields: &str) -> Result<Checked, HistoryError> {
    let names: Vec<&str> =
        fields.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name).collect();
    let mut text = format!("source = \"shop\"\n{head}\n[fields]\n{fields}\n");
    for (name, value) in REST.iter().filter(|(name, _)| !names.contains(name)) {
        text += &format!("{name} = {value}\n");
    }
    let mapping = Mapping::parse(&text).unwrap();
    let source = mapping.source(None).unwrap();
    let rates = Rates::none("EUR".parse().unwrap());
    let shop = Shop { mapping, source, rates, floor: None };
    let clock = Clock::starting_at("2026-12-01T00:00:00Z".parse().unwrap());
    check(path, &shop, usize::MAX, &clock, &CancellationToken::new())
}

/// The same of a text under a name.
fn text(name: &str, bytes: impl AsRef<[u8]>, head: &str, fields: &str) -> Result<Checked, HistoryError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path, head, fields)
}

/// What is told of each row that passes, or why it does not.
fn rows(checked: &Checked, told: impl Fn(&Event) -> String) -> Vec<String> {
    let row = |(_, outcome): &(u64, Outcome)| match outcome {
        Outcome::Event(event) => told(event),
        Outcome::Rejected { detail, .. } => detail.clone(),
    };
    checked.first.iter().map(row).collect()
}

const LINE: &str = "item_name = { value = \"lamp\" }\ncategory = { value = \"all\" }\ncurrency = { value = \"EUR\" }\nitem_id = \"sku\"\norder_id = \"order\"\norder_line = { value = 1 }\norder_lines = { value = 1 }\n";

#[test]
fn a_sign_is_lost_nowhere() {
    let file = "sku,order,q,p,age\ns,1,-1,-5,40\ns,2,-1,5,-40\ns,3,-2,-10,40\ns,4,2,-5,40\n";
    let told = |event: &Event| {
        format!("{} {} x {}", event.event_name, event.quantity.unwrap(), event.amount_base.unwrap())
    };
    let by_price =
        format!("{LINE}quantity = {{ column = \"q\", negative = \"refund\" }}\nprice = \"p\"\nage = \"age\"");
    let found = rows(&text("a.csv", file, "", &by_price).unwrap(), told);
    assert!(found[0].contains("would be a sale") && found[2].contains("would be a sale"), "{found:?}");
    assert!(found[1].starts_with("age: -40") && found[3].starts_with("price: -5"), "{found:?}");
    // An amount is of the line: less than nothing as its quantity is.
    let by_amount = format!(
        "{LINE}quantity = \"q\"\namount = {{ column = \"p\", negative = \"refund\" }}\nage = {{ value = 40 }}"
    );
    let found = rows(&text("a.csv", file, "", &by_amount).unwrap(), told);
    assert_eq!(found[0], "refund 1 x 5.00");
    assert_eq!(found[2..], ["refund 2 x 10.00", "refund 2 x 5.00"]);
    assert!(found[1].starts_with("quantity: -1"), "{found:?}");
}

#[test]
fn an_id_and_a_word_are_one_in_all_forms_of_a_number() {
    let file = "sku,order,kind\ns,17850,0\nt,17850.0,0.0\nu,1.785E+04,1\nv,17850,0.50\n";
    let line = LINE.replace("order_line = { value = 1 }\norder_lines = { value = 1 }\n", "");
    let fields = &format!("{line}quantity = {{ value = 1 }}\nprice = {{ value = 1 }}");
    let head = "orders = { number = true }\nskip = [{ column = \"kind\", values = [\"0.00\"] }]";
    let checked = text("a.csv", file, head, fields).unwrap();
    assert_eq!(checked.notes.skipped, 2);
    let told = |event: &Event| format!("{} of {}", event.order_line.unwrap(), event.order_lines.unwrap());
    assert_eq!(rows(&checked, told), ["1 of 2", "2 of 2"]);
}

#[test]
fn a_local_hour_that_is_there_twice_is_told_of() {
    let fields = "occurred_at = \"at\"\nsession_started_at = \"start\"\nevent_name = { value = \"session_start\" }\nuser_id = \"u\"";
    let file = "u,at,start\n1,2025-10-26 02:30:00,2025-10-26 02:30:00\n2,2025-10-26 02:05:00,2025-10-26 02:50:00\n\
        3,2025-10-26 03:00:00,2025-10-26 03:00:00\n4,2025-10-26 02:30:00+01:00,2025-10-26 02:30:00\n";
    let checked = text("a.csv", file, "timezone = \"Europe/Berlin\"", fields).unwrap();
    // Of the second the event tells that it is the first, and of the fourth nothing does.
    assert_eq!((checked.accepted, checked.notes.taken_first), (4, 2), "{:?}", checked.examples);
    assert!(
        checked.notes.lines().iter().any(|line| line.contains("2 have a local time that is there twice"))
    );
}

#[test]
fn a_refusal_names_the_line_of_the_mapping_that_is_missing() {
    let file = "sku,order,q,p,at\ns,1,1,5,2026-03-01\nt,1,1,5,\nu,C2,-2,5,2026-03-01\nv,3,0,5,2026-03-01\n";
    let fields =
        format!("{LINE}quantity = \"q\"\nprice = \"p\"\noccurred_at = \"at\"\nsession_started_at = \"at\"");
    let found = rows(&text("a.csv", file, "", &fields).unwrap(), |event| event.event_name.to_string());
    assert_eq!(found[0], "purchase");
    assert!(found[1].contains("orders = { carry = [\"at\"] }"), "{found:?}");
    assert!(found[2].contains("negative = \"refund\"") && !found[3].contains("refund"), "{found:?}");
    let said = fields.replace("quantity = \"q\"", "quantity = { column = \"q\", negative = \"refund\" }");
    let checked = text("a.csv", file, "orders = { carry = [\"at\"] }", &said).unwrap();
    assert_eq!((checked.accepted, checked.notes.sales.refunds), (3, 1));
}

#[test]
fn what_is_no_text_is_named() {
    let fields = "event_name = \"what\"";
    for (name, bytes, said) in [
        ("a.csv", &b"\x1f\x8b\x08\x00"[..], "gzip"),
        ("a.ndjson", b"\x1f\x8b\x08\x00", "gzip"),
        ("a.csv", b"PK\x03\x04rest", "spreadsheet"),
        ("a.csv", b"PAR1", "Parquet"),
        (
            "a.csv",
            b"w\0h\0a\0t\0\n\0",
            "UTF-16LE, but only UTF-8 can be read: convert the file, for example by \
             `iconv -f utf-16le -t utf-8 a.csv > utf8-a.csv`, and",
        ),
        ("a.ndjson", b"\0{\0}", "UTF-16BE"),
        (
            "a.json",
            b" [{\"what\":\"view\"},\n{\"what\":\"view\"}]",
            "one JSON array, and not a record on each line",
        ),
        ("a.json", b"[\n", "`jq -c '.[]' a.json > lines-a.json`"),
        ("a.json", b"\xef\xbb\xbf{\n  \"what\": \"view\"\n}\n", "`jq -c '.' a.json > lines-a.json`"),
        ("a.csv", b"what,st\xe4dt\nsearch,K\n", "as its header shows"),
        ("a.csv", b"wh\x1bat,colour\n", "it has wh\\u001bat, colour"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.csv", b"\"what\"s\nview\n", "follows the quote"),
    ] {
        let error = text(name, bytes, "", fields).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn a_float_of_32_bits_holds_no_great_sum_and_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let columns: [(&str, ArrayRef); 3] = [
        ("sku", Arc::new(StringArray::from(vec!["s", "s", "s"]))),
        ("order", Arc::new(StringArray::from(vec!["1", "2", "3"]))),
        ("p", Arc::new(Float32Array::from(vec![19.9, 131_071.99, 199_999.99]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let told = |event: &Event| event.amount_base.unwrap().to_string();
    let checked = read(&path, "", &format!("{LINE}quantity = {{ value = 1 }}\nprice = \"p\"")).unwrap();
    let found = rows(&checked, told);
    assert_eq!(found[..2], ["19.90", "131071.99"]);
    assert!(found[2].contains("may have lost digits"), "{found:?}");
    let cents = format!("{LINE}quantity = {{ value = 1 }}\nprice = {{ column = \"p\", unit = \"minor\" }}");
    assert_eq!(rows(&read(&path, "", &cents).unwrap(), told)[2], "2000.00");
    let time = "event_name = { value = \"session_start\" }\noccurred_at = { column = \"p\", format = \"unix_s\" }\nuser_id = \"sku\"";
    let wide: ArrayRef = Arc::new(Float32Array::from(vec![1_772_359_200.0]));
    let batch = RecordBatch::try_from_iter([
        ("p", wide),
        ("sku", Arc::new(StringArray::from(vec!["s"])) as ArrayRef),
    ]);
    let batch = batch.unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert!(rows(&read(&path, "", time).unwrap(), told)[0].contains("may have lost digits"));
}

#[test]
fn times_of_parquets_old_form_are_of_a_zone_that_the_field_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = Arc::new(parse_message_type("message m { required int96 at; }").unwrap());
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // 2026-03-01T10:00:00, as nanoseconds of a Julian day.
    let (nanos, day) = (36_000_000_000_000u64, 2_461_101u32);
    let mut at = Int96::new();
    at.set_data((nanos & 0xffff_ffff) as u32, (nanos >> 32) as u32, day);
    column.typed::<Int96Type>().write_batch(&[at], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let rest = "event_name = { value = \"session_start\" }\nuser_id = { column = \"at\" }\nsession_started_at = { value = \"2026-01-01\" }";
    let found = |head: &str, at: &str| {
        let checked = read(&path, head, &format!("{rest}\noccurred_at = {at}"))?;
        Ok::<_, HistoryError>(rows(&checked, |event| event.occurred_at.to_rfc3339()).remove(0))
    };
    let berlin = "timezone = \"Europe/Berlin\"";
    let error = found(berlin, "\"at\"").unwrap_err().to_string();
    assert!(error.contains("INT96") && error.contains("timezone"), "{error}");
    assert_eq!(found("", "\"at\"").unwrap(), "2026-03-01T10:00:00+00:00");
    for (zone, expected) in
        [("UTC", "2026-03-01T10:00:00+00:00"), ("Europe/Berlin", "2026-03-01T09:00:00+00:00")]
    {
        let at = format!("{{ column = \"at\", timezone = \"{zone}\" }}");
        assert_eq!(found(berlin, &at).unwrap(), expected);
    }
}
