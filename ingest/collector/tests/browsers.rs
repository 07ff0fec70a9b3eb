//! Browsers of other origins: what they are told, what their keys open, and that nothing else may use those.

use collector::keys::{NewKey, new_browser_key, new_key};
use collector::openapi;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tonic::Code;

use crate::revoked::{File, OFTEN};
use crate::support::{Collector, Scene, event, messages, until, with, with_key};

const SHOP: &str = "https://shop.example";
const LOCAL: &str = "http://localhost:3000";
const OTHER: &str = "https://other.example";

fn key_of(name: &str, origins: &[&str], events_per_s: Option<u32>) -> NewKey {
    let origins: Vec<_> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    new_browser_key(name, events_per_s, &origins).unwrap()
}

/// What CORS says in an answer.
fn cors(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

/// As Chromium asks before it posts JSON with a key.
fn preflight(scene: &Scene, collector: &Collector, origin: &str) -> reqwest::RequestBuilder {
    scene
        .http
        .request(Method::OPTIONS, format!("http://{}/v1/events", collector.http))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
}

/// As a page posts by `fetch`.
fn fetch(
    scene: &Scene,
    collector: &Collector,
    key: &NewKey,
    origin: Option<&str>,
) -> reqwest::RequestBuilder {
    let request = scene
        .http
        .post(format!("http://{}/v1/events", collector.http))
        .bearer_auth(&key.key)
        .header("content-type", "application/json")
        .body(json!({ "events": [event()] }).to_string());
    match origin {
        Some(origin) => request.header("origin", origin),
        None => request,
    }
}

/// As `navigator.sendBeacon` posts a text: the key cannot be in a header.
fn beacon(scene: &Scene, collector: &Collector, key: &NewKey, body: String) -> reqwest::RequestBuilder {
    beacon_of(scene, collector, key, "text/plain;charset=UTF-8", body)
}

fn beacon_of(
    scene: &Scene,
    collector: &Collector,
    key: &NewKey,
    content_type: &str,
    body: String,
) -> reqwest::RequestBuilder {
    scene
        .http
        .post(format!("http://{}/v1/events?v=1&key={}", collector.http, key.key))
        .header("content-type", content_type)
        .header("origin", SHOP)
        .header("sec-fetch-mode", "no-cors")
        .body(body)
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_for_the_origins_of_all_keys_and_for_no_other() {
    let scene = Scene::new().await;
    let (shop, other) = (key_of("shop", &[SHOP, LOCAL], None), key_of("other", &[OTHER], None));
    let collector = scene.collector_for(&[&shop, &scene.key, &other]).await;
    for origin in [SHOP, LOCAL, OTHER] {
        let response = preflight(&scene, &collector, origin).send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["vary"], "origin");
        let mut told = cors(response.headers());
        told.sort();
        let expected = [
            (
                "access-control-allow-headers",
                "authorization, content-type, content-encoding, x-retry-count, anonymousid",
            ),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-origin", origin),
            ("access-control-max-age", "7200"),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    for stranger in
        ["https://shop.example.evil.example", "http://shop.example", "https://SHOP.example", "null", "*"]
    {
        let response = preflight(&scene, &collector, stranger).send().await.unwrap();
        assert_eq!((response.status().as_u16(), cors(response.headers())), (403, vec![]), "{stranger}");
        assert_eq!(response.headers()["vary"], "origin");
    }
    // No preflight: nobody asks for another origin.
    let plain = scene.http.request(Method::OPTIONS, format!("http://{}/v1/events", collector.http));
    let response = plain.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (204, &"POST, OPTIONS".parse().unwrap())
    );
    // What anybody may read is no page's of another origin.
    for path in ["/v1/openapi.json", "/v1/health"] {
        let request = scene.http.get(format!("http://{}{path}", collector.http)).header("origin", SHOP);
        assert_eq!(cors(request.send().await.unwrap().headers()), []);
    }
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_key_works_for_its_own_pages_alone() {
    let scene = Scene::new().await;
    let (shop, other) = (key_of("shop", &[SHOP, LOCAL], None), key_of("other", &[OTHER], None));
    let collector = scene.collector_for(&[&shop, &scene.key, &other]).await;
    for (key, origin, expected) in [
        (&shop, Some(SHOP), (200, Some(SHOP))),
        (&shop, Some(LOCAL), (200, Some(LOCAL))),
        (&other, Some(OTHER), (200, Some(OTHER))),
        // The preflight of another key's page passes; its request does not, and may not be read.
        (&shop, Some(OTHER), (403, None)),
        (&shop, Some("null"), (403, None)),
        (&shop, None, (403, None)),
        // A server's key has no pages.
        (&scene.key, None, (200, None)),
        (&scene.key, Some(SHOP), (200, None)),
    ] {
        let response = fetch(&scene, &collector, key, origin).send().await.unwrap();
        assert_eq!((response.status().as_u16(), allowed(response.headers())), expected, "{origin:?}");
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        assert_eq!(response.headers()["vary"], "origin");
    }
    // A refusal of its own body may be read, as whatever follows from the key.
    let bad = fetch(&scene, &collector, &shop, Some(SHOP)).body("{").send().await.unwrap();
    assert_eq!((bad.status().as_u16(), allowed(bad.headers())), (400, Some(SHOP)));

    let mut client = collector.client().await;
    let batch = messages(&[event()]);
    let unary = client.collect(with_key(&shop.key, batch.clone())).await.unwrap_err();
    let stream =
        client.collect_stream(with_key(&shop.key, futures::stream::iter([batch]))).await.unwrap_err();
    assert_eq!([unary.code(), stream.code()], [Code::PermissionDenied; 2]);
    assert_eq!(scene.ledger().await, [5, 5, 0, 0]);

    let counts = async |cause: &str, key: &str| {
        let sql = "select coalesce(sum(requests), 0)::bigint from ops.collector_refusal where cause = $1 and key_name = $2";
        scene.client.query_one(sql, &[&cause, &key]).await.unwrap().get::<_, i64>(0)
    };
    until("the refusals are counted", async || {
        (counts("wrong_origin", "shop").await, counts("no_origin", "shop").await) == (2, 3)
    })
    .await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_brings_its_key_in_the_address_and_json_in_a_text() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP], None);
    let collector = scene.collector_for(&[&shop, &scene.key]).await;
    let body = || json!({ "events": [event(), event()] }).to_string();
    let response = beacon(&scene, &collector, &shop, body()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), allowed(response.headers())), (200, Some(SHOP)));
    assert_eq!(response.json::<Value>().await.unwrap()["accepted"], 2);
    // A text that is no JSON, and what is neither.
    assert_eq!(status(beacon(&scene, &collector, &shop, "events".into())).await, 400);
    assert_eq!(status(beacon_of(&scene, &collector, &shop, "text/html", body())).await, 415);
    let unknown = NewKey { key: "storepulse_x".into(), line: String::new() };
    assert_eq!(status(beacon(&scene, &collector, &unknown, body())).await, 401);
    // A server's key would be in the logs of every proxy.
    let response = beacon(&scene, &collector, &scene.key, body()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), cors(response.headers())), (403, vec![]));
    let counted =
        "select coalesce(sum(requests), 0)::bigint from ops.collector_refusal where cause = 'key_in_query'";
    until("it is counted", async || scene.count(counted).await == 1).await;
    assert_eq!(scene.ledger().await, [2, 2, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_paths_take_a_browsers_key_wherever_it_stands() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP], None);
    let collector = scene.collector_for(&[&shop, &scene.key]).await;
    let url = format!("http://{}/v1/t", collector.http);
    let preflight = scene
        .http
        .request(Method::OPTIONS, &url)
        .header("origin", SHOP)
        .header("access-control-request-method", "POST");
    let preflight = preflight.send().await.unwrap();
    assert_eq!((preflight.status().as_u16(), allowed(preflight.headers())), (204, Some(SHOP)));

    let message = |id: &str| {
        json!({ "type": "track", "event": "Checkout Started", "messageId": id, "anonymousId": "b-1",
                "writeKey": shop.key, "timestamp": chrono::Utc::now() })
    };
    // As `sendBeacon` sends it, with the key in the body, and as `fetch` does.
    let of = |id: &str, origin: Option<&str>, in_header: bool| {
        let request =
            scene.http.post(&url).header("content-type", "text/plain").body(message(id).to_string());
        let request = if in_header { request.basic_auth(&shop.key, Some("")) } else { request };
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    for (id, in_header) in [("m-1", false), ("m-2", true)] {
        let answer = of(id, Some(SHOP), in_header).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), allowed(answer.headers())), (200, Some(SHOP)), "{id}");
        assert_eq!(answer.headers()["vary"], "origin", "{id}");
    }
    for (origin, in_header) in [(Some(OTHER), false), (Some(OTHER), true), (None, false), (None, true)] {
        let answer = of("m-3", origin, in_header).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), allowed(answer.headers())), (403, None), "{origin:?}");
    }
    assert_eq!(scene.count("select count(*) from raw.events where event_name <> 'session_start'").await, 2);
    let refused = "select coalesce(sum(requests), 0)::bigint from ops.collector_refusal where cause = any(array['wrong_origin', 'no_origin'])";
    until("what was refused is counted", async || scene.count(refused).await == 4).await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_the_file_is_refused() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP, LOCAL], None);
    let file = File::of(&[&shop, &scene.key]);
    let collector = scene.collector_by(&file.0, OFTEN).await;
    assert_eq!(status(fetch(&scene, &collector, &shop, Some(LOCAL))).await, 200);
    // One origin less: its pages are refused, the others go on.
    let less = NewKey { line: shop.line.replace(&format!(" {LOCAL}"), ""), ..shop.clone() };
    file.write(&[&less, &scene.key]);
    until("an origin is gone", async || status(fetch(&scene, &collector, &shop, Some(LOCAL))).await == 403)
        .await;
    assert_eq!(status(preflight(&scene, &collector, LOCAL)).await, 403);
    assert_eq!(status(fetch(&scene, &collector, &shop, Some(SHOP))).await, 200);
    file.write(&[&scene.key]);
    until("the key is revoked", async || status(fetch(&scene, &collector, &shop, Some(SHOP))).await == 401)
        .await;
    let response = fetch(&scene, &collector, &shop, Some(SHOP)).send().await.unwrap();
    assert_eq!(cors(response.headers()), []);
    assert_eq!(status(preflight(&scene, &collector, SHOP)).await, 403);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_too_fast_may_read_when_to_come_again() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP], Some(1));
    let collector = scene.collector_for(&[&shop]).await;
    assert_eq!(status(fetch(&scene, &collector, &shop, Some(SHOP))).await, 200);
    let response = fetch(&scene, &collector, &shop, Some(SHOP)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), allowed(response.headers())), (429, Some(SHOP)));
    assert_eq!(response.headers()["access-control-expose-headers"], "retry-after");
    assert_eq!(response.headers()["retry-after"], "1");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_nothing_that_can_be_read() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP], None);
    let collector = scene.collector_for(&[&shop, &scene.key]).await;
    let description = openapi::render();
    let paths = description["paths"].as_object().unwrap();
    for key in [&shop, &scene.key] {
        for path in paths.keys() {
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE] {
                let url = format!("http://{}{path}", collector.http);
                let without =
                    scene.http.request(method.clone(), &url).header("origin", SHOP).send().await.unwrap();
                let with = scene
                    .http
                    .request(method.clone(), format!("{url}?key={}&api_secret={}", key.key, key.key));
                let with = with.header("origin", SHOP).bearer_auth(&key.key).send().await.unwrap();
                assert_eq!(with.status(), without.status(), "{method} {path}");
                assert_eq!(cors(with.headers()), [], "{method} {path}");
                assert_eq!(with.bytes().await.unwrap(), without.bytes().await.unwrap(), "{method} {path}");
            }
        }
    }
    collector.stop().await.unwrap();
}

