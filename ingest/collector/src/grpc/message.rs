//! An event's message as the fields of a draft, and back.
//!
//! The message has the fields of [`ingest::source::draft`] under the same names; a test holds the definition to them.

use contracts::Reason;
use contracts::money::Cost;
use contracts::validation::{Draft, Rejection, SourceId};
use ingest::source::draft::{self, FIELDS, Fields};
use prost::Message as _;
use serde::de::DeserializeOwned;
use serde::de::value::{
    BoolDeserializer, Error as ValueError, F64Deserializer, I32Deserializer, StrDeserializer,
};
use serde_json::{Map, Value as Json};

use super::proto::Event;
use crate::told::Told;

/// A field's value.
enum Value<'a> {
    Text(&'a str),
    Int(i32),
    Double(f64),
    Bool(bool),
}

impl Event {
    fn value(&self, field: &str) -> Option<Value<'_>> {
        fn text(value: Option<&String>) -> Option<Value<'_>> {
            value.map(|text| Value::Text(text))
        }
        match field {
            "event_id" => text(self.event_id.as_ref()),
            "source_id" => text(self.source_id.as_ref()),
            "event_name" => text(self.event_name.as_ref()),
            "occurred_at" => text(self.occurred_at.as_ref()),
            "user_id" => text(self.user_id.as_ref()),
            "gender" => text(self.gender.as_ref()),
            "age" => self.age.map(Value::Int),
            "country" => text(self.country.as_ref()),
            "city" => text(self.city.as_ref()),
            "latitude" => self.latitude.map(Value::Double),
            "longitude" => self.longitude.map(Value::Double),
            "session_id" => text(self.session_id.as_ref()),
            "session_started_at" => text(self.session_started_at.as_ref()),
            "returning" => self.returning.map(Value::Bool),
            "device" => text(self.device.as_ref()),
            "channel" => text(self.channel.as_ref()),
            "item_id" => text(self.item_id.as_ref()),
            "item_name" => text(self.item_name.as_ref()),
            "category" => text(self.category.as_ref()),
            "brand" => text(self.brand.as_ref()),
            "price" => text(self.price.as_ref()),
            "amount" => text(self.amount.as_ref()),
            "currency" => text(self.currency.as_ref()),
            "quantity" => self.quantity.map(Value::Int),
            "order_id" => text(self.order_id.as_ref()),
            "order_line" => self.order_line.map(Value::Int),
            "order_lines" => self.order_lines.map(Value::Int),
            "purchased_at" => text(self.purchased_at.as_ref()),
            "payment_type" => text(self.payment_type.as_ref()),
            _ => None,
        }
    }
}

impl Fields for Event {
    fn has(&self, field: &'static str) -> bool {
        self.value(field).is_some()
    }

    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let read: Result<T, ValueError> = match value {
            Value::Text(text) => T::deserialize(StrDeserializer::new(text)),
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

impl Told for Event {
    fn draft(&self) -> Result<Draft, Rejection> {
        draft::assemble(self)
    }

    fn size_bytes(&self) -> usize {
        self.encoded_len()
    }

    /// The message in JSON: the form in which records are judged again.
    fn payload(&self) -> Vec<u8> {
        let fields: Map<String, Json> = FIELDS
            .iter()
            .filter_map(|field| {
                let json = match self.value(field)? {
                    Value::Text(text) => Json::from(text),
                    Value::Int(int) => Json::from(int),
                    // JSON has no word for what is not finite; text is refused when it is read, as it is now.
                    Value::Double(double) if !double.is_finite() => Json::from(double.to_string()),
                    Value::Double(double) => Json::from(double),
                    Value::Bool(bool) => Json::from(bool),
                };
                Some(((*field).to_owned(), json))
            })
            .collect();
        Json::Object(fields).to_string().into_bytes()
    }
}

impl From<&Draft> for Event {
    fn from(draft: &Draft) -> Self {
        let Draft { source_id, event_name, occurred_at, shopper, visit, line, order, payment_type } = draft;
        let (event_id, source_id) = match source_id {
            None => (None, None),
            Some(SourceId::Uuid(id)) => (Some(id.to_string()), None),
            Some(SourceId::Text(id)) => (None, Some(id.clone())),
        };
        let (line, order) = (line.as_ref(), order.as_ref());
        Self {
            event_id,
            source_id,
            event_name: Some(event_name.to_string()),
            occurred_at: Some(instant(occurred_at)),
            user_id: Some(shopper.user_id.to_string()),
            gender: Some(shopper.gender.to_string()),
            age: Some(shopper.age),
            country: Some(shopper.country.to_string()),
            city: Some(shopper.city.to_string()),
            latitude: Some(shopper.latitude),
            longitude: Some(shopper.longitude),
            session_id: Some(visit.session_id.to_string()),
            session_started_at: Some(instant(&visit.session_started_at)),
            returning: Some(visit.returning),
            device: Some(visit.device.to_string()),
            channel: Some(visit.channel.to_string()),
            item_id: line.map(|line| line.item_id.to_string()),
            item_name: line.map(|line| line.item_name.to_string()),
            category: line.map(|line| line.category.to_string()),
            brand: line.and_then(|line| line.brand.as_ref()).map(ToString::to_string),
            price: line
                .and_then(|line| matches!(line.cost, Cost::Unit(_)).then(|| line.cost.sum().to_string())),
            amount: line
                .and_then(|line| matches!(line.cost, Cost::Line(_)).then(|| line.cost.sum().to_string())),
            currency: line.map(|line| line.currency.to_string()),
            quantity: line.map(|line| line.quantity),
            order_id: order.map(|order| order.order_id.to_string()),
            order_line: order.map(|order| order.order_line),
            order_lines: order.map(|order| order.order_lines),
            purchased_at: order.and_then(|order| order.purchased_at.as_ref()).map(instant),
            payment_type: payment_type.as_ref().map(ToString::to_string),
        }
    }
}

fn instant(at: &chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Draft {
        let json = br#"{"event_id":"0199a3f0-7c00-7000-8000-000000000001","event_name":"refund",
            "occurred_at":"2026-03-01T00:00:00.123456Z","user_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11",
            "gender":"other","age":33,"country":"CH","city":"Z\u00fcrich","latitude":47.37,"longitude":8.54,
            "session_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12","session_started_at":"2026-02-28T23:59:00Z",
            "returning":true,"device":"mobile","channel":"email","item_id":"i","item_name":"Lamp","category":"home",
            "brand":"b","price":"19.90","currency":"CHF","quantity":2,"order_id":"o","order_line":1,"order_lines":2,
            "purchased_at":"2026-02-01T00:00:00Z","payment_type":"card"}"#;
        draft::read(json).unwrap()
    }

    #[test]
    fn a_draft_survives_the_message_and_its_json() {
        let draft = whole();
        let message = Event::from(&draft);
        assert!(FIELDS.iter().all(|field| message.has(field) != ["source_id", "amount"].contains(field)));
        assert_eq!(message.draft().unwrap(), draft);
        assert_eq!(draft::read(&message.payload()).unwrap(), draft);
    }

    #[test]
    fn both_protocols_refuse_the_same_for_the_same_field() {
        type Spoil = fn(&mut Event);
        let cases: [Spoil; 9] = [
            |event| event.event_name = Some("buy".into()),
            |event| event.occurred_at = Some("yesterday".into()),
            |event| event.user_id = None,
            |event| event.age = None,
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
