//! Ids that a float wrote, and cells whose bytes are no text, in every format.

use arrow_array::{BinaryArray, Decimal128Array, Float64Array};
use parquet::data_type::{ByteArray, ByteArrayType};

use super::*;

/// A Parquet file of some columns.
pub(super) fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn an_id_of_the_files_own_is_refused_in_the_form_of_a_float() {
    let fields = "event_name = { value = \"session_start\" }\nevent_id = \"id\"";
    let told = |event: &Event| event.event_id.to_string();
    let csv =
        text("a.csv", "id,x\n1001,\n1001.0,\n1.001E+03,\n1001.00,\nA-1.0,\n1E5,\n", "", fields).unwrap();
    let found = rows(&csv, told);
    assert_eq!((csv.accepted, csv.repeated), (3, 0));
    for (row, form) in [(1, "\"1001.0\""), (2, "\"1.001E+03\""), (3, "\"1001.00\"")] {
        let refused = &found[row];
        assert!(refused.starts_with("event_id: ") && refused.contains(form), "{refused}");
        assert!(
            refused.contains("the whole number 1001") && refused.contains("as_written = true"),
            "{refused}"
        );
    }
    let ndjson = "{\"id\":1001}\n{\"id\":1001.0}\n{\"id\":1.001e3}\n{\"id\":1001e0}\n{\"id\":\"1001\"}\n{\"id\":\"1E5\"}\n{\"id\":1E5}\n";
    let checked = text("a.ndjson", ndjson, "", fields).unwrap();
    assert_eq!((checked.accepted, checked.repeated), (3, 1), "{:?}", checked.examples);
    assert_eq!(rows(&checked, told)[0], found[0], "whatever the format");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    // A double has no form, and a decimal its scale.
    for (column, accepted) in [
        (Arc::new(Float64Array::from(vec![1001.0])) as ArrayRef, 1),
        (Arc::new(Decimal128Array::from(vec![1001]).with_precision_and_scale(9, 0).unwrap()), 1),
        (Arc::new(Decimal128Array::from(vec![100_100]).with_precision_and_scale(9, 2).unwrap()), 0),
        (Arc::new(StringArray::from(vec!["1001.0"])), 0),
    ] {
        parquet(&path, vec![("id", column)]);
        let checked = read(&path, "", fields).unwrap();
        assert_eq!(checked.accepted, accepted, "{:?}", checked.examples);
        assert!(accepted == 0 || rows(&checked, told)[0] == found[0]);
    }
    let both = "event_name = { value = \"session_start\" }\nevent_id = { columns = [\"order\", \"line\"] }";
    let checked = text("a.csv", "order,line\n7,1\n7.0,1\n7,1.0\n", "", both).unwrap();
    assert_eq!(checked.accepted, 1, "{:?}", checked.first);
    let kept =
        "event_name = { value = \"session_start\" }\nevent_id = { column = \"id\", as_written = true }";
    assert_eq!(text("a.csv", "id,x\n1001,\n1001.0,\n", "", kept).unwrap().accepted, 2);
    // The second of two elements with one id is judged as the first.
    let lines = "{\"l\":[{\"id\":\"7.0\"},{\"id\":\"7.0\"}]}\n";
    let listed = "event_name = { value = \"session_start\" }\nevent_id = \"l.id\"";
    assert_eq!(text("a.ndjson", lines, "lines = \"l\"", listed).unwrap().accepted, 0);
}

const SALE: &str = "order_id = \"order\"\norder_line = { value = 1 }\norder_lines = { value = 1 }\nitem_id = \"sku\"\nitem_name = \"name\"\n\
    category = \"kind\"\nbrand = \"make\"\npayment_type = \"paid\"\ncity = \"city\"\nprice = \"price\"\n\
    currency = { value = \"EUR\" }\nquantity = { value = 1 }\nevent_id = \"order\"";

fn labels(event: &Event) -> String {
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        text(event.item_name.as_deref()),
        text(event.category.as_deref()),
        text(event.brand.as_deref()),
        text(event.payment_type.as_deref()),
        text(event.city.as_deref()),
    ]
    .join("|")
}

/// A label as the columns hold it, and what of it is kept.
const LABELS: [(&[u8], &str); 8] = [
    (b"Lamp", "Lamp"),
    (b"La\x07mp\x00", "La mp"),
    (b"\x1b[2JLamp", "[2JLamp"),
    (b"La\tmp", "La mp"),
    (b"\x07", "\u{fffd}"),
    ("La\u{85}mp\u{202e}".as_bytes(), "La mp\u{202e}"),
    (b"L\xe4mp", "L\u{fffd}mp"),
    (b"\xff\xfe", "\u{fffd}\u{fffd}"),
];