/// A line of an order without an id of its own.
fn line(name: &str, order: &str, number: i32) -> Value {
    with(
        event(),
        json!({
            "event_id": null, "event_name": name, "item_id": "lamp", "item_name": "Lamp", "category": "home",
            "price": "19.90", "currency": "CHF", "quantity": 1,
            "order_id": order, "order_line": number, "order_lines": 2,
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_browser_and_server_tell_counts_once() {
    let scene = Scene::new().await;
    let shop = key_of("shop", &[SHOP], None);
    let server = new_key("server", None).unwrap();
    let collector = scene.collector_for(&[&shop, &server]).await;
    let post = async |key: &NewKey, events: &[Value]| -> Value {
        let request =
            fetch(&scene, &collector, key, Some(SHOP)).body(json!({ "events": events }).to_string());
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["verdicts"].clone()
    };
    let by_browser = post(&shop, &[line("purchase", "o-1", 1), line("purchase", "o-1", 2)]).await;
    assert_eq!([&by_browser[0]["verdict"], &by_browser[1]["verdict"]], ["accepted", "accepted"]);
    // The server is later, and knows the user by another id.
    let later = chrono::Utc::now() - chrono::TimeDelta::seconds(90);
    let told = with(
        line("purchase", "o-1", 1),
        json!({ "occurred_at": later, "session_started_at": later, "user_id": "ann" }),
    );
    let by_server = post(&server, &[told, line("purchase", "o-2", 1)]).await;
    assert_eq!([&by_server[0]["verdict"], &by_server[1]["verdict"]], ["repeated", "accepted"]);
    assert_eq!(by_server[0]["event_id"], by_browser[0]["event_id"]);
    // An id of the sender's own is what it was; the shared id may also be told.
    let own = with(line("purchase", "o-1", 1), json!({ "source_id": "order/o-1/1" }));
    let shared = with(line("purchase", "o-1", 1), json!({ "shared_id": "order/o-1/1" }));
    let others = post(&server, &[own, shared]).await;
    assert_eq!([&others[0]["verdict"], &others[1]["verdict"]], ["accepted", "repeated"]);
    // What is no line of an order still needs an id, and a refund, of which a line may have several.
    for neither in [with(event(), json!({ "event_id": null })), line("refund", "o-1", 1)] {
        assert_eq!(post(&server, &[neither]).await[0]["reason"], "missing_id");
    }
    // Another sum than what is stored is refused, and seen once.
    let dearer = with(line("purchase", "o-1", 2), json!({ "price": "29.90" }));
    for _ in 0..2 {
        let verdict = &post(&server, std::slice::from_ref(&dearer)).await[0];
        assert_eq!([&verdict["verdict"], &verdict["reason"]], ["rejected", "inconsistent"], "{verdict}");
    }
    let seen = scene.texts("select detail from raw.quarantine where reason = 'inconsistent'").await;
    assert_eq!(seen, ["amount: line 2 of order o-1 is stored as 1 at 19.90 CHF, and not as 1 at 29.90 CHF"]);
    assert_eq!(scene.ledger().await, [9, 4, 2, 3]);
    collector.stop().await.unwrap();
}
