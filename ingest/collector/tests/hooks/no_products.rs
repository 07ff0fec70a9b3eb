//! What stands among the lines of an order of Shopify and is no product.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::apart::LINES;
use super::{MONOPOLY, Shop, UNO, shopify_order, shopify_refund, start};

/// Tells an order with this line first, and its refund; none of it counts.
async fn counts_nowhere(line: Value) {
    let (shop, at) = (Shop::new().await, start());
    let later = |minutes| json!(at + TimeDelta::minutes(minutes));
    let mut order = shopify_order(5, at);
    order["line_items"].as_array_mut().unwrap().insert(0, line);
    for _ in 0..2 {
        shop.tell("shopify", "orders/create", &order).await;
    }
    // The products have the places that the order has without it: the first one is the order's.
    assert_eq!(shop.scene.texts(LINES).await, ["purchase 1 2 6.00", "purchase 2 1 19.00"]);
    let sold = [format!("{UNO} 2 6.00"), format!("{MONOPOLY} 1 19.00")];
    assert_eq!(shop.left(5).await, sold);
    // It comes back, by its refund and by its order.
    let refund = shopify_refund(&order, 1, 0, 1, "50.00", at + TimeDelta::minutes(1));
    shop.tell("shopify", "refunds/create", &refund).await;
    order["line_items"][0]["current_quantity"] = 0.into();
    order["updated_at"] = later(1);
    order["refunds"] = json!([refund]);
    shop.tell("shopify", "orders/updated", &order).await;
    assert_eq!(shop.left(5).await, sold);
    // A product goes on.
    order["line_items"][1]["current_quantity"] = 1.into();
    order["updated_at"] = later(2);
    shop.tell("shopify", "orders/updated", &order).await;
    assert_eq!(shop.left(5).await, [format!("{UNO} 1 3.00"), format!("{MONOPOLY} 1 19.00")]);
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_is_no_sale() {
    counts_nowhere(json!({
        "id": 61, "product_id": null, "variant_id": null, "title": "Tip", "price": "50.00", "quantity": 1,
        "current_quantity": 1, "gift_card": false, "discount_allocations": [],
        "tip_payment_gateway": "shopify_payments", "tip_payment_method": "Visa",
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_card_is_no_sale() {
    counts_nowhere(json!({
        "id": 62, "product_id": 77, "variant_id": 78, "title": "Gift Card", "vendor": "Games", "price": "50.00",
        "quantity": 1, "current_quantity": 1, "gift_card": true, "discount_allocations": [],
    }))
    .await;
}

/// An earlier commit has sold it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sold_as_a_product_and_is_none_is_taken_away() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(5, at);
    shop.tell("shopify", "orders/create", &order).await;
    order["line_items"][1]["gift_card"] = true.into();
    order["updated_at"] = json!(at + TimeDelta::minutes(1));
    for _ in 0..2 {
        shop.tell("shopify", "orders/updated", &order).await;
    }
    assert_eq!(shop.left(5).await, [format!("{UNO} 2 6.00")]);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
