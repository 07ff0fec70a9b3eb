//! Outages of Kafka and PostgreSQL; those made by hand by
//! `cargo test -p relay --test services outages::outages -- --ignored --nocapture`.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use relay::{RelayProgress, RelayState};

use crate::support::{Scene, events};

/// Runs while someone kills and restarts Kafka and PostgreSQL by hand; every row must come out once in the
/// end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for outages made by hand"]
async fn outages() {
    let mut scene = Scene::new("outages").await;
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    relay.until_streaming().await;
    let all = events::events(0..6_000);
    for part in all.chunks(100) {
        // PostgreSQL may be away; a transaction of ours that failed to begin is simply made again.
        while scene.pg.is_closed() || scene.pg.batch_execute("select").await.is_err() {
            // For as long as somebody keeps it away.
            tokio::time::sleep(Duration::from_millis(500)).await;
            if let Ok((client, connection)) =
                tokio_postgres::connect(&scene.config.pg_url, tokio_postgres::NoTls).await
            {
                tokio::spawn(connection);
                scene.pg = client;
            }
        }
        events::copy(&scene.pg, part).await;
        // The load lasts a minute: time enough to kill something.
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("{:?}", *relay.progress.borrow());
    }
    let mut progress = relay.progress.clone();
    let done = progress.wait_for(|progress| progress.events_out >= 6_000);
    tokio::time::timeout(Duration::from_secs(90), done).await.unwrap().unwrap();
    relay.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}

/// A producer waits for a topic that is gone, and its error names none: the start order does.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_deleted_is_named() {
    let scene = Scene::new("gone").await;
    let topic = scene.config.namespace.events_topic(scene.config.assigned.generation);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &scene.config.kafka_brokers).create().unwrap();
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let mut relay = scene.start();
    let told = |progress: &RelayProgress| match &progress.state {
        RelayState::Reconnecting { why } => why.contains(&topic) && why.contains("storepulse setup"),
        _ => false,
    };
    relay.until("told which topic is gone", told).await;
    relay.stop().await;
    scene.remove().await;
}
