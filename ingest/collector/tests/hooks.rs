//! Webhooks of Shopify and WooCommerce: signed, counted once, and right in the end whatever came first.

mod again;
mod amounts;
mod apart;
mod kept_out;
mod mutated;
mod no_products;
mod trashed;
mod unread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use collector::{CollectorConfig, Hooks, Limits};
use hmac::{Hmac, Mac};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::segment::{product, track};
use crate::support::{Collector, Scene, until};

const SECRET: &str = "a-secret-of-this-test";

fn signature(body: &[u8], secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// When the orders of these tests are made.
fn start() -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(9)
}

/// An order in the shape of Shopify's REST Admin API, with invented data.
fn shopify_order(id: u64, created_at: DateTime<Utc>) -> Value {
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "EUR" } });
    json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "name": "#1001", "test": false,
        "created_at": created_at, "updated_at": created_at, "processed_at": created_at, "cancelled_at": null,
        "currency": "EUR", "presentment_currency": "EUR", "taxes_included": true, "financial_status": "paid",
        "email": "ann@example.com", "browser_ip": "203.0.113.7", "checkout_token": "token",
        "customer": { "id": 207_119_551, "email": "ann@example.com", "first_name": "Ann" },
        "billing_address": { "country_code": "CH", "city": "Bern" }, "payment_gateway_names": ["bogus"],
        "total_price": "30.10", "total_shipping_price_set": money("4.90"),
        "line_items": [
            { "id": id * 10 + 1, "product_id": 632_910_392, "variant_id": 49_148_385, "sku": "UNO", "title": "Uno",
              "vendor": "Games", "price": "3.10", "quantity": 2, "current_quantity": 2,
              "discount_allocations": [{ "amount": "0.20", "discount_application_index": 0 }],
              "tax_lines": [{ "price": "0.40", "rate": 0.07, "title": "VAT" }] },
            { "id": id * 10 + 2, "product_id": 921_728_736, "variant_id": 808_950_810, "sku": "MONO",
              "title": "Monopoly", "vendor": "Games", "price": "19.00", "quantity": 1, "current_quantity": 1,
              "discount_allocations": [], "tax_lines": [] },
        ],
        "refunds": [],
    })
}

/// A refund of some units of a line, as Shopify computes its sum.
fn shopify_refund(
    order: &Value,
    id: u64,
    line: usize,
    units: i64,
    subtotal: &str,
    at: DateTime<Utc>,
) -> Value {
    let line = &order["line_items"][line];
    json!({
        "id": id, "order_id": order["id"], "created_at": at, "processed_at": at, "note": "wrong size",
        "refund_line_items": [{
            "id": id * 10, "line_item_id": line["id"], "quantity": units, "restock_type": "return",
            "subtotal": subtotal.parse::<f64>().unwrap(), "total_tax": 0.0,
            "subtotal_set": { "shop_money": { "amount": subtotal, "currency_code": "EUR" } },
            "line_item": line,
        }],
        "transactions": [], "order_adjustments": [],
    })
}

/// An order in the shape of WooCommerce's REST API, with invented data.
fn woo_order(id: u64, status: &str, created_at: DateTime<Utc>, modified_at: DateTime<Utc>) -> Value {
    let written = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S").to_string();
    json!({
        "id": id, "number": id.to_string(), "status": status, "currency": "EUR", "prices_include_tax": true,
        "date_created_gmt": written(created_at), "date_modified_gmt": written(modified_at), "customer_id": 0,
        "customer_ip_address": "203.0.113.7", "customer_user_agent": "Mozilla/5.0 (iPhone) Mobile Safari",
        "billing": { "first_name": "Ann", "email": "ann@example.com", "country": "CH" }, "shipping": { "country": "" },
        "payment_method": "bacs", "total": "30.10", "shipping_total": "4.90",
        "line_items": [
            { "id": 315, "name": "Uno", "product_id": 93, "variation_id": 0, "quantity": 2, "subtotal": "5.79",
              "total": "5.61", "total_tax": "0.39", "sku": "UNO", "price": 2.805 },
            { "id": 316, "name": "Monopoly", "product_id": 22, "variation_id": 23, "quantity": 1,
              "subtotal": "17.76", "total": "17.76", "total_tax": "1.24", "sku": "MONO", "price": 17.76 },
        ],
        "refunds": [],
    })
}

struct Shop {
    scene: Scene,
    collector: Collector,
}

/// A shop of each system, and a second one of WooCommerce.
const HOOKS: [(&str, &str); 3] = [("shop", "shopify"), ("woo", "woocommerce"), ("outlet", "woocommerce")];

