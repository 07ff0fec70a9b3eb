//! WooCommerce's webhooks: `order.created`, `order.updated` and `order.restored` tell an order as it is. Its
//! refunds stand in it as [sums](sums), mostly without lines. `order.deleted` tells that it is in the trash,
//! or deleted from there, and no more than its id.

mod sums;

use chrono::{DateTime, NaiveDateTime, Utc};
use contracts::Reason;
use rust_decimal::Decimal;
use serde_json::Value;

use super::delivery::{Delivery, Head, Line, Parts, id, list, order, refunds_of, sum, text, whole};
use super::{System, ToldOrder};
use crate::item::Mapped;

/// What WooCommerce calls our fields.
fn told_as(field: &'static str) -> &'static str {
    match field {
        "occurred_at" => "date_created_gmt",
        "order_id" | "shared_id" => "id",
        "user_id" | "anonymous_id" => "customer_id",
        "item_id" => "line_items.product_id",
        "item_name" => "line_items.name",
        "price" | "amount" => "line_items.total",
        "quantity" => "line_items.quantity",
        "country" => "billing.country",
        "payment_type" => "payment_method",
        other => other,
    }
}

/// What a status says of an order: how late it comes among those of one moment, whether anything is sold, and
/// whether it came to nothing. Those without a sale are what WooCommerce's own reports leave out.
fn status(word: &str) -> (i64, bool, bool) {
    match word {
        "checkout-draft" | "auto-draft" | "draft" | "pending" => (0, false, false),
        "on-hold" => (1, true, false),
        "processing" => (2, true, false),
        "completed" => (3, true, false),
        "refunded" => (4, true, false),
        "failed" | "cancelled" | "trash" => (5, false, true),
        // A status of a plugin's own.
        _ => (2, true, false),
    }
}

pub(super) fn translate(body: &[u8], head: &Head<'_>) -> Delivery {
    let record = Mapped::new(told_as, body.len());
    let Ok(told) = serde_json::from_slice::<Value>(body) else {
        return Delivery::refused(record, body, Reason::Malformed, "delivery", "it is no JSON");
    };
    if !matches!(head.topic, "order.created" | "order.updated" | "order.deleted" | "order.restored") {
        return Delivery::other(System::Woocommerce, body, head);
    }
    let Some(order_id) = id(&told["id"]).map(|id| head.order_id(&id)) else {
        return Delivery::refused(record, body, Reason::MissingField, "id", "it is no id of an order");
    };
    if head.topic == "order.deleted" {
        return gone(record, order_id, body, head);
    }
    let created_at = instant(&told["date_created_gmt"]);
    let (Some(created_at), Some(as_of)) = (created_at, instant(&told["date_modified_gmt"]).or(created_at))
    else {
        return Delivery::refused(record, body, Reason::InvalidField, "date_created_gmt", "it is no time");
    };
    // In the trash and out of it, its refunds come and go by themselves.
    let is_listed = head.topic != "order.restored" && told["status"] != "trash";
    let listed = is_listed.then_some(as_of);
    // Out of the trash it is as it was, and of a time before it went there.
    let as_of = if head.topic == "order.restored" { head.at } else { as_of };
    // A delivery may leave fields out: what is not told is not nothing.
    if !told["line_items"].is_array() {
        return Delivery::refused(record, body, Reason::InvalidField, "line_items", "it is no list");
    }
    let (rank, is_sale, is_void) = status(told["status"].as_str().unwrap_or_default());
    let includes_tax = told["prices_include_tax"] == true;
    let lines = list(&told["line_items"]).iter();
    let lines = lines.map(|line| of_line(line, &told["currency"], is_sale, includes_tax)).collect();
    let common = common(&told, record, &order_id);
    let (mut sums, line_refunds) = sums::refunds(&told, &order_id, &common, as_of, head);
    sums.listed = listed.filter(|_| sums::are_all_told(&told));
    let parts =
        Parts { system: System::Woocommerce, body, common, order_id, created_at, as_of, rank, is_void };
    order(parts, lines, sums, line_refunds, head)
}

/// An order that is in the trash, from when the delivery came: it tells neither when nor whose.
fn gone(record: Mapped, order_id: String, body: &[u8], head: &Head<'_>) -> Delivery {
    let mut common = record;
    common.set("anonymous_id", format!("order/{order_id}"));
    let (rank, _, is_void) = status("trash");
    let refunds = refunds_of(System::Woocommerce, body, (order_id, common), head.at, Vec::new(), head);
    let order = ToldOrder { rank, is_void, ..refunds };
    Delivery { items: Vec::new(), order: Some(Box::new(order)) }
}

/// In UTC, without saying so.
fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?.trim_end_matches('Z');
    Some(text.parse::<NaiveDateTime>().ok()?.and_utc())
}

fn of_line(line: &Value, currency: &Value, is_sale: bool, includes_tax: bool) -> Line {
    let sold = || {
        let units = whole(&line["quantity"])?;
        let tax = if includes_tax { sum(&line["total_tax"])? } else { Decimal::ZERO };
        Some((units, units, sum(&line["total"])?.checked_add(tax)?))
    };
    // Of an order that is not paid nothing is sold, whatever of its lines can be read.
    let sums = if is_sale { sold() } else { Some((whole(&line["quantity"]).unwrap_or(1), 0, Decimal::ZERO)) };
    let mut fields = product(line);
    fields.push(("currency", text(currency)));
    Line { key: id(&line["id"]), fields, sums, by_units: false }
}

fn product(line: &Value) -> Vec<(&'static str, Value)> {
    let item_id =
        ["product_id", "sku", "name"].into_iter().find_map(|field| id(&line[field]).filter(|id| id != "0"));
    let name = id(&line["name"]).or_else(|| item_id.clone());
    vec![("item_id", item_id.into()), ("item_name", name.into()), ("category", "unknown".into())]
}

/// Who ordered, and how. The e-mail address becomes a UUID before anything is stored.
fn common(told: &Value, mut record: Mapped, order_id: &str) -> Mapped {
    let user = id(&told["customer_id"]).filter(|id| id != "0").or_else(|| id(&told["billing"]["email"]));
    match user {
        Some(user) => record.set("user_id", user),
        None => record.set("anonymous_id", format!("order/{order_id}")),
    }
    let country = ["billing", "shipping"].map(|address| id(&told[address]["country"]));
    record.set("country", country.into_iter().flatten().next());
    record.set("payment_type", text(&told["payment_method"]));
    record.set("user_agent", text(&told["customer_user_agent"]));
    record
}
