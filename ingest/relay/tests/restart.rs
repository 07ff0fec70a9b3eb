//! However the relay ends, the next one goes on exactly there.

use std::time::Duration;

use contracts::Event;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use relay::RelayState;

use crate::support::{DEADLINE, Scene, events, until};

/// Lets a relay die at a failpoint.
async fn die_at(scene: &Scene, failpoint: &str) {
    let status = scene.spawn(Some(failpoint)).died().await;
    assert!(!status.success(), "it ended well instead of dying at {failpoint}");
}

/// Lets a relay finish, and compares.
async fn finish(scene: &Scene, expected: &[Event], already_out: u64) {
    let mut relay = scene.start();
    relay.until_events(expected.len() as u64 - already_out).await;
    relay.stop().await;
    scene.assert_events(expected);
    scene.assert_counted(expected, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_kafka_commit_and_confirmation() {
    let scene = Scene::new("commit").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..1_000);
    events::copy(&scene.pg, &all[..500]).await;
    die_at(&scene, "relay-after-kafka-commit").await;
    assert!(scene.confirmed().await < scene.position().lsn, "confirmed although it died before");
    assert_eq!(scene.committed_events().len(), 500);
    scene.assert_counted(&all[..500], 0);
    events::copy(&scene.pg, &all[500..]).await;
    finish(&scene, &all, 500).await;
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_kafka_commit() {
    let scene = Scene::new("produce").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..1_000);
    events::copy(&scene.pg, &all[..500]).await;
    die_at(&scene, "relay-before-kafka-commit").await;
    scene.assert_counted(&[], 0);
    events::copy(&scene.pg, &all[500..]).await;
    die_at(&scene, "relay-after-produce:300").await;
    finish(&scene, &all, 0).await;
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_is_split_and_goes_on_inside() {
    let mut scene = Scene::new("split").await;
    scene.config.limits.transaction_rows = 500;
    events::prepare(&scene.pg).await;
    let all = events::events(0..4_200);
    events::copy(&scene.pg, &all[..100]).await;
    events::copy(&scene.pg, &all[100..4_100]).await;
    events::copy(&scene.pg, &all[4_100..]).await;

    die_at(&scene, "relay-after-kafka-commit:3").await;
    let position = scene.position();
    let out = scene.committed_events().len() as u64;
    assert!(position.partial_rows > 0, "{position:?}");
    assert_eq!(out, u64::try_from(position.partial_rows).unwrap() + 100);
    assert!(scene.confirmed().await <= position.lsn, "confirmed inside a transaction");
    let counted: i64 = scene.counts().values().map(|(received, ..)| received).sum();
    assert_eq!(counted, out.cast_signed(), "counts go with the rows, not with their transaction");

    die_at(&scene, "relay-before-kafka-commit:2").await;
    assert_eq!(scene.committed_events().len() as u64, out + 500);
    die_at(&scene, "relay-after-produce:700").await;
    assert_eq!(scene.committed_events().len() as u64, out + 1_000);
    finish(&scene, &all, out + 1_000).await;
    assert_eq!((scene.position().partial_lsn, scene.position().partial_rows), (0, 0));
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_started_in_the_middle() {
    let mut scene = Scene::new("middle").await;
    scene.config.limits.transaction_rows = 300;
    events::prepare(&scene.pg).await;
    let all = events::events(0..20_000);
    for part in all.chunks(4_000) {
        events::copy(&scene.pg, part).await;
    }
    let mut out = 0;
    for _ in 0..3 {
        let mut relay = scene.start();
        relay.until_events(1_000).await;
        let progress = relay.progress.clone();
        relay.stop().await;
        assert_eq!(progress.borrow().state, RelayState::Stopped);
        out += progress.borrow().events_out;
    }
    finish(&scene, &all, out).await;
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fenced_by_another_producer_it_starts_again() {
    let scene = Scene::new("fenced").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..2_000);
    let mut relay = scene.start();
    events::copy(&scene.pg, &all[..1_000]).await;
    relay.until_events(1_000).await;

    let brokers = scene.config.kafka_brokers.clone();
    let transactional_id = scene.config.namespace.transactional_id();
    let fence = move || {
        let other: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", transactional_id)
            .create()
            .unwrap();
        other.init_transactions(DEADLINE).unwrap();
    };
    tokio::task::spawn_blocking(fence).await.unwrap();
    events::copy(&scene.pg, &all[1_000..]).await;
    let progress = relay.until_events(2_000).await;
    assert_eq!(progress.restarts, 1);
    relay.stop().await;
    scene.assert_events(&all);
    scene.assert_counted(&all, 0);
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_sessions_it_starts_again() {
    let scene = Scene::new("sessions").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..3_000);
    let mut relay = scene.start();
    events::copy(&scene.pg, &all[..1_000]).await;
    relay.until_events(1_000).await;
    for (restart, backend) in [(1, "client backend"), (2, "walsender")] {
        let ended = scene
            .pg
            .query(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
                 and application_name = 'storepulse-relay' and backend_type = $1",
                &[&backend],
            )
            .await
            .unwrap();
        assert_eq!(ended.len(), 1, "{backend}");
        let from = usize::try_from(restart).unwrap() * 1_000;
        events::copy(&scene.pg, &all[from..from + 1_000]).await;
        let progress = relay.until_events(1_000 * (restart + 1)).await;
        assert!(progress.restarts >= restart, "{progress:?}");
    }
    relay.stop().await;
    scene.assert_events(&all);
    scene.assert_counted(&all, 0);
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_relay_lets_postgresql_release_its_log() {
    let mut scene = Scene::new("idle").await;
    scene.config.limits.idle_position = Duration::from_millis(200);
    let mut relay = scene.start();
    relay.until_streaming().await;
    // Log that holds no row for us.
    scene.pg.batch_execute("create table public.elsewhere as select generate_series(1, 1000)").await.unwrap();
    let end = scene.server_end().await;
    let progress = relay.until("past the log's end", |progress| progress.committed_lsn >= end).await;
    assert_eq!(progress.events_out, 0);
    assert!(scene.position().lsn >= end);
    until("postgresql knows of it", async || (scene.confirmed().await >= end).then_some(())).await;
    relay.stop().await;
    scene.remove().await;
}
