//! A commit without an answer: nobody knows whether it took place, so the next session reads what is there.

use std::sync::Arc;
use std::time::Duration;

use contracts::endpoints::variable;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use relay::RelayState;
use stack::{Service, Silent};

use crate::support::proxy::{Loses, Proxy};
use crate::support::{DEADLINE, Scene, events, until};

/// Lets the broker name the proxy to its clients.
async fn stand_in_front(proxy: &Proxy, broker: &str) {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", broker).create().unwrap();
    let brokers = consumer.fetch_metadata(None, DEADLINE).unwrap();
    let id = brokers.brokers()[0].id();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker).create().unwrap();
    let listener = format!("PLAINTEXT://{}", proxy.address);
    let alter = AlterConfig::new(ResourceSpecifier::Broker(id)).set("advertised.listeners", &listener);
    for altered in admin.alter_configs([&alter], &AdminOptions::new()).await.unwrap() {
        altered.unwrap();
    }
    let port: i32 = proxy.address.rsplit_once(':').unwrap().1.parse().unwrap();
    let named =
        async || (consumer.fetch_metadata(None, DEADLINE).unwrap().brokers()[0].port() == port).then_some(());
    until("the broker names the proxy's port", named).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_looked_up() {
    let stack = stack::isolated(&[Service::Kafka], Arc::new(Silent)).await.unwrap();
    let broker = stack.variable(variable::KAFKA_BROKERS).unwrap().unwrap();
    let proxy = Proxy::start(broker.clone()).await;
    stand_in_front(&proxy, &broker).await;
    let mut scene = Scene::on_kafka("indefinite", proxy.address.clone()).await;
    scene.config.limits.transaction_timeout = Duration::from_secs(3);
    events::prepare(&scene.pg).await;
    let all = events::events(0..3_000);
    let mut relay = scene.start();
    events::copy(&scene.pg, &all[..1_000]).await;
    relay.until_events(1_000).await;

    for (restart, what) in [(1, Loses::TheRequest), (2, Loses::TheAnswer)] {
        proxy.lose(what);
        let from = usize::try_from(restart).unwrap() * 1_000;
        events::copy(&scene.pg, &all[from..from + 1_000]).await;
        relay.until("told that Kafka is silent", |progress| progress.unacknowledged().is_some()).await;
        relay
            .until("given up", |progress| {
                progress.restarts == restart
                    && matches!(
                        &progress.state,
                        RelayState::Reconnecting { why } if why.contains("commit a transaction")
                    )
            })
            .await;
        assert!(proxy.lost() > 0);
        proxy.lose(Loses::Nothing);
        relay.until_streaming().await;
        // The first time the next session aborts the transaction and sends its rows again; the second time it
        // did take place: what no session counted is out all the same.
        let wanted = usize::try_from(restart + 1).unwrap() * 1_000;
        until("every event is committed", async || (scene.committed_events().len() >= wanted).then_some(()))
            .await;
    }
    assert_eq!(relay.progress.borrow().events_out, 2_000, "it sent again what was committed");
    relay.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}
