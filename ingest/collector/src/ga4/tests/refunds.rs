//! What goes back of an order.

use contracts::ids;
use contracts::validation::Back;
use serde_json::{Value, json};

use super::{Item, items_of, judged, now, records};
use crate::record::SenderRecord;

#[test]
fn a_refund_in_parts_is_several_refunds() {
    let part = |item: &str, micros: i64| {
        let refund = json!({
            "name": "refund", "timestamp_micros": micros,
            "params": { "currency": "USD", "transaction_id": "T-1",
                        "items": [{ "item_id": item, "price": 10, "quantity": 1 }] },
        });
        records(&refund).remove(0).unwrap().event_id
    };
    let at = now().timestamp_micros();
    let ids = [part("a", at), part("b", at), part("a", at - 1)];
    assert_eq!(part("a", at), ids[0], "the same again is a repeat");
    assert_eq!(ids.iter().map(ids::identity).collect::<std::collections::BTreeSet<_>>().len(), 3);
    // Without a time a second part of the same item is a part of its own.
    let untimed = json!({ "name": "refund", "params": { "currency": "USD", "transaction_id": "T-1",
                          "items": [{ "item_id": "a", "price": 10, "quantity": 1 }] } });
    let [one, other] = [(), ()].map(|()| records(&untimed).remove(0).unwrap().event_id);
    assert_ne!(ids::identity(&one), ids::identity(&other));
    // Without items all of the order is paid back.
    let whole = json!({ "name": "refund", "params": { "transaction_id": "T-1" } });
    let items = items_of(&json!({ "client_id": "x.y", "events": [whole] }));
    let [Item::Records(records)] = items.as_slice() else { panic!("{items:?}") };
    let draft = records[0].draft().unwrap();
    assert_eq!((draft.whole_order.as_deref(), draft.back), (Some("T-1"), Back::All));
}

#[test]
fn a_refund_tells_a_sum_or_a_product_without_its_price() {
    let back = |params: Value| {
        let mut event = json!({ "name": "refund", "params": { "transaction_id": "T-1" } });
        event["params"].as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        match items_of(&json!({ "client_id": "x.y", "events": [event] })).as_slice() {
            [Item::Records(records)] => {
                let told = judged(&records[0]).map_err(|refused| refused.field);
                told.map(|_| records[0].draft().unwrap().back)
            }
            told => panic!("{told:?}"),
        }
    };
    let (amount, usd) = ("7.5".parse().unwrap(), "USD".parse().unwrap());
    for value in [json!(7.5), json!(-7.5), json!("7.5")] {
        let told = back(json!({ "value": value, "currency": "USD", "items": [] }));
        assert_eq!(told, Ok(Back::Sum { amount, currency: Some(usd) }));
    }
    assert_eq!(back(json!({ "value": 7.5 })), Ok(Back::Sum { amount, currency: None }));
    assert_eq!(back(json!({ "value": 0, "currency": "USD" })), Ok(Back::All));
    assert_eq!(back(json!({ "value": "much" })), Err("events.params.value"));
    let item_id = "a".parse().unwrap();
    let told = back(json!({ "currency": "USD", "items": [{ "item_id": "a", "quantity": 2 }] }));
    assert_eq!(told, Ok(Back::Product { item_id, quantity: 2, cost: None }));
}
