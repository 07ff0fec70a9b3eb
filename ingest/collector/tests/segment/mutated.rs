//! Requests of Segment's API that are spoilt in one way or another, over HTTP: each is answered, and none by
//! a failure of the server.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use futures::StreamExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::ga4::mutations;
use crate::support::Scene;

/// Requests at a time.
const AT_ONCE: usize = 40;

/// The examples of Segment's public spec.
fn spec() -> Vec<Value> {
    serde_json::from_str(include_str!("../../src/segment/spec.json")).unwrap()
}

fn odd() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(99_999_999_999_999_999u64),
        json!(""),
        json!("\u{0}\u{202e}"),
        json!("x".repeat(40_000)),
        json!([]),
        json!({}),
        json!([null]),
        (0..60).fold(json!(1), |inner, _| json!([inner])),
        json!("9999-12-31T23:59:59Z"),
        json!("-262143-01-01T00:00:00Z"),
        json!("-5.00"),
        json!("usd"),
        json!("Order Completed"),
        json!("Order Refunded"),
        json!("identify"),
        json!("alias"),
    ]
}

/// Where something stands in a value.
fn add_places(value: &Value, at: &str, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(nth, value)| (nth.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        add_places(value, &at, places);
        places.push(at);
    }
}

/// A request: its path and its body.
fn spoilt(rng: &mut StdRng, spec: &[Value], odd: &[Value]) -> (&'static str, Vec<u8>) {
    let paths = [
        "/v1/batch",
        "/v1/batch",
        "/v1/track",
        "/v1/page",
        "/v1/identify",
        "/v1/alias",
        "/v1/group",
        "/v1/t",
    ];
    let path = *paths.choose(rng).unwrap();
    let mut request = match path {
        "/v1/batch" => {
            let messages: Vec<&Value> =
                (0..rng.random_range(1..5)).map(|_| spec.choose(rng).unwrap()).collect();
            json!({ "batch": messages, "sentAt": Utc::now(), "context": { "ip": "203.0.113.7" } })
        }
        _ => spec.choose(rng).unwrap().clone(),
    };
    for _ in 0..rng.random_range(0..4) {
        let mut places = Vec::new();
        add_places(&request, "", &mut places);
        if let Some(place) = places.choose(rng).and_then(|place| request.pointer_mut(place)) {
            *place = odd.choose(rng).unwrap().clone();
        }
    }
    let mut body = request.to_string().into_bytes();
    if rng.random_ratio(1, 4) {
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..body.len());
            match rng.random_range(0..3) {
                0 => body[at] = rng.random(),
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, *b"{}[]\",:\\\xff".choose(rng).unwrap()),
            }
        }
    }
    (path, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_however_spoilt_fails_the_server() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let (mut rng, spec, odd) = (StdRng::seed_from_u64(21), spec(), odd());
    let count = mutations(2_000);
    let authorization = format!("Basic {}", STANDARD.encode(format!("{}:", scene.key.key)));
    let requests = (0..count).map(|_| {
        let (path, body) = spoilt(&mut rng, &spec, &odd);
        let shown = String::from_utf8_lossy(&body).into_owned();
        let request = scene.http.post(format!("http://{}{path}", collector.http));
        let request =
            request.header("authorization", &authorization).header("content-type", "application/json");
        async move { (request.body(body).send().await.unwrap().status().as_u16(), path, shown) }
    });
    let mut statuses = BTreeMap::new();
    let mut answers = futures::stream::iter(requests).buffer_unordered(AT_ONCE);
    while let Some((status, path, shown)) = answers.next().await {
        assert!(matches!(status, 200 | 400 | 413), "{status} {path}: {shown}");
        *statuses.entry(status).or_insert(0usize) += 1;
    }
    drop(answers);
    println!("{statuses:?}");
    assert_eq!(statuses.values().sum::<usize>(), count);
    assert!(statuses[&200] > count / 2 && statuses[&400] > 0, "{statuses:?}");
    let [read, stored, _, refused] = scene.ledger().await;
    assert!(read > 0 && stored > 0 && refused > 0, "{read} read, {stored} stored, {refused} refused");
    collector.stop().await.unwrap();
}
