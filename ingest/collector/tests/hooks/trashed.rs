//! Orders of WooCommerce that go into the trash and come out again. Of a deletion only the order's id is
//! told.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::apart::MONEY;
use super::{Shop, start, woo_order};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_in_the_trash_is_paid_back_and_a_restored_one_counts_again() {
    let (shop, at) = (Shop::new().await, start());
    let order = woo_order(9, "processing", at, at);
    shop.tell("woocommerce", "order.created", &order).await;
    assert_eq!(shop.scene.count(MONEY).await, 2_500);
    // Into the trash, and deleted from there. What was told before may come late.
    for _ in 0..2 {
        shop.tell("woocommerce", "order.deleted", &json!({ "id": 9 })).await;
        shop.tell("woocommerce", "order.updated", &woo_order(9, "completed", at, at)).await;
        assert_eq!(shop.scene.count(MONEY).await, 0);
    }
    assert_eq!(shop.scene.count("select count(*) from raw.events").await, 4);
    // It is as it was, also its time.
    for _ in 0..2 {
        shop.tell("woocommerce", "order.restored", &order).await;
        assert_eq!(shop.scene.count(MONEY).await, 2_500);
    }
    let mut edited = woo_order(9, "processing", at, Utc::now() + TimeDelta::seconds(2));
    edited["line_items"].as_array_mut().unwrap().remove(0);
    shop.tell("woocommerce", "order.updated", &edited).await;
    assert_eq!(shop.left(9).await, ["22 1 19.00"]);
    // All of it is its customer's.
    assert_eq!(shop.scene.count("select count(distinct user_id) from raw.events").await, 1);
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_comes_before_its_order_books_nothing_until_it_is_restored() {
    let (shop, at) = (Shop::new().await, start());
    shop.tell("woocommerce", "order.deleted", &json!({ "id": 9 })).await;
    shop.tell("woocommerce", "order.created", &woo_order(9, "processing", at, at)).await;
    assert_eq!(shop.scene.count("select count(*) from raw.events").await, 0);
    shop.tell("woocommerce", "order.restored", &woo_order(9, "processing", at, at)).await;
    assert_eq!(shop.left(9).await, ["22 1 19.00", "93 2 6.00"]);
    // It has the places that a page would have told.
    let places = "select concat_ws(' ', order_line, item_id) from raw.events order by order_line";
    assert_eq!(shop.scene.texts(places).await, ["1 93", "2 22"]);
    // One without an id cannot be read.
    shop.tell("woocommerce", "order.deleted", &json!({})).await;
    assert_eq!(shop.scene.texts("select reason from raw.quarantine").await, ["missing_field"]);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
