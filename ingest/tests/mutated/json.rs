//! JSON records, spoilt in their values, their shape and their bytes.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A whole record and the places in it.
pub(super) struct Spoiler {
    whole: Value,
    places: Vec<String>,
    values: Vec<Value>,
    /// Fields that go together to break one rule.
    telling: Vec<Value>,
}

impl Spoiler {
    pub(super) fn new(whole: Value, telling: Vec<Value>) -> Self {
        let mut places = Vec::new();
        collect(&whole, "", &mut places);
        Self { whole, places, values: values(), telling }
    }

    /// A record: one in eight whole, the others with other values, fewer of them, or other bytes.
    pub(super) fn record(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut record = self.whole.clone();
        let kind = rng.random_range(0..8);
        if kind == 1
            && let Some(Value::Object(fields)) = self.telling.choose(rng)
            && let Value::Object(record) = &mut record
        {
            record.extend(fields.clone());
        } else if (1..=5).contains(&kind) {
            for _ in 0..rng.random_range(1..=2) {
                self.spoil(&mut record, rng);
            }
        }
        let mut bytes = record.to_string().into_bytes();
        if kind >= 6 {
            spoilt_bytes(&mut bytes, rng);
        }
        bytes
    }

    fn spoil(&self, record: &mut Value, rng: &mut ChaCha8Rng) {
        let place = self.places.choose(rng).unwrap();
        if rng.random_ratio(1, 5) {
            let (parent, name) = place.rsplit_once('/').unwrap();
            if let Some(Value::Object(fields)) = record.pointer_mut(parent) {
                fields.remove(name);
            }
        } else if let Some(target) = record.pointer_mut(place) {
            *target = self.values.choose(rng).unwrap().clone();
        }
    }
}

fn collect(value: &Value, at: &str, out: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        out.push(format!("{at}/{name}"));
        collect(value, &format!("{at}/{name}"), out);
    }
}

pub(super) fn spoilt_bytes(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=3) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        let length = rng.random_range(1..=12).min(bytes.len() - at);
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = *b"{}[]\",:0-e\\n".choose(rng).unwrap(),
            2 => bytes.truncate(at),
            3 => {
                bytes.drain(at..at + length);
            }
            4 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes[at] = rng.random(),
        }
    }
}

/// What may stand anywhere: right in one place and wrong in others.
fn values() -> Vec<Value> {
    let long = "x".repeat(201);
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(2),
        json!(130),
        json!(131),
        json!(100_001),
        json!(1.5),
        json!(-90.1),
        json!(180),
        json!(i64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("(none)"),
        json!("a\u{0}b"),
        json!("a\u{85}"),
        json!(long),
        json!("DE"),
        json!("de"),
        json!("EUR"),
        json!("XXX"),
        json!("91"),
        json!("-180.0"),
        json!("NaN"),
        json!("0.001"),
        json!("9999999999.99"),
        json!("-5.00"),
        json!("female"),
        json!("other"),
        json!("session_start"),
        json!("refund"),
        json!("2026-03-01T12:01:00Z"),
        json!("2026-03-01T12:01:00.000001Z"),
        json!("2026-03-01T11:59:59.999999999+00:00"),
        json!("1969-12-31T23:59:59Z"),
        json!("1970-01-01T00:00:00Z"),
        json!("2024-06-01T00:00:00Z"),
        json!("+262142-12-31T23:59:59Z"),
        json!("0000-01-01T00:00:00Z"),
        json!("6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11"),
        json!("6d0ac2ce2d3b4d5ca1a05e5d2c9d7e11"),
        json!([]),
        json!({}),
        json!({ "uuid": 7 }),
    ]
}

/// A record of the API.
pub(super) fn api_record() -> Value {
    json!({
        "gender": "female",
        "name": { "title": "Ms", "first": "Åse", "last": "Ødegård" },
        "location": {
            "street": { "number": 12, "name": "Storgata" }, "city": "Tromsø", "country": "Norway", "postcode": "0123",
            "coordinates": { "latitude": "-0.0312", "longitude": "178.9876" },
        },
        "email": "aase@example.com",
        "login": { "uuid": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11", "username": "x", "password": "p" },
        "dob": { "date": "1959-11-02T10:11:12.345Z", "age": 66 },
        "registered": { "date": "2010-01-02T03:04:05.678Z", "age": 16 },
        "nat": "NO",
    })
}

/// A purchase as a source tells it.
pub(super) fn purchase() -> Value {
    json!({
        "event_id": "019ca96e-9d00-7000-8000-000000000001", "source_id": null, "event_name": "purchase",
        "occurred_at": "2026-03-01T11:59:58Z", "user_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11",
        "gender": "male", "age": 44, "country": "CH", "city": "Zürich", "latitude": 47.37, "longitude": 8.54,
        "session_id": "019ca96e-0000-7000-8000-000000000002", "session_started_at": "2026-03-01T11:40:00Z",
        "returning": true, "device": "mobile", "channel": "paid_search", "item_id": "sku-1", "item_name": "Lamp",
        "category": "home", "brand": "Lumen", "price": "19.99", "currency": "CHF", "quantity": 3, "order_id": "o-1",
        "order_line": 1, "order_lines": 2, "purchased_at": "2026-02-20T08:00:00Z", "payment_type": "card",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "page_url": "https://shop.example/?gclid=1", "referrer": "",
    })
}

/// What breaks the rules of a purchase that single fields hardly break by chance.
pub(super) fn telling() -> Vec<Value> {
    vec![
        json!({ "occurred_at": "2026-03-01T12:01:00.000001Z" }),
        json!({ "occurred_at": "2026-03-01T12:01:00Z" }),
        json!({ "event_id": null }),
        json!({ "event_id": null, "source_id": "" }),
        json!({ "event_id": null, "source_id": "line 7" }),
        json!({ "event_name": "refund", "item_id": null, "item_name": null, "category": null, "brand": null, "price": null,
                "currency": null, "quantity": null, "order_line": null, "order_lines": null, "purchased_at": null }),
        json!({ "event_name": "refund", "item_id": null, "item_name": null, "category": null, "brand": null, "price": null,
                "amount": "7.5", "quantity": null, "order_line": null, "order_lines": null, "purchased_at": null }),
        json!({ "event_name": "refund", "item_id": null, "item_name": null, "category": null, "brand": null, "price": null,
                "currency": null, "amount": "-7.5", "quantity": null, "order_line": null, "order_lines": null,
                "purchased_at": null }),
        json!({ "event_name": "refund", "price": null }),
        json!({ "event_name": "refund", "currency": null }),
        json!({ "event_name": "refund", "price": null, "amount": "1e", "currency": null }),
        json!({ "shared_id": "" }),
        json!({ "shared_id": "order/o-1/1" }),
        json!({ "currency": "XXX" }),
        json!({ "purchased_at": "2024-12-31T23:59:59Z" }),
        json!({ "purchased_at": "2026-03-01T11:59:59Z" }),
        json!({ "price": "9999999999.99", "quantity": 100_000 }),
        json!({ "price": "9999999999.99", "quantity": 100_000, "currency": "EUR" }),
        json!({ "order_line": 3 }),
        json!({ "event_name": "view_item" }),
        json!({ "session_started_at": "2026-03-01T11:59:58.000001Z" }),
        json!({ "user_id": null }),
        json!({ "user_id": null, "anonymous_id": "browser-7" }),
        json!({ "user_id": "ada@example.com", "session_id": "7", "session_started_at": null }),
        json!({ "age": null, "gender": null, "country": null, "city": null, "latitude": null }),
    ]
}
