//! Deliveries that are spoilt in one way or another: each is answered, and what comes of them is no less than
//! nothing.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{SECRET, Shop, edits, shopify_order, signature, start, woo_order};
use crate::ga4::mutations;

#[tokio::test(flavor = "multi_thread")]
async fn no_delivery_however_spoilt_breaks_anything() {
    let (shop, at) = (Shop::new().await, start());
    let mut rng = StdRng::seed_from_u64(11);
    let states = edits(5, at);
    let refund = states.last().unwrap()["refunds"][0].clone();
    let of_amount = json!({
        "id": 6, "order_id": 5, "created_at": at, "refund_line_items": [],
        "transactions": [{ "kind": "refund", "status": "success", "amount": "5.00", "currency": "EUR" }],
        "order_adjustments": [{ "kind": "refund_discrepancy", "amount": "-5.00", "tax_amount": "0.00" }],
    });
    let spec = [
        ("shopify", "orders/updated", states.last().unwrap().clone()),
        ("shopify", "refunds/create", refund),
        ("shopify", "refunds/create", of_amount.clone()),
        ("shopify", "orders/updated", {
            let mut order = shopify_order(5, at);
            order["refunds"] = json!([of_amount]);
            order
        }),
        ("woocommerce", "order.updated", woo_order(6, "processing", at, at)),
        ("woocommerce", "order.updated", {
            let mut order = woo_order(6, "refunded", at, at);
            order["refunds"] = json!([{ "id": 1, "total": "-9.99" }]);
            order
        }),
    ];
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(2.5),
        json!(99_999_999_999_999_999u64),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(300)),
        json!([]),
        json!({}),
        json!([null]),
        json!("-5.00"),
        json!("9999-12-31T23:59:59Z"),
        json!("99999999999.999"),
        json!("usd"),
        json!(100_000),
        json!("0.001"),
    ];
    let mut deliveries = Vec::new();
    for number in 0..mutations(10_000) as u64 {
        let (system, topic, told) = spec.choose(&mut rng).unwrap();
        let mut told = told.clone();
        // Another order each time, mostly.
        told["id"] = (1_000 + number / 3).into();
        for _ in 0..rng.random_range(1..4) {
            spoil(&mut told, &mut rng, &odd);
        }
        let mut body = told.to_string().into_bytes();
        if rng.random_ratio(1, 8) {
            let place = rng.random_range(0..body.len());
            body[place] = *b"{}[]\",:0-e\\n\xff".choose(&mut rng).unwrap();
        }
        deliveries.push((*system, *topic, body));
    }
    let mut statuses = BTreeMap::new();
    let mut sent = futures::stream::iter(&deliveries)
        .map(async |(system, topic, body)| {
            (shop.post(system, topic, body, Some(&signature(body, SECRET))).await, body)
        })
        .buffer_unordered(16);
    while let Some((status, body)) = sent.next().await {
        assert!(status < 500, "{status}: {}", String::from_utf8_lossy(body));
        *statuses.entry(status).or_insert(0) += 1;
    }
    drop(sent);
    println!("{statuses:?}");
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200]);
    // Of an order that was known when it was paid back.
    let over = "select concat_ws(' ', event_name, order_id, order_line, item_id, quantity, amount_base, occurred_at, ingested_at)
                from raw.events where order_id in (
                    select order_id from raw.events where order_id is not null group by order_id
                    having sum(case event_name when 'refund' then -amount_base else amount_base end) < 0
                       and min(tx::text::bigint) filter (where event_name = 'refund')
                           >= max(tx::text::bigint) filter (where event_name = 'purchase'))
                order by order_id, ingested_at";
    assert_eq!(shop.scene.texts(over).await, Vec::<String>::new());
    assert!(shop.scene.count("select count(*) from raw.events").await > 1_000);
    assert!(shop.scene.count("select count(*) from raw.quarantine").await > 1_000);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// Puts something odd in place of some value.
fn spoil(value: &mut Value, rng: &mut StdRng, odd: &[Value]) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let place = rng.random_range(0..fields.len());
            spoil(fields.values_mut().nth(place).unwrap(), rng, odd);
        }
        Value::Array(list) if !list.is_empty() && rng.random_ratio(5, 6) => {
            let place = rng.random_range(0..list.len());
            spoil(&mut list[place], rng, odd);
        }
        other => *other = odd.choose(rng).unwrap().clone(),
    }
}
