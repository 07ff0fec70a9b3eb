//! Device, channel and country follow from what a request tells anyway; programs are told apart, and no
//! address is kept.

use collector::CollectorConfig;
use collector::Limits;
use collector::place::Country;
use collector::proto::Outcome;
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Collector, Scene, event, messages, mmdb, with};

const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// An event that tells neither device and channel nor a place.
fn bare(changes: Value) -> Value {
    let bare = with(
        event(),
        json!({ "device": null, "channel": null, "country": null, "city": null, "latitude": null, "longitude": null }),
    );
    with(bare, changes)
}

/// An event on a telephone, out of an advertisement.
fn clicked() -> Value {
    bare(
        json!({ "user_agent": PHONE, "page_url": "https://shop.example/?gclid=EAIaIQ", "referrer": "https://www.google.com/" }),
    )
}

/// A collector that finds countries by a header, and by the addresses that a proxy tells.
async fn locating(scene: &Scene) -> Collector {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countries.mmdb");
    std::fs::write(&path, mmdb::countries(&[("203.0.113.0", 24, "CH"), ("2001:db8::", 32, "AT")])).unwrap();
    let country = Country::new(Some("CF-IPCountry"), Some(&path), Some("X-Forwarded-For")).unwrap();
    scene.collector_with(CollectorConfig { country, ..scene.config(Limits::default()) }).await
}

