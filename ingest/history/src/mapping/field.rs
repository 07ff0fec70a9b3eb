//! The fields that a mapping can fill: those of a draft, with an id in the source's own text told as the
//! event's.

use ingest::source::draft;

pub(crate) use ingest::source::draft::{Field, Kind, Part};

pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const OCCURRED_AT: &str = "occurred_at";
pub(crate) const SESSION_STARTED_AT: &str = "session_started_at";
pub(crate) const USER_ID: &str = "user_id";
pub(crate) const ANONYMOUS_ID: &str = "anonymous_id";
pub(crate) const EVENT_NAME: &str = "event_name";
pub(crate) const ITEM_ID: &str = "item_id";
pub(crate) const ORDER_ID: &str = "order_id";
pub(crate) const ORDER_LINE: &str = "order_line";
pub(crate) const ORDER_LINES: &str = "order_lines";
pub(crate) const QUANTITY: &str = "quantity";
pub(crate) const PRICE: &str = "price";
pub(crate) const AMOUNT: &str = "amount";
pub(crate) const CURRENCY: &str = "currency";
pub(crate) const COUNTRY: &str = "country";

/// All of them. An id in the file's own words stands under `event_id`, and its lines are of no other sender.
pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    draft::FIELDS.iter().filter(|field| !["source_id", "shared_id"].contains(&field.name))
}

pub(crate) fn of(name: &str) -> Option<&'static Field> {
    all().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_the_fields_of_a_draft() {
        let required = r#"{"event_name":"session_start","occurred_at":"2026-03-01T00:00:00Z"}"#;
        let written = draft::write(&draft::read(required.as_bytes()).unwrap());
        let json: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&written).unwrap();
        // An id in the source's own text stands there under another name.
        let of_draft: BTreeSet<&str> =
            json.keys().map(String::as_str).filter(|k| !["source_id", "shared_id"].contains(k)).collect();
        assert_eq!(all().map(|field| field.name).collect::<BTreeSet<_>>(), of_draft);
        let with_value: BTreeSet<&str> =
            json.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()).collect();
        let needed = all().filter(|field| field.required).map(|field| field.name);
        assert_eq!(needed.collect::<BTreeSet<_>>(), with_value);
    }
}
