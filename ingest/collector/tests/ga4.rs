//! GA4's Measurement Protocol, over HTTP into PostgreSQL: what is stored, what is set aside, and what a
//! client hears.

mod mutated;

use collector::keys::new_browser_key;
use futures::StreamExt;
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::store::{Filter, Store};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Collector, Scene};
use mutated::mutated;
pub(crate) use mutated::mutations;

/// Requests at a time.
const AT_ONCE: usize = 40;

/// An address as Google has it.
fn url(collector: &Collector, path: &str, key: &str) -> String {
    format!("http://{}{path}?measurement_id=G-TEST&api_secret={key}", collector.http)
}

async fn send(scene: &Scene, collector: &Collector, body: &Value) -> u16 {
    let request = scene.http.post(url(collector, "/mp/collect", &scene.key.key)).body(body.to_string());
    request.send().await.unwrap().status().as_u16()
}

async fn validated(scene: &Scene, collector: &Collector, body: String) -> (u16, Vec<(String, String)>) {
    let request = scene.http.post(url(collector, "/debug/mp/collect", &scene.key.key)).body(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    let messages = answer["validationMessages"].as_array().unwrap().iter();
    (status, messages.map(|message| (text(message, "fieldPath"), text(message, "validationCode"))).collect())
}

fn micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn purchase(order: &str) -> Value {
    json!({ "name": "purchase", "params": {
        "transaction_id": order, "currency": "CHF", "value": 1, "tax": 3.1, "shipping": 7, "session_id": "s-1",
        "items": [
            { "item_id": "lamp", "item_name": "Lamp", "item_category": "Home", "price": 19.90, "quantity": 2 },
            { "item_id": "bulb", "item_name": "Bulb", "item_brand": "Lumen", "price": 4.5 },
        ],
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_stored_and_its_repetition_is_not() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let body = json!({
        "client_id": "123.456", "user_id": "ann@example.com", "timestamp_micros": micros(),
        "non_personalized_ads": true, "user_properties": { "tier": { "value": "gold" } },
        "user_location": { "city": "Basel", "country_id": "CH" }, "device": { "category": "mobile" },
        "events": [
            { "name": "view_item_list", "params": { "session_id": "s-1", "items": [{ "item_id": "lamp" }] } },
            { "name": "add_payment_info", "params": { "session_id": "s-1", "payment_type": "Credit Card" } },
            purchase("T-1"),
        ],
    });
    assert_eq!(send(&scene, &collector, &body).await, 204);
    let sql = "select event_name, item_id, price::text, quantity, order_id, order_line, order_lines, category, country, city,
                      device, payment_type, count(*) over (partition by user_id, session_id)
               from raw.events where event_name <> 'session_start' order by occurred_at, event_name, order_line";
    let rows = scene.client.query(sql, &[]).await.unwrap();
    let text = |row: usize, column: usize| rows[row].get::<_, Option<String>>(column);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!((text(0, 0), text(0, 11)), (some("add_payment_info"), some("Credit Card")));
    assert_eq!([1, 2, 4, 7].map(|c| text(1, c)), [some("lamp"), some("19.90"), some("T-1"), some("Home")]);
    assert_eq!([1, 2, 4, 7].map(|c| text(2, c)), [some("bulb"), some("4.50"), some("T-1"), some("unknown")]);
    assert_eq!((text(3, 0), text(3, 1)), (some("view_item_list"), None));
    for (row, told) in rows.iter().enumerate() {
        assert_eq!([8, 9, 10].map(|c| text(row, c)), [some("CH"), some("Basel"), some("mobile")]);
        assert_eq!(told.get::<_, i64>(12), 4, "they are of one visitor and one visit");
    }
    let lines = [1, 2].map(|row: usize| (rows[row].get(5), rows[row].get(6), rows[row].get(3)));
    assert_eq!(lines, [(Some(1), Some(2), Some(2)), (Some(2), Some(2), Some(1))]);
    assert_eq!(scene.ledger().await, [5, 5, 0, 0]);
    assert_eq!(send(&scene, &collector, &body).await, 204);
    assert_eq!(scene.ledger().await, [9, 5, 4, 0]);

    // What has no place in the figures is kept as it came, once.
    let login = json!({ "client_id": "123.456", "timestamp_micros": micros(),
                        "events": [{ "name": "login", "params": { "method": "password" } }] });
    for _ in 0..2 {
        assert_eq!(send(&scene, &collector, &login).await, 204);
    }
    let kept = "select count(*) from raw.other_events where dialect = 'ga4' and name = 'login'
                and convert_from(payload, 'UTF8')::jsonb -> 'params' ->> 'method' = 'password'";
    assert_eq!(scene.count(kept).await, 1);

    // The browser tells the same order by our own API, and under another key.
    let browsers = json!({
        "event_name": "purchase", "occurred_at": chrono::Utc::now(), "anonymous_id": "b-1", "item_id": "lamp",
        "item_name": "Lamp", "category": "Home", "price": "19.90", "currency": "CHF", "quantity": 2,
        "order_id": "T-1", "order_line": 1, "order_lines": 2,
    });
    let (_, answer) = scene.post(&collector, &[browsers]).await;
    assert_eq!(answer["repeated"], 1, "{answer}");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_in_quarantine_and_can_be_replayed() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let no_currency = {
        let mut purchase = purchase("T-2");
        purchase["params"]["currency"] = Value::Null;
        purchase
    };
    let body = json!({ "client_id": "1.2", "events": [no_currency, { "name": "view_item" }, 7] });
    assert_eq!(send(&scene, &collector, &body).await, 204);
    assert_eq!(scene.ledger().await, [4, 0, 0, 4]);
    let sql = "select detail from raw.quarantine order by detail";
    let details: Vec<String> =
        scene.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let begins = [
        "events.params.currency: is missing",
        "events.params.currency: is missing",
        "events.params.items: a view_item is about items",
        "events: the event is no object",
    ];
    for begin in begins {
        assert!(details.iter().any(|detail| detail.starts_with(begin)), "{begin}: {details:?}");
    }
    // A body that is none of the protocol is kept, too: its sender would hear nothing of it.
    for body in ["no json", "[]", "{}"] {
        let request = scene.http.post(url(&collector, "/mp/collect", &scene.key.key)).body(body);
        assert_eq!(request.send().await.unwrap().status(), 204, "{body}");
    }
    assert_eq!(scene.ledger().await, [7, 0, 0, 7]);
    let kept = "select count(*) from raw.quarantine where convert_from(payload, 'UTF8') like '%no json%'";
    assert_eq!(scene.count(kept).await, 1);

    // Judged again by the same rules they stay; with the currency the lines come in.
    let cured = "update raw.quarantine set payload = convert_to(
                     (convert_from(payload, 'UTF8')::jsonb || '{\"currency\": \"CHF\"}')::text, 'UTF8')
                 where detail like 'events.params.currency%'";
    assert_eq!(scene.client.execute(cured, &[]).await.unwrap(), 2);
    let mut store = Store::connect(&scene.url).await.unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates: ingest::rates::built_in() };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    let replayed =
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!((replayed.accepted, replayed.judged), (2, 7), "{replayed:?}");
    assert_eq!(scene.count("select count(*) from raw.events where order_id = 'T-2'").await, 2);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_sizes_are_refused_as_documented() {
    let scene = Scene::new().await;
    let shop = new_browser_key("shop", None, &["https://shop.example".parse().unwrap()]).unwrap();
    let collector = scene.collector_for(&[&scene.key, &shop]).await;
    let event = || json!({ "client_id": "a", "events": [{ "name": "session_start" }] }).to_string();
    let post = |key: &str, body: String| scene.http.post(url(&collector, "/mp/collect", key)).body(body);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(post("storepulse_wrong", event())).await, 401);
    assert_eq!(
        status(scene.http.post(format!("http://{}/mp/collect", collector.http)).body(event())).await,
        401
    );
    assert_eq!(status(post(&scene.key.key, " ".repeat(130 * 1024 + 1))).await, 413);
    let many = json!({ "client_id": "a", "events": vec![json!({ "name": "login" }); 26] });
    assert_eq!(status(post(&scene.key.key, many.to_string())).await, 413);
    assert_eq!(status(post(&shop.key, event())).await, 403);
    assert_eq!(scene.ledger().await, [0; 4]);
    let page = post(&shop.key, event()).header("origin", "https://shop.example").send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers().contains_key("access-control-allow-origin")),
        (204, true)
    );
    assert_eq!(scene.ledger().await, [1, 1, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_validation_server_finds_what_would_be_refused_and_stores_nothing() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let told = |path: &str, code: &str| (path.to_owned(), code.to_owned());
    let good = json!({ "client_id": "a", "events": [purchase("T-3")] }).to_string();
    assert_eq!(validated(&scene, &collector, good).await, (200, vec![]));
    let bad = json!({ "client_id": "a", "events": [
        { "name": "_badEventName" },
        { "name": "view_item", "params": { "items": [{ "item_id": "lamp", "price": "x" }] } },
    ] });
    let expected = [told("events", "NAME_INVALID"), told("events.params.items.price", "VALUE_INVALID")];
    assert_eq!(validated(&scene, &collector, bad.to_string()).await, (200, expected.to_vec()));
    let many = json!({ "client_id": "a", "events": vec![json!({ "name": "login" }); 26] }).to_string();
    assert_eq!(validated(&scene, &collector, many).await.1, [told("events", "EXCEEDED_MAX_ENTITIES")]);
    assert_eq!(validated(&scene, &collector, "{".into()).await.0, 200);
    assert_eq!(scene.ledger().await, [0; 4]);
    let wrong =
        scene.http.post(url(&collector, "/debug/mp/collect", "storepulse_wrong")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_last_month_is_stored_with_its_time() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let at = micros() - 30 * 86_400_000_000;
    let body = json!({ "client_id": "a", "events": [{ "name": "session_start", "timestamp_micros": at }] });
    assert_eq!(send(&scene, &collector, &body).await, 204);
    let sql =
        format!("select count(*) from raw.events where occurred_at = to_timestamp({at}::numeric / 1000000)");
    assert_eq!(scene.count(&sql).await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_is_answered_and_none_of_it_is_lost() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut rng = StdRng::seed_from_u64(5);
    let count = mutations(400);
    let requests = (0..count).map(|number| {
        let path = if number % 4 == 0 { "/debug/mp/collect" } else { "/mp/collect" };
        let body = mutated(&mut rng);
        let expected = match path {
            _ if body.len() > 130 * 1024 => 413,
            "/mp/collect" => 204,
            _ => 200,
        };
        let shown = String::from_utf8_lossy(&body).into_owned();
        let request = scene.http.post(url(&collector, path, &scene.key.key)).body(body);
        async move { (request.send().await.unwrap().status().as_u16(), expected, shown) }
    });
    let mut answers = futures::stream::iter(requests).buffer_unordered(AT_ONCE);
    let mut answered = 0;
    while let Some((status, expected, shown)) = answers.next().await {
        assert_eq!(status, expected, "{shown}");
        answered += 1;
    }
    assert_eq!(answered, count);
    drop(answers);
    let [read, _, _, refused] = scene.ledger().await;
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    collector.stop().await.unwrap();
}
