//! What must not be taken for one another: orders of two shops, lines of one product, lines that cannot be
//! read, and what of a sum is for products.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Shop, shopify_order, shopify_refund, start, woo_order};

pub(super) const LINES: &str =
    "select concat_ws(' ', event_name, order_line, quantity, amount_base) from raw.events
                     where event_name in ('purchase', 'refund') order by event_name, order_line, amount_base";

pub(super) const MONEY: &str =
    "select coalesce(sum(case event_name when 'refund' then -amount_base else amount_base end) * 100, 0)::bigint
     from raw.events";

pub(super) fn modified(mut order: Value, minutes: i64) -> Value {
    order["date_modified_gmt"] =
        woo_order(1, "", start(), start() + TimeDelta::minutes(minutes))["date_modified_gmt"].clone();
    order
}

/// A line of WooCommerce without tax.
pub(super) fn woo_line(id: u64, quantity: i64, total: &str) -> Value {
    json!({ "id": id, "name": "Chess", "product_id": id, "quantity": quantity, "total": total, "total_tax": "0.00" })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shops_with_the_same_order_numbers_are_never_mixed_up() {
    let (shop, at) = (Shop::new().await, start());
    let of = |total: &str| {
        let mut order = woo_order(9, "processing", at, at);
        order["line_items"] = json!([woo_line(315, 1, total)]);
        order
    };
    // The same number, the same line, the same second.
    shop.tell_of("woo", "woocommerce", "order.created", &of("10.00")).await;
    shop.tell_of("outlet", "woocommerce", "order.created", &of("70.00")).await;
    assert_eq!(shop.scene.count(MONEY).await, 8_000);
    // One pays a sum back, and the other cancels.
    let mut refunded = modified(of("70.00"), 1);
    refunded["refunds"] = json!([{ "id": 1, "total": "-30.00" }]);
    shop.tell_of("outlet", "woocommerce", "order.updated", &refunded).await;
    assert_eq!(shop.scene.count(MONEY).await, 5_000);
    let mut cancelled = modified(of("10.00"), 2);
    cancelled["status"] = "cancelled".into();
    for _ in 0..2 {
        shop.tell_of("woo", "woocommerce", "order.updated", &cancelled).await;
    }
    assert_eq!(shop.scene.count(MONEY).await, 4_000);
    // And a third one, of the other system, with that number too.
    shop.tell("shopify", "orders/create", &shopify_order(9, at)).await;
    assert_eq!(shop.scene.count(MONEY).await, 6_500);
    let orders = "select order_id from raw.events group by order_id order by order_id";
    assert_eq!(shop.scene.texts(orders).await, ["outlet/9", "shop/9", "woo/9"]);
    assert_eq!(shop.scene.count("select count(distinct user_id) from raw.events").await, 3);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// An order of two variants of one product, at 10.00 and 30.00.
fn variants(id: u64) -> Value {
    let mut order = shopify_order(id, start());
    for (line, price) in [(0, "10.00"), (1, "30.00")] {
        let line = &mut order["line_items"][line];
        line["product_id"] = 632_910_392.into();
        line["price"] = price.into();
        line["quantity"] = 1.into();
        line["current_quantity"] = 1.into();
        line["discount_allocations"] = json!([]);
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_of_one_product_are_paid_back_each_by_itself() {
    // The refund is told by its own webhook, by the order alone, and before the order.
    for ways in [[true, false], [false, true]] {
        let (shop, at) = (Shop::new().await, start());
        let mut order = variants(7);
        shop.tell("shopify", "orders/create", &order).await;
        let refund = shopify_refund(&order, 5, 1, 1, "30.00", at + TimeDelta::minutes(1));
        if ways[0] {
            shop.tell("shopify", "refunds/create", &refund).await;
        }
        order["line_items"][1]["current_quantity"] = 0.into();
        order["refunds"] = json!([refund]);
        order["updated_at"] = json!(at + TimeDelta::minutes(1));
        if ways[1] {
            shop.tell("shopify", "orders/updated", &order).await;
        }
        let second = ["purchase 1 1 10.00", "purchase 2 1 30.00", "refund 2 1 30.00"];
        assert_eq!(shop.scene.texts(LINES).await, second, "{ways:?}");
        // The first one is edited away.
        order["line_items"][0]["current_quantity"] = 0.into();
        order["updated_at"] = json!(at + TimeDelta::minutes(2));
        shop.tell("shopify", "orders/updated", &order).await;
        shop.tell("shopify", "refunds/create", &refund).await;
        let both = ["purchase 1 1 10.00", "purchase 2 1 30.00", "refund 1 1 10.00", "refund 2 1 30.00"];
        assert_eq!(shop.scene.texts(LINES).await, both, "{ways:?}");
        assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
        shop.scene.ledger().await;
        shop.collector.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_read_has_a_place_of_its_own_for_ever() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = woo_order(9, "processing", at, at);
    order["line_items"] = json!([woo_line(1, 1, "10.00"), woo_line(2, 1, "20.00")]);
    shop.tell("woocommerce", "order.created", &order).await;
    // The first line goes, and a third one comes in its place that cannot be read.
    let mut edited = modified(order.clone(), 1);
    edited["line_items"] = json!([woo_line(2, 1, "20.00"), woo_line(3, 1, "much")]);
    for _ in 0..2 {
        shop.tell("woocommerce", "order.updated", &edited).await;
    }
    let aside = "select concat_ws(' ', payload ->> 'shared_id', payload ->> 'order_line') from
                 (select convert_from(payload, 'utf8')::jsonb as payload from raw.quarantine) aside";
    let aside = shop.scene.texts(aside).await;
    let [aside] = &aside[..] else { panic!("{aside:?}") };
    assert!(aside.ends_with("/3 3"), "it is not the second line: {aside}");
    // A fourth one comes before it can be read at last.
    let mut edited = modified(edited, 2);
    edited["line_items"] = json!([woo_line(4, 1, "40.00"), woo_line(2, 1, "20.00"), woo_line(3, 1, "much")]);
    shop.tell("woocommerce", "order.updated", &edited).await;
    let mut edited = modified(edited, 3);
    edited["line_items"][2] = woo_line(3, 1, "30.00");
    shop.tell("woocommerce", "order.updated", &edited).await;
    let lines = [
        "purchase 1 1 10.00",
        "purchase 2 1 20.00",
        "purchase 3 1 30.00",
        "purchase 4 1 40.00",
        "refund 1 1 10.00",
    ];
    assert_eq!(shop.scene.texts(LINES).await, lines);
    assert_eq!(shop.scene.count("select count(*) from raw.quarantine").await, 1);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_an_id_keeps_its_place_from_others() {
    let (shop, at) = (Shop::new().await, start());
    // Nothing of it is sold before it is paid, and so no line is known by a purchase.
    let mut order = woo_order(9, "pending", at, at);
    order["line_items"] = json!([{ "name": "?" }, woo_line(1, 1, "10.00"), woo_line(2, 1, "20.00")]);
    shop.tell("woocommerce", "order.created", &order).await;
    let mut paid = modified(order, 1);
    paid["status"] = "processing".into();
    paid["line_items"] = json!([woo_line(1, 1, "10.00"), woo_line(3, 1, "30.00"), woo_line(2, 1, "20.00")]);
    shop.tell("woocommerce", "order.updated", &paid).await;
    assert_eq!(shop.scene.count(MONEY).await, 6_000);
    // A line whose id is lost may be any of those that are missing: none of them is paid back for it.
    let mut spoilt = modified(paid, 2);
    spoilt["line_items"][0]["id"] = Value::Null;
    shop.tell("woocommerce", "order.updated", &spoilt).await;
    assert_eq!(shop.scene.count(MONEY).await, 6_000);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// An order whose prices are without tax: 10.00 and 20.00, 20 % on all, and 5.00 for shipping.
pub(super) fn taxed(status: &str, refunds: Value) -> Value {
    let mut order = woo_order(9, status, start(), start());
    order["prices_include_tax"] = false.into();
    order["line_items"] = json!([woo_line(1, 1, "10.00"), woo_line(2, 2, "20.00")]);
    order["line_items"][0]["total_tax"] = "2.00".into();
    order["line_items"][1]["total_tax"] = "4.00".into();
    order["shipping_total"] = "5.00".into();
    order["shipping_tax"] = "1.00".into();
    order["total_tax"] = "7.00".into();
    order["total"] = "42.00".into();
    order["refunds"] = refunds;
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_a_sum_is_for_products_is_paid_back_and_shipping_and_tax_are_not() {
    for (what, refunds, left) in [
        ("a sum has its tax", json!([{ "id": 1, "total": "-12.00" }]), 2_000),
        ("what shipping cost", json!([{ "id": 1, "total": "-6.00" }]), 3_000),
        ("both, and the rest", json!([{ "id": 1, "total": "-6.00" }, { "id": 2, "total": "-36.00" }]), 0),
        ("all at once", json!([{ "id": 1, "total": "-42.00" }]), 0),
        (
            "in thirds, to the cent",
            json!([{ "id": 3, "total": "-12.01" }, { "id": 2, "total": "-12.01" }, { "id": 1, "total": "-11.98" }]),
            0,
        ),
    ] {
        let shop = Shop::new().await;
        shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
        assert_eq!(shop.scene.count(MONEY).await, 3_000);
        for _ in 0..2 {
            shop.tell("woocommerce", "order.updated", &modified(taxed("processing", refunds.clone()), 1))
                .await;
        }
        assert_eq!(shop.scene.count(MONEY).await, left, "{what}");
        shop.scene.ledger().await;
        shop.collector.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_that_tells_its_lines_is_paid_back_by_their_amounts() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
    let back = |line: u64, units: i64, total: &str| {
        json!({ "id": 90 + line, "product_id": line, "quantity": units, "total": total, "total_tax": "-2.00",
                "meta_data": [{ "id": 1, "key": "_refunded_item_id", "value": line.to_string() }] })
    };
    // One of the second line's two units, a part of the first one's price, and the shipping.
    let lines = json!([back(2, -1, "-10.00"), back(1, 0, "-2.50")]);
    let refunds = json!([{ "id": 5, "total": "-22.00", "line_items": lines }]);
    for _ in 0..2 {
        shop.tell("woocommerce", "order.updated", &modified(taxed("processing", refunds.clone()), 1)).await;
    }
    let lines = ["purchase 1 1 10.00", "purchase 2 2 20.00", "refund 1 1 2.50", "refund 2 1 10.00"];
    assert_eq!(shop.scene.texts(LINES).await, lines);
    // The rest goes back with the order.
    shop.tell("woocommerce", "order.updated", &modified(taxed("cancelled", refunds), 2)).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// All lines of an order that is not paid yet are replaced by others.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_first_lines_were_never_sold_is_paid_back_as_any_other() {
    let (shop, at) = (Shop::new().await, start());
    let of = |status: &str, lines: std::ops::Range<u64>, minutes: i64| {
        let mut order = woo_order(9, status, at, at);
        order["line_items"] = lines.map(|id| woo_line(id, 1, "10.00")).collect();
        modified(order, minutes)
    };
    shop.tell("woocommerce", "order.created", &of("pending", 100..108, 0)).await;
    shop.tell("woocommerce", "order.updated", &of("pending", 200..209, 1)).await;
    shop.tell("woocommerce", "order.updated", &of("processing", 200..209, 2)).await;
    assert_eq!(shop.scene.count(MONEY).await, 9_000);
    shop.tell("woocommerce", "order.updated", &of("cancelled", 200..209, 3)).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
