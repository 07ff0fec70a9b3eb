//! An event's message as the fields of a draft, and back.
//!
//! The message has the fields of [`ingest::source::draft`] under the same names, and its definition is
//! rendered from them.

use std::borrow::Cow;

use contracts::Reason;
use contracts::validation::{Draft, Rejection};
use ingest::source::draft::{self, FIELDS, Fields, Value};
use prost::Message as _;
use serde::de::DeserializeOwned;
use serde::de::value::{
    BoolDeserializer, Error as ValueError, F64Deserializer, I32Deserializer, StrDeserializer,
};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::proto::Event;
use crate::record::SenderRecord;

/// The field of a message as a value, and a value as the field of a message, by its type there.
macro_rules! of_type {
    (string, $field:expr) => {
        $field.as_deref().map(|text| Value::Text(Cow::Borrowed(text)))
    };
    (int32, $field:expr) => {
        $field.map(Value::Int)
    };
    (double, $field:expr) => {
        $field.map(Value::Double)
    };
    (bool, $field:expr) => {
        $field.map(Value::Bool)
    };
}

macro_rules! to_type {
    (string, $value:expr) => {
        match $value {
            Some(Value::Text(text)) => Some(text.into_owned()),
            _ => None,
        }
    };
    (int32, $value:expr) => {
        match $value {
            Some(Value::Int(int)) => Some(int),
            _ => None,
        }
    };
    (double, $value:expr) => {
        match $value {
            Some(Value::Double(double)) => Some(double),
            _ => None,
        }
    };
    (bool, $value:expr) => {
        match $value {
            Some(Value::Bool(bool)) => Some(bool),
            _ => None,
        }
    };
}

macro_rules! message {
    ($( $(#[doc = $doc:literal])* $name:ident = $number:literal $type:ident, $kind:ident, $part:ident, $required:literal, $of:expr; )+) => {
        impl Event {
            fn value(&self, field: &str) -> Option<Value<'_>> {
                match field {
                    $( stringify!($name) => of_type!($type, self.$name), )+
                    _ => None,
                }
            }
        }

        impl From<&Draft> for Event {
            fn from(draft: &Draft) -> Self {
                // In the order of the fields, which is that of this list.
                let mut values = FIELDS.iter().map(|field| (field.of)(draft));
                Self { $( $name: to_type!($type, values.next().flatten()), )+ }
            }
        }
    };
}

ingest::sender_fields!(message);

impl Fields for Event {
    fn has(&self, field: &'static str) -> bool {
        self.value(field).is_some()
    }

    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let read: Result<T, ValueError> = match value {
            Value::Text(text) => T::deserialize(StrDeserializer::new(&text)),
            Value::Int(int) => T::deserialize(I32Deserializer::new(int)),
            Value::Double(double) => T::deserialize(F64Deserializer::new(double)),
            Value::Bool(bool) => T::deserialize(BoolDeserializer::new(bool)),
        };
        read.map(Some).map_err(|error| Rejection {
            reason: Reason::InvalidField,
            field,
            detail: error.to_string(),
        })
    }
}

impl SenderRecord for Event {
    fn draft(&self) -> Result<Draft, Rejection> {
        draft::assemble(self)
    }

    fn visitor(&self, source: &str) -> Option<Uuid> {
        draft::visitor_of(self, source)
    }

    fn size_bytes(&self) -> usize {
        self.encoded_len()
    }

    /// The message in JSON: the form in which records are judged again.
    fn payload(&self) -> Vec<u8> {
        let fields: Map<String, Json> = FIELDS
            .iter()
            .filter_map(|field| {
                let json = match self.value(field.name)? {
                    // JSON has no word for what is not finite; text is refused when it is read, as it is now.
                    Value::Double(double) if !double.is_finite() => Json::from(double.to_string()),
                    value => Json::from(value),
                };
                Some((field.name.to_owned(), json))
            })
            .collect();
        Json::Object(fields).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Draft {
        let json = br#"{"event_id":"0199a3f0-7c00-7000-8000-000000000001","event_name":"refund",
            "occurred_at":"2026-03-01T00:00:00.123456Z","user_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11",
            "gender":"other","age":33,"country":"CH","city":"Z\u00fcrich","latitude":47.37,"longitude":8.54,
            "session_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12","session_started_at":"2026-02-28T23:59:00Z",
            "returning":true,"infer_session_start":true,"device":"mobile","channel":"email","item_id":"i","item_name":"Lamp","category":"home",
            "anonymous_id":"browser-1","brand":"b","price":"19.90","currency":"CHF","quantity":2,"order_id":"o","order_line":1,"order_lines":2,
            "purchased_at":"2026-02-01T00:00:00Z","payment_type":"card",
            "user_agent":"Shop/7 (iPhone)","page_url":"https://shop.example/?utm_source=x","referrer":""}"#;
        draft::read(json).unwrap()
    }

    #[test]
    fn a_draft_survives_the_message_and_its_json() {
        let draft = whole();
        let message = Event::from(&draft);
        assert!(FIELDS.iter().all(
            |field| message.has(field.name) != ["source_id", "shared_id", "amount"].contains(&field.name)
        ));
        assert_eq!(message.draft().unwrap(), draft);
        assert_eq!(draft::read(&message.payload()).unwrap(), draft);
    }

    #[test]
    fn both_protocols_refuse_the_same_for_the_same_field() {
        type Spoil = fn(&mut Event);
        let cases: [Spoil; 9] = [
            |event| event.event_name = Some("buy".into()),
            |event| event.occurred_at = Some("yesterday".into()),
            |event| (event.user_id, event.anonymous_id) = (None, None),
            |event| event.age = Some(131),
            |event| event.country = Some("Switzerland".into()),
            |event| event.latitude = Some(f64::NAN),
            |event| event.price = Some("1.9x".into()),
            |event| event.item_id = Some(String::new()),
            |event| event.order_id = None,
        ];
        for spoil in cases {
            let mut event = Event::from(&whole());
            spoil(&mut event);
            let judged = |draft: Result<Draft, Rejection>| {
                draft
                    .and_then(|draft| {
                        let at = draft.occurred_at;
                        contracts::validation::accept(draft, "collector/x", at, &ingest::rates::built_in())
                    })
                    .map_err(|rejection| (rejection.reason, rejection.field))
                    .unwrap_err()
            };
            assert_eq!(judged(event.draft()), judged(draft::read(&event.payload())));
        }
    }
}
