//! Orders that Segment's messages tell: each line once, and paid back whole or in part.

use chrono::{TimeDelta, Utc};
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Replayed, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::segment::{order, product, track};
use crate::support::Scene;

fn whole_refund(id: &str, order_id: &str) -> Value {
    track(id, "Order Refunded", json!({ "order_id": order_id }))
}

impl Scene {
    async fn replayed(&self) -> Replayed {
        let rules = Rules { namespace: contracts::Namespace::default(), rates: ingest::rates::built_in() };
        let plan = Plan { filter: Filter::default(), rules, dry_run: false };
        let mut store = Store::connect(&self.url).await.unwrap();
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap()
    }
}

/// What is stored of orders, line by line.
const LINES: &str =
    "select concat_ws(' ', event_name, order_id, order_line, order_lines, item_id, quantity, price, currency)
    from raw.events where order_id is not null order by occurred_at, event_name, order_id, order_line";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_back_whole_or_in_part() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    scene.batch(&collector, &[order("m-1", "o-1")]).await;
    // The shop's server tells of the same order by another key's message: it counts once.
    scene.batch(&collector, &[order("m-2", "o-1")]).await;
    scene.batch(&collector, &[whole_refund("m-3", "o-1"), whole_refund("m-4", "o-1")]).await;
    let lines = scene.texts(LINES).await;
    let expected = [
        "purchase o-1 1 2 uno 2 3.10 CHF",
        "purchase o-1 2 2 monopoly 1 19.00 CHF",
        "refund o-1 1 2 uno 2 3.10 CHF",
        "refund o-1 2 2 monopoly 1 19.00 CHF",
    ];
    assert_eq!(lines, expected);
    let balance = "select (sum(case event_name when 'refund' then -amount_base else amount_base end) = 0)::int::bigint from raw.events";
    assert_eq!(scene.count(balance).await, 1);

    // A part, and another part of the same.
    let part = |id: &str| {
        let properties =
            json!({ "order_id": "o-2", "currency": "CHF", "products": [product("uno", 3.10, 1)] });
        track(id, "Order Refunded", properties)
    };
    scene.batch(&collector, &[order("m-5", "o-2")]).await;
    scene.batch(&collector, &[part("m-6"), part("m-7"), part("m-7")]).await;
    let parts = scene
        .count(
            "select sum(quantity)::bigint from raw.events where event_name = 'refund' and order_id = 'o-2'",
        )
        .await;
    assert_eq!(parts, 2);
    // The whole of it is what is left: the other product. Another part is too much.
    scene.batch(&collector, &[whole_refund("m-10", "o-2"), part("m-11")]).await;
    scene.batch(&collector, &[whole_refund("m-10", "o-2"), part("m-11")]).await;
    let left =
        "select (100 * sum(case event_name when 'refund' then -amount_base else amount_base end))::bigint
                from raw.events where order_id = 'o-2'";
    assert_eq!(scene.count(left).await, 0);
    assert_eq!(scene.texts("select reason from raw.quarantine").await, ["over_refunded"]);

    // Told together, and in a batch of its own: the purchase is not stored yet when the refund is looked at.
    scene.batch(&collector, &[order("m-8", "o-3"), whole_refund("m-9", "o-3")]).await;
    assert_eq!(
        scene.count("select count(*) from raw.events where event_name = 'refund' and order_id = 'o-3'").await,
        2
    );
    scene.ledger().await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_told_as_a_sum_leaves_the_rest_until_the_order_is_cancelled() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    scene.batch(&collector, &[order("m-1", "o-1")]).await;
    let part = |id: &str| {
        track(id, "Order Refunded", json!({ "order_id": "o-1", "total": -5.04, "currency": "CHF" }))
    };
    // The same again, by its id; and another one of the same sum.
    scene.batch(&collector, &[part("m-2"), part("m-2")]).await;
    scene.batch(&collector, &[part("m-2"), part("m-3")]).await;
    let parts = "select item_id || ' ' || count(*) from raw.events where event_name = 'refund' group by item_id order by 1";
    assert_eq!(scene.texts(parts).await, ["monopoly 2", "uno 2"]);
    let left =
        "select (100 * sum(case event_name when 'refund' then -amount_base else amount_base end))::bigint
                from raw.events where order_id = 'o-1'";
    assert!(scene.count(left).await > 0);
    scene
        .batch(&collector, &[track("m-4", "Order Cancelled", json!({ "order_id": "o-1", "total": 30 }))])
        .await;
    assert_eq!(scene.count(left).await, 0);
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 0);
    scene.ledger().await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_many_lines_is_paid_back_whole() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let products: Vec<Value> = (0..40).map(|n| product(&format!("p-{n}"), 1.5, 1)).collect();
    let properties = json!({ "order_id": "o/1", "currency": "EUR", "products": products });
    scene.batch(&collector, &[track("m-1", "Order Completed", properties)]).await;
    scene.batch(&collector, &[whole_refund("m-2", "o/1")]).await;
    assert_eq!(
        scene.count("select count(distinct order_line) from raw.events where event_name = 'refund'").await,
        40
    );
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_an_unknown_order_waits_in_quarantine() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    scene.batch(&collector, &[whole_refund("m-1", "o-9")]).await;
    assert_eq!(scene.texts("select reason from raw.quarantine").await, ["unknown_order"]);
    let replayed = scene.replayed().await;
    assert_eq!((replayed.accepted, replayed.refused_total()), (0, 1));
    let mut earlier = order("m-2", "o-9");
    earlier["timestamp"] = json!(Utc::now() - TimeDelta::minutes(5));
    scene.batch(&collector, &[earlier]).await;
    let replayed = scene.replayed().await;
    assert_eq!((replayed.accepted, replayed.refused_total()), (1, 0), "{replayed:?}");
    assert_eq!(scene.count("select count(*) from raw.events where event_name = 'refund'").await, 2);
    assert_eq!(scene.replayed().await.judged, 0);
    scene.ledger().await;
    collector.stop().await.unwrap();
}
