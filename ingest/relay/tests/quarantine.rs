//! What cannot go on is kept.

use std::time::Duration;

use chrono::DateTime;
use contracts::quarantine::Refusal;
use contracts::record::Text;
use contracts::{Event, Reason, wire};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use relay::quarantine::{self, QuarantineConfig, QuarantineProgress};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{DEADLINE, REFUSAL_SCHEMA, Scene, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_avro_cannot_hold_is_set_aside_and_the_rest_goes_on() {
    let scene = Scene::new("undecodable").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..10);
    events::copy(&scene.pg, &all[..5]).await;
    // PostgreSQL knows infinite instants, Avro does not.
    let columns: Vec<String> = Event::FIELDS.iter().map(|field| format!("\"{}\"", field.name)).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            "\"event_id\"" => "$1".to_owned(),
            "\"occurred_at\"" => "'infinity'".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    let insert = format!("insert into raw.events ({columns}) select {values} from raw.events limit 1");
    let id = Uuid::from_u128(all[0].event_id.as_u128() ^ 1);
    assert_eq!(scene.pg.execute(&insert, &[&id]).await.unwrap(), 1);
    events::copy(&scene.pg, &all[5..]).await;

    let mut relay = scene.start();
    let progress = relay.until_events(10).await;
    assert_eq!(progress.rows_quarantined, 1);
    relay.stop().await;
    scene.assert_events(&all);
    scene.assert_counted(&all, 1);
    let row = scene
        .pg
        .query_one("select source, reason, detail, payload, size_bytes from raw.quarantine", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), scene.config.namespace.slot());
    assert_eq!(row.get::<_, String>(1), Reason::UndecodableRow.as_str());
    assert!(row.get::<_, String>(2).starts_with("occurred_at"));
    assert_eq!(i64::try_from(row.get::<_, Vec<u8>>(3).len()).unwrap(), row.get::<_, i64>(4));
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spark_refused_is_fetched_and_kept() {
    let scene = Scene::new("refused").await;
    let topic = scene.config.namespace.events_topic(1);
    let quarantine_topic = scene.config.namespace.quarantine_topic();
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &scene.config.kafka_brokers).create().unwrap();
    let send = async |topic: &str, value: &[u8]| {
        let record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(topic).key(&b"k"[..]).payload(value).partition(0);
        producer.send(record, DEADLINE).await.unwrap().offset
    };
    let refuse = async |offset: i64, bytes: &[u8]| {
        let sha256 = hex::encode(Sha256::digest(bytes));
        let refusal = Refusal {
            source: Text::new(&topic).unwrap(),
            coordinates: Text::new(&format!("0/{offset}")).unwrap(),
            reason: Reason::BadMagicByte,
            size_bytes: i32::try_from(bytes.len()).unwrap(),
            sha256: Text::new(&sha256).unwrap(),
            refused_at: DateTime::from_timestamp_micros(0).unwrap(),
        };
        let mut value = Vec::new();
        wire::write_header(&mut value, REFUSAL_SCHEMA);
        refusal.write_avro(&mut value);
        send(&quarantine_topic, &value).await;
    };
    for number in 0..20u8 {
        let bytes = [number; 9];
        let offset = send(&topic, &bytes).await;
        if number % 3 != 1 {
            refuse(offset, &bytes).await;
        }
    }
    // Told twice, changed since, not there, and no refusal at all.
    refuse(0, &[0; 9]).await;
    refuse(1, b"another").await;
    refuse(5_000, b"gone").await;
    send(&quarantine_topic, b"no refusal").await;

    let config = QuarantineConfig {
        pg_url: scene.config.pg_url.clone(),
        kafka_brokers: scene.config.kafka_brokers.clone(),
        namespace: scene.config.namespace.clone(),
        refusal_schema_id: REFUSAL_SCHEMA,
    };
    let run = async |wanted: u64| {
        let cancel = CancellationToken::new();
        let (sender, mut progress) = watch::channel(QuarantineProgress::default());
        let task = tokio::spawn(quarantine::run(config.clone(), cancel.clone(), sender));
        let reached = progress.wait_for(|progress| progress.stored + progress.repeated >= wanted);
        let reached = tokio::time::timeout(DEADLINE, reached).await.expect("not all kept in time");
        let reached = reached.unwrap().clone();
        cancel.cancel();
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
        reached
    };
    let progress = run(17).await;
    assert_eq!((progress.stored, progress.repeated, progress.without_bytes), (16, 1, 2));

    let rows = scene
        .pg
        .query("select coordinates, payload, reason from raw.quarantine where source = $1", &[&topic])
        .await
        .unwrap();
    assert_eq!(rows.len(), 15);
    for row in rows {
        let (coordinates, payload): (String, Option<Vec<u8>>) = (row.get(0), row.get(1));
        let offset: u32 = coordinates.strip_prefix("0/").unwrap().parse().unwrap();
        let expected = (offset < 20 && offset != 1).then(|| vec![u8::try_from(offset).unwrap(); 9]);
        assert_eq!(payload, expected, "{coordinates}");
        assert_eq!(row.get::<_, String>(2), Reason::BadMagicByte.as_str());
    }
    // What is passed is not read again.
    refuse(19, &[19; 9]).await;
    let progress = run(1).await;
    assert_eq!((progress.stored, progress.repeated), (1, 0));
    scene.remove().await;
}
