use chrono::Utc;
use contracts::Reason;
use serde_json::{Value, json};

use super::*;
use crate::item::Item;
use crate::record::SenderRecord as _;

#[test]
fn a_signature_is_of_the_secret_and_of_every_byte() {
    let hooks = Hooks::parse("# two\nshop shopify hush-hush\n\nshop shopify hush-hush-2\n").unwrap();
    let [one, other] = hooks.of(System::Shopify, "shop")[..] else { panic!("{hooks:?}") };
    // By `printf '{}' | openssl dgst -sha256 -hmac hush-hush -binary | base64`.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush-hush").unwrap();
    mac.update(b"{}");
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    assert!(one.has_signed(&signature, b"{}") && !other.has_signed(&signature, b"{}"));
    assert!(!one.has_signed(&signature, b"{} ") && !one.has_signed("", b"{}") && !one.has_signed("é", b"{}"));
    assert!(hooks.of(System::Woocommerce, "shop").is_empty() && hooks.of(System::Shopify, "web").is_empty());
    assert!(!format!("{hooks:?}").contains("hush"));
}

#[test]
fn a_wrong_line_is_named_and_not_shown() {
    for bad in [
        "Shop shopify long-secret",
        "shop magento long-secret",
        "shop shopify short",
        "shop shopify",
        "a shopify long-secret x",
    ] {
        let error = Hooks::parse(&format!("#\n{bad}")).unwrap_err();
        assert!(
            matches!(error, HooksError::Line { line: 2, .. }) && !error.to_string().contains("long-secret")
        );
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    std::fs::write(&path, "shop shopify long-secret\n").unwrap();
    for (mode, is_refused) in [(0o644, true), (0o640, true), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(matches!(Hooks::open(&path), Err(HooksError::Open(_))), is_refused, "{mode:o}");
    }
}

#[test]
fn a_name_is_of_one_shop_system() {
    let error = Hooks::parse("shop shopify long-secret\nshop woocommerce long-secret").unwrap_err();
    assert!(matches!(error, HooksError::Line { line: 2, .. }), "{error}");
    let two =
        Hooks::parse("shop shopify long-secret\nshop shopify another-secret\nwoo woocommerce long-secret");
    assert_eq!(two.unwrap().of(System::Shopify, "shop").len(), 2);
}

fn told(system: System, topic: &str, order: &Value) -> Delivery {
    let head = Head { at: Utc::now(), shop: "shop", topic, id: None, triggered_at: None };
    system.translate(order.to_string().as_bytes(), &head)
}

/// An order as a shop system tells it, with one line that costs so much.
fn order(system: System, total: &str) -> Value {
    let line = match system {
        System::Shopify => json!({ "id": 1, "product_id": 7, "title": "x", "price": total, "quantity": 1 }),
        System::Woocommerce => {
            json!({ "id": 1, "product_id": 7, "name": "x", "total": total, "total_tax": "0", "quantity": 1 })
        }
    };
    let mut order = json!({ "id": 9, "currency": "EUR", "line_items": [line], "refunds": [] });
    for field in ["created_at", "date_created_gmt"] {
        order[field] = "2026-03-01T12:00:00Z".into();
    }
    order["status"] = "processing".into();
    order
}

/// A webhook may be told to leave fields out: an order without lines would be one of which nothing is sold.
#[test]
fn an_order_that_does_not_list_its_lines_is_refused_by_name() {
    let odd = [None, Some(Value::Null), Some(json!({})), Some(json!("[]"))];
    for (system, topic) in [(System::Shopify, "orders/updated"), (System::Woocommerce, "order.updated")] {
        let mut cases: Vec<(&str, Option<Value>)> =
            odd.iter().map(|value| ("line_items", value.clone())).collect();
        if system == System::Shopify {
            cases.extend([("refunds", Some(json!({}))), ("refunds", Some(json!("[]")))]);
        }
        for (field, value) in cases {
            let mut order = order(system, "1.00");
            match value {
                Some(value) => order[field] = value,
                None => _ = order.as_object_mut().unwrap().remove(field),
            }
            let delivery = told(system, topic, &order);
            assert!(delivery.order.is_none(), "{order}");
            let [Item::Records(records)] = &delivery.items[..] else { panic!("{delivery:?}") };
            let refused = records[0].draft().unwrap_err();
            assert_eq!((refused.reason, refused.field), (Reason::InvalidField, field));
        }
        for (field, value) in [("line_items", json!([])), ("refunds", json!([])), ("refunds", Value::Null)] {
            let mut order = order(system, "1.00");
            order[field] = value;
            assert!(told(system, topic, &order).order.is_some(), "{order}");
        }
    }
}

/// The first record of a line stays as it is, so that no replay sells it where it tells no sum.
#[test]
fn a_line_whose_sum_cannot_be_read_is_another_record_than_the_line_once_it_can() {
    for (system, topic) in [(System::Shopify, "orders/updated"), (System::Woocommerce, "order.updated")] {
        let known_by = |total: &str| {
            let told = told(system, topic, &order(system, total)).order.unwrap();
            let lines = told.lines.iter().map(|line| &line.purchase);
            let mut lines = lines.chain(told.unread.iter().map(|line| &line.purchase));
            lines.next().unwrap().known_by().unwrap().to_owned()
        };
        assert_eq!(known_by("1.00"), known_by("2.00"));
        assert_eq!(known_by("much"), known_by("more"));
        assert_ne!(known_by("much"), known_by("1.00"));
    }
}
