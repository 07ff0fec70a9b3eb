//! Requests that are spoilt in one way or another, for the tests of the translation and for those over HTTP.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// So many, and 10^5 in the long tests.
pub(crate) fn mutations(otherwise: usize) -> usize {
    let is_long = std::env::var_os("STOREPULSE_LONG_TESTS").is_some_and(|value| value == "1");
    if is_long { 100_000 } else { otherwise }
}

/// Where something stands in a value.
fn add_pointers(value: &Value, here: &str, pointers: &mut Vec<String>) {
    pointers.push(here.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| add_pointers(value, &format!("{here}/{name}"), pointers));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(nth, value)| add_pointers(value, &format!("{here}/{nth}"), pointers));
        }
        _ => {}
    }
}

/// Puts something of another type, another size or nothing somewhere, or changes bytes.
pub(super) fn mutated(rng: &mut StdRng) -> Vec<u8> {
    let purchase = json!({ "name": "purchase", "params": {
        "transaction_id": "T-1", "currency": "USD", "value": 72.05, "tax": 1.11, "shipping": 3.33, "session_id": "123",
        "items": [
            { "item_id": "lamp", "item_name": "Lamp", "item_category": "Home", "price": 10.01, "quantity": 3 },
            { "item_id": "bulb", "item_name": "Bulb", "item_brand": "Lumen", "price": 4.5 },
        ],
    } });
    let mut request = json!({
        "client_id": "x.y", "user_id": "ann", "timestamp_micros": 1_772_366_400_000_000_i64,
        "consent": { "ad_user_data": "GRANTED" }, "non_personalized_ads": false,
        "user_properties": { "tier": { "value": "gold" } },
        "user_location": { "country_id": "CH", "city": "Basel" }, "device": { "category": "mobile" },
        "events": [purchase, { "name": "view_item_list", "params": {} }, { "name": "login" }],
    });
    for _ in 0..rng.random_range(1..4) {
        let mut pointers = Vec::new();
        add_pointers(&request, "", &mut pointers);
        let pointer = &pointers[rng.random_range(0..pointers.len())];
        let place = request.pointer_mut(pointer).unwrap();
        *place = match rng.random_range(0..12) {
            0 => Value::Null,
            1 => json!(-1),
            2 => json!(u64::MAX),
            3 => json!(1e300),
            4 => json!(1e-300),
            5 => json!("\u{0}\u{202e}'; drop table x"),
            6 => json!("x".repeat(70_000)),
            7 => json!([[[[[[[[[[[[[1]]]]]]]]]]]]]),
            8 => json!({ "value": { "value": [] } }),
            9 => json!(true),
            10 => json!("DENIED"),
            _ => json!(""),
        };
    }
    let mut body = request.to_string().into_bytes();
    for _ in 0..rng.random_range(0..3) {
        let at = rng.random_range(0..body.len());
        match rng.random_range(0..3) {
            0 => body[at] = rng.random(),
            1 => body.truncate(at.max(1)),
            _ => body.insert(at, b"{}[]\",:\\"[rng.random_range(0..8)]),
        }
    }
    body
}
