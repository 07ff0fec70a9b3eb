//! Records that are none of ours: the job goes on, the figures stay right, the bytes are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::avro::write_long;
use contracts::quarantine::Reason;
use contracts::wire;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use relay::quarantine::{QuarantineConfig, QuarantineProgress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{on_shared_stack, records, until};

/// A record to produce, and why it must be refused.
type Poison = (Reason, Vec<u8>, Option<OwnedHeaders>);

/// Spoilt copies of a record that the relay made.
fn poison(good: &OwnedMessage) -> Vec<Poison> {
    let value = good.payload().unwrap();
    let ours = || good.headers().cloned();
    let of = |generation: &str| {
        let header = Header { key: wire::GENERATION_HEADER, value: Some(generation) };
        Some(OwnedHeaders::new().insert(header))
    };
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = value.to_vec();
        change(&mut value);
        value
    };
    // A string that claims two billion bytes would take an executor down without the Avro limits.
    let mut bomb = value[..wire::HEADER_BYTES].to_vec();
    write_long(&mut bomb, 2_000_000_000);
    assert_eq!(good.headers().unwrap().get(0).key, wire::GENERATION_HEADER);
    vec![
        (Reason::ForeignGeneration, value.to_vec(), None),
        (Reason::ForeignGeneration, value.to_vec(), of("00000000-0000-0000-0000-000000000000")),
        (Reason::BadMagicByte, with(&|value| value[0] = 1), ours()),
        (Reason::BadMagicByte, b"{}".to_vec(), ours()),
        (Reason::UnknownSchemaId, with(&|value| value[4] ^= 0xff), ours()),
        (Reason::UndecodableAvro, with(&|value| value.truncate(60)), ours()),
        (Reason::UndecodableAvro, bomb, ours()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_broken_records_are_set_aside_with_their_bytes() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = line.simulate("--rate 300 --duration 3s --seed 1").await;
        line.until_read(sent.committed).await;

        let provisioned = provision::load(&line.endpoints).await.unwrap();
        let topic = line.endpoints.namespace.events_topic(provisioned.assigned.generation);
        let good = records(&line.endpoints, &topic).await.swap_remove(0);
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &line.endpoints.kafka_brokers).create().unwrap();
        let mut expected = BTreeMap::new();
        for (reason, value, headers) in poison(&good) {
            let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&topic).payload(&value);
            record.headers = headers;
            let delivered = producer.send(record, Duration::from_secs(10)).await.unwrap();
            let coordinates = format!("{}/{}", delivered.partition, delivered.offset);
            expected.insert(coordinates, (reason.as_str().to_owned(), Some(value)));
        }
        sent += line.simulate("--rate 300 --duration 3s --seed 2").await;

        let cancel = CancellationToken::new();
        let (progress, _) = watch::channel(QuarantineProgress::default());
        let config = QuarantineConfig::new(&line.endpoints, provisioned.assigned.refusal_schema_id);
        let keeping = tokio::spawn(relay::quarantine::run(config, cancel.clone(), progress));
        let kept = until("every refused record is kept", async || {
            let select = "select coordinates, reason, payload from raw.quarantine where source = $1";
            let rows = line.pg.query(select, &[&topic]).await.unwrap();
            let kept: BTreeMap<String, (String, Option<Vec<u8>>)> =
                rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
            if kept.len() >= expected.len() { Ok(kept) } else { Err(format!("{kept:?}")) }
        })
        .await;
        assert_eq!(kept, expected);
        cancel.cancel();
        keeping.await.unwrap().unwrap();

        line.assert_verified(sent).await;
        let progress = line.progress().await;
        assert_eq!(progress.restarts, 0, "{progress:?}");
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
