//! What goes back of an order.

use contracts::Reason;
use contracts::validation::Back;
use serde_json::{Value, json};

use super::{example, records, refusal, with};

fn without_products() -> Value {
    with(example("Order Refunded"), "/properties/products", Value::Null)
}

#[test]
fn a_refund_without_products_is_one_of_the_whole_order() {
    let whole = with(without_products(), "/properties/total", Value::Null);
    let cancelled = example("Order Cancelled");
    for whole in [&whole, &cancelled, &with(cancelled.clone(), "/event", json!("order canceled"))] {
        let accepted = records(whole).remove(0).unwrap();
        assert_eq!(accepted.event.order_id, None);
        let order = accepted.whole_order.unwrap();
        assert_eq!(json!(&*order.order_id), whole["properties"]["order_id"]);
        assert_eq!(order.told.back, Back::All);
    }
    assert_eq!(
        refusal(&with(whole.clone(), "/properties/order_id", Value::Null)).1,
        "properties.products.product_id"
    );
    assert_eq!(
        refusal(&with(whole, "/properties/products", json!([]))),
        (Reason::InvalidField, "properties.products")
    );
}

#[test]
fn a_refund_without_products_is_one_of_its_sum() {
    let back = |message: &Value| records(message).remove(0).unwrap().whole_order.unwrap().told.back;
    let sum = |digits: &str, currency: Option<&str>| Back::Sum {
        amount: digits.parse().unwrap(),
        currency: currency.map(|code| code.parse().unwrap()),
    };
    let told = |sum: Value| with(without_products(), "/properties/total", sum);
    assert_eq!(back(&without_products()), sum("30", Some("USD")));
    for five in [json!(5.5), json!(-5.5), json!("5.5"), json!(" -5.5 ")] {
        assert_eq!(back(&told(five)), sum("5.5", Some("USD")));
    }
    // Shipping and tax are in the total.
    assert_eq!(back(&with(without_products(), "/properties/revenue", json!(25))), sum("25", Some("USD")));
    let without = with(without_products(), "/properties/currency", Value::Null);
    assert_eq!(back(&without), sum("30", None));
    for nothing in [json!(0), json!("0.00"), Value::Null] {
        assert_eq!(back(&told(nothing)), Back::All);
    }
    assert_eq!(refusal(&told(json!("$5"))), (Reason::InvalidField, "properties.total"));
    // A product without a price is paid back at what was paid for it.
    let part = with(example("Order Refunded"), "/properties/products/1/price", Value::Null);
    let parts = records(&part);
    assert!(parts[0].as_ref().unwrap().whole_order.is_none());
    let told = &parts[1].as_ref().unwrap().whole_order.as_ref().unwrap().told;
    let product =
        Back::Product { item_id: "505bd76785ebb509fc183733".parse().unwrap(), quantity: 2, cost: None };
    assert_eq!(told.back, product);
}
