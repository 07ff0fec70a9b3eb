//! What of an order cannot be read or kept is refused by its name, and never counts as something else.

use contracts::Reason;
use ingest::quarantine::Replayed;
use serde_json::{Value, json};

use super::again::replay_all;
use super::apart::{LINES, MONEY, modified, taxed, woo_line};
use super::{Shop, start, woo_order};
use crate::segment::{product, track};

const REASONS: &str = "select concat_ws(' ', reason, detail) from raw.quarantine order by detail";

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_cannot_be_read_is_refused_by_name_and_counts_once_it_can() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
    // Of these the last one can be read: 12.00 with tax are 10.00.
    let mut refunds = json!([
        { "id": 1, "total": "much" }, { "total": "-6.06" }, { "id": 3, "total": "-12.00", "line_items": "?" },
        { "id": 4, "total": "-12.00" },
    ]);
    for minutes in [1, 2] {
        shop.tell("woocommerce", "order.updated", &modified(taxed("processing", refunds.clone()), minutes))
            .await;
        assert_eq!(shop.scene.count(MONEY).await, 2_000);
    }
    let reasons = ["it has no id", "its lines are no list", "its sum cannot be read"]
        .map(|why| format!("invalid_field refunds: {why}"));
    assert_eq!(shop.scene.texts(REASONS).await, reasons);
    let replayed = replay_all(&shop).await;
    assert_eq!((replayed.judged, replayed.refused_total()), (3, 3), "{replayed:?}");
    assert_eq!(shop.scene.count(MONEY).await, 2_000, "no replay takes one for the refund of the whole order");
    refunds[0]["total"] = "-6.00".into();
    refunds[2]["line_items"] = json!([]);
    for minutes in [3, 4] {
        shop.tell("woocommerce", "order.updated", &modified(taxed("processing", refunds.clone()), minutes))
            .await;
        assert_eq!(shop.scene.count(MONEY).await, 1_000, "6.00 are what shipping costs");
    }
    // One that counts already is no other one where it cannot be read any more.
    refunds[3]["total"] = Value::Null;
    shop.tell("woocommerce", "order.updated", &modified(taxed("processing", refunds), 5)).await;
    assert_eq!(shop.scene.texts(REASONS).await, reasons);
    // What is no list at all.
    shop.tell("woocommerce", "order.updated", &modified(taxed("processing", json!("-12.00")), 6)).await;
    assert!(shop.scene.texts(REASONS).await.contains(&"invalid_field refunds: they are no list".to_owned()));
    assert_eq!(shop.scene.count(MONEY).await, 1_000);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sum_is_for_is_not_guessed_where_the_costs_of_its_order_cannot_be_read() {
    let shop = Shop::new().await;
    let shipping = json!([{ "id": 1, "total": "-6.00" }]);
    shop.tell("woocommerce", "order.created", &taxed("processing", json!([]))).await;
    for (minutes, field) in [(1, "total"), (2, "total_tax")] {
        let mut told = modified(taxed("processing", shipping.clone()), minutes);
        if field == "total" {
            told["total"] = "much".into();
        } else {
            told["line_items"][0]["total_tax"] = "much".into();
        }
        shop.tell("woocommerce", "order.updated", &told).await;
        assert_eq!(shop.scene.count(MONEY).await, 3_000, "{field}");
    }
    let why = "what its order costs cannot be read, and so not what it is for";
    assert_eq!(shop.scene.texts(REASONS).await, [format!("invalid_field refunds: {why}")]);
    shop.tell("woocommerce", "order.updated", &modified(taxed("processing", shipping), 3)).await;
    assert_eq!(shop.scene.count(MONEY).await, 3_000);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// A line of so many that the order has no place for another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_has_no_place_left_is_in_quarantine_with_its_money() {
    let (shop, at) = (Shop::new().await, start());
    let of = |units: i64, total: &str, minutes: i64| {
        let mut order = woo_order(9, "processing", at, at);
        let mut lines: Vec<Value> = (1..=1_000).map(|id| woo_line(id, 1, "1.00")).collect();
        lines[6]["quantity"] = units.into();
        lines[6]["total"] = total.into();
        order["line_items"] = lines.into();
        modified(order, minutes)
    };
    shop.tell("woocommerce", "order.created", &of(1, "1.00", 0)).await;
    assert_eq!(shop.scene.count(MONEY).await, 100_000);
    for minutes in [1, 2] {
        shop.tell("woocommerce", "order.updated", &of(3, "3.50", minutes)).await;
    }
    assert_eq!(shop.scene.count(MONEY).await, 100_000);
    let aside = "select concat_ws(' ', reason, payload ->> 'item_id', payload ->> 'quantity', payload ->> 'amount')
                 from (select reason, convert_from(payload, 'utf8')::jsonb as payload from raw.quarantine) aside";
    assert_eq!(shop.scene.texts(aside).await, ["invalid_field 7 2 2.50"]);
    assert_eq!(replay_all(&shop).await.refused_total(), 1);
    // The line is as it was, so that nothing is paid back.
    shop.tell("woocommerce", "order.updated", &of(1, "1.00", 3)).await;
    assert_eq!(shop.scene.count(MONEY).await, 100_000);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

const ASIDE: &str =
    "select concat_ws(' ', reason, payload ->> 'order_line', payload ->> 'quantity', payload ->> 'amount')
     from (select reason, convert_from(payload, 'utf8')::jsonb as payload from raw.quarantine) aside";

/// Cures the product's id of what is in quarantine, which is too long, and judges it again.
async fn cure(shop: &Shop) -> Replayed {
    let cured = "update raw.quarantine set payload = convert_to(
                     (convert_from(payload, 'UTF8')::jsonb || '{\"item_id\": \"7\"}')::text, 'UTF8')";
    shop.scene.client.execute(cured, &[]).await.unwrap();
    replay_all(shop).await
}

