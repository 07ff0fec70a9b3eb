//! Products and orders of the e-commerce spec, as lines.

use contracts::Reason;
use contracts::event::Currency;
use contracts::ids;
use contracts::validation::MAX_ORDER_LINES;
use contracts::vocabulary::EventName;
use ingest::source::draft::Fields as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{self, Object};
use crate::item::{Mapped, sum_back};
use crate::record::SenderRecord as _;

/// Where the spec has no category, or the sender tells none.
const NO_CATEGORY: &str = "unknown";

/// The most bytes of what the lines of an order have in common: ids and words.
const COMMON_BYTES: usize = 4 * 1024;

/// What the spec calls our fields in an event about one product.
pub(super) fn of_product(field: &'static str) -> &'static str {
    match field {
        "item_id" => "properties.product_id",
        "item_name" => "properties.name",
        "category" => "properties.category",
        "brand" => "properties.brand",
        "price" => "properties.price",
        "quantity" => "properties.quantity",
        other => of_event(other),
    }
}

/// What the spec calls our fields in an event about an order.
pub(super) fn of_order(field: &'static str) -> &'static str {
    match field {
        "item_id" => "properties.products.product_id",
        "item_name" => "properties.products.name",
        "category" => "properties.products.category",
        "brand" => "properties.products.brand",
        "price" => "properties.products.price",
        "quantity" => "properties.products.quantity",
        "order_line" | "order_lines" => "properties.products",
        "amount" => "properties.total",
        other => of_event(other),
    }
}

/// What Segment calls our fields.
pub(super) fn of_event(field: &'static str) -> &'static str {
    match field {
        "event_id" | "source_id" => "messageId",
        "shared_id" | "order_id" => "properties.order_id",
        "event_name" => "event",
        "occurred_at" => "timestamp",
        "user_id" => "userId",
        "anonymous_id" => "anonymousId",
        "session_id" => "context.sessionId",
        "currency" => "properties.currency",
        "payment_type" => "properties.payment_method",
        other => other,
    }
}

/// Puts a product into a record.
pub(super) fn set_product(record: &mut Mapped, product: &Object<'_>) {
    // Some clients send an empty product_id beside the sku.
    let ids = ["product_id", "sku"].map(|name| product.get(name).map_or(Value::Null, json::name));
    let item_id = ids.into_iter().find(|id| !id.is_null()).unwrap_or(Value::Null);
    // A label: where there is none, the id says as much.
    let name = product.get("name").map_or_else(|| item_id.clone(), json::any);
    record.set("item_name", name);
    record.set("item_id", item_id);
    record.set("category", product.get("category").map_or_else(|| NO_CATEGORY.into(), json::any));
    record.set("brand", product.get("brand").map_or(Value::Null, json::any));
    record.set("price", product.get("price").map_or(Value::Null, json::sum));
    // Who tells no number means one, as with GA4.
    record.set("quantity", product.get("quantity").map_or_else(|| 1.into(), json::quantity));
}

/// Puts the currency into a record. Where no money changes hands, one that nobody tells is the shop's own.
pub(super) fn set_currency(record: &mut Mapped, of: [&Object<'_>; 2], base: Option<Currency>) {
    let told = of.into_iter().find_map(|object| object.get("currency")).map(json::any);
    let told = match told {
        Some(Value::String(code)) => Value::from(code.trim().to_uppercase()),
        Some(other) => other,
        None => base.map_or(Value::Null, |base| base.as_str().into()),
    };
    record.set("currency", told);
}

/// The refund of all that is left of an order.
pub(super) fn whole_order(common: &Mapped, properties: &Object<'_>) -> Mapped {
    let mut whole = common.clone();
    whole.set("order_id", properties.get("order_id").map_or(Value::Null, json::id));
    whole
}

/// The records of an order: one for each of its products.
pub(super) fn order(name: EventName, common: &Mapped, properties: &Object<'_>) -> Vec<Mapped> {
    let message_id: Option<String> = common.optional("source_id").ok().flatten();
    let order_id = properties.get("order_id").map_or(Value::Null, json::id);
    let mut whole = whole_order(common, properties);
    let Some(products) = properties.get("products") else {
        if name == EventName::Purchase {
            whole.refuse(Reason::MissingField, "properties.products", "is missing");
        }
        // A refund without products is one of the whole order, or of so much of it.
        let sum = properties.get("revenue").or_else(|| properties.get("total"));
        let sum = sum.map_or(Value::Null, |sum| sum_back(json::sum(sum)));
        if name == EventName::Refund && !sum.is_null() {
            whole.set("amount", sum);
            set_currency(&mut whole, [properties; 2], None);
        }
        return vec![whole];
    };
    // Every line has it: what is short in a message would be long in a thousand lines.
    whole.set("currency", properties.get("currency").map_or(Value::Null, json::any));
    let common_bytes = whole.payload().len();
    whole.set("currency", Value::Null);
    if common_bytes > COMMON_BYTES {
        let detail = format!("what all lines have in common has {common_bytes} bytes, not {COMMON_BYTES}");
        whole.refuse(Reason::InvalidField, "properties", detail);
        return vec![whole];
    }
    let products = match serde_json::from_str::<Vec<&RawValue>>(products.get()) {
        Ok(products) if (1..=MAX_ORDER_LINES as usize).contains(&products.len()) => products,
        Ok(products) => {
            let detail = format!("it has {} products, not 1 to {MAX_ORDER_LINES}", products.len());
            whole.refuse(Reason::InvalidField, "properties.products", detail);
            return vec![whole];
        }
        Err(_) => {
            whole.refuse(Reason::InvalidField, "properties.products", "it is no list");
            return vec![whole];
        }
    };
    let lines = products.len();
    let line = |(number, product): (i32, &RawValue)| {
        let mut line = whole.clone();
        line.set_known_by(format!("{}#{number}", line.known_by().unwrap_or_default()));
        match (name, order_id.as_str()) {
            // Whoever tells of an order tells of the same lines.
            (EventName::Purchase, Some(order_id)) => {
                line.set("source_id", Value::Null);
                line.set("shared_id", ids::order_line(order_id, number));
            }
            // A part of an order may be paid back again, and then it is another part.
            _ => line.set("source_id", message_id.as_ref().map(|id| format!("{id}#{number}"))),
        }
        line.set("order_line", number);
        line.set("order_lines", lines);
        match Object::of(product) {
            Some(product) => {
                set_product(&mut line, &product);
                set_currency(&mut line, [&product, properties], None);
            }
            None => line.refuse(Reason::InvalidField, "properties.products", "one of them is no object"),
        }
        line
    };
    (1..).zip(products).map(line).collect()
}
