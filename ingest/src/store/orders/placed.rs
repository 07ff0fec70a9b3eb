//! Lines of shop systems at their places in the order.

use contracts::validation::Accepted;
use contracts::{Event, ids};
use serde_json::{Map, Value};

use crate::store::quarantine::SetAside;

/// A line that was refused, with the id of its place. Bytes that were cut stay as they are.
pub(super) fn line(aside: &SetAside, order_id: &str, at: i32) -> SetAside {
    let mut aside = aside.clone();
    if let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&aside.payload) {
        let lines = fields.get("order_lines").and_then(Value::as_i64).unwrap_or(0);
        fields.insert("order_line".to_owned(), at.into());
        fields.insert("order_lines".to_owned(), lines.max(at.into()).into());
        fields.insert("shared_id".to_owned(), ids::order_line(order_id, at).into());
        aside.payload = Value::Object(fields).to_string().into_bytes();
    }
    aside
}

/// Makes a refund one of a line of the order, also as it was told: that is what stands in quarantine.
pub(super) fn refund(told: &mut Accepted, at: i32, purchase: Option<&Event>) {
    let lines = purchase.and_then(|purchase| purchase.order_lines).unwrap_or(at).max(at);
    (told.event.order_line, told.event.order_lines) = (Some(at), Some(lines));
    if let Some(order) = told.part.as_mut().and_then(|part| part.order.as_mut()) {
        (order.order_line, order.order_lines) = (at, lines);
    }
}