impl Shop {
    async fn new() -> Self {
        let scene = Scene::on_warm_stack().await;
        let lines: Vec<String> =
            HOOKS.iter().map(|(name, system)| format!("{name} {system} {SECRET}")).collect();
        let hooks = Hooks::parse(&lines.join("\n")).unwrap();
        let config = CollectorConfig { hooks, ..scene.config(Limits::default()) };
        let collector = scene.collector_with(config).await;
        Self { scene, collector }
    }

    async fn post(&self, system: &str, topic: &str, body: &[u8], signature: Option<&str>) -> u16 {
        let name = if system == "shopify" { "shop" } else { "woo" };
        self.post_to(name, system, topic, body, signature).await
    }

    async fn post_to(
        &self,
        name: &str,
        system: &str,
        topic: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> u16 {
        let [of_signature, of_topic] = match system {
            "shopify" => ["x-shopify-hmac-sha256", "x-shopify-topic"],
            _ => ["x-wc-webhook-signature", "x-wc-webhook-topic"],
        };
        let mut request = self
            .scene
            .http
            .post(format!("http://{}/v1/hooks/{system}/{name}", self.collector.http))
            .header("content-type", "application/json")
            .header(of_topic, topic)
            .body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header(of_signature, signature);
        }
        request.send().await.unwrap().status().as_u16()
    }

    async fn tell(&self, system: &str, topic: &str, told: &Value) {
        let name = if system == "shopify" { "shop" } else { "woo" };
        self.tell_of(name, system, topic, told).await;
    }

    /// The same of a shop by its name.
    async fn tell_of(&self, name: &str, system: &str, topic: &str, told: &Value) {
        let body = told.to_string();
        let signature = signature(body.as_bytes(), SECRET);
        let status = self.post_to(name, system, topic, body.as_bytes(), Some(&signature)).await;
        assert_eq!(status, 200, "{told}");
    }

    /// Hundredths that are left of an order, and units by product that are sold less those paid back.
    async fn left(&self, order_id: u64) -> Vec<String> {
        let sign = "case event_name when 'refund' then -1 else 1 end";
        let sql = format!(
            "select concat_ws(' ', item_id, sum({sign} * quantity), sum({sign} * amount_base)) from raw.events
             where order_id in ('shop/{order_id}', 'woo/{order_id}') group by item_id having sum({sign} * amount_base) <> 0 order by item_id"
        );
        self.scene.texts(&sql).await
    }
}

const UNO: &str = "632910392";
const MONOPOLY: &str = "921728736";

