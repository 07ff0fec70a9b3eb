//! Webhooks of two shops through the whole line: what they told stands in Cassandra once, in whatever order
//! it came.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Collector, Line, Sent, on_shared_stack};

const SECRETS: [&str; 2] = ["shopify-of-this-test", "woo-of-this-test"];

/// A collector of webhooks.
struct Hooks(Collector);

impl Hooks {
    async fn start(line: &Line) -> Self {
        let [shopify, woo] = SECRETS;
        let hooks = line.file("webhooks", &format!("shop shopify {shopify}\noutlet woocommerce {woo}\n"));
        std::fs::set_permissions(&hooks, Permissions::from_mode(0o600)).unwrap();
        let keys = line.file("keys", &line.run("collect key web").await.succeeded().out);
        Self(Collector::start(line, &keys, &format!("--webhooks {hooks}")).await)
    }

    /// Posts a delivery as a shop does; the status of the answer.
    async fn post(&self, system: &str, topic: &str, told: &Value, secret: &str) -> u16 {
        let (name, of_signature, of_topic) = match system {
            "shopify" => ("shop", "X-Shopify-Hmac-Sha256", "X-Shopify-Topic"),
            _ => ("outlet", "X-WC-Webhook-Signature", "X-WC-Webhook-Topic"),
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(told.to_string().as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let headers = [(of_signature, signature.as_str()), (of_topic, topic)];
        self.0.post(&format!("/v1/hooks/{system}/{name}"), &headers, told).await.0
    }

    async fn shopify(&self, topic: &str, told: &Value) {
        assert_eq!(self.post("shopify", topic, told, SECRETS[0]).await, 200, "{told}");
    }

    async fn woo(&self, told: &Value) {
        assert_eq!(self.post("woocommerce", "order.updated", told, SECRETS[1]).await, 200, "{told}");
    }
}

/// Two lines of one product: 2 × 3.10 less 0.20, and 19.00.
fn shopify_order(id: u64, at: DateTime<Utc>) -> Value {
    let line = |line: u64, price: &str, quantity: i64, discount: &str| {
        json!({ "id": id * 10 + line, "product_id": 7, "variant_id": line, "title": "Uno", "vendor": "Games",
                "price": price, "quantity": quantity, "current_quantity": quantity,
                "discount_allocations": [{ "amount": discount }] })
    };
    json!({
        "id": id, "test": false, "created_at": at, "updated_at": at, "cancelled_at": null, "currency": "EUR",
        "customer": { "id": 5 }, "browser_ip": "203.0.113.7", "billing_address": { "country_code": "CH" },
        "line_items": [line(1, "3.10", 2, "0.20"), line(2, "19.00", 1, "0.00")], "refunds": [],
    })
}

/// A refund of units of one of its lines.
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
        "id": id, "order_id": order["id"], "created_at": at,
        "refund_line_items": [{
            "id": id * 10, "line_item_id": line["id"], "quantity": units, "subtotal": subtotal, "line_item": line,
            "subtotal_set": { "shop_money": { "amount": subtotal, "currency_code": "EUR" } },
        }],
    })
}

/// Two lines without tax, of 10.00 and 20.00; 4.90 are for shipping.
fn woo_order(id: u64, status: &str, at: DateTime<Utc>, minutes: i64) -> Value {
    let written = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S").to_string();
    let line = |id: u64, quantity: i64, total: &str| json!({ "id": id, "name": "Chess", "product_id": id, "quantity": quantity, "total": total, "total_tax": "0.00" });
    json!({
        "id": id, "status": status, "currency": "EUR", "prices_include_tax": true, "customer_id": 5,
        "date_created_gmt": written(at), "date_modified_gmt": written(at + TimeDelta::minutes(minutes)),
        "billing": { "country": "DE" }, "total": "34.90", "shipping_total": "4.90",
        "line_items": [line(1, 1, "10.00"), line(2, 1, "20.00")], "refunds": [],
    })
}

