//! What must not come in by a webhook: orders from before the retention floor, erased persons, and IP
//! addresses.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SECRET, Shop, shopify_order, shopify_refund, signature, start, woo_order};

const EVENTS: &str = "select count(*) from raw.events";
const REASONS: &str = "select reason from raw.quarantine order by reason";

async fn raise_floor(shop: &Shop, to: DateTime<Utc>) {
    let mut client = provision::connect(&shop.scene.url).await.unwrap();
    provision::retention::raise_floor(&mut client, to).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_before_the_floor_is_refused_and_pays_nothing_back_today() {
    let shop = Shop::new().await;
    let bought_at = Utc::now() - TimeDelta::days(40);
    // One that is known, and one that was never told before.
    shop.tell("shopify", "orders/create", &shopify_order(1, bought_at)).await;
    let before = shop.scene.count(EVENTS).await;
    raise_floor(&shop, Utc::now() - TimeDelta::days(30)).await;
    for id in [1, 2] {
        let mut order = shopify_order(id, bought_at);
        let refund = shopify_refund(&order, 10 + id, 1, 1, "19.00", Utc::now());
        shop.tell("shopify", "refunds/create", &refund).await;
        order["updated_at"] = json!(Utc::now());
        order["refunds"] = json!([refund]);
        order["line_items"][1]["current_quantity"] = 0.into();
        for _ in 0..2 {
            shop.tell("shopify", "orders/updated", &order).await;
        }
    }
    let mut cancelled = woo_order(3, "cancelled", bought_at, Utc::now());
    shop.tell("woocommerce", "order.updated", &cancelled).await;
    cancelled["status"] = "refunded".into();
    cancelled["refunds"] = json!([{ "id": 1, "total": "-30.10" }]);
    shop.tell("woocommerce", "order.updated", &cancelled).await;
    assert_eq!(shop.scene.count(EVENTS).await, before, "nothing is booked");
    // Of the second order a refund alone does not tell when it was bought.
    let reasons =
        ["before_floor", "before_floor", "before_floor", "before_floor", "before_floor", "unknown_order"];
    assert_eq!(shop.scene.texts(REASONS).await, reasons);
    let kept = "select count(*) from raw.quarantine where reason = 'before_floor' and payload is not null";
    assert_eq!(shop.scene.count(kept).await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// Records that a person is erased, which is the first thing that `storepulse erase` does.
async fn begin_to_erase(shop: &Shop, user: &Uuid) {
    let mut client = provision::connect(&shop.scene.url).await.unwrap();
    let key = provision::erasure::key(&client).await.unwrap();
    provision::erasure::record(&mut client, &[contracts::admission::user_hash(&key, user)]).await.unwrap();
}

/// Erases a person as far as `storepulse erase` does it in these tables.
async fn erase(shop: &Shop, user: &Uuid) {
    begin_to_erase(shop, user).await;
    let client = provision::connect(&shop.scene.url).await.unwrap();
    let sql = "with nobody as materialized (select raw.nobody() as id, gen_random_uuid() as session)
               update raw.events set user_id = nobody.id, session_id = nobody.session from nobody where user_id = $1";
    client.execute(sql, &[user]).await.unwrap();
    for sql in
        ["delete from raw.visit where visitor_id = $1", "delete from raw.visitor where visitor_id = $1"]
    {
        client.execute(sql, &[user]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_on_after_its_person_was_erased_and_belongs_to_nobody() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(7, at);
    shop.tell("shopify", "orders/create", &order).await;
    let user: Uuid =
        shop.scene.client.query_one("select distinct user_id from raw.events", &[]).await.unwrap().get(0);
    erase(&shop, &user).await;
    let refund = shopify_refund(&order, 5, 1, 1, "19.00", at + TimeDelta::minutes(1));
    order["refunds"] = json!([refund]);
    order["line_items"][1]["current_quantity"] = 0.into();
    let added = json!({ "id": 73, "product_id": 7, "title": "Chess", "vendor": "Games", "price": "12.50",
                        "quantity": 1, "current_quantity": 1, "discount_allocations": [] });
    order["line_items"].as_array_mut().unwrap().push(added);
    order["updated_at"] = json!(at + TimeDelta::minutes(1));
    for _ in 0..2 {
        shop.tell("shopify", "orders/updated", &order).await;
    }
    shop.tell("shopify", "refunds/create", &refund).await;
    let lines = "select concat_ws(' ', event_name, order_line, amount_base) from raw.events
                 where order_id is not null order by event_name, order_line";
    let wanted = ["purchase 1 6.00", "purchase 2 19.00", "purchase 3 12.50", "refund 2 19.00"];
    assert_eq!(shop.scene.texts(lines).await, wanted);
    assert_eq!(shop.scene.texts(REASONS).await, Vec::<String>::new());
    // All of it is one nobody's, in one visit.
    let nobodies = "select count(distinct (user_id, session_id)) from raw.events
                    where order_id is not null and user_id::text like '6e6f626f-6479-%'";
    assert_eq!(shop.scene.count(nobodies).await, 1);
    // Another order of the person stays out, once for each state of it, and nothing is known of it.
    let other = shopify_order(8, at);
    for _ in 0..2 {
        shop.tell("shopify", "orders/create", &other).await;
    }
    assert_eq!(shop.scene.texts(REASONS).await, ["erased"]);
    assert_eq!(shop.scene.count("select count(*) from raw.quarantine where payload is not null").await, 0);
    assert_eq!(shop.scene.count("select count(*) from raw.shop_order").await, 1);
    let back = format!(
        "select (select count(*) from raw.events where user_id = '{user}')
              + (select count(*) from raw.visitor where visitor_id = '{user}')
              + (select count(*) from raw.visitor_link where user_id = '{user}')"
    );
    assert_eq!(shop.scene.count(&back).await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// Whose the orders' events are.
const OWNERS: &str = "select concat_ws(' ', event_name, user_id, amount_base) from raw.events
                      where order_id is not null order by event_name, order_line";

/// Whose all events of orders are.
async fn owner(shop: &Shop) -> Uuid {
    let owner = "select distinct user_id from raw.events where order_id is not null";
    shop.scene.client.query_one(owner, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_alone_is_its_orders_owners() {
    for is_erased in [true, false] {
        let (shop, at) = (Shop::new().await, start());
        let order = shopify_order(7, at);
        shop.tell("shopify", "orders/create", &order).await;
        let user = owner(&shop).await;
        if is_erased {
            erase(&shop, &user).await;
        }
        let refund = shopify_refund(&order, 5, 1, 1, "19.00", at + TimeDelta::minutes(1));
        for _ in 0..2 {
            shop.tell("shopify", "refunds/create", &refund).await;
        }
        assert_eq!(shop.scene.count("select count(*) from raw.events where event_name = 'refund'").await, 1);
        assert_eq!(owner(&shop).await == user, !is_erased);
        assert_eq!(shop.scene.texts(REASONS).await, Vec::<String>::new());
        shop.scene.ledger().await;
        shop.collector.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_of_an_order_while_its_person_is_erased_counts_for_nobody() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(7, at);
    shop.tell("shopify", "orders/create", &order).await;
    let user = owner(&shop).await;
    begin_to_erase(&shop, &user).await;
    let refund = shopify_refund(&order, 5, 1, 1, "19.00", at + TimeDelta::minutes(1));
    order["refunds"] = json!([refund]);
    order["line_items"][1]["current_quantity"] = 0.into();
    order["updated_at"] = json!(at + TimeDelta::minutes(1));
    for _ in 0..2 {
        shop.tell("shopify", "orders/updated", &order).await;
        shop.tell("shopify", "refunds/create", &refund).await;
    }
    let owners = shop.scene.texts(OWNERS).await;
    let [first, second, refund] = &owners[..] else { panic!("{owners:?}") };
    assert_eq!([first, second], [&format!("purchase {user} 6.00"), &format!("purchase {user} 19.00")]);
    assert!(refund.starts_with("refund 6e6f626f-6479-8") && refund.ends_with(" 19.00"), "{refund}");
    // What is new of the person stays out.
    shop.tell("shopify", "orders/create", &shopify_order(8, at)).await;
    assert_eq!(shop.scene.texts(REASONS).await, ["erased"]);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_cannot_be_read_is_kept_without_addresses_and_says_so() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(7, at);
    order["created_at"] = Value::Null;
    order["client_details"] = json!({ "browser_ip": "203.0.113.8", "user_agent": "Mozilla/5.0" });
    shop.tell("shopify", "orders/create", &order).await;
    let mut woo = woo_order(9, "processing", at, at);
    woo["date_created_gmt"] = "yesterday".into();
    woo["meta_data"] = json!([{ "key": "_origin", "value": "203.0.113.9" }]);
    shop.tell("woocommerce", "order.created", &woo).await;
    // What is no JSON, and breaks off within an address.
    let half = br#"{"id":11,"browser_ip":"203.0.113"#;
    let status = shop.post("shopify", "orders/create", half, Some(&signature(half, SECRET))).await;
    assert_eq!(status, 200);
    assert_eq!(shop.scene.count("select count(*) from raw.quarantine").await, 3);
    let kept = "select convert_from(payload, 'utf8') from raw.quarantine";
    for kept in shop.scene.texts(kept).await {
        assert!(kept.contains("delivery") && !kept.contains("203.0.113"), "{kept}");
    }
    let details = shop.scene.texts("select detail from raw.quarantine order by detail").await;
    let removed = |name: &str| details.iter().filter(|detail| detail.contains(name)).count();
    assert_eq!([removed("kept without"), removed("browser_ip"), removed("customer_ip_address")], [3, 2, 1]);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
