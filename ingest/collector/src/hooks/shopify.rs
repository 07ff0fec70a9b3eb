//! Shopify's webhooks: `orders/*` tell an order as it is, `refunds/create` tells a refund. An order tells its
//! refunds, too, so that each has one id by whatever way it comes. What of a refund is of no line is a
//! [sum](sums).

mod sums;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::Reason;
use rust_decimal::Decimal;
use serde_json::Value;

use super::delivery::{
    Delivery, Head, Line, Parts, ToldRefund, id, is_list_or_none, list, order, refunds_of, rounded, sum,
    text, whole, written,
};
use super::{System, ToldOrder};
use crate::item::Mapped;
use sums::OfOrder;

const SHOPIFY: System = System::Shopify;

/// What Shopify calls our fields.
fn told_as(field: &'static str) -> &'static str {
    match field {
        "occurred_at" => "created_at",
        "order_id" | "shared_id" => "id",
        "user_id" | "anonymous_id" => "customer.id",
        "item_id" => "line_items.product_id",
        "item_name" => "line_items.title",
        "brand" => "line_items.vendor",
        "price" | "amount" => "line_items.price",
        "quantity" => "line_items.quantity",
        "country" => "billing_address.country_code",
        "payment_type" => "payment_gateway_names",
        other => other,
    }
}

pub(super) fn translate(body: &[u8], head: &Head<'_>) -> Delivery {
    let record = Mapped::new(told_as, body.len());
    let Ok(told) = serde_json::from_slice::<Value>(body) else {
        return Delivery::refused(record, body, Reason::Malformed, "delivery", "it is no JSON");
    };
    match head.topic {
        "orders/create"
        | "orders/updated"
        | "orders/paid"
        | "orders/cancelled"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => of_order(&told, record, body, head),
        "refunds/create" => of_refund(&told, record, body, head),
        _ => Delivery::other(SHOPIFY, body, head),
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.to_utc())
}

fn of_order(told: &Value, record: Mapped, body: &[u8], head: &Head<'_>) -> Delivery {
    // An order of the shop's own trials is no sale.
    if told["test"] == true {
        return Delivery::other(SHOPIFY, body, head);
    }
    let Some(order_id) = id(&told["id"]).map(|id| head.order_id(&id)) else {
        return Delivery::refused(record, body, Reason::MissingField, "id", "it is no id of an order");
    };
    let created_at = instant(&told["created_at"]);
    let (Some(created_at), Some(as_of)) = (created_at, instant(&told["updated_at"]).or(created_at)) else {
        return Delivery::refused(record, body, Reason::InvalidField, "created_at", "it is no time");
    };
    // A webhook may leave fields out: what is not told is not nothing.
    let are_lists =
        [("line_items", told["line_items"].is_array()), ("refunds", is_list_or_none(&told["refunds"]))];
    if let Some((field, _)) = are_lists.into_iter().find(|(_, is_list)| !is_list) {
        return Delivery::refused(record, body, Reason::InvalidField, field, "it is no list");
    }
    let common = common(told, record, &order_id);
    let refunds = list(&told["refunds"]);
    let mut refunded: BTreeMap<String, i64> = BTreeMap::new();
    for line in refunds.iter().flat_map(|refund| list(&refund["refund_line_items"])) {
        if let (Some(line_id), Some(units)) = (id(&line["line_item_id"]), whole(&line["quantity"])) {
            *refunded.entry(line_id).or_default() += i64::from(units);
        }
    }
    let is_cancelled = !told["cancelled_at"].is_null();
    // The first product has the place that makes an order one that counts.
    let mut lines: Vec<&Value> = list(&told["line_items"]).iter().collect();
    lines.sort_by_key(|line| !is_product(line));
    let lines = lines.into_iter();
    let lines = lines.map(|line| of_line(line, &told["currency"], is_cancelled, &refunded)).collect();
    let triggered_at = head.triggered_at.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let mut line_refunds: Vec<ToldRefund> = refunds
        .iter()
        .flat_map(|refund| refund_lines(refund, &order_id, &common, told["currency"].as_str(), head))
        .collect();
    let (sums, unread) =
        OfOrder { told: Some(told), order_id: &order_id, common: &common }.sums(refunds, head);
    line_refunds.extend(unread);
    let parts = Parts {
        system: SHOPIFY,
        body,
        order_id,
        common,
        created_at,
        as_of,
        rank: triggered_at.map_or(0, |at| at.timestamp_micros()),
        // What is cancelled with refunds is paid back by them.
        is_void: is_cancelled && refunded.is_empty(),
    };
    order(parts, lines, sums, line_refunds, head)
}

/// Whether a line is of a product.
fn is_product(line: &Value) -> bool {
    // The means of payment are told of tips only. An order that is paid with a gift card sells its products.
    let is_tip = !line["tip_payment_gateway"].is_null() || !line["tip_payment_method"].is_null();
    !is_tip && line["gift_card"] != true
}

/// What all units of a line cost when it was bought; nothing where that cannot be read.
fn paid(line: &Value) -> Option<Decimal> {
    let units = whole(&line["quantity"])?;
    let mut allocations =
        list(&line["discount_allocations"]).iter().map(|allocation| sum(&allocation["amount"]));
    let discount = allocations.try_fold(Decimal::ZERO, |all, amount| all.checked_add(amount?))?;
    sum(&line["price"])?.checked_mul(units.into())?.checked_sub(discount)
}

/// A line. What refunds name is paid back by them; units that are gone without one were edited away.
fn of_line(line: &Value, currency: &Value, is_cancelled: bool, refunded: &BTreeMap<String, i64>) -> Line {
    let key = id(&line["id"]);
    let back = key.as_ref().and_then(|key| refunded.get(key)).copied().unwrap_or(0);
    let sold = || {
        let units = whole(&line["quantity"]).filter(|units| *units > 0)?;
        let paid = paid(line)?;
        let current = whole(&line["current_quantity"]).unwrap_or(units);
        let current = if is_cancelled { 0 } else { i64::from(current) };
        let sold = i32::try_from((current + back).min(i64::from(units))).unwrap_or(units);
        let share = paid.checked_mul(sold.into())?.checked_div(units.into())?;
        let share = if sold == units { paid } else { rounded(share, currency) };
        Some((units, sold, share))
    };
    // Of what is no product nothing is sold, whatever of it can be read.
    let sums = if is_product(line) { sold() } else { Some((1, 0, Decimal::ZERO)) };
    let mut fields = product(line);
    fields.push(("currency", text(currency)));
    Line { key, fields, sums, by_units: true }
}

fn product(line: &Value) -> Vec<(&'static str, Value)> {
    let item_id = ["product_id", "sku", "variant_id", "title"].into_iter().find_map(|field| id(&line[field]));
    let name = [&line["title"], &line["name"]].into_iter().find_map(id).or_else(|| item_id.clone());
    vec![
        ("item_id", item_id.into()),
        ("item_name", name.into()),
        ("category", "unknown".into()),
        ("brand", text(&line["vendor"])),
    ]
}

/// Who ordered, and how. The e-mail address becomes a UUID before anything is stored.
fn common(told: &Value, mut record: Mapped, order_id: &str) -> Mapped {
    let user = id(&told["customer"]["id"]).or_else(|| id(&told["email"]));
    match user {
        Some(user) => record.set("user_id", user),
        None => record.set("anonymous_id", format!("order/{order_id}")),
    }
    let country = ["billing_address", "shipping_address"].map(|address| &told[address]["country_code"]);
    record.set("country", country.into_iter().find(|code| code.is_string()).map_or(Value::Null, text));
    record.set("payment_type", text(&told["payment_gateway_names"][0]));
    record.set("user_agent", text(&told["client_details"]["user_agent"]));
    record.set("referrer", text(&told["referring_site"]));
    record
}

fn of_refund(told: &Value, record: Mapped, body: &[u8], head: &Head<'_>) -> Delivery {
    let order_id = id(&told["order_id"]).map(|id| head.order_id(&id));
    let (Some(_), Some(order_id)) = (id(&told["id"]), order_id) else {
        return Delivery::refused(
            record,
            body,
            Reason::MissingField,
            "order_id",
            "it is no refund of an order",
        );
    };
    // A refund does not tell whose it is.
    let mut common = record;
    common.set("anonymous_id", format!("order/{order_id}"));
    let mut lines: Vec<ToldRefund> = refund_lines(told, &order_id, &common, None, head).collect();
    let refund = std::slice::from_ref(told);
    let (sums, unread) = OfOrder { told: None, order_id: &order_id, common: &common }.sums(refund, head);
    lines.extend(unread);
    if lines.is_empty() && sums.told.is_empty() {
        return Delivery::other(SHOPIFY, body, head);
    }
    let at = instant(&told["created_at"]).unwrap_or(head.at);
    let refunds = refunds_of(SHOPIFY, body, (order_id, common), at, lines, head);
    Delivery { items: Vec::new(), order: Some(Box::new(ToldOrder { sums, ..refunds })) }
}

/// The lines of a refund, each at what was paid back of it.
fn refund_lines<'a>(
    refund: &'a Value,
    order_id: &'a str,
    common: &'a Mapped,
    currency: Option<&'a str>,
    head: &'a Head<'_>,
) -> impl Iterator<Item = ToldRefund> + 'a {
    let lines = list(&refund["refund_line_items"]);
    let computed = |line: &Value| {
        let money = &line["subtotal_set"]["shop_money"];
        sum(&money["amount"]).or_else(|| sum(&line["subtotal"])).filter(|_| is_product(&line["line_item"]))
    };
    let of_refund = &lines.first().unwrap_or(&Value::Null)["subtotal_set"]["shop_money"]["currency_code"];
    let told_in = currency.map_or_else(|| of_refund.clone(), Value::from);
    let amounts =
        sums::reduced(&lines.iter().map(computed).collect::<Vec<_>>(), sums::less(refund), &told_in);
    (1..).zip(lines.iter().zip(amounts)).filter_map(move |(place, (line, amount)): (i32, _)| {
        let money = &line["subtotal_set"]["shop_money"];
        // What was free, or only put back on the shelf, pays nothing back. Nor does what was not sold.
        if amount.is_some_and(|amount| amount.is_zero()) || !is_product(&line["line_item"]) {
            return None;
        }
        let mut record = common.clone().called(told_as);
        record.set("event_name", "refund");
        record.set("order_id", order_id);
        let at = instant(&refund["created_at"]).map_or(Value::Null, |at| written(at, head));
        record.set("occurred_at", at);
        match id(&line["id"]) {
            Some(id) => {
                record.set("shared_id", format!("refund/{order_id}/line-{id}"));
                record.set_known_by(format!("shopify/refund/{order_id}/line-{id}"));
            }
            None => record.refuse(Reason::MissingField, "refund_line_items.id", "it has none"),
        }
        for (field, value) in product(&line["line_item"]) {
            record.set(field, value);
        }
        record.set("order_line", place);
        record.set("order_lines", lines.len());
        record.set("quantity", whole(&line["quantity"]).map_or(Value::Null, Value::from));
        record.set("amount", amount.map_or(Value::Null, |amount| amount.to_string().into()));
        let told = currency.or(money["currency_code"].as_str());
        record.set("currency", told.map_or(Value::Null, Value::from));
        Some(ToldRefund { key: id(&line["line_item_id"]), of: None, is_whole: false, refund: record })
    })
}