#[tokio::test(flavor = "multi_thread")]
async fn only_what_its_secret_signed_comes_in() {
    let shop = Shop::new().await;
    let body = shopify_order(1, start()).to_string();
    let good = signature(body.as_bytes(), SECRET);
    for (signature, status) in [
        (None, 401),
        (Some("x"), 401),
        (Some(signature(body.as_bytes(), "another").as_str()), 401),
        (Some(&*good), 200),
    ] {
        assert_eq!(shop.post("shopify", "orders/create", body.as_bytes(), signature).await, status);
    }
    // Another body under the same signature, and another shop system.
    let forged = body.replace("3.10", "0.01");
    assert_eq!(shop.post("shopify", "orders/create", forged.as_bytes(), Some(&good)).await, 401);
    assert_eq!(shop.post("woocommerce", "order.created", b"{}", Some(&good)).await, 401);
    let address = format!("http://{}/v1/hooks/shopify/nobody", shop.collector.http);
    assert_eq!(shop.scene.http.post(address).body(body).send().await.unwrap().status().as_u16(), 401);
    until("they are counted", async || {
        let counted = shop
            .scene
            .texts(
                "select concat_ws(' ', cause, key_name, sum(requests)) from ops.collector_refusal
                    group by cause, key_name order by 1",
            )
            .await;
        let wrong = ["wrong_signature shop 3", "wrong_signature woo 1"];
        counted == ["no_signature shop 1", "unknown_hook 1", wrong[0], wrong[1]]
            || counted == ["no_signature shop 1", "unknown_hook  1", wrong[0], wrong[1]]
    })
    .await;
    assert_eq!(shop.left(1).await.len(), 2);
    // WooCommerce asks whether anybody is there.
    let ping = shop
        .scene
        .http
        .post(format!("http://{}/v1/hooks/woocommerce/woo", shop.collector.http))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("webhook_id=12");
    assert_eq!(ping.send().await.unwrap().status().as_u16(), 200);
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_limited_to_what_the_answer_says() {
    let shop = Shop::new().await;
    for (bytes, status) in [(4 << 20, 401), ((4 << 20) + 1, 413)] {
        let body = vec![b' '; bytes];
        assert_eq!(shop.post("shopify", "orders/create", &body, Some("wrong")).await, status, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_shopify_counts_once_and_its_refund_too() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(7, at);
    for topic in ["orders/create", "orders/create", "orders/paid"] {
        shop.tell("shopify", topic, &order).await;
    }
    // The page told it as well, by its own key.
    let products = [product(UNO, 3.0, 2), product(MONOPOLY, 19.0, 1)];
    let told = json!({ "order_id": "shop/7", "currency": "EUR", "products": products });
    shop.scene.batch(&shop.collector, &[track("m-1", "Order Completed", told)]).await;
    let lines = "select concat_ws(' ', event_name, order_line, order_lines, item_id, quantity, amount_base, country, payment_type)
                 from raw.events where order_id is not null order by event_name, order_line";
    let sold =
        [format!("purchase 1 2 {UNO} 2 6.00 CH bogus"), format!("purchase 2 2 {MONOPOLY} 1 19.00 CH bogus")];
    assert_eq!(shop.scene.texts(lines).await, sold);

    // One of two comes back. The refund and the order tell it, again and again.
    let refund = shopify_refund(&order, 509_562_969, 0, 1, "3.00", at + TimeDelta::minutes(2));
    order["line_items"][0]["current_quantity"] = 1.into();
    order["updated_at"] = json!(at + TimeDelta::minutes(2));
    order["refunds"] = json!([refund]);
    for _ in 0..2 {
        shop.tell("shopify", "refunds/create", &refund).await;
        shop.tell("shopify", "orders/updated", &order).await;
    }
    assert_eq!(shop.left(7).await, [format!("{UNO} 1 3.00"), format!("{MONOPOLY} 1 19.00")]);
    assert_eq!(shop.scene.count("select count(*) from raw.quarantine").await, 0);
    // Nothing that names a person leaves PostgreSQL's raw tables, and here not even they have it.
    let personal =
        "select count(*) from raw.events e where e::text like '%ann@%' or e::text like '%203.0.113%'";
    assert_eq!(shop.scene.count(personal).await, 0);
    assert_eq!(
        shop.scene.count("select count(*) from raw.other_events where payload like '%ann%'::bytea").await,
        0
    );
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

/// An order that is edited step by step: each as it is told, the last one as it is in the end.
fn edits(id: u64, at: DateTime<Utc>) -> Vec<Value> {
    let mut states = vec![shopify_order(id, at)];
    let mut next = |change: &dyn Fn(&mut Value)| {
        let mut state = states.last().unwrap().clone();
        state["updated_at"] = json!(at + TimeDelta::minutes(states.len() as i64));
        change(&mut state);
        states.push(state);
    };
    // One unit of the first line is taken away, without a refund; two of a third product are added.
    next(&|state| state["line_items"][0]["current_quantity"] = 1.into());
    next(&|state| {
        let added = json!({ "id": id * 10 + 3, "product_id": 7, "title": "Chess", "vendor": "Games", "price": "12.50",
                            "quantity": 2, "current_quantity": 2, "discount_allocations": [] });
        state["line_items"].as_array_mut().unwrap().push(added);
    });
    // The second one comes back by a refund; the third is one more.
    next(&|state| {
        let refund = shopify_refund(state, id, 1, 1, "19.00", at + TimeDelta::minutes(3));
        state["line_items"][1]["current_quantity"] = 0.into();
        state["refunds"] = json!([refund]);
    });
    next(&|state| {
        state["line_items"][2]["quantity"] = 3.into();
        state["line_items"][2]["current_quantity"] = 3.into();
    });
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_order_is_right_in_the_end_in_whatever_order_it_is_told() {
    let (shop, at) = (Shop::new().await, start());
    let mut rng = StdRng::seed_from_u64(7);
    for id in 1..=24 {
        let states = edits(id, at);
        let mut told: Vec<&Value> = states.iter().chain(&states).collect();
        if id > 1 {
            told.shuffle(&mut rng);
        }
        for state in told {
            shop.tell("shopify", "orders/updated", state).await;
            if rng.random_ratio(1, 4) && !state["refunds"][0].is_null() {
                shop.tell("shopify", "refunds/create", &state["refunds"][0]).await;
            }
        }
        let left = shop.left(id).await;
        assert_eq!(left, [format!("{UNO} 1 3.00"), "7 3 37.50".to_owned()], "order {id}");
    }
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_of_shopify_comes_to_nothing_and_a_test_is_none() {
    let (shop, at) = (Shop::new().await, start());
    let mut order = shopify_order(3, at);
    shop.tell("shopify", "orders/create", &order).await;
    order["cancelled_at"] = json!(at + TimeDelta::minutes(1));
    order["updated_at"] = json!(at + TimeDelta::minutes(1));
    order["financial_status"] = "voided".into();
    shop.tell("shopify", "orders/cancelled", &order).await;
    shop.tell("shopify", "orders/updated", &order).await;
    assert_eq!(shop.left(3).await, Vec::<String>::new());
    assert_eq!(shop.scene.count("select count(*) from raw.events").await, 4);
    let mut test = shopify_order(4, at);
    test["test"] = true.into();
    shop.tell("shopify", "orders/create", &test).await;
    assert_eq!(shop.scene.count("select count(*) from raw.events where order_id = 'shop/4'").await, 0);
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_woocommerce_counts_once_it_is_paid_and_follows_its_edits() {
    let (shop, at) = (Shop::new().await, start());
    let later = |minutes| at + TimeDelta::minutes(minutes);
    // Created and paid in one second, and told the other way round.
    shop.tell("woocommerce", "order.updated", &woo_order(9, "processing", at, at)).await;
    shop.tell("woocommerce", "order.created", &woo_order(9, "pending", at, at)).await;
    assert_eq!(shop.left(9).await, ["22 1 19.00", "93 2 6.00"]);
    let first =
        "select concat_ws(' ', order_line, item_id, device, country) from raw.events order by order_line";
    assert_eq!(shop.scene.texts(first).await, ["1 93 mobile CH", "2 22 mobile CH"]);
    // One unit less, and the second line is gone; then there is another one.
    let mut edited = woo_order(9, "processing", at, later(1));
    edited["line_items"].as_array_mut().unwrap().remove(1);
    edited["line_items"][0]["quantity"] = 1.into();
    edited["line_items"][0]["total"] = "2.80".into();
    edited["line_items"][0]["total_tax"] = "0.20".into();
    shop.tell("woocommerce", "order.updated", &edited).await;
    assert_eq!(shop.left(9).await, ["93 1 3.00"]);
    let added = json!({ "id": 400, "name": "Chess", "product_id": 7, "quantity": 1, "total": "12.00",
                        "total_tax": "0.50" });
    edited["line_items"].as_array_mut().unwrap().push(added);
    edited["date_modified_gmt"] = woo_order(9, "", at, later(2))["date_modified_gmt"].clone();
    shop.tell("woocommerce", "order.updated", &edited).await;
    // What is older is ignored.
    shop.tell("woocommerce", "order.updated", &woo_order(9, "processing", at, at)).await;
    assert_eq!(shop.left(9).await, ["7 1 12.50", "93 1 3.00"]);
    // A sum comes back, and then the rest, with the shipping.
    for (minutes, refunds) in [
        (3, json!([{ "id": 726, "reason": "", "total": "-3.10" }])),
        (4, json!([{ "id": 727, "total": "-17.30" }, { "id": 726, "reason": "", "total": "-3.10" }])),
    ] {
        edited["refunds"] = refunds;
        edited["date_modified_gmt"] = woo_order(9, "", at, later(minutes))["date_modified_gmt"].clone();
        for _ in 0..2 {
            shop.tell("woocommerce", "order.updated", &edited).await;
        }
        let money =
            "select (100 * sum(case event_name when 'refund' then -amount_base else amount_base end))::bigint
                     from raw.events";
        assert_eq!(shop.scene.count(money).await, if minutes == 3 { 1_240 } else { 0 });
    }
    // One that was never paid, and one that failed after a page had told it.
    shop.tell("woocommerce", "order.created", &woo_order(10, "pending", at, at)).await;
    let told = json!({ "order_id": "woo/11", "currency": "EUR", "products": [product("93", 3.0, 2)] });
    shop.scene.batch(&shop.collector, &[track("m-1", "Order Completed", told)]).await;
    shop.tell("woocommerce", "order.created", &woo_order(11, "failed", at, Utc::now())).await;
    for never in [10, 11] {
        assert_eq!(shop.left(never).await, Vec::<String>::new(), "{never}");
    }
    assert_eq!(shop.scene.texts("select detail from raw.quarantine").await, Vec::<String>::new());
    shop.scene.ledger().await;
    shop.collector.stop().await.unwrap();
}
