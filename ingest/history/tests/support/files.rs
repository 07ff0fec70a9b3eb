//! The same rows as CSV, NDJSON and Parquet.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use chrono::{DateTime, TimeDelta, Utc};
use parquet::arrow::ArrowWriter;

/// A row as the shop keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    /// Local time.
    pub(crate) at: DateTime<Utc>,
    pub(crate) customer: String,
    pub(crate) age: Option<i32>,
    pub(crate) sku: Option<String>,
    pub(crate) price_cents: Option<i64>,
    pub(crate) quantity: Option<i32>,
    pub(crate) order: Option<String>,
}

/// Rows a second apart: visits, views and orders in turns; every twentieth is told twice, under one id.
pub(crate) fn rows(count: usize) -> Vec<Row> {
    let first: DateTime<Utc> = "2026-03-01T10:00:00.250Z".parse().unwrap();
    (0..count)
        .map(|index| {
            let index = if index % 20 == 19 { index - 1 } else { index };
            let is_about_product = !index.is_multiple_of(3);
            Row {
                id: format!("e-{index}"),
                kind: ["session_start", "pageview", "order"][index % 3],
                at: first + TimeDelta::seconds(index as i64),
                customer: format!("c {}", index % 50),
                age: (!index.is_multiple_of(7)).then_some(20 + i32::try_from(index % 60).unwrap()),
                sku: is_about_product.then(|| format!("lamp \"{}\", big", index % 9)),
                price_cents: is_about_product.then_some(1_990 + i64::try_from(index % 100).unwrap()),
                quantity: (index % 6 == 2).then_some(3),
                order: (index % 3 == 2).then(|| format!("o-{index}")),
            }
        })
        .collect()
}

fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn local(row: &Row) -> String {
    row.at.format("%d.%m.%Y %H:%M:%S%.3f").to_string()
}

pub(crate) const HEADER: &str = "id,type,at,customer,visit,age,sku,price,quantity,order";

pub(crate) fn csv_line(row: &Row) -> String {
    fn cell(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let sku = row.sku.as_ref().map(|sku| format!("\"{}\"", sku.replace('"', "\"\"")));
    let cells = [
        row.id.clone(),
        row.kind.to_owned(),
        local(row),
        row.customer.clone(),
        "1".to_owned(),
        cell(row.age),
        cell(sku),
        cell(row.price_cents.map(price)),
        cell(row.quantity),
        cell(row.order.as_ref()),
    ];
    cells.join(",")
}

pub(crate) fn write_csv(path: &Path, rows: &[Row]) {
    let lines: Vec<String> = rows.iter().map(csv_line).collect();
    fs::write(path, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
}

pub(crate) fn write_ndjson(path: &Path, rows: &[Row]) {
    let line = |row: &Row| {
        let sku = serde_json::to_string(&row.sku).unwrap();
        let price = row.price_cents.map_or("null".to_owned(), price);
        let rest = serde_json::json!({
            "id": row.id, "type": row.kind, "at": local(row), "customer": row.customer, "visit": 1, "age": row.age,
            "quantity": row.quantity, "order": row.order,
        });
        // A number as it is written, not as a float.
        format!("{{\"sku\":{sku},\"price\":{price},{}\n", &rest.to_string()[1..])
    };
    fs::write(path, rows.iter().map(line).collect::<String>()).unwrap();
}

pub(crate) fn write_parquet(path: &Path, rows: &[Row]) {
    let text = |value: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let whole = |value: fn(&Row) -> Option<i32>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<Int32Array>())
    };
    let prices: Decimal128Array = rows.iter().map(|row| row.price_cents.map(i128::from)).collect();
    // Without a zone, as the other files have it.
    let times: TimestampMillisecondArray = rows.iter().map(|row| Some(row.at.timestamp_millis())).collect();
    let columns: [(&str, ArrayRef); 10] = [
        ("id", text(|row| Some(&row.id))),
        ("type", text(|row| Some(row.kind))),
        ("at", Arc::new(times)),
        ("customer", text(|row| Some(&row.customer))),
        ("visit", whole(|_| Some(1))),
        ("age", whole(|row| row.age)),
        ("sku", text(|row| row.sku.as_deref())),
        ("price", Arc::new(prices.with_precision_and_scale(12, 2).unwrap())),
        ("quantity", whole(|row| row.quantity)),
        ("order", text(|row| row.order.as_deref())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