/// An order of two lines, of which the first has a product that is refused.
fn refused(status: &str, units: i64, total: &str, minutes: i64) -> Value {
    let mut order = woo_order(9, status, start(), start());
    order["line_items"] = json!([woo_line(1, units, total), woo_line(2, 1, "20.00")]);
    order["line_items"][0]["product_id"] = "x".repeat(65).into();
    modified(order, minutes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_refused_before_its_order_is_paid_is_set_aside_with_its_money_once_it_is() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &refused("pending", 2, "10.00", 0)).await;
    // One whose sums cannot be read either: nothing is sold of it.
    shop.tell("woocommerce", "order.updated", &refused("pending", 2, "much", 1)).await;
    assert_eq!(shop.scene.texts(ASIDE).await, Vec::<String>::new());
    cure(&shop).await;
    assert_eq!(shop.scene.texts(LINES).await, Vec::<String>::new(), "nothing is sold yet");
    for minutes in [2, 3] {
        shop.tell("woocommerce", "order.updated", &refused("processing", 2, "10.00", minutes)).await;
    }
    assert_eq!(shop.scene.texts(ASIDE).await, ["invalid_field 1 2 10.00"]);
    cure(&shop).await;
    assert_eq!(shop.scene.texts(LINES).await, ["purchase 1 2 10.00", "purchase 2 1 20.00"]);
    // It is no sale any more, though the line is refused still.
    shop.tell("woocommerce", "order.updated", &refused("pending", 2, "10.00", 4)).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    assert_eq!(shop.scene.count("select count(*) from raw.quarantine").await, 1);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_told_of_a_refused_line_counts_as_of_any_other() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &refused("processing", 1, "10.00", 0)).await;
    let products = [product("1", 9.0, 1), product("2", 20.0, 1)];
    let told = json!({ "order_id": "woo/9", "currency": "EUR", "products": products });
    shop.scene.batch(&shop.collector, &[track("m-1", "Order Completed", told)]).await;
    let mut cured = refused("processing", 1, "10.00", 1);
    cured["line_items"][0]["product_id"] = 1.into();
    shop.tell("woocommerce", "order.updated", &cured).await;
    assert_eq!(shop.scene.texts(LINES).await, ["purchase 1 1 9.00", "purchase 2 1 20.00"]);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_line_is_replayed_as_its_order_is_told_by_then() {
    let shop = Shop::new().await;
    shop.tell("woocommerce", "order.created", &refused("processing", 2, "10.00", 0)).await;
    // It is taken off the order.
    let mut gone = refused("processing", 2, "10.00", 1);
    gone["line_items"].as_array_mut().unwrap().remove(0);
    shop.tell("woocommerce", "order.updated", &gone).await;
    let replayed = cure(&shop).await;
    assert_eq!(replayed.refused.get(&Reason::Inconsistent), Some(&1), "{replayed:?}");
    assert_eq!(shop.scene.count(MONEY).await, 2_000);
    // It is back with three units, and refused still.
    shop.tell("woocommerce", "order.updated", &refused("processing", 3, "15.00", 2)).await;
    assert_eq!(shop.scene.texts(ASIDE).await, ["invalid_field 1 2 10.00"], "as it was told first");
    assert_eq!(cure(&shop).await.accepted, 1);
    let lines = ["purchase 1 3 15.00", "purchase 2 1 20.00"];
    assert_eq!(shop.scene.texts(LINES).await, lines);
    // What is told then is nothing new, refused or not.
    let mut cured = refused("processing", 3, "15.00", 4);
    cured["line_items"][0]["product_id"] = 7.into();
    for told in [refused("processing", 3, "15.00", 3), cured] {
        shop.tell("woocommerce", "order.updated", &told).await;
        assert_eq!(shop.scene.texts(LINES).await, lines);
    }
    shop.tell("woocommerce", "order.updated", &refused("cancelled", 3, "15.00", 5)).await;
    assert_eq!(shop.scene.count(MONEY).await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
