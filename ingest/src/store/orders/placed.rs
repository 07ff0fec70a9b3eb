//! Lines of shop systems at their places in the order.

use std::sync::Arc;

use contracts::money::{Cost, Places};
use contracts::validation::{Accepted, Rejection};
use contracts::{Event, ids};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::store::quarantine::{SetAside, kept_once};

/// Makes a purchase one of so many units at such a sum. Nothing, and no change, where they cost more than is
/// kept of a line.
pub(super) fn price(purchase: &mut Event, units: i32, sum: Decimal, places: Places) -> Option<()> {
    let cost = Cost::Line(sum.into());
    let (each, amount) = (cost.price(units).ok()?, cost.amount(units, purchase.rate?, places).ok()?);
    (purchase.price, purchase.amount_base, purchase.quantity) = (Some(each), Some(amount), Some(units));
    Some(())
}

/// A line that was refused, with the id of its place, or without one where the order has none left. Bytes
/// that were cut stay as they are.
pub(super) fn line(aside: &SetAside, order_id: &str, at: Option<i32>) -> SetAside {
    let mut aside = aside.clone();
    if let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&aside.payload) {
        let lines = fields.get("order_lines").and_then(Value::as_i64).unwrap_or(0);
        for field in ["order_line", "order_lines", "shared_id"] {
            fields.remove(field);
        }
        if let Some(at) = at {
            fields.insert("order_line".to_owned(), at.into());
            fields.insert("order_lines".to_owned(), lines.max(at.into()).into());
            fields.insert("shared_id".to_owned(), ids::order_line(order_id, at).into());
        }
        aside.payload = Value::Object(fields).to_string().into_bytes();
    }
    aside
}

/// What of a line cannot be sold, and why.
#[derive(Debug)]
pub(super) struct Unsold {
    /// The purchase of the line as it is told.
    pub(super) purchase: Event,
    /// What is not sold: units, and what they cost.
    pub(super) more: (i32, Decimal),
    /// The line, and how much of it is told.
    pub(super) known_by: String,
    pub(super) rejection: Rejection,
}

impl Unsold {
    /// As it is set aside, once for each size of its line. It has no place among the order's lines, so that
    /// no replay sells it.
    pub(super) fn aside(&self, source: Option<&Arc<str>>) -> SetAside {
        let Self { purchase, more: (units, sum), known_by, rejection } = self;
        let payload = json!({
            "event_name": purchase.event_name.as_str(), "occurred_at": purchase.occurred_at,
            "user_id": purchase.user_id, "country": purchase.country.as_str(), "device": purchase.device.as_str(),
            "channel": purchase.channel.as_str(), "item_id": purchase.item_id.as_deref(),
            "item_name": purchase.item_name.as_deref(), "category": purchase.category.as_deref(),
            "brand": purchase.brand.as_deref(), "amount": sum.to_string(), "quantity": units,
            "currency": purchase.currency.map(|currency| currency.to_string()),
            "order_id": purchase.order_id.as_deref(), "payment_type": purchase.payment_type.as_deref(),
        });
        SetAside {
            source: source.map_or("store", |source| source).to_owned(),
            coordinates: kept_once(known_by),
            reason: rejection.reason,
            detail: rejection.to_string(),
            payload: payload.to_string().into_bytes(),
            user_id: Some(purchase.user_id),
            quarantined_at: purchase.ingested_at,
        }
    }
}

/// Makes a refund one of a line of the order, also as it was told: that is what stands in quarantine.
pub(super) fn refund(told: &mut Accepted, at: i32, purchase: Option<&Event>) {
    let lines = purchase.and_then(|purchase| purchase.order_lines).unwrap_or(at).max(at);
    (told.event.order_line, told.event.order_lines) = (Some(at), Some(lines));
    if let Some(order) = told.part.as_mut().and_then(|part| part.order.as_mut()) {
        (order.order_line, order.order_lines) = (at, lines);
    }
}