#[test]
fn a_label_costs_no_sale_in_any_format() {
    let columns = ["name", "kind", "make", "paid", "city"];
    let expected: Vec<String> = LABELS.iter().map(|(_, kept)| [*kept; 5].join("|")).collect();
    let (mut csv, mut ndjson) = (b"order,sku,price,name,kind,make,paid,city\n".to_vec(), Vec::new());
    for (at, (label, _)) in LABELS.iter().enumerate() {
        csv.extend(format!("o{at},s,1.50").bytes());
        ndjson.extend(format!("{{\"order\":\"o{at}\",\"sku\":\"s\",\"price\":1.50").bytes());
        for column in columns {
            csv.push(b',');
            csv.extend(*label);
            // Not escaped, as JSON would have it.
            ndjson.extend(format!(",\"{column}\":\"").bytes());
            ndjson.extend(*label);
            ndjson.push(b'"');
        }
        csv.push(b'\n');
        ndjson.extend(b"}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let ids: Vec<String> = (0..LABELS.len()).map(|at| format!("o{at}")).collect();
    let bytes: ArrayRef = Arc::new(BinaryArray::from(LABELS.map(|(label, _)| label).to_vec()));
    let mut table: Vec<(&str, ArrayRef)> = vec![
        ("order", Arc::new(StringArray::from(ids))),
        ("sku", Arc::new(StringArray::from(vec!["s"; LABELS.len()]))),
        ("price", Arc::new(StringArray::from(vec!["1.50"; LABELS.len()]))),
    ];
    table.extend(columns.map(|column| (column, Arc::clone(&bytes))));
    parquet(&path, table);
    let formats = [
        text("a.csv", &csv, "", SALE).unwrap(),
        text("a.ndjson", &ndjson, "", SALE).unwrap(),
        read(&path, "", SALE).unwrap(),
    ];
    for checked in formats {
        assert_eq!(rows(&checked, labels), expected);
        assert_eq!((checked.accepted, checked.notes.sales.counted_orders), (8, 8));
        assert_eq!(checked.notes.no_text["item_name"].0, 2);
        // A terminal's characters are cleaned with a note, but for the last two and what is kept as it was
        // told.
        assert_eq!(checked.notes.labels["brand"].0, 5);
        assert!(checked.notes.lines().iter().any(|line| line.contains("not UTF-8")), "{:?}", checked.notes);
    }
    // Half a character stands in JSON alone; a carriage return is a character where it ends no row.
    let half =
        "{\"order\":\"o\",\"sku\":\"s\",\"price\":1,\"name\":\"La\\ud83d\",\"kind\":\"k\",\"city\":\"c\"}\n";
    assert_eq!(rows(&text("a.ndjson", half, "", SALE).unwrap(), labels), ["La\u{fffd}|k|-|-|c"]);
    let returned =
        "order,sku,price,name,kind,make,paid,city\no,s,1,La\rmp,k,,,c\no2,s,1,N\r\nm,k,,,c\no3,s,1,N,k,,,c\n";
    let found = rows(&text("a.csv", returned, "", SALE).unwrap(), labels);
    assert_eq!((found[0].as_str(), found.last().unwrap().as_str()), ("La mp|k|-|-|c", "N|k|-|-|c"));
    assert_eq!(found.len(), 4, "a line that ends is no label: {found:?}");
}

#[test]
fn a_byte_that_is_no_text_costs_its_row_alone() {
    let file = b"order,sku,price,name,kind,make,paid,city,nobody\no1,s\xf6,1,N,k,,,c,\no2,s,1,N,k,,,c,\xf6\no\xf6,s,1,N,k,,,c,\n\
        o4,s,1\xa0,N,k,,,c,\no5,s,1,\"N\xf6\nm\",k,,,c,\no6,s,1,N,k,,,c,\n";
    let checked = text("a.csv", file, "", SALE).unwrap();
    let found = rows(&checked, labels);
    assert_eq!((checked.rows, checked.accepted), (6, 3));
    for (row, field, byte) in [(0, "item_id", "f6"), (2, "event_id", "f6"), (3, "price", "a0")] {
        let detail = &found[row];
        assert!(
            detail.starts_with(&format!("{field}: ")) && detail.contains(&format!("byte {byte}")),
            "{detail}"
        );
        assert!(detail.contains("iconv -f latin1 -t utf-8"), "{detail}");
    }
    assert_eq!([&found[1], &found[4], &found[5]], ["N|k|-|-|c", "N\u{fffd} m|k|-|-|c", "N|k|-|-|c"]);
    // What is carried down is no text in the rows below it either.
    let carried = b"order,sku,price,name,kind,make,paid,city\no1,s,1,N,k,K\xf6,,c\no1,t,1,N,k,,,c\n";
    let fields = SALE
        .replace("order_line = { value = 1 }\norder_lines = { value = 1 }\n", "")
        .replace("event_id = \"order\"", "event_id = \"sku\"");
    let checked = text("a.csv", carried, "orders = { carry = [\"make\"], number = true }", &fields).unwrap();
    assert_eq!(rows(&checked, labels), ["N|k|K\u{fffd}|-|c"; 2]);
    // A number of the file's own stays one beside such a byte.
    let json =
        b"{\"order\":\"o\",\"sku\":\"s\",\"price\":1.299,\"name\":\"N\xf6\",\"kind\":\"k\",\"city\":\"c\"}\n";
    let fields = SALE.replace("price = \"price\"", "price = { column = \"price\", decimal = \",\" }");
    let checked = text("a.ndjson", json, "", &fields).unwrap();
    assert_eq!(rows(&checked, |event| event.amount_base.unwrap().to_string()), ["1.30"]);
    let listed = b"{\"l\":[{\"order\":\"o\"},{\"order\":\"p\"}],\"sku\":\"s\",\"price\":1,\"name\":\"N\xf6\",\"kind\":\"k\",\"city\":\"c\"}\n";
    let fields = SALE.replace("\"order\"", "\"l.order\"");
    let checked = text("a.ndjson", listed, "lines = \"l\"", &fields).unwrap();
    assert_eq!(rows(&checked, labels), ["N\u{fffd}|k|-|-|c"; 2]);
}

#[test]
fn a_column_of_strings_may_hold_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = "message m { required binary order (STRING); required binary name (STRING); optional group g { optional binary c (UTF8); } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(std::fs::File::create(&path).unwrap(), schema, Arc::default()).unwrap();
    let rows_in_file: usize = 5_000;
    let mut group = writer.next_row_group().unwrap();
    let texts = |bad: usize, prefix: &str| -> Vec<ByteArray> {
        let text = |at: usize| match at {
            at if at == bad => b"\xf6".to_vec(),
            at => format!("{prefix}{at}").into_bytes(),
        };
        (0..rows_in_file).map(|at| ByteArray::from(text(at))).collect()
    };
    for (bad, levels) in [(4_001, None), (3_000, None), (2_500, Some(vec![2; rows_in_file]))] {
        let mut column = group.next_column().unwrap().unwrap();
        let values = texts(bad, "o");
        column.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    let fields = "event_name = { value = \"session_start\" }\nevent_id = \"order\"\ncity = \"name\"\nuser_id = { value = \"u\" }";
    let checked = read(&path, "", fields).unwrap();
    assert_eq!((checked.rows, checked.accepted), (5_000, 4_999), "{:?}", checked.examples);
    assert!(checked.first[4_001].0 == 4_002 && checked.notes.no_text["city"].1 == "3001");
    let nested = fields.replace("\"name\"", "\"g.c\"");
    assert_eq!(read(&path, "", &nested).unwrap().notes.no_text["city"].1, "2501");
}

#[test]
fn a_row_without_an_id_has_the_one_that_it_has_once_its_file_is_converted() {
    let fields = SALE
        .replace("event_id = \"order\"", "")
        .replace("\ncity = \"city\"", "\ncity = \"city\"\nuser_id = \"order\"");
    let latin = b"order,sku,price,name,kind,make,paid,city\no1,s,1,K\xf6ln,k,,,c\no2,s,1,K\xfcln,k,,,c\n";
    let converted: String = latin.iter().map(|byte| char::from(*byte)).collect();
    let id = |event: &Event| event.event_id.to_string();
    let before = rows(&text("a.csv", latin, "", &fields).unwrap(), id);
    assert_eq!(before, rows(&text("a.csv", converted, "", &fields).unwrap(), id));
    assert_ne!(before[0], before[1]);
}
