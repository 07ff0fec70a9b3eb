//! An order that can be told from all others.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A country that no simulated shopper lives in: its figures are those of the marked orders alone.
pub(crate) const COUNTRY: &str = "AQ";

/// An order of one line, large enough to lead the list of countries, as JSON.
pub(crate) fn order(item_id: &str, item_name: &str, now: DateTime<Utc>) -> String {
    let text = |value: Uuid| value.to_string();
    serde_json::json!({
        "event_id": text(Uuid::now_v7()), "event_name": "purchase", "occurred_at": now.to_rfc3339(),
        "user_id": text(Uuid::now_v7()), "gender": "female", "age": 30, "country": COUNTRY, "city": "McMurdo",
        "latitude": -77.8, "longitude": 166.7, "session_id": text(Uuid::now_v7()),
        "session_started_at": now.to_rfc3339(), "returning": false, "device": "desktop", "channel": "direct",
        "item_id": item_id, "item_name": item_name, "category": "Marked", "price": "1000000.00",
        "currency": "EUR", "quantity": 1, "order_id": text(Uuid::now_v7()), "order_line": 1, "order_lines": 1,
        "payment_type": "card",
    })
    .to_string()
}
