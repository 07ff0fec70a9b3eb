//! What the shop keeps out is rejected as such, by a collector that began before: records from before the
//! retention floor, and those of an erased person, whose bytes are kept nowhere.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Scene, event, messages, with};

/// An event from so many days ago.
fn aged(days: i64) -> Value {
    let at = Utc::now() - TimeDelta::days(days);
    with(event(), json!({ "event_id": null, "source_id": at, "occurred_at": at, "session_started_at": at }))
}

async fn erase(scene: &Scene, user: &Uuid) {
    let mut client = provision::connect(&scene.url).await.unwrap();
    let key = provision::erasure::key(&client).await.unwrap();
    provision::erasure::record(&mut client, &[contracts::admission::user_hash(&key, user)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_before_the_retention_floor_is_rejected() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let (_, answer) = scene.post(&collector, &[aged(3)]).await;
    assert_eq!(answer["accepted"], 1, "{answer}");
    let mut client = provision::connect(&scene.url).await.unwrap();
    provision::retention::raise_floor(&mut client, Utc::now() - TimeDelta::days(2)).await.unwrap();
    let (status, answer) = scene.post(&collector, &[event(), aged(3), aged(1)]).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected"]), (200, &json!(2), &json!(1)), "{answer}");
    let rejected = &answer["verdicts"][1];
    assert_eq!((&rejected["verdict"], &rejected["reason"]), (&json!("rejected"), &json!("before_floor")));
    assert_eq!(scene.ledger().await, [4, 3, 0, 1]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_persons_events_are_rejected_over_both_protocols() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let (person, other) = (Uuid::new_v4(), Uuid::new_v4());
    let of = |user: Uuid| with(event(), json!({ "user_id": user }));
    let (_, answer) = scene.post(&collector, &[of(person)]).await;
    assert_eq!(answer["accepted"], 1, "{answer}");
    erase(&scene, &person).await;
    let (status, answer) = scene.post(&collector, &[of(person), of(other)]).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected"]), (200, &json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["verdicts"][0]["reason"], "erased");
    // A record that would be rejected anyhow does not bring the person back either.
    let batch = messages(&[of(person), with(of(person), json!({ "age": 200 })), of(other)]);
    let mut client = collector.client().await;
    let verdicts = client.collect(scene.call(batch)).await.unwrap().into_inner().verdicts;
    let reasons: Vec<Option<&str>> = verdicts.iter().map(|verdict| verdict.reason.as_deref()).collect();
    assert_eq!((reasons[0], reasons[2]), (Some("erased"), None));
    assert!(reasons[1].is_some());
    let named = format!(
        "select count(*) from raw.quarantine where position('{person}' in payload::text) > 0 or payload is not null"
    );
    assert_eq!(scene.count(&named).await, 0);
    collector.stop().await.unwrap();
}
