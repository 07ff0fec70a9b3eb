//! The collector dies, or PostgreSQL does: nothing acknowledged is lost, and what was not may be sent again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use collector::Limits;
use collector::proto::collector_client::CollectorClient;
use collector::proto::{CollectRequest, Outcome};
use serde_json::Value;
use stack::{Service, Signal, Silent};
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::{Scene, events, in_time, messages, until, with_key};

/// Clients of the load, and the batches that each has ready.
const CLIENTS: usize = 4;
const BATCHES: usize = 60;
const BATCH_EVENTS: usize = 50;
/// Batches acknowledged before the collector is killed.
const ACKNOWLEDGED_FIRST: usize = 40;

/// Sends batches until the connection is gone; each acknowledged one is told.
async fn send(
    mut client: CollectorClient<Channel>,
    batches: Vec<Request<CollectRequest>>,
    acknowledged: mpsc::UnboundedSender<Vec<String>>,
) {
    for batch in batches {
        let Ok(response) = client.collect(batch).await else { return };
        let verdicts = response.into_inner().verdicts;
        assert!(verdicts.iter().all(|verdict| verdict.outcome() == Outcome::Accepted));
        let ids = verdicts.into_iter().map(|verdict| verdict.event_id.unwrap()).collect();
        if acknowledged.send(ids).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_during_load_loses_no_acknowledged_event() {
    let scene = Scene::new().await;
    let first = scene.spawn().await;
    let all: Vec<Vec<Vec<Value>>> =
        (0..CLIENTS).map(|_| (0..BATCHES).map(|_| events(BATCH_EVENTS)).collect()).collect();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut sending = Vec::new();
    for batches in &all {
        let client = CollectorClient::connect(first.grpc.clone()).await.unwrap();
        let requests = batches.iter().map(|batch| with_key(&scene.key.key, messages(batch))).collect();
        sending.push(tokio::spawn(send(client, requests, sender.clone())));
    }
    drop(sender);
    let mut acknowledged: HashSet<String> = HashSet::new();
    for _ in 0..ACKNOWLEDGED_FIRST {
        acknowledged.extend(in_time(receiver.recv()).await.unwrap());
    }
    first.kill_9().await;
    while let Some(ids) = in_time(receiver.recv()).await {
        acknowledged.extend(ids);
    }
    futures::future::try_join_all(sending).await.unwrap();
    let total = CLIENTS * BATCHES * BATCH_EVENTS;
    assert!(acknowledged.len() < total, "it was killed while it was under load");

    let stored: HashSet<String> = stored(&scene).await;
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost", lost.len());

    // All of it again, as senders do that do not know: each event is there once.
    let second = scene.spawn().await;
    let mut client = CollectorClient::connect(second.grpc.clone()).await.unwrap();
    for batch in all.iter().flatten() {
        client.collect(scene.call(messages(batch))).await.unwrap();
    }
    let [_, committed, repeated, quarantined] = scene.ledger().await;
    assert_eq!((committed, quarantined), (i64::try_from(total).unwrap(), 0));
    assert_eq!(repeated, i64::try_from(stored.len()).unwrap());
}

async fn stored(scene: &Scene) -> HashSet<String> {
    let rows = scene.client.query("select event_id::text from raw.events", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_is_away_nothing_is_acknowledged() {
    // Its own, since it is killed.
    let postgres = Arc::new(stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap());
    let scene = Scene::on(Arc::clone(&postgres), None).await;
    let limits = Limits { patience: Duration::from_millis(300), ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    let url = format!("http://{}/v1/health", collector.http);
    let health = async || scene.http.get(&url).send().await.unwrap().status().as_u16();
    assert_eq!(health().await, 200);

    postgres.signal(Service::Postgres, Signal::SIGKILL).unwrap();
    let batch = events(5);
    let (status, problem) = in_time(scene.post(&collector, &batch)).await;
    assert_eq!((status, &problem["retry_after_ms"]), (503, &Value::from(1_000)));
    let mut client = collector.client().await;
    let status = in_time(client.collect(scene.call(messages(&batch)))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(health().await, 503);

    postgres.start(Service::Postgres, Arc::new(Silent)).await.unwrap();
    // Without a request it finds out by itself.
    until("the collector is healthy again", async || health().await == 200).await;
    let (status, answer) = scene.post(&collector, &batch).await;
    assert_eq!((status, &answer["accepted"]), (200, &Value::from(5)));
    collector.stop().await.unwrap();
}
