//! What is declared of a field: its type, when it is there, and how its value is written.

use std::borrow::Cow;

use contracts::validation::Draft;

/// What a field's value is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The source's id of the event.
    EventId,
    /// The source's id of the user.
    UserId,
    /// What the source remembers a browser or an app by.
    AnonymousId,
    /// The source's id of the visit.
    SessionId,
    /// A word, an id or a name.
    Text,
    /// A whole number of 32 bits.
    Int,
    /// A number of degrees.
    Double,
    /// A sum of money with all its digits, as text.
    Decimal,
    /// Yes or no.
    Bool,
    /// An instant in RFC 3339, as text.
    Time,
}

impl Kind {
    /// Whether it is an id of the source.
    #[must_use]
    pub const fn is_id(self) -> bool {
        matches!(self, Self::EventId | Self::UserId | Self::AnonymousId | Self::SessionId)
    }

    /// Whether it is a number.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Decimal)
    }
}

/// When a field is there: always, or only in events about a product or an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every event.
    Event,
    /// An event about a product.
    Product,
    /// A line of an order.
    Order,
}

impl Part {
    /// The field without which there is no such part.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Event => None,
            Self::Product => Some("item_id"),
            Self::Order => Some("order_id"),
        }
    }
}

/// A field's value, in the types that JSON and the gRPC message have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Text, also of times and sums.
    Text(Cow<'a, str>),
    /// A whole number.
    Int(i32),
    /// A number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

impl From<Value<'_>> for serde_json::Value {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => text.into(),
            Value::Int(int) => int.into(),
            Value::Double(double) => double.into(),
            Value::Bool(bool) => bool.into(),
        }
    }
}

/// A field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, in every encoding.
    pub name: &'static str,
    /// Its number in the gRPC message. A published number never becomes another field's.
    pub number: u32,
    /// Its type in the gRPC message.
    pub message_type: &'static str,
    /// What its value is read as.
    pub kind: Kind,
    /// When it is there.
    pub part: Part,
    /// Whether every event has it.
    pub required: bool,
    /// What senders are told of it, line by line.
    pub doc: &'static [&'static str],
    /// Its value in a draft.
    pub of: fn(&Draft) -> Option<Value<'_>>,
}

/// A field is known by its name.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl Field {
    /// Whether its value says which of several things is meant, so that two forms of it would be two things.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind.is_id() || self.part.key() == Some(self.name)
    }

    /// Whether it is only a label, which is cut and cleaned rather than refused.
    #[must_use]
    pub fn is_label(&self) -> bool {
        matches!(self.name, "city" | "item_name" | "category" | "brand" | "payment_type")
    }
}
