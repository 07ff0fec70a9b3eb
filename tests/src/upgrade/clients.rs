//! What clients of a shop send to the collector, before the upgrade and after.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{Collector, Line, Sent};

/// Visits of those who come after the upgrade.
pub(super) const NEW_VISITS: i64 = 2;

/// Nobody else lives here.
const CITY: &str = "Zürich-Wiedikon";

/// A shop with a key, which outlives the upgrade.
pub(super) struct Shop {
    /// The file of keys.
    pub(super) keys: String,
    key: String,
    /// When its first event happened.
    at: DateTime<Utc>,
}

impl Shop {
    /// Gives it a key.
    pub(super) async fn with_keys(line: &Line) -> Self {
        let made = line.run("collect key web").await.succeeded();
        let key = made.err.split_whitespace().last().unwrap().to_owned();
        Self { keys: line.file("keys", &made.out), key, at: Utc::now() }
    }

    /// Sends an event of the earlier kind, which tells all of the shopper and of the visit.
    pub(super) async fn tell(&self, line: &Line, collector: &Collector) -> Sent {
        self.judged(collector, &[self.of_the_earlier_kind()], ["accepted"]).await;
        self.assert_once(line).await;
        Sent { sent: 1, committed: 1, ..Sent::default() }
    }

    /// Sends it again, as a client does that has heard no answer.
    pub(super) async fn tell_again(&self, line: &Line, collector: &Collector) -> Sent {
        self.judged(collector, &[self.of_the_earlier_kind()], ["repeated"]).await;
        self.assert_once(line).await;
        Sent { sent: 1, repeated: 1, ..Sent::default() }
    }

    /// Sends what only the new version takes: events of which little is known, and those of Segment's SDKs.
    pub(super) async fn tell_of_strangers(&self, line: &Line, collector: &Collector) -> Sent {
        let at = Utc::now();
        let told = [("stranger-1", "session_start"), ("stranger-2", "begin_checkout")].map(|(id, name)| {
            json!({
                "source_id": id, "event_name": name, "occurred_at": at, "anonymous_id": "browser-1",
            })
        });
        self.judged(collector, &told, ["accepted", "accepted"]).await;

        let product = |id: &str, price: f64| {
            json!({
                "product_id": id, "name": id, "category": "Games", "price": price, "quantity": 1,
            })
        };
        let track = |id: &str, event: &str, properties: Value| {
            json!({
                "type": "track", "messageId": id, "timestamp": at, "anonymousId": "browser-2",
                "event": event, "properties": properties,
            })
        };
        let products = [product("uno", 3.1), product("chess", 19.0)];
        let order = json!({ "order_id": "o-1", "currency": "EUR", "products": products });
        let batch = json!({ "sentAt": at, "batch": [
            track("m-1", "Product Viewed", product("uno", 3.1)),
            track("m-2", "Order Completed", order),
        ] });
        let login = format!("Basic {}", STANDARD.encode(format!("{}:", self.key)));
        let answer = collector.post("/v1/batch", &[("Authorization", &login)], &batch).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        let names =
            "select string_agg(event_name, ' ' order by event_name) from raw.events where gender = 'unknown'";
        let names: String = line.pg.query_one(names, &[]).await.unwrap().get(0);
        // The start of the visit was inferred, and the order has two lines.
        assert_eq!(names, "begin_checkout purchase purchase session_start session_start view_item");
        Sent { sent: 6, committed: 6, ..Sent::default() }
    }

    /// Sends events and compares the verdicts.
    async fn judged<const N: usize>(&self, collector: &Collector, events: &[Value], verdicts: [&str; N]) {
        let bearer = format!("Bearer {}", self.key);
        let told = json!({ "events": events });
        let (status, said) = collector.post("/v1/events", &[("Authorization", &bearer)], &told).await;
        assert_eq!(status, 200, "{said}");
        let answer: Value = serde_json::from_str(&said).unwrap();
        let found: Vec<_> =
            answer["verdicts"].as_array().unwrap().iter().map(|one| one["verdict"].clone()).collect();
        assert_eq!(found, verdicts, "{answer}");
    }

    async fn assert_once(&self, line: &Line) {
        assert_eq!(line.count(&format!("select count(*) from raw.events where city = '{CITY}'")).await, 1);
    }

    /// All that was asked of an event before.
    fn of_the_earlier_kind(&self) -> Value {
        json!({
            "source_id": "visit-1-1", "event_name": "session_start", "occurred_at": self.at,
            "user_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11", "gender": "female", "age": 33,
            "country": "CH", "city": CITY, "latitude": 47.4, "longitude": 8.5,
            "session_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12", "session_started_at": self.at,
            "returning": false, "device": "mobile", "channel": "direct",
        })
    }
}
