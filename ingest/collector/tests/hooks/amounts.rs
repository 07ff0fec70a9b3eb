//! Refunds of an amount: those of Shopify, which name no line, and those of WooCommerce that are deleted
//! again.

use chrono::TimeDelta;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use super::apart::{MONEY, modified, woo_line};
use super::{MONOPOLY, Shop, UNO, shopify_order, shopify_refund, start, woo_order};

/// A refund as Shopify tells one that names no line.
fn of_amount(order: &Value, id: u64, minutes: i64, transactions: &Value, adjustments: &Value) -> Value {
    let at = json!(start() + TimeDelta::minutes(minutes));
    json!({
        "id": id, "order_id": order["id"], "created_at": at, "processed_at": at, "note": null, "restock": false,
        "refund_line_items": [], "transactions": transactions, "order_adjustments": adjustments, "duties": [],
    })
}

fn transaction(amount: &str) -> Value {
    json!([{ "id": 1, "kind": "refund", "status": "success", "amount": amount, "currency": "EUR", "gateway": "bogus" }])
}

fn discrepancy(amount: &str) -> Value {
    json!([{ "id": 1, "amount": amount, "tax_amount": "0.00", "kind": "refund_discrepancy",
             "reason": "Refund discrepancy",
             "amount_set": { "shop_money": { "amount": amount, "currency_code": "EUR" } } }])
}

fn updated(mut order: Value, minutes: i64, refunds: Value) -> Value {
    order["updated_at"] = json!(start() + TimeDelta::minutes(minutes));
    order["refunds"] = refunds;
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_an_amount_of_shopify_is_shared_by_all_lines_once() {
    let (shop, at) = (Shop::new().await, start());
    for (id, adjustments) in [(1, json!([])), (2, discrepancy("-5.00"))] {
        let order = shopify_order(id, at);
        let refund = of_amount(&order, 70, 2, &transaction("5.00"), &adjustments);
        shop.tell("shopify", "orders/create", &order).await;
        let order = updated(order, 2, json!([refund]));
        for _ in 0..2 {
            shop.tell("shopify", "refunds/create", &refund).await;
            shop.tell("shopify", "orders/updated", &order).await;
        }
        assert_eq!(shop.left(id).await, [format!("{UNO} 1 4.80"), format!("{MONOPOLY} 0 15.20")], "{id}");
    }
    // Of shipping, which costs so much, and of nothing that was paid.
    let order = shopify_order(3, at);
    let shipping = json!([{ "id": 2, "amount": "-4.90", "tax_amount": "0.00", "kind": "shipping_refund" }]);
    let refunds = [
        of_amount(&order, 71, 1, &transaction("4.90"), &shipping),
        of_amount(&order, 72, 2, &transaction("4.90"), &json!([])),
        of_amount(&order, 73, 3, &json!([]), &json!([])),
    ];
    shop.tell("shopify", "orders/updated", &updated(order, 3, json!(refunds))).await;
    assert_eq!(shop.left(3).await, [format!("{UNO} 2 6.00"), format!("{MONOPOLY} 1 19.00")]);
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    // Money of another currency than the order's is not guessed.
    let mut foreign = transaction("4.00");
    foreign[0]["currency"] = "USD".into();
    let order = shopify_order(4, at);
    let refund = of_amount(&order, 74, 1, &foreign, &json!([]));
    for _ in 0..2 {
        shop.tell("shopify", "orders/updated", &updated(order.clone(), 1, json!([refund]))).await;
    }
    let refused = shop.scene.texts("select reason || ' ' || detail from raw.quarantine").await;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("invalid_field refunds"), "{refused:?}");
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_and_lines_of_shopify_come_to_what_was_paid_in_whatever_order_they_are_told() {
    let (shop, at) = (Shop::new().await, start());
    let mut rng = StdRng::seed_from_u64(3);
    for id in 1..=12 {
        let first = shopify_order(id, at);
        // An amount, then a line less a fee, then what is left: Shopify computes its lines at their full
        // price.
        let amount = of_amount(&first, 70, 1, &transaction("5.00"), &discrepancy("-5.00"));
        let mut fee = shopify_refund(&first, 71, 0, 1, "3.00", at + TimeDelta::minutes(2));
        fee["order_adjustments"] = discrepancy("1.00");
        let mut rest = shopify_refund(&first, 72, 1, 1, "19.00", at + TimeDelta::minutes(3));
        rest["order_adjustments"] = discrepancy("2.00");
        let with = |minutes, refunds: &[&Value], current: [i64; 2]| {
            let mut order = updated(first.clone(), minutes, json!(refunds));
            for (line, current) in current.into_iter().enumerate() {
                order["line_items"][line]["current_quantity"] = current.into();
            }
            order
        };
        let states = [
            with(1, &[&amount], [2, 1]),
            with(2, &[&amount, &fee], [1, 1]),
            with(3, &[&amount, &fee, &rest], [1, 0]),
        ];
        let orders = states.iter().chain([&first]).map(|order| ("orders/updated", order));
        let refunds = [&amount, &fee, &rest].map(|refund| ("refunds/create", refund));
        let mut told: Vec<(&str, &Value)> = orders.chain(refunds).collect();
        if id > 1 {
            told.shuffle(&mut rng);
        }
        for (topic, value) in told {
            shop.tell("shopify", topic, value).await;
        }
        for state in &states {
            shop.tell("shopify", "orders/updated", state).await;
        }
        let sum = format!("{MONEY} where order_id = 'shop/{id}'");
        assert_eq!(shop.scene.count(&sum).await, 2_500 - 500 - 200 - 1_700, "order {id}");
    }
    let refused = "select reason from raw.quarantine where reason <> 'unknown_order'";
    assert_eq!(shop.scene.texts(refused).await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_woocommerce_that_is_deleted_is_taken_back() {
    let (shop, at) = (Shop::new().await, start());
    let order = |minutes: i64, refunds: Value| {
        let mut order = modified(woo_order(9, "processing", at, at), minutes);
        order["line_items"] = json!([woo_line(1, 2, "10.00"), woo_line(2, 1, "30.00")]);
        order["total"] = "40.00".into();
        order["refunds"] = refunds;
        order
    };
    let [one, two] = [(5, "-8.00"), (6, "-4.00")].map(|(id, total)| json!({ "id": id, "total": total }));
    for (minutes, refunds, left) in [
        (0, json!([]), 4_000),
        (1, json!([one]), 3_200),
        (2, json!([two, one]), 2_800),
        // The first one is deleted, and then the other one.
        (3, json!([two]), 3_600),
        (4, json!([]), 4_000),
    ] {
        for _ in 0..2 {
            shop.tell("woocommerce", "order.updated", &order(minutes, refunds.clone())).await;
        }
        assert_eq!(shop.scene.count(MONEY).await, left, "{minutes}");
    }
    // What is older changes nothing, and a list that is left out deletes nothing.
    shop.tell("woocommerce", "order.updated", &order(2, json!([two, one]))).await;
    shop.tell("woocommerce", "order.updated", &order(5, json!([{ "id": 7, "total": "-40.00" }]))).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    shop.tell("woocommerce", "order.updated", &order(6, Value::Null)).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    shop.tell("woocommerce", "order.updated", &order(7, json!([]))).await;
    assert_eq!(shop.left(9).await, ["1 2 10.00", "2 1 30.00"]);
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
