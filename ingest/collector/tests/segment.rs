//! Segment's tracking API on a real PostgreSQL.

mod mutated;

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use collector::Limits;
use collector::segment::{Replayed, replay};
use contracts::ids;
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::clock::Clock;
use ingest::store::Store;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Collector, Scene};

const ADDRESS: &str = "203.0.113.77";

/// A message with what SDKs add to all of them.
pub(crate) fn message(kind: &str, id: &str, rest: Value) -> Value {
    let mut message = json!({
        "type": kind, "messageId": id, "timestamp": Utc::now(), "anonymousId": "browser-1",
        "context": { "ip": ADDRESS, "library": { "name": "test" }, "userAgent": "Mozilla/5.0" },
        "integrations": {},
    });
    let Value::Object(rest) = rest else { panic!("fields of a message are by name") };
    for (field, value) in rest {
        message[field] = value;
    }
    message
}

pub(crate) fn track(id: &str, event: &str, properties: Value) -> Value {
    let mut told = json!({ "event": event });
    told["properties"] = properties;
    message("track", id, told)
}

pub(crate) fn product(id: &str, price: f64, quantity: i32) -> Value {
    json!({ "product_id": id, "name": id.to_uppercase(), "category": "Games", "price": price, "quantity": quantity })
}

pub(crate) fn order(id: &str, order_id: &str) -> Value {
    let products = [product("uno", 3.10, 2), product("monopoly", 19.0, 1)];
    track(id, "Order Completed", json!({ "order_id": order_id, "currency": "CHF", "products": products }))
}