/// Posts events with headers; the answer.
async fn post(scene: &Scene, to: &Collector, headers: &[(&str, &str)], events: &[Value]) -> Value {
    let request = scene.request(to, json!({ "events": events }).to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().json().await.unwrap()
}

/// Device, channel, country and city as an event was stored.
async fn stored(scene: &Scene, event: &Value) -> [String; 4] {
    let sql =
        "select device, channel, country, coalesce(city, '') from raw.events where event_id = $1::text::uuid";
    let row = scene.client.query_one(sql, &[&event["event_id"].as_str().unwrap()]).await.unwrap();
    [0, 1, 2, 3].map(|column| row.get(column))
}

/// The tables in which a text stands, as it is or as bytes.
async fn tables_with(scene: &Scene, text: &str) -> Vec<String> {
    let tables =
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('raw', 'ops')";
    let mut found = Vec::new();
    for row in scene.client.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let sql = format!(
            "select count(*) from {table} t
             where strpos(t::text, $1) > 0 or strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0"
        );
        let rows: i64 = scene.client.query_one(&sql, &[&text]).await.unwrap().get(0);
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_tells_is_found_and_its_address_is_kept_nowhere() {
    let scene = Scene::new().await;
    let collector = locating(&scene).await;
    let (by_file, by_header, unknown) = (clicked(), clicked(), clicked());
    let rejected = with(clicked(), json!({ "age": 200, "brand": "kept in quarantine" }));
    for (forwarded, country, events) in [
        ("198.51.100.4, 203.0.113.77, 10.0.0.1", "XX", [by_file.clone(), rejected]),
        ("203.0.113.77", "NO", [by_header.clone(), with(event(), json!({ "event_name": "begin_checkout" }))]),
        ("192.0.2.9", "XX", [unknown.clone(), event()]),
    ] {
        let headers = [("x-forwarded-for", forwarded), ("cf-ipcountry", country)];
        post(&scene, &collector, &headers, &events).await;
    }
    assert_eq!(stored(&scene, &by_file).await, ["mobile", "paid_search", "CH", ""]);
    assert_eq!(stored(&scene, &by_header).await, ["mobile", "paid_search", "NO", ""]);
    assert_eq!(stored(&scene, &unknown).await, ["mobile", "paid_search", "ZZ", ""]);

    let by_grpc = clicked();
    let mut call = scene.call(messages(std::slice::from_ref(&by_grpc)));
    call.metadata_mut().insert("x-forwarded-for", "2001:db8::77".parse().unwrap());
    collector.client().await.collect(call).await.unwrap();
    assert_eq!(stored(&scene, &by_grpc).await, ["mobile", "paid_search", "AT", ""]);

    // The search finds what is kept.
    assert_eq!(tables_with(&scene, "kept in quarantine").await, ["raw.quarantine"]);
    for address in ["203.0.113.77", "2001:db8::77", "192.0.2.9", "198.51.100.4", "127.0.0.1"] {
        assert_eq!(tables_with(&scene, address).await, Vec::<String>::new(), "{address}");
    }
    let of_events = "select count(*) from raw.events e where e::text ~ 'Mozilla|gclid|google'";
    assert_eq!(scene.count(of_events).await, 0);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_stands_and_what_is_known_of_the_user_comes_before_the_request() {
    let scene = Scene::new().await;
    let collector = locating(&scene).await;
    let circumstances =
        json!({ "user_agent": PHONE, "page_url": "https://shop.example/?gclid=1", "referrer": "" });
    let told =
        with(with(event(), circumstances.clone()), json!({ "device": "tablet", "channel": "unknown" }));
    let of_a_city = with(bare(circumstances), json!({ "city": "Bern" }));
    let within = bare(json!({ "page_url": "https://shop.example/2", "referrer": "https://shop.example/1" }));
    let direct = bare(json!({ "page_url": "https://shop.example/", "referrer": "" }));
    let known = bare(json!({ "user_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e99" }));
    let user = "insert into raw.users values ('6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e99', 'male', 44, '35-44', 'PT', 'Porto', 41.1, -8.6,
                                              now(), now(), '{}')";
    scene.client.batch_execute(user).await.unwrap();
    let batch = [told.clone(), of_a_city.clone(), within.clone(), direct.clone(), known.clone()];
    let answer = post(&scene, &collector, &[("cf-ipcountry", "NO")], &batch).await;
    assert_eq!(answer["accepted"], 5, "{answer}");
    assert_eq!(stored(&scene, &told).await, ["tablet", "unknown", "CH", "Zürich"]);
    assert_eq!(stored(&scene, &of_a_city).await, ["mobile", "paid_search", "ZZ", "Bern"]);
    assert_eq!(stored(&scene, &within).await, ["unknown", "unknown", "NO", ""]);
    assert_eq!(stored(&scene, &direct).await, ["unknown", "direct", "NO", ""]);
    assert_eq!(stored(&scene, &known).await, ["unknown", "unknown", "PT", "Porto"]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_request_tells_no_country_and_no_device() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let sent = bare(json!({}));
    let headers = [("cf-ipcountry", "NO"), ("x-forwarded-for", "203.0.113.7"), ("user-agent", PHONE)];
    post(&scene, &collector, &headers, std::slice::from_ref(&sent)).await;
    assert_eq!(stored(&scene, &sent).await, ["unknown", "unknown", "ZZ", ""]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_gives_what_the_request_would_have() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let viewed = |user_agent: &str| {
        let product = json!({ "event_name": "view_item", "item_id": "i", "item_name": "Lamp", "category": "home", "price": "4.00",
                              "currency": "XXX", "quantity": 2, "user_agent": user_agent });
        with(clicked(), product)
    };
    let (of_shopper, by_grpc, of_bot) = (viewed(PHONE), viewed(PHONE), viewed(BOT));
    let answer = post(&scene, &collector, &[], &[of_shopper.clone(), of_bot]).await;
    assert_eq!(answer["rejected"], 2, "{answer}");
    let call = scene.call(messages(std::slice::from_ref(&by_grpc)));
    collector.client().await.collect(call).await.unwrap();

    let rates = contracts::money::Rates::parse("EUR".parse().unwrap(), 10_000, "2020-01-01,XXX,0.5").unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    let mut store = Store::connect(&scene.url).await.unwrap();
    let replayed =
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!((replayed.accepted, replayed.judged), (2, 3), "{replayed:?}");
    for event in [of_shopper, by_grpc] {
        assert_eq!(stored(&scene, &event).await, ["mobile", "paid_search", "ZZ", ""]);
    }
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_names_itself_is_kept_apart() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let of_bot = |changes: Value| with(with(event(), json!({ "user_agent": BOT })), changes);
    let (seen, by_grpc, shopper) = (of_bot(json!({})), of_bot(json!({})), event());
    let batch = [seen.clone(), shopper.clone(), of_bot(json!({ "age": 200 })), seen.clone()];
    let answer = post(&scene, &collector, &[], &batch).await;
    let verdicts = answer["verdicts"].as_array().unwrap();
    let words: Vec<&str> = verdicts.iter().map(|verdict| verdict["verdict"].as_str().unwrap()).collect();
    assert_eq!(words, ["ignored", "accepted", "rejected", "ignored"]);
    assert_eq!((&verdicts[0]["reason"], &answer["ignored"]), (&json!("bot"), &json!(2)));
    let call = scene.call(messages(std::slice::from_ref(&by_grpc)));
    let verdicts = collector.client().await.collect(call).await.unwrap().into_inner().verdicts;
    assert_eq!((verdicts[0].outcome(), verdicts[0].reason.as_deref()), (Outcome::Ignored, Some("bot")));

    // It is kept once, and counted.
    let kept = "select count(*) from raw.other_events where kind = 'bot' and dialect = 'storepulse' and name = 'view_item_list'
                and source = 'collector/web' and convert_from(payload, 'UTF8') like '%Googlebot%'";
    assert_eq!(scene.count(kept).await, 2);
    assert_eq!(scene.ledger().await, [5, 1, 1, 1]);
    // Neither an event nor a visit came of it.
    let id = shopper["event_id"].as_str().unwrap();
    assert_eq!(scene.count(&format!("select count(*) from raw.events where event_id = '{id}'")).await, 1);
    assert_eq!(scene.count("select count(*) from raw.events").await, 1);
    collector.stop().await.unwrap();
}

/// A request may consist of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_programs_as_a_request_holds_are_answered() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let batch: Vec<Value> =
        (0..10_000).map(|_| with(event(), json!({ "user_agent": "curl/8.5.0" }))).collect();
    let answer = post(&scene, &collector, &[], &batch).await;
    assert_eq!(answer["ignored"], 10_000, "{}", answer["detail"]);
    collector.stop().await.unwrap();
}
