//! What is told again in another way counts once: refunds as sums and with their lines, orders that are paid
//! at the second try, lines that are replayed, and orders that are reopened.

use ingest::clock::Clock;
use ingest::quarantine::{Plan, Replayed, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::apart::{LINES, MONEY, modified, taxed, woo_line};
use super::{Shop, start, woo_order};
use crate::segment::{product, track};

/// Judges all that is in quarantine again.
pub(super) async fn replay_all(shop: &Shop) -> Replayed {
    let mut store = Store::connect(&shop.scene.url).await.unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates: ingest::rates::built_in() };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap()
}

const STATES: &str = "select (state -> 'refunds')::text from raw.shop_order";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sum_was_for_does_not_change_when_shipping_is_edited() {
    let shop = Shop::new().await;
    let refunds = json!([{ "id": 1, "total": "-6.00" }]);
    shop.tell("woocommerce", "order.created", &taxed("processing", refunds.clone())).await;
    assert_eq!(shop.scene.count(MONEY).await, 3_000);
    // Shipping is dearer now, and then a sum comes back that is what it costs now.
    let mut edited = modified(taxed("processing", refunds), 1);
    edited["total"] = "48.00".into();
    shop.tell("woocommerce", "order.updated", &edited).await;
    assert_eq!(shop.scene.count(MONEY).await, 3_000);
    edited = modified(edited, 2);
    edited["refunds"] = json!([{ "id": 1, "total": "-6.00" }, { "id": 2, "total": "-12.00" }]);
    for _ in 0..2 {
        shop.tell("woocommerce", "order.updated", &edited).await;
    }
    assert_eq!(shop.scene.count(MONEY).await, 2_000, "a tenth and its tax");
    // An older telling that comes late adds to what is known, and takes nothing from it.
    let late = taxed("processing", json!([{ "id": 3, "total": "-12.00" }]));
    for _ in 0..2 {
        shop.tell("woocommerce", "order.updated", &late).await;
    }
    assert_eq!(shop.scene.count(MONEY).await, 1_000);
    let known = shop.scene.texts(STATES).await;
    let [known] = &known[..] else { panic!("{known:?}") };
    let known: Value = serde_json::from_str(known).unwrap();
    assert_eq!((&known["1"], known.as_object().unwrap().len()), (&json!("rest"), 3));
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_told_as_a_sum_and_later_with_its_lines_counts_once() {
    let line = json!({ "id": 92, "product_id": 2, "quantity": -1, "total": "-10.00", "total_tax": "-2.00",
                       "meta_data": [{ "id": 1, "key": "_refunded_item_id", "value": "2" }] });
    let sum = json!([{ "id": 5, "total": "-12.00" }]);
    let mut spoilt = line.clone();
    spoilt["total"] = "much".into();
    let lined = json!([{ "id": 5, "total": "-12.00", "line_items": [line, spoilt] }]);
    // As a sum it comes off both lines; with its lines off one of them, and the spoilt one is in quarantine.
    for (ways, aside) in [([&sum, &lined], 0), ([&lined, &sum], 1)] {
        let shop = Shop::new().await;
        shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
        for (minutes, refunds) in (1..).zip(ways) {
            let told = modified(taxed("processing", refunds.clone()), minutes);
            for _ in 0..2 {
                shop.tell("woocommerce", "order.updated", &told).await;
            }
            assert_eq!(shop.scene.count(MONEY).await, 2_000, "{refunds}");
        }
        assert_eq!(shop.scene.count("select count(*) from raw.quarantine").await, aside);
        shop.scene.ledger().await;
        shop.collector.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_paid_at_the_second_try_counts_once_though_the_page_tells_it() {
    for is_page_first in [true, false] {
        let (shop, at) = (Shop::new().await, start());
        let of = |status: &str, first: u64, minutes: i64| {
            let mut order = woo_order(9, status, at, at);
            order["line_items"] = json!([woo_line(first, 1, "10.00"), woo_line(first + 1, 2, "20.00")]);
            modified(order, minutes)
        };
        let products = [product("100", 10.0, 1), product("101", 10.0, 2)];
        let told = json!({ "order_id": "woo/9", "currency": "EUR", "products": products });
        let page = [track("m-1", "Order Completed", told)];
        shop.tell("woocommerce", "order.created", &of("pending", 100, 0)).await;
        shop.tell("woocommerce", "order.updated", &of("failed", 100, 1)).await;
        // WooCommerce makes the lines anew.
        shop.tell("woocommerce", "order.updated", &of("pending", 200, 2)).await;
        if is_page_first {
            shop.scene.batch(&shop.collector, &page).await;
        }
        shop.tell("woocommerce", "order.updated", &of("processing", 200, 3)).await;
        shop.scene.batch(&shop.collector, &page).await;
        assert_eq!(shop.scene.texts(LINES).await, ["purchase 1 1 10.00", "purchase 2 2 20.00"]);
        shop.tell("woocommerce", "order.updated", &of("cancelled", 200, 4)).await;
        assert_eq!(shop.scene.count(MONEY).await, 0);
        shop.scene.ledger().await;
        shop.collector.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_replayed_and_then_made_smaller_loses_its_units() {
    let (shop, at) = (Shop::new().await, start());
    let of = |units: i64, total: &str, minutes: i64| {
        let mut order = woo_order(9, "processing", at, at);
        order["line_items"] = json!([woo_line(1, units, total), woo_line(2, 1, "20.00")]);
        modified(order, minutes)
    };
    shop.tell("woocommerce", "order.created", &of(2, "much", 0)).await;
    assert_eq!(shop.scene.count(MONEY).await, 2_000);
    let cured = "update raw.quarantine set payload = convert_to(
                     (convert_from(payload, 'UTF8')::jsonb || '{\"amount\": \"10.00\", \"quantity\": 2}')::text, 'UTF8')";
    assert_eq!(shop.scene.client.execute(cured, &[]).await.unwrap(), 1);
    let replayed = replay_all(&shop).await;
    assert_eq!(replayed.accepted, 1, "{replayed:?}");
    assert_eq!(shop.scene.count(MONEY).await, 3_000);
    for _ in 0..2 {
        shop.tell("woocommerce", "order.updated", &of(1, "5.00", 1)).await;
    }
    let lines = ["purchase 1 2 10.00", "purchase 2 1 20.00", "refund 1 1 5.00"];
    assert_eq!(shop.scene.texts(LINES).await, lines);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_stays_when_its_order_is_cancelled_and_reopened() {
    let shop = Shop::new().await;
    let refunds = json!([{ "id": 1, "total": "-12.00" }]);
    shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
    for (minutes, status, left) in [
        (1, "processing", 2_000),
        (2, "cancelled", 0),
        (3, "processing", 2_000),
        (4, "failed", 0),
        (5, "completed", 2_000),
    ] {
        for _ in 0..2 {
            let told = modified(taxed(status, refunds.clone()), minutes);
            shop.tell("woocommerce", "order.updated", &told).await;
        }
        assert_eq!(shop.scene.count(MONEY).await, left, "{status}");
    }
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// What an older telling adds to a state has its time and its rank: two writers must not both go on from it.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_moves_on_only_from_the_very_state_that_it_is_in() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
    let moved = async |before: &str| {
        let sql = format!(
            "select raw.move_shop_orders(array[order_id], array[as_of], array[rank], array[({before})::text],
                 array[as_of], array[rank], array[(state || '{{\"refunds\": {{\"9\": \"rest\"}}}}')::text])
             from raw.shop_order"
        );
        shop.scene.client.execute(&sql, &[]).await.map_err(|error| error.code().unwrap().code().to_owned())
    };
    assert_eq!(moved("state || '{\"next\": 9}'").await.unwrap_err(), "SPREF");
    assert_eq!(shop.scene.texts(STATES).await, ["{}"]);
    assert_eq!(moved("state").await, Ok(1));
    assert_eq!(shop.scene.texts(STATES).await, ["{\"9\": \"rest\"}"]);
    assert_eq!(moved("state - 'refunds'").await.unwrap_err(), "SPREF", "it has moved on");
    shop.collector.stop().await.unwrap();
}
