//! Case 4: the broker dies, and later stands still, with records in flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::avro::Reader;
use contracts::wire;
use rdkafka::Message;
use stack::{Service, Signal, Silent};
use uuid::Uuid;

use super::{IN_MID_STREAM, until_flowing};
use crate::support::{Line, Sent, isolated_stack, on_services, records, until_says};

/// Longer than the broker waits for an open transaction (15 s), so that the relay's is aborted behind its
/// back.
const FREEZE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_and_frozen_keeps_each_users_order_and_repeats_nothing() {
    if !crate::long_tests() {
        return;
    }
    let (_turn, stack) = isolated_stack().await;
    let test = async |line: &Line| {
        let mut relay = line.relay().await;
        let job = line.job().await;
        let trouble = "--repeated-pct 1 --out-of-order-pct 5 --hot-key-pct 20";
        let simulation = line.start(&format!("simulate --rate 400 --duration forever {trouble}"));
        line.until_read(IN_MID_STREAM).await;

        stack.signal(Service::Kafka, Signal::SIGKILL).unwrap();
        until_says(&mut relay, "reconnecting").await;
        Box::pin(stack.start(Service::Kafka, Arc::new(Silent))).await.unwrap();
        until_flowing(line).await;

        stack.pause(Service::Kafka).unwrap();
        // The freeze itself.
        tokio::time::sleep(FREEZE).await;
        stack.resume(Service::Kafka).unwrap();
        until_flowing(line).await;

        let sent = Sent::of(simulation.stop().await);
        line.assert_verified(sent).await;
        assert_committed_in_order(line, sent.committed).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    };
    Box::pin(on_services(&stack, test)).await;
}

/// Committed reads hold every row once, and each user's in the order of the commits: the one writer commits
/// its transactions in the order of their ids. Within a transaction no order can be read again, since rows
/// fill the gaps of their table.
async fn assert_committed_in_order(line: &Line, committed: i64) {
    let rows = line.pg.query("select event_id, tx::text::bigint from raw.events", &[]).await.unwrap();
    let mut transactions: HashMap<Uuid, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let provisioned = provision::load(&line.endpoints).await.unwrap();
    let topic = line.endpoints.namespace.events_topic(provisioned.assigned.generation);
    let mut last: HashMap<Vec<u8>, i64> = HashMap::new();
    let records = records(&line.endpoints, &topic).await;
    assert_eq!(i64::try_from(records.len()).unwrap(), committed);
    for record in records {
        let (_, body) = wire::split(record.payload().unwrap()).unwrap();
        let id: Uuid = Reader::new(body).str().unwrap().parse().unwrap();
        let transaction = transactions.remove(&id).unwrap_or_else(|| panic!("{id} is in the topic twice"));
        if let Some(before) = last.insert(record.key().unwrap().to_vec(), transaction) {
            assert!(before <= transaction, "{id} of transaction {transaction} comes after {before}");
        }
    }
    assert!(transactions.is_empty(), "not in the topic: {transactions:?}");
}
