//! A great many spoilt messages: whatever comes, it is a record, a refusal or an event without a place.

use ingest::source::draft;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tests::{judged, received, spec};
use super::{Object, translate};
use crate::item::Item;
use crate::record::SenderRecord;

/// What values are put in place of others.
fn odd() -> Vec<Value> {
    let nested = (0..40).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(2.5),
        json!(99999999999999999u64),
        json!(""),
        json!("\u{0}"),
        json!("\u{1f600}"),
        json!("x".repeat(300)),
        json!("8.8.8.8"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": {"b": []}}),
        nested,
        json!("9999-12-31T23:59:59Z"),
        json!("-262143-01-01T00:00:00Z"),
        json!("0001-01-01T00:00:00Z"),
        json!("usd"),
        json!("Order Refunded"),
        json!("track"),
        json!("identify"),
        json!("00000000-0000-0000-0000-000000000000"),
    ]
}

fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        places(value, &at, out);
        out.push(at);
    }
}

#[test]
fn no_message_however_spoilt_breaks_anything() {
    let mut rng = StdRng::seed_from_u64(1);
    let (spec, odd) = (spec(), odd());
    let places: Vec<Vec<String>> = spec
        .iter()
        .map(|message| {
            let mut out = Vec::new();
            places(message, "", &mut out);
            out
        })
        .collect();
    let (mut accepted, mut refused, mut others, mut no_json) = (0, 0, 0, 0);
    for _ in 0..100_000 {
        let of = rng.random_range(0..spec.len());
        let mut message = spec[of].clone();
        for _ in 0..rng.random_range(0..4) {
            if let Some(place) = message.pointer_mut(places[of].choose(&mut rng).unwrap()) {
                *place = odd.choose(&mut rng).unwrap().clone();
            }
        }
        let mut bytes = message.to_string().into_bytes();
        if rng.random_ratio(1, 4) {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = *b"{}[]\",:0-e\\n\xff".choose(&mut rng).unwrap();
            }
        }
        let Ok(raw) = serde_json::from_slice::<&RawValue>(&bytes) else {
            no_json += 1;
            continue;
        };
        match translate(raw, None, &received()) {
            Item::Records(records) => {
                assert!(!records.is_empty());
                for record in records {
                    let payload = record.payload();
                    match judged(&record) {
                        // What passes passes again from its payload, as the very same.
                        Ok(_) => assert_eq!(draft::read(&payload).unwrap(), record.draft().unwrap()),
                        Err(rejection) => assert!(!rejection.field.is_empty()),
                    }
                    if judged(&record).is_ok() { accepted += 1 } else { refused += 1 }
                }
            }
            Item::Other(other) | Item::Seen(other, _) => {
                others += 1;
                assert!(
                    (1..=200).contains(&other.id.chars().count())
                        && !other.id.contains('\0')
                        && !other.name.contains('\0')
                );
                let kept = Object::read(&other.payload).unwrap();
                assert!(kept.object("context").get("ip").is_none());
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {others} other, {no_json} no JSON");
    assert!([accepted, refused, others, no_json].into_iter().all(|count| count > 5_000));
}
