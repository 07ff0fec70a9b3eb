//! Each event has its own verdict, and it is true.

use std::io::Write;

use collector::proto::Outcome;
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Scene, event, events, messages, with};

fn words(answer: &Value) -> Vec<&str> {
    answer["verdicts"].as_array().unwrap().iter().map(|v| v["verdict"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_repeated_and_rejected_over_http() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let first = event();
    let (status, answer) = scene.post(&collector, std::slice::from_ref(&first)).await;
    assert_eq!((status, words(&answer)), (200, vec!["accepted"]));
    assert_eq!(answer["verdicts"][0]["event_id"], first["event_id"]);

    let twice = event();
    let batch = [
        first,
        twice.clone(),
        with(event(), json!({ "age": 200 })),
        twice,
        with(event(), json!({ "event_id": null, "source_id": "a-1" })),
        json!([1]),
    ];
    let (status, answer) = scene.post(&collector, &batch).await;
    let expected = ["repeated", "accepted", "rejected", "repeated", "accepted", "rejected"];
    assert_eq!((status, words(&answer)), (200, expected.to_vec()));
    assert_eq!(
        (&answer["accepted"], &answer["repeated"], &answer["rejected"]),
        (&json!(2), &json!(2), &json!(2))
    );
    let rejected = &answer["verdicts"][2];
    assert_eq!((&rejected["reason"], &rejected["field"]), (&json!("invalid_field"), &json!("age")));
    assert_eq!(answer["verdicts"][5]["reason"], "malformed");
    assert_eq!(scene.ledger().await, [7, 3, 2, 2]);

    // The same again: nothing new anywhere, not in quarantine either.
    let (_, answer) = scene.post(&collector, &batch).await;
    assert_eq!(words(&answer), ["repeated", "repeated", "rejected", "repeated", "repeated", "rejected"]);
    assert_eq!(scene.ledger().await, [11, 3, 6, 2]);
    let kept = "select count(*) from raw.quarantine where source = 'collector/web' and payload = '[1]'";
    assert_eq!(scene.count(kept).await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_repeated_and_rejected_over_grpc() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut client = collector.client().await;
    let purchase = with(
        event(),
        json!({ "event_name": "purchase", "item_id": "i", "item_name": "Lamp", "category": "home", "price": "10.01",
                "currency": "CHF", "quantity": 3, "order_id": "o", "order_line": 1, "order_lines": 1 }),
    );
    let batch = [
        purchase.clone(),
        purchase,
        with(event(), json!({ "country": "Switzerland" })),
        with(event(), json!({ "event_name": "purchase" })),
        with(event(), json!({ "occurred_at": "2100-01-01T00:00:00Z" })),
    ];
    let response = client.collect(scene.call(messages(&batch))).await.unwrap().into_inner();
    let verdicts = response.verdicts;
    let outcomes: Vec<Outcome> = verdicts.iter().map(collector::proto::Verdict::outcome).collect();
    use Outcome::{Accepted, Rejected, Repeated};
    assert_eq!(outcomes, [Accepted, Repeated, Rejected, Rejected, Rejected]);
    let why = |at: usize| (verdicts[at].reason.as_deref().unwrap(), verdicts[at].field.as_deref().unwrap());
    assert_eq!(why(2), ("invalid_field", "country"));
    assert_eq!(why(3), ("missing_field", "item_id"));
    assert_eq!(why(4), ("future", "occurred_at"));
    assert_eq!(scene.ledger().await, [5, 1, 1, 3]);
    let converted =
        "select count(*) from raw.events where amount_base = round(price * quantity * rate, 2) and rate <> 1
                     and latitude = 47.4 and user_id is not null";
    assert_eq!(scene.count(converted).await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_passes_once_the_cause_is_gone() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let viewed = with(
        event(),
        json!({ "event_name": "view_item", "item_id": "i", "item_name": "Lamp", "category": "home", "price": "4.00",
                "currency": "XXX", "quantity": 2 }),
    );
    let mut client = collector.client().await;
    let told =
        client.collect(scene.call(messages(std::slice::from_ref(&viewed)))).await.unwrap().into_inner();
    assert_eq!(told.verdicts[0].reason.as_deref(), Some("missing_rate"));
    let rates = contracts::money::Rates::parse("EUR".parse().unwrap(), 10_000, "2020-01-01,XXX,0.5").unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    let mut store = Store::connect(&scene.url).await.unwrap();
    let replayed =
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!((replayed.accepted, replayed.judged), (1, 1), "{replayed:?}");
    let id = viewed["event_id"].as_str().unwrap();
    let kept = format!("select count(*) from raw.events where event_id = '{id}' and amount_base = 4.00");
    assert_eq!(scene.count(&kept).await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_has_no_field_for_is_not_kept() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let personal = with(event(), json!({ "email": "a@example.com", "name": "A" }));
    let (_, answer) = scene.post(&collector, &[personal]).await;
    assert_eq!(words(&answer), ["accepted"]);
    assert_eq!(scene.count("select count(*) from raw.events e where e::text ~ 'example.com'").await, 0);
    assert_eq!(scene.ledger().await, [1, 1, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_same_event_from_many_at_once_one_is_accepted() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let shared = events(50);
    let requests = (0..20).map(|_| scene.post(&collector, &shared));
    let answers = futures::future::join_all(requests).await;
    for at in 0..shared.len() {
        let accepted = answers.iter().filter(|(_, answer)| words(answer)[at] == "accepted").count();
        assert_eq!(accepted, 1, "event {at}");
    }
    assert_eq!(scene.ledger().await, [1_000, 50, 950, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_no_v7_are_the_senders_own() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let old = with(event(), json!({ "event_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11" }));
    let (_, answer) = scene.post(&collector, &[old.clone(), old.clone()]).await;
    assert_eq!(words(&answer), ["accepted", "repeated"]);
    let stored = answer["verdicts"][0]["event_id"].as_str().unwrap();
    assert_ne!(stored, old["event_id"].as_str().unwrap());
    let by_id = format!("select count(*) from raw.events where event_id = '{stored}'");
    assert_eq!(scene.count(&by_id).await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_batch_is_unpacked() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(json!({ "events": events(2_000) }).to_string().as_bytes()).unwrap();
    let request = scene.request(&collector, packed.finish().unwrap()).header("content-encoding", "gzip");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 2_000);
    let mut client = collector.client().await.send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let verdicts = client.collect(scene.call(messages(&events(100)))).await.unwrap().into_inner().verdicts;
    assert_eq!(verdicts.len(), 100);
    assert_eq!(scene.ledger().await, [2_100, 2_100, 0, 0]);
    // Nothing is no fault.
    assert_eq!(scene.post(&collector, &[]).await.1["verdicts"], json!([]));
    collector.stop().await.unwrap();
}
