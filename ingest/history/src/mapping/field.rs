//! The fields that a mapping can fill: those of a draft.

/// What a field's value is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The source's id of the event.
    EventId,
    /// The source's id of the shopper.
    UserId,
    /// The source's id of the visit.
    SessionId,
    Text,
    Int,
    Double,
    Decimal,
    Bool,
    Time,
}

impl Kind {
    pub(crate) const fn is_id(self) -> bool {
        matches!(self, Self::EventId | Self::UserId | Self::SessionId)
    }

    pub(crate) const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Decimal)
    }
}

/// When a field is there: always, or only in rows that name a product or an order. In others its constants and
/// defaults would claim one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Event,
    Product,
    Order,
}

impl Part {
    /// The field without which there is no such part.
    pub(crate) const fn key(self) -> Option<&'static str> {
        match self {
            Self::Event => None,
            Self::Product => Some(ITEM_ID),
            Self::Order => Some(ORDER_ID),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) part: Part,
    /// Whether every event has it, so that a mapping without it would let nothing pass.
    pub(crate) required: bool,
}

impl Field {
    /// Whether its value says which of several things is meant, so that two forms of it would be two things.
    pub(crate) fn is_key(&self) -> bool {
        self.kind.is_id() || matches!(self.name, ITEM_ID | ORDER_ID)
    }

    /// Whether it is only a label, which is cut and cleaned rather than refused.
    pub(crate) fn is_label(&self) -> bool {
        matches!(self.name, "city" | "item_name" | "category" | "brand" | "payment_type")
    }
}

const fn field(name: &'static str, kind: Kind, part: Part, required: bool) -> Field {
    Field { name, kind, part, required }
}

pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const OCCURRED_AT: &str = "occurred_at";
pub(crate) const SESSION_STARTED_AT: &str = "session_started_at";
pub(crate) const EVENT_NAME: &str = "event_name";
pub(crate) const ITEM_ID: &str = "item_id";
pub(crate) const ORDER_ID: &str = "order_id";
pub(crate) const ORDER_LINE: &str = "order_line";
pub(crate) const ORDER_LINES: &str = "order_lines";
pub(crate) const QUANTITY: &str = "quantity";
pub(crate) const PRICE: &str = "price";
pub(crate) const AMOUNT: &str = "amount";
pub(crate) const CURRENCY: &str = "currency";

pub(crate) const FIELDS: &[Field] = &[
    field(EVENT_ID, Kind::EventId, Part::Event, false),
    field(EVENT_NAME, Kind::Text, Part::Event, true),
    field(OCCURRED_AT, Kind::Time, Part::Event, true),
    field("user_id", Kind::UserId, Part::Event, true),
    field("gender", Kind::Text, Part::Event, true),
    field("age", Kind::Int, Part::Event, true),
    field("country", Kind::Text, Part::Event, true),
    field("city", Kind::Text, Part::Event, true),
    field("latitude", Kind::Double, Part::Event, true),
    field("longitude", Kind::Double, Part::Event, true),
    field("session_id", Kind::SessionId, Part::Event, true),
    field(SESSION_STARTED_AT, Kind::Time, Part::Event, true),
    field("returning", Kind::Bool, Part::Event, true),
    field("device", Kind::Text, Part::Event, true),
    field("channel", Kind::Text, Part::Event, true),
    field(ITEM_ID, Kind::Text, Part::Product, false),
    field("item_name", Kind::Text, Part::Product, false),
    field("category", Kind::Text, Part::Product, false),
    field("brand", Kind::Text, Part::Product, false),
    field(PRICE, Kind::Decimal, Part::Product, false),
    field(AMOUNT, Kind::Decimal, Part::Product, false),
    field(CURRENCY, Kind::Text, Part::Product, false),
    field(QUANTITY, Kind::Int, Part::Product, false),
    field(ORDER_ID, Kind::Text, Part::Order, false),
    field(ORDER_LINE, Kind::Int, Part::Order, false),
    field(ORDER_LINES, Kind::Int, Part::Order, false),
    field("purchased_at", Kind::Time, Part::Order, false),
    field("payment_type", Kind::Text, Part::Event, false),
];

pub(crate) fn of(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ingest::source::draft;

    use super::*;

    #[test]
    fn they_are_the_fields_of_a_draft() {
        let required = r#"{"event_name":"session_start","occurred_at":"2026-03-01T00:00:00Z","user_id":
            "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","gender":"male","age":5,"country":"DE","city":"K","latitude":1,
            "longitude":2,"session_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","session_started_at":
            "2026-03-01T00:00:00Z","returning":true,"device":"other","channel":"other"}"#;
        let written = draft::write(&draft::read(required.as_bytes()).unwrap());
        let json: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&written).unwrap();
        // An id in the source's own text stands there under another name.
        let of_draft: BTreeSet<&str> =
            json.keys().map(String::as_str).filter(|k| *k != "source_id").collect();
        assert_eq!(FIELDS.iter().map(|field| field.name).collect::<BTreeSet<_>>(), of_draft);
        let with_value: BTreeSet<&str> =
            json.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()).collect();
        let needed = FIELDS.iter().filter(|field| field.required).map(|field| field.name);
        assert_eq!(needed.collect::<BTreeSet<_>>(), with_value);
    }
}