/// What the first shop tells: an order of which a unit comes back, and one that comes back as a whole.
async fn tell_shopify(hooks: &Hooks, at: DateTime<Utc>) {
    let later = |minutes| at + TimeDelta::minutes(minutes);
    let created = shopify_order(1001, at);
    let refund = shopify_refund(&created, 1, 0, 1, "3.00", later(1));
    let mut updated = created.clone();
    updated["line_items"][0]["current_quantity"] = 1.into();
    updated["updated_at"] = json!(later(1));
    updated["refunds"] = json!([refund]);
    for _ in 0..2 {
        hooks.shopify("orders/create", &created).await;
        hooks.shopify("refunds/create", &refund).await;
        hooks.shopify("orders/updated", &updated).await;
    }
    // The newest comes first.
    let created = shopify_order(1002, at);
    let mut cancelled = created.clone();
    let back = [(0, 2, "6.00"), (1, 1, "19.00")];
    let refunds = (2..)
        .zip(back)
        .map(|(id, (line, units, sum))| shopify_refund(&created, id, line, units, sum, later(2)));
    cancelled["refunds"] = refunds.collect();
    for line in 0..2 {
        cancelled["line_items"][line]["current_quantity"] = 0.into();
    }
    cancelled["cancelled_at"] = json!(later(2));
    cancelled["updated_at"] = json!(later(2));
    for (topic, told) in
        [("orders/cancelled", &cancelled), ("orders/create", &created), ("orders/updated", &cancelled)]
    {
        hooks.shopify(topic, told).await;
    }
}

/// What the other one tells, with the same numbers: an order that grows and of which a sum comes back, and
/// one that comes back as a whole, with what its shipping cost.
async fn tell_woo(hooks: &Hooks, at: DateTime<Utc>) {
    let mut grown = woo_order(1001, "processing", at, 2);
    grown["line_items"][0]["quantity"] = 2.into();
    grown["line_items"][0]["total"] = "20.00".into();
    grown["total"] = "44.90".into();
    let mut partly = grown.clone();
    partly["date_modified_gmt"] = woo_order(1, "", at, 3)["date_modified_gmt"].clone();
    partly["refunds"] = json!([{ "id": 8, "total": "-5.00" }, { "id": 9, "total": "-4.90" }]);
    for told in
        [&woo_order(1001, "pending", at, 0), &grown, &woo_order(1001, "processing", at, 1), &partly, &grown]
    {
        hooks.woo(told).await;
        hooks.woo(told).await;
    }
    let mut whole = woo_order(1002, "refunded", at, 2);
    whole["refunds"] = json!([{ "id": 10, "total": "-34.90" }]);
    for told in [&woo_order(1002, "completed", at, 1), &whole, &whole, &woo_order(1002, "processing", at, 0)]
    {
        hooks.woo(told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_shops_tell_by_webhooks_is_in_the_tables_once() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let hooks = Hooks::start(line).await;
        let at = Utc::now() - TimeDelta::minutes(5);
        assert_eq!(hooks.post("shopify", "orders/create", &shopify_order(1, at), SECRETS[1]).await, 401);
        tokio::join!(tell_shopify(&hooks, at), tell_woo(&hooks, at));

        let left = "select concat_ws(' ', order_id, sum(case event_name when 'refund' then -amount_base else amount_base end))
                    from raw.events group by order_id order by order_id";
        let left: Vec<String> = line.pg.query(left, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(left, ["outlet/1001 35.00", "outlet/1002 0.00", "shop/1001 22.00", "shop/1002 0.00"]);
        assert_eq!(line.count("select count(*) from raw.quarantine").await, 0);
        let committed = line.count("select count(*) from raw.events").await;
        line.assert_verified(Sent { committed, ..Sent::default() }).await;
        line.run("ledger").await.succeeded();

        let session = provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap();
        let span = at - TimeDelta::minutes(15)..Utc::now() + TimeDelta::minutes(1);
        let totals = audit::figures::read(&session, &line.endpoints.namespace, span, 10).await.unwrap().totals;
        assert_eq!(totals.orders, 4);
        let money = [totals.gross, totals.refunds, totals.net].map(|sum| sum.normalize());
        assert_eq!(money, [120, 63, 57].map(Decimal::from));
        hooks.0.process.stop().await.succeeded();
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
