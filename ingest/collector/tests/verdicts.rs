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
async fn a_label_costs_no_sale_at_any_door() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let labels = [
        ("Lamp", "Lamp"),
        ("La\u{7}mp\u{0}", "La mp"),
        ("\u{1b}[2JLamp", "[2JLamp"),
        ("La\r\nmp\t", "La  mp"),
        ("La\u{85}mp\u{9b}", "La mp"),
        ("\u{7}", "\u{fffd}"),
        ("(none)", "none"),
    ];
    let sale = |label: &str, currency: &str| {
        with(
            event(),
            json!({ "event_name": "purchase", "item_id": "i", "item_name": label, "category": label, "brand": label,
                    "city": label, "payment_type": label, "price": "4.00", "currency": currency, "quantity": 1,
                    "order_id": "o", "order_line": 1, "order_lines": 1 }),
        )
    };
    let mut sent: Vec<(Value, &str)> = Vec::new();
    for currency in ["EUR", "XXX"] {
        for (label, kept) in labels {
            sent.extend([(sale(label, currency), kept), (sale(label, currency), kept)]);
        }
    }
    let (told, refused) = sent.split_at(labels.len() * 2);
    let events = |part: &[(Value, &str)], of: usize| {
        part.iter().skip(of).step_by(2).map(|(event, _)| event.clone()).collect::<Vec<_>>()
    };
    let mut client = collector.client().await;
    for (part, outcome) in [(told, Outcome::Accepted), (refused, Outcome::Rejected)] {
        let (status, answer) = scene.post(&collector, &events(part, 0)).await;
        assert_eq!((status, words(&answer)), (200, vec![outcome_word(outcome); labels.len()]), "{answer}");
        let verdicts =
            client.collect(scene.call(messages(&events(part, 1)))).await.unwrap().into_inner().verdicts;
        assert!(verdicts.iter().all(|verdict| verdict.outcome() == outcome), "{verdicts:?}");
    }
    // Half a character has no place in a `Value`, nor in a message of gRPC.
    let half = sale("HALF", "EUR");
    let body = json!({ "events": [half] }).to_string().replace("HALF", "La\\ud83d");
    let answer: Value = scene.request(&collector, body).send().await.unwrap().json().await.unwrap();
    assert_eq!(words(&answer), ["accepted"]);
    let rates = contracts::money::Rates::parse("EUR".parse().unwrap(), 10_000, "2020-01-01,XXX,0.5").unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    let mut store = Store::connect(&scene.url).await.unwrap();
    let replayed =
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!(replayed.accepted, refused.len() as u64, "{replayed:?}");
    sent.push((half, "La\u{fffd}"));
    for (event, kept) in &sent {
        let of = "select array[item_name, category, brand, city, payment_type] from raw.events where event_id = $1::text::uuid";
        let id = event["event_id"].as_str().unwrap();
        let stored: Vec<String> = scene.client.query_one(of, &[&id]).await.unwrap().get(0);
        assert_eq!(stored, [*kept; 5], "{event}");
    }
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_decoded_costs_itself_alone() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let batch =
        [event(), with(event(), json!({ "age": "NO" })), with(event(), json!({ "city": "BYTES" })), event()];
    let body = json!({ "events": batch }).to_string().replace("\"NO\"", "NaN").into_bytes();
    let at = body.windows(5).position(|bytes| bytes == b"BYTES").unwrap();
    let body = [&body[..at], &b"K\xf6ln"[..], &body[at + 5..]].concat();
    let response = scene.request(&collector, body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(words(&answer), ["accepted", "rejected", "rejected", "accepted"]);
    for rejected in &answer["verdicts"].as_array().unwrap()[1..3] {
        assert_eq!((&rejected["reason"], &rejected["field"]), (&json!("malformed"), &json!("event")));
        assert!(!rejected["detail"].as_str().unwrap().is_empty());
    }
    let kept = "select count(*) from raw.quarantine where position('NaN'::bytea in payload) > 0
                or position('\\xf6'::bytea in payload) > 0";
    assert_eq!(scene.count(kept).await, 2, "the bytes are kept as they came");

    let mut message = messages(&events(3));
    message.events[1] = vec![0xff; 7].into();
    let mut client = collector.client().await;
    let told = client.collect(scene.call(message.clone())).await.unwrap().into_inner().verdicts;
    let outcomes: Vec<Outcome> = told.iter().map(|verdict| verdict.outcome()).collect();
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Rejected, Outcome::Accepted]);
    assert_eq!((told[1].reason.as_deref(), told[1].field.as_deref()), (Some("malformed"), Some("event")));
    let stream = client.collect_stream(scene.call(futures::stream::iter([message]))).await;
    let again = stream.unwrap().into_inner().message().await.unwrap().unwrap().verdicts;
    let outcomes: Vec<Outcome> = again.iter().map(|verdict| verdict.outcome()).collect();
    assert_eq!(outcomes, [Outcome::Repeated, Outcome::Rejected, Outcome::Repeated]);
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 3, "set aside once");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uuidv7_that_is_told_again_with_another_time_is_repeated() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    // Both ways round: first with the time of the id, and first with another one.
    for fits_first in [true, false] {
        let fitting = event();
        let at = chrono::Utc::now() - chrono::TimeDelta::hours(3);
        let moved = with(fitting.clone(), json!({ "occurred_at": at, "session_started_at": at }));
        let (one, other) = if fits_first { (fitting, moved) } else { (moved, fitting) };
        for (sent, word) in
            [(&one, "accepted"), (&other, "repeated"), (&one, "repeated"), (&other, "repeated")]
        {
            let (_, answer) = scene.post(&collector, std::slice::from_ref(sent)).await;
            assert_eq!(words(&answer), [word], "{fits_first} {answer}");
        }
    }
    assert_eq!(scene.count("select count(*) from raw.events").await, 2);
    // Within one request, too, and beside others.
    let fitting = event();
    let at = chrono::Utc::now() - chrono::TimeDelta::hours(3);
    let moved = with(fitting.clone(), json!({ "occurred_at": at, "session_started_at": at }));
    let (_, answer) = scene.post(&collector, &[moved, event(), fitting]).await;
    let mut told = words(&answer);
    told.sort_unstable();
    assert_eq!(told, ["accepted", "accepted", "repeated"], "{answer}");
    assert_eq!(scene.count("select count(*) from raw.events").await, 4);
    collector.stop().await.unwrap();
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        _ => "repeated",
    }
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
async fn a_retry_that_is_stamped_anew_is_a_repeat_over_both_protocols() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let told = |ago_ms: i64| {
        let at = chrono::Utc::now() - chrono::TimeDelta::milliseconds(ago_ms);
        let id = json!({ "event_id": null, "source_id": "browser-42", "occurred_at": at, "session_started_at": at });
        with(event(), id)
    };
    let (_, answer) = scene.post(&collector, &[told(9_000)]).await;
    assert_eq!(words(&answer), ["accepted"]);
    let counts = &answer["verdicts"][0]["event_id"];
    let (_, answer) = scene.post(&collector, &[told(8_997), told(0)]).await;
    assert_eq!(words(&answer), ["repeated", "repeated"]);
    assert!(answer["verdicts"].as_array().unwrap().iter().all(|verdict| &verdict["event_id"] == counts));
    let mut client = collector.client().await;
    let told_again =
        messages(&[told(1), with(told(1), json!({ "source_id": "browser-43" })), told(86_400_000)]);
    let verdicts = client.collect(scene.call(told_again)).await.unwrap().into_inner().verdicts;
    let outcomes: Vec<Outcome> = verdicts.iter().map(collector::proto::Verdict::outcome).collect();
    assert_eq!(outcomes, [Outcome::Repeated, Outcome::Accepted, Outcome::Repeated]);
    assert_eq!(verdicts[0].event_id.as_deref(), counts.as_str());
    // An own UUIDv7 whose event is told with a time far from it.
    let own = event();
    let retry = with(
        own.clone(),
        json!({ "occurred_at": "2026-03-01T10:00:00Z", "session_started_at": "2026-03-01T10:00:00Z" }),
    );
    assert_eq!(words(&scene.post(&collector, std::slice::from_ref(&own)).await.1), ["accepted"]);
    let (_, answer) = scene.post(&collector, &[retry]).await;
    assert_eq!((words(&answer), &answer["verdicts"][0]["event_id"]), (vec!["repeated"], &own["event_id"]));
    assert_eq!(scene.ledger().await, [8, 3, 5, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_id_with_many_times_from_many_at_once_one_is_accepted() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let now = chrono::Utc::now();
    let told = |request: i64| {
        let event = |number: i64| {
            let at = now - chrono::TimeDelta::milliseconds(request * 11 + number);
            let id = format!("a-{number}");
            with(
                event(),
                json!({ "event_id": null, "source_id": id, "occurred_at": at, "session_started_at": at }),
            )
        };
        (0..50).map(event).collect::<Vec<Value>>()
    };
    let all: Vec<Vec<Value>> = (0..20).map(told).collect();
    let answers = futures::future::join_all(all.iter().map(|events| scene.post(&collector, events))).await;
    for number in 0..50 {
        let accepted = answers.iter().filter(|(_, answer)| words(answer)[number] == "accepted").count();
        assert_eq!(accepted, 1, "event {number}");
    }
    assert_eq!(scene.ledger().await, [1_000, 50, 950, 0]);
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
