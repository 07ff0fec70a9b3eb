//! The same events as Segment's SDKs tell them: who and when, and nothing of visits or of a person. All that
//! is left open the collector asks of PostgreSQL.

use std::time::Instant;

use anyhow::{Context, ensure};
use contracts::validation::Draft;
use futures::stream::{self, StreamExt, TryStreamExt};
use ingest::source::draft;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{CLIENTS, Target};

/// What the collector should take at least on two cores.
pub(super) const LIMIT_PER_S: u32 = 25_000;
/// Messages of a request: what fits into the 500 KB that Segment allows.
const BATCH: usize = 500;
/// Each run begins with nobody known, and with no id of a message.
pub(super) const FORGET: &str =
    "truncate raw.event_identity, raw.visit, raw.visitor, raw.visitor_link, raw.other_events";

/// Whether each event is stored; the starts of visits, which nobody tells, are beside them.
pub(super) async fn are_stored(looking: &Client, events: u64) -> anyhow::Result<()> {
    let told = "select count(*) from raw.events where event_name <> 'session_start'";
    let stored: i64 = looking.query_one(told, &[]).await?.get(0);
    ensure!(u64::try_from(stored)? == events, "{stored} of {events} events of Segment's are stored");
    Ok(())
}

impl Target {
    /// Events a second over Segment's API.
    pub(super) async fn segment(&self, drafts: &[Draft]) -> anyhow::Result<f64> {
        let client = reqwest::Client::new();
        let url = format!("http://{}/v1/batch", self.http);
        let messages: Vec<Value> = drafts
            .iter()
            .zip(0..)
            .map(|(draft, number)| message(draft, number))
            .collect::<anyhow::Result<_>>()?;
        let sent_at = chrono::Utc::now();
        let body = |batch: &[Value]| json!({ "batch": batch, "sentAt": sent_at }).to_string();
        let bodies: Vec<String> = messages.chunks(BATCH).map(body).collect();
        let began = Instant::now();
        stream::iter(bodies)
            .map(|body| {
                let request = client.post(&url).basic_auth(&self.key, Some(""));
                let request = request.header("content-type", "application/json").body(body);
                async move {
                    request.send().await?.error_for_status()?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(CLIENTS)
            .try_collect::<()>()
            .await?;
        Ok(drafts.len() as f64 / began.elapsed().as_secs_f64())
    }
}

/// A message that tells an event, with what SDKs add to all of them. What the spec has no event for is a list
/// that was seen; a refund is a product that was removed, since it would wait for its order.
fn message(told: &Draft, number: u64) -> anyhow::Result<Value> {
    let event: Value = serde_json::from_slice(&draft::write(told))?;
    let name = event["event_name"].as_str().context("an event has a name")?;
    let event_name = match name {
        "view_item" => "Product Viewed",
        "add_to_cart" => "Product Added",
        "remove_from_cart" | "refund" => "Product Removed",
        "begin_checkout" => "Checkout Started",
        "add_payment_info" => "Payment Info Entered",
        "purchase" => "Order Completed",
        _ => "Product List Viewed",
    };
    let mut product = json!({
        "product_id": event["item_id"], "name": event["item_name"], "category": event["category"],
        "brand": event["brand"], "price": event["price"], "quantity": event["quantity"],
        "currency": event["currency"],
    });
    if name == "purchase" {
        let order_id = format!("{}-{}", event["order_id"].as_str().unwrap_or_default(), event["order_line"]);
        product = json!({ "order_id": order_id, "products": [product] });
    }
    Ok(json!({
        "type": "track", "messageId": format!("m-{number}"), "event": event_name, "properties": product,
        "userId": event["user_id"], "anonymousId": event["session_id"], "timestamp": event["occurred_at"],
        "context": {
            "library": { "name": "analytics-node", "version": "2.1.0" },
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
            "page": { "url": "https://shop.example/lamp", "referrer": "https://www.google.com/" },
        },
        "integrations": {}, "_metadata": { "nodeVersion": "20.0.0" },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_fits_into_a_request_of_segments() {
        let now = chrono::Utc::now();
        let event = contracts::Event::sample(now);
        let told = draft::read(
            json!({
                "event_id": event.event_id, "event_name": "purchase", "occurred_at": now,
                "user_id": event.user_id,
                "session_id": event.session_id, "item_id": "item-123", "item_name": "A lamp of some length",
                "category": "home", "brand": "Lumen", "price": "19.90", "currency": "EUR", "quantity": 2,
                "order_id": event.session_id, "order_line": 1, "order_lines": 1,
            })
            .to_string()
            .as_bytes(),
        );
        let message = message(&told.unwrap(), 99_999_999).unwrap();
        assert_eq!(message["properties"]["products"][0]["price"], "19.90");
        assert!(message.to_string().len() * BATCH < 500 * 1024, "{}", message.to_string().len());
    }
}
