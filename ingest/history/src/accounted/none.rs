//! Words for no value, labels that say nothing, and numbers as labels, in every format.

use arrow_array::{Decimal128Array, Float64Array, Int64Array};

use super::*;

const WORDS: [&str; 9] = ["NA", "N/A", "NULL", "None", "-", "#N/A", "#DIV/0!", "#VALUE!", "nan"];

const FIELDS: &str = "event_name = { value = \"purchase\" }\nevent_id = \"id\"\nuser_id = { value = \"u\" }\n\
    order_id = \"order\"\norder_line = { value = 1 }\norder_lines = { value = 1 }\nitem_id = \"sku\"\n\
    item_name = \"name\"\ncategory = \"kind\"\nbrand = \"make\"\ncity = \"town\"\npayment_type = \"paid\"\n\
    age = \"age\"\nprice = \"price\"\ncurrency = { value = \"EUR\" }\nquantity = { value = 1 }\n\
    country = \"land\"\nsession_id = \"visit\"\nsession_started_at = \"start\"";

/// The same columns in all formats, each with its values as text.
fn in_each_format(columns: &[(&str, Vec<String>)], fields: &str) -> [Checked; 3] {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let rows = columns[0].1.len();
    let (mut csv, mut json) = (names.join(",") + "\n", String::new());
    for row in 0..rows {
        let cells: Vec<&str> = columns.iter().map(|(_, values)| values[row].as_str()).collect();
        csv += &(cells.join(",") + "\n");
        let object: serde_json::Map<String, serde_json::Value> =
            names.iter().zip(&cells).map(|(name, cell)| ((*name).to_owned(), (*cell).into())).collect();
        json += &(serde_json::Value::Object(object).to_string() + "\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let arrays = columns.iter().map(|(name, values)| {
        (
            *name,
            Arc::new(StringArray::from(values.iter().map(String::as_str).collect::<Vec<_>>())) as ArrayRef,
        )
    });
    texts::parquet(&path, arrays.collect());
    let text = |name, bytes| text(name, bytes, "", fields).unwrap();
    [text("a.csv", csv), text("a.ndjson", json), read(&path, "", fields).unwrap()]
}

#[test]
fn a_word_for_none_is_none_where_a_field_may_be_absent() {
    let count = WORDS.len();
    let word = || WORDS.map(str::to_owned).to_vec();
    let column = |value: &str| vec![value.to_owned(); count];
    let ids = (0..count).map(|id| format!("n-{id}")).collect();
    let optional = ["name", "kind", "make", "town", "paid", "age", "visit", "start"];
    let mut columns: Vec<(&str, Vec<String>)> = optional.map(|name| (name, word())).to_vec();
    columns.extend([("id", ids), ("order", column("o-1")), ("sku", column("s")), ("price", column("5"))]);
    columns.push(("land", column("NA")));
    for checked in in_each_format(&columns, FIELDS) {
        let told = |event: &Event| {
            format!(
                "{} {} {:?} {:?} {:?} {:?} {}",
                event.item_name.as_deref().unwrap(),
                event.category.as_deref().unwrap(),
                event.brand,
                event.city,
                event.payment_type,
                event.age,
                event.country
            )
        };
        // The country is Namibia.
        assert_eq!(rows(&checked, told), vec!["s unknown None None None None NA"; count]);
        assert_eq!(checked.notes.without_label["category"].0, count as u64);
        assert!(checked.notes.lines().iter().any(|line| line.contains("have no item_name and are called")));
    }
}

#[test]
fn a_word_for_none_is_refused_by_its_name_where_a_value_is_needed() {
    let all = [
        "id", "order", "sku", "price", "name", "kind", "make", "town", "paid", "age", "land", "visit",
        "start",
    ];
    for (needed, field) in [("order", "order_id"), ("sku", "item_id"), ("price", "price"), ("id", "event_id")]
    {
        for word in WORDS {
            let value = |name: &str| match name {
                _ if name == needed => word,
                "land" => "DE",
                "price" | "age" => "5",
                "start" => "2026-03-01T10:00:00Z",
                _ => "x",
            };
            let columns = all.map(|name| (name, vec![value(name).to_owned()]));
            for checked in in_each_format(&columns, FIELDS) {
                let refused = rows(&checked, |event| format!("{event:?}")).remove(0);
                assert!(refused.starts_with(&format!("{field}: ")), "{needed}={word}: {refused}");
                assert!(
                    refused.contains(&format!("{word:?} stands for no value")),
                    "{needed}={word}: {refused}"
                );
            }
        }
    }
    // An id may be such a word all the same, and so may what a mapping names.
    let written = FIELDS.replace("item_id = \"sku\"", "item_id = { column = \"sku\", as_written = true }");
    let written = written
        .replace("brand = \"make\"", "brand = { column = \"make\", values = { \"NA\" = \"Nordic\" } }");
    let columns = all
        .map(|name| (name, vec![if ["sku", "make", "land"].contains(&name) { "NA" } else { "" }.to_owned()]));
    let columns = columns.map(|(name, values)| match name {
        "id" | "order" => (name, vec!["1".to_owned()]),
        "price" => (name, vec!["5".to_owned()]),
        _ => (name, values),
    });
    for checked in in_each_format(&columns, &written) {
        let told = |event: &Event| format!("{:?} {:?}", event.item_id.as_deref(), event.brand.as_deref());
        assert_eq!(rows(&checked, told), ["Some(\"NA\") Some(\"Nordic\")"]);
    }
}