impl Scene {
    /// Posts as server-side SDKs do; status and answer.
    async fn segment(&self, to: &Collector, path: &str, body: &Value) -> (u16, Value) {
        let response = self
            .http
            .post(format!("http://{}{path}", to.http))
            .basic_auth(&self.key.key, Some(""))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn batch(&self, to: &Collector, messages: &[Value]) {
        let sent = self.segment(to, "/v1/batch", &json!({ "batch": messages, "sentAt": Utc::now() })).await;
        assert_eq!(sent, (200, json!({ "success": true })));
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_counts_once_however_often_it_is_sent() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let batch = [
        track("m-1", "Product Viewed", product("uno", 3.10, 1)),
        track("m-2", "Product Added", product("uno", 3.10, 2)),
        track("m-3", "Checkout Started", json!({ "order_id": "o-1" })),
        order("m-4", "o-1"),
        message("page", "m-5", json!({ "name": "Home" })),
        track("m-6", "Coupon Entered", json!({ "coupon_id": "may" })),
        track("m-7", "Product Viewed", json!({ "product_id": "uno", "price": "three" })),
        json!("no message"),
    ];
    for _ in 0..3 {
        scene.batch(&collector, &batch).await;
    }
    let names = scene.texts("select event_name from raw.events order by 1").await;
    assert_eq!(
        names,
        ["add_to_cart", "begin_checkout", "purchase", "purchase", "session_start", "view_item"]
    );
    let others =
        scene.texts("select dialect || ' ' || kind || ' ' || name from raw.other_events order by 1").await;
    assert_eq!(others, ["segment other Coupon Entered", "segment other page"]);
    let reasons = scene.texts("select detail from raw.quarantine order by 1").await;
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons[0].starts_with("message: ") && reasons[1].starts_with("properties.price: "),
        "{reasons:?}"
    );
    // 9 records and events at first, and the start of a visit; then only those that can be told apart come in
    // again.
    assert_eq!(scene.ledger().await, [6 + 2 + 2 + 2 * 7, 6, 2 * 7, 2]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_an_hour_off_is_corrected() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let theirs = Utc::now() + TimeDelta::hours(1);
    let mut viewed = track("m-1", "Product Viewed", product("uno", 3.10, 1));
    viewed["timestamp"] = json!(theirs - TimeDelta::seconds(20));
    let body = json!({ "batch": [viewed], "sentAt": theirs });
    let before = Utc::now();
    assert_eq!(scene.segment(&collector, "/v1/batch", &body).await.0, 200);
    let row = scene
        .client
        .query_one("select occurred_at from raw.events where event_name = 'view_item'", &[])
        .await
        .unwrap();
    let occurred_at: DateTime<Utc> = row.get(0);
    let late = occurred_at + TimeDelta::seconds(20);
    assert!((before - TimeDelta::seconds(1)..=Utc::now()).contains(&late), "{occurred_at}");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_identify_tells_holds_for_the_whole_batch() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let traits = json!({
        "gender": "female", "birthday": "1990-05-01", "email": "ann@example.com", "name": "Ann Example",
        "address": { "country": "CH", "city": "Bern" }, "createdAt": "2020-01-01T00:00:00Z",
    });
    let identify = message("identify", "m-1", json!({ "userId": "ann", "traits": traits }));
    scene.batch(&collector, &[track("m-2", "Product Viewed", product("uno", 3.10, 1)), identify]).await;
    let who = "select distinct concat_ws(' ', user_id, gender, country, city, age = extract(year from age(date '1990-05-01'))) from raw.events";
    let ann = ids::named_user("collector/web", "ann");
    // The browser alone was named by the event; together with the identify it is the user's.
    assert_eq!(scene.texts(who).await, [format!("{ann} female CH Bern t")]);
    // A later word decides about what it tells; what it leaves out stays.
    let later = message(
        "identify",
        "m-3",
        json!({ "userId": "ann", "traits": { "address": { "country": "DE" }, "gender": "F" } }),
    );
    scene.batch(&collector, &[later, track("m-4", "Product Viewed", product("uno", 3.10, 1))]).await;
    let facts = "select concat_ws(' ', gender, country, city, born_on, registered_at at time zone 'UTC') from raw.user_facts";
    assert_eq!(scene.texts(facts).await, ["female DE 1990-05-01 2020-01-01 00:00:00"]);
    let alias = message("alias", "m-5", json!({ "userId": "ann", "previousId": "old-browser" }));
    let old = message("track", "m-6", json!({ "event": "Checkout Started", "anonymousId": "old-browser" }));
    scene.batch(&collector, &[alias, old]).await;
    assert_eq!(scene.count(&format!("select count(*) from raw.events where user_id = '{ann}'")).await, 4);
    for table in ["raw.events", "raw.user_facts", "raw.visitor_link"] {
        let told = format!("select count(*) from {table} t where t::text ~ 'ann@example|Ann Example'");
        assert_eq!(scene.count(&told).await, 0, "{table}");
    }
    assert_eq!(scene.ledger().await, [7, 4, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_and_no_key_is_stored() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut messages: Vec<Value> = ["page", "screen", "group", "identify"]
        .iter()
        .map(|kind| {
            message(
                kind,
                kind,
                json!({ "userId": "ann", "writeKey": scene.key.key, "traits": { "last": ADDRESS } }),
            )
        })
        .collect();
    messages.push(track(
        "m-1",
        "Custom",
        json!({ "ip": ADDRESS, "seen": [{ "from": format!("{ADDRESS}, 10.0.0.1") }] }),
    ));
    messages.push(track("m-2", "Product Viewed", json!({ "product_id": "uno", "ip": ADDRESS })));
    messages.push(order("m-3", "o-1"));
    scene.batch(&collector, &messages).await;
    assert_eq!(scene.ledger().await, [9, 3, 0, 1]);
    let tables =
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('raw', 'ops')";
    for table in scene.texts(tables).await {
        let sql = format!("select t::text from {table} t");
        for row in scene.texts(&sql).await {
            for word in [ADDRESS, &scene.key.key] {
                let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(!row.contains(word) && !row.contains(&hex), "{table}: {row}");
            }
        }
    }
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_leaves_no_other_events() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let page = |id: &str| message("page", id, json!({ "userId": "ann", "name": "Home" }));
    scene.batch(&collector, &[page("m-1")]).await;
    let ann = ids::named_user("collector/web", "ann");
    let mut client = provision::connect(&scene.url).await.unwrap();
    let key = provision::erasure::key(&client).await.unwrap();
    let hash = contracts::admission::user_hash(&key, &ann);
    provision::erasure::record(&mut client, &[hash]).await.unwrap();
    scene
        .batch(
            &collector,
            &[page("m-2"), message("identify", "m-3", json!({ "userId": "ann", "traits": { "age": 30 } }))],
        )
        .await;
    assert_eq!(scene.texts("select id from raw.other_events").await, ["m-1"]);
    assert_eq!(scene.texts("select reason from raw.quarantine where payload is null").await, ["erased"; 2]);
    assert_eq!(scene.count("select count(*) from raw.user_facts").await, 0);
    scene.ledger().await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_segment() {
    let scene = Scene::new().await;
    let collector = scene.collector_of(Limits { queued_events: 10_000, ..Limits::default() }).await;
    let url = |path: &str| format!("http://{}{path}", collector.http);
    let page = message("page", "m-1", json!({}));
    // As the SDK of browsers sends it: by its letter, as text, with the key in the body.
    let mut of_browser = page.clone();
    of_browser["writeKey"] = json!(scene.key.key);
    let sent =
        scene.http.post(url("/v1/p")).header("content-type", "text/plain").body(of_browser.to_string());
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let batch = json!({ "writeKey": scene.key.key, "batch": [page], "sentAt": Utc::now() });
    assert_eq!(scene.http.post(url("/v1/b")).body(batch.to_string()).send().await.unwrap().status(), 200);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(batch.to_string().as_bytes()).unwrap();
    let packed =
        scene.http.post(url("/v1/batch")).header("content-encoding", "gzip").body(packed.finish().unwrap());
    assert_eq!(packed.send().await.unwrap().status(), 200);
    for (path, kind) in [
        ("/v1/track", "track"),
        ("/v1/identify", "identify"),
        ("/v1/screen", "screen"),
        ("/v1/group", "group"),
        ("/v1/i", "identify"),
        ("/v1/t", "track"),
        ("/v1/s", "screen"),
        ("/v1/g", "group"),
    ] {
        let told = message(kind, path, json!({ "event": "Custom" }));
        assert_eq!(scene.segment(&collector, path, &told).await.0, 200, "{path}");
    }
    let alias = message("alias", "m-9", json!({ "userId": "ann", "previousId": "b" }));
    for path in ["/v1/alias", "/v1/a"] {
        assert_eq!(scene.segment(&collector, path, &alias).await.0, 200);
    }

    let large = track("m-2", "Custom", json!({ "text": "x".repeat(33 * 1024) }));
    let bad = [
        ("/v1/batch", json!({})),
        ("/v1/batch", json!({ "batch": {} })),
        ("/v1/batch", json!([])),
        ("/v1/track", large.clone()),
        (
            "/v1/batch",
            json!({ "batch": vec![track("m-3", "Custom", json!({ "text": "x".repeat(20 * 1024) })); 26] }),
        ),
        ("/v1/batch", json!({ "batch": vec![0; 10_001] })),
    ];
    for (path, body) in bad {
        let (status, answer) = scene.segment(&collector, path, &body).await;
        assert_eq!((status, &answer["success"]), (400, &json!(false)), "{answer}");
        assert!(answer["code"].is_string() && answer["message"].is_string());
    }
    // Of a batch, a message that is too large, or no JSON, costs itself alone.
    let good = track("m-4", "Custom", json!({ "text": "NOT" }));
    let body = json!({ "batch": [large, good, track("m-5", "Custom", json!({ "text": "NOT A NUMBER" }))] });
    let body = body.to_string().replace("\"NOT A NUMBER\"", "NaN");
    let before = scene
        .count("select count(*) from raw.other_events where convert_from(payload, 'UTF8') ~ 'NOT'")
        .await;
    let request = scene.http.post(url("/v1/batch")).basic_auth(&scene.key.key, Some("")).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let after = scene
        .count("select count(*) from raw.other_events where convert_from(payload, 'UTF8') ~ 'NOT'")
        .await;
    let refused =
        "select count(*) from raw.quarantine where reason = 'malformed' and detail like 'message: %'";
    assert_eq!((after - before, scene.count(refused).await), (1, 2));
    for authorization in
        [None, Some("Basic x".to_owned()), Some(format!("Basic {}", STANDARD.encode("nobody:")))]
    {
        let mut request = scene.http.post(url("/v1/batch")).body(json!({ "batch": [] }).to_string());
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.json::<Value>().await.unwrap()["success"], false);
    }
    scene.ledger().await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_fast_is_told_when_to_come_again() {
    let scene = Scene::limited(Some(2)).await;
    let collector = scene.collector().await;
    let pages: Vec<Value> = (0..2).map(|n| message("page", &n.to_string(), json!({}))).collect();
    scene.batch(&collector, &pages).await;
    let body = json!({ "batch": [message("page", "3", json!({}))] }).to_string();
    let request =
        scene.http.post(format!("http://{}/v1/batch", collector.http)).basic_auth(&scene.key.key, Some(""));
    let refused = request.body(body).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_body_has_no_more_room_than_others() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    // More at once than are read before anybody knows whose they are: each is answered, none with a defect.
    let requests = (0..60).map(|n| {
        let mut page = message("page", &format!("p-{n}"), json!({ "text": "x".repeat(30_000) }));
        page["writeKey"] = json!(if n % 2 == 0 { scene.key.key.clone() } else { Uuid::nil().to_string() });
        scene.http.post(format!("http://{}/v1/p", collector.http)).body(page.to_string()).send()
    });
    for answer in futures::future::join_all(requests).await {
        let status = answer.unwrap().status().as_u16();
        assert!([200, 401, 429].contains(&status), "{status}");
    }
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_place_by_now_is_moved_there() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut old = track("m-1", "Lamp Viewed", product("lamp", 3.10, 1));
    old["timestamp"] = json!(Utc::now() - TimeDelta::minutes(3));
    let mut of_bot = track("m-4", "Bot Viewed", product("lamp", 3.10, 1));
    of_bot["context"]["userAgent"] =
        json!("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    let messages = [old, message("page", "m-2", json!({})), track("m-3", "Bad Viewed", json!({})), of_bot];
    scene.batch(&collector, &messages).await;
    // As a later version knows them.
    for name in ["Lamp", "Bad", "Bot"] {
        let rename = "update raw.other_events set payload = convert_to(replace(convert_from(payload, 'UTF8'), $1, $2), 'UTF8')";
        let (from, to) = (format!("{name} Viewed"), "Product Viewed");
        scene.client.execute(rename, &[&from, &to]).await.unwrap();
    }
    let mut store = Store::connect(&scene.url).await.unwrap();
    let (rates, clock, cancel) = (ingest::rates::built_in(), Clock::wall(), CancellationToken::new());
    for dry_run in [true, false] {
        let replayed = replay(&mut store, &rates, &clock, dry_run, &cancel).await.unwrap();
        assert_eq!(
            replayed,
            Replayed { translated: 4, moved: 1, records: 1, ignored: 1, refused: 1 },
            "{dry_run}"
        );
    }
    let moved = "select count(*) from raw.events e where item_id = 'lamp' and occurred_at < now() - interval '2 minutes'";
    assert_eq!(scene.count(moved).await, 1);
    assert_eq!(scene.texts("select id from raw.other_events order by 1").await, ["m-2", "m-3", "m-4"]);
    let replayed = replay(&mut store, &rates, &clock, false, &cancel).await.unwrap();
    assert_eq!(replayed, Replayed { translated: 3, ignored: 1, refused: 1, ..Replayed::default() });
    let names: Vec<String> = store.other_names().await.unwrap().into_iter().map(|of| of.name).collect();
    assert_eq!(names, ["Bad Viewed", "Bot Viewed", "page"]);
    collector.stop().await.unwrap();
}