#[test]
fn a_word_for_none_takes_nothing_of_what_an_orders_first_line_has() {
    let file = "order,sku,cur\n7,a,CHF\n7,b,NULL\n7,c,\n8,d,NULL\n";
    let fields = "event_name = { value = \"purchase\" }\norder_id = \"order\"\nitem_id = \"sku\"\nitem_name = \"sku\"\n\
        category = { value = \"all\" }\nprice = { value = 1 }\nquantity = { value = 1 }\ncurrency = \"cur\"";
    let checked = text("a.csv", file, "orders = { carry = [\"cur\"], number = true }", fields).unwrap();
    let found = rows(&checked, |event| format!("{:?}", event.currency));
    assert!(found[..3].iter().all(|row| row.contains("no rate from CHF")), "{found:?}");
    assert!(found[3].contains("\"NULL\" stands for no value"), "{found:?}");
}

#[test]
fn a_number_is_one_label_whatever_wrote_it() {
    let fields = "event_name = { value = \"view_item\" }\nevent_id = \"id\"\nitem_id = \"id\"\nitem_name = \"id\"\n\
        category = \"kind\"\nprice = { value = 1 }\ncurrency = { value = \"EUR\" }\nquantity = { value = 1 }";
    let told = |event: &Event| event.category.as_deref().unwrap().to_owned();
    let found = |checked: Checked| {
        assert!(checked.notes.labels.is_empty(), "{:?}", checked.notes);
        rows(&checked, told)
    };
    let csv = "id,kind\na,7\nb,7.0\nc,7.00\nd,7.5\ne,v7.0\nf,007\n";
    assert_eq!(found(text("a.csv", csv, "", fields).unwrap()), ["7", "7", "7", "7.5", "v7.0", "007"]);
    let json = "{\"id\":\"a\",\"kind\":7}\n{\"id\":\"b\",\"kind\":7.0}\n{\"id\":\"c\",\"kind\":\"7.0\"}\n\
        {\"id\":\"d\",\"kind\":7.5}\n{\"id\":\"e\",\"kind\":0.7e1}\n";
    assert_eq!(found(text("a.ndjson", json, "", fields).unwrap()), ["7", "7", "7", "7.5", "7"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for column in [
        Arc::new(Float64Array::from(vec![7.0])) as ArrayRef,
        Arc::new(Int64Array::from(vec![7])),
        Arc::new(Decimal128Array::from(vec![700]).with_precision_and_scale(9, 2).unwrap()),
        Arc::new(StringArray::from(vec!["7.0"])),
    ] {
        texts::parquet(&path, vec![("id", Arc::new(StringArray::from(vec!["a"]))), ("kind", column)]);
        assert_eq!(found(read(&path, "", fields).unwrap()), ["7"]);
    }
}

#[test]
fn an_order_with_too_many_lines_is_named() {
    let lines: String = (0..1_001).map(|sku| format!("o-7,s-{sku}\n")).collect();
    let fields = "event_name = { value = \"purchase\" }\norder_id = \"order\"\nitem_id = \"sku\"\nitem_name = \"sku\"\n\
        category = { value = \"all\" }\nprice = { value = 1 }\nquantity = { value = 1 }\ncurrency = { value = \"EUR\" }";
    let file = format!("order,sku\n{lines}o-8,s\n");
    let checked = text("a.csv", file, "orders = { number = true }", fields).unwrap();
    assert_eq!((checked.rows, checked.accepted), (1_002, 1));
    let said = &checked.examples[&contracts::Reason::Inconsistent].detail;
    assert!(
        said.contains("order o-7 has more than the 1000 lines") && said.contains("give it another column"),
        "{said}"
    );
}
