//! The ledger of a run: it balances at every stage, says what the simulator knows, and names what was
//! doctored.

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::avro::Reader;
use contracts::ledger::{CUBE_COUNTS, PIPELINE_LEDGER, RelayCount, minute_us};
use contracts::wire;
use rdkafka::ClientConfig;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use scylla::client::session::Session;
use serde_json::Value;
use std::time::Duration;

use crate::support::{Line, on_shared_stack, records};

const STAGES: [&str; 4] = ["ingest", "store", "relay", "spark"];

/// The sum of one count of a stage over all minutes of a ledger printed as JSON.
pub(crate) fn total(ledger: &Value, stage: &str, count: &str) -> i64 {
    let minutes = ledger["minutes"].as_array().unwrap();
    minutes.iter().map(|minute| minute[stage][count].as_i64().unwrap()).sum()
}

/// The ledger of everything so far, which must balance.
async fn balanced(line: &Line, options: &str) -> Value {
    let ended = line.run(format!("ledger --json {options}").trim_end()).await.succeeded();
    serde_json::from_str(&ended.out).unwrap()
}

/// Asserts that the ledger fails and names a minute and what is off there.
async fn assert_named(line: &Line, minute: DateTime<Utc>, text: &str) {
    let failed = line.run("ledger").await.failed();
    let named = format!("{} {text}", minute.to_rfc3339_opts(SecondsFormat::Secs, true));
    assert!(failed.out.contains(&named), "{named}\n{failed}");
    assert!(failed.out.contains("the ledger does not balance"), "{failed}");
}

async fn produce(line: &Line, topic: &str, key: &str, value: &[u8]) {
    let brokers = &line.endpoints.kafka_brokers;
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let record = FutureRecord::to(topic).key(key).payload(value);
    producer.send(record, Duration::from_secs(20)).await.map_err(|(error, _)| error).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_run_balances_and_its_last_minute_stays_open() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let sent = line.simulate("--rate 300 --duration 5s --seed 3").await;
        let ledger = balanced(line, "--include-open").await;
        for stage in STAGES {
            assert_eq!(total(&ledger, stage, "records_in"), sent.sent, "{stage}: {ledger:#}");
            assert_eq!(total(&ledger, stage, "records_out"), sent.sent, "{stage}: {ledger:#}");
        }
        // What is not over is not judged unless it is asked for.
        let closed = balanced(line, "").await;
        assert!(
            closed["minutes"].as_array().unwrap().iter().all(|minute| minute["closed"] == true),
            "{closed:#}"
        );
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// Minutes in the past of this machine's clock, with records of a foreign producer stamped now: neither may
/// push the other out.
#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_run_is_what_the_simulator_knows_and_what_is_doctored_is_named() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let provisioned = provision::load(&line.endpoints).await.unwrap();
        let events_topic = line.endpoints.namespace.events_topic(provisioned.assigned.generation);
        produce(line, &events_topic, "foreign", b"none of ours").await;
        let warm_up = line.simulate("--rate 5 --duration 1m --seed 4 --start 2026-03-02T22:00:00Z").await;
        let first = balanced(line, "--to 2026-03-03T00:00:00Z").await;
        assert_eq!(total(&first, "spark", "records_out"), warm_up.sent);

        let dirt = "--late-pct 5 --repeated-pct 5 --malformed-pct 2 --hot-key-pct 20";
        let dirty =
            format!("simulate --truth --rate 100 --duration 5m --seed 5 --start 2026-03-03T10:00:00Z {dirt}");
        let truth: Value = serde_json::from_str(&line.run(&dirty).await.succeeded().out).unwrap();
        let of_run = balanced(line, "--from 2026-03-03T00:00:00Z --to 2026-03-04T00:00:00Z").await;
        let rejected: i64 =
            truth["rejected"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
        for (stage, count, known) in [
            ("ingest", "records_in", &truth["sent"]),
            ("ingest", "records_out", &truth["accepted"]),
            ("ingest", "repeated", &truth["repeated"]),
            ("ingest", "quarantined", &Value::from(rejected)),
            ("store", "records_out", &truth["accepted"]),
            ("relay", "records_in", &truth["accepted"]),
            ("relay", "records_out", &truth["accepted"]),
            ("spark", "records_in", &truth["accepted"]),
            ("spark", "records_out", &truth["on_time"]["events"]),
            ("spark", "late", &truth["late"]["events"]),
            ("spark", "quarantined", &Value::from(0)),
        ] {
            assert_eq!(&Value::from(total(&of_run, stage, count)), known, "{stage} {count}: {of_run:#}");
            assert!(count == "quarantined" || known.as_i64().unwrap() > 0, "{stage} {count}");
        }
        assert!(rejected > 0);
        assert!(of_run["minutes"].as_array().unwrap().len() >= 5, "{of_run:#}");

        // The foreign record counts in its own minute, in and quarantined alike.
        let all = balanced(line, "--include-open").await;
        assert_eq!(total(&all, "spark", "quarantined"), 1, "{all:#}");
        assert_eq!(total(&all, "spark", "records_in"), total(&all, "relay", "records_out") + 1);
        assert_progress_kept_all(line).await;
        assert_drawn_up(line, &of_run).await;
        doctor(line, &events_topic).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

async fn assert_progress_kept_all(line: &Line) {
    assert_eq!(line.progress().await.rows_dropped_by_watermark, 0);
}

/// What was printed stands in `pipeline_ledger`.
async fn assert_drawn_up(line: &Line, ledger: &Value) {
    let session = cassandra(line).await;
    let select = format!(
        "select minute, stage, records_in, records_out, repeated, late, quarantined from {}.{} where day = '2026-03-03'",
        line.endpoints.namespace.keyspace(),
        PIPELINE_LEDGER.name
    );
    let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
    let mut count = 0;
    for row in rows.rows::<(DateTime<Utc>, String, i64, i64, i64, i64, i64)>().unwrap() {
        let (at, stage, records_in, records_out, repeated, late, quarantined) = row.unwrap();
        let minutes = ledger["minutes"].as_array().unwrap();
        let minute = minutes
            .iter()
            .find(|minute| minute["minute"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() == at)
            .unwrap();
        let printed = &minute[&stage];
        for (name, stored) in [
            ("records_in", records_in),
            ("records_out", records_out),
            ("repeated", repeated),
            ("late", late),
            ("quarantined", quarantined),
        ] {
            assert_eq!(printed[name], stored, "{at} {stage} {name}");
        }
        count += 1;
    }
    assert_eq!(count, 4 * ledger["minutes"].as_array().unwrap().len());
}

async fn cassandra(line: &Line) -> Session {
    provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap()
}

/// Changes one count of each stage behind its back; each is found, by minute and stage.
async fn doctor(line: &Line, events_topic: &str) {
    let at: DateTime<Utc> = "2026-03-03T10:01:00Z".parse().unwrap();
    let more = "update ops.ledger set records_in = records_in + $2 where minute = $1 and stage = 'ingest'";
    for by in [1i64, -1] {
        assert_eq!(line.pg.execute(more, &[&at, &by]).await.unwrap(), 1);
        if by > 0 {
            assert_named(line, at, "ingest: ").await;
        }
    }
    balanced(line, "").await;

    let session = cassandra(line).await;
    let keyspace = line.endpoints.namespace.keyspace();
    let lost = format!(
        "delete from {keyspace}.{} where day = '2026-03-03' and ingested_minute = ?",
        CUBE_COUNTS.name
    );
    session.query_unpaged(lost, (at,)).await.unwrap();
    assert_named(line, at, "spark: ").await;

    let topic = line.endpoints.namespace.ledger_topic();
    let counts = records(&line.endpoints, &topic).await;
    let (schema_id, mut count) = counts
        .iter()
        .map(|record| wire::split(record.payload().unwrap()).unwrap())
        .map(|(schema_id, body)| (schema_id, RelayCount::read_avro(body).unwrap()))
        .rfind(|(_, count)| count.minute == at + chrono::TimeDelta::minutes(1))
        .unwrap();
    count.received += 1;
    let mut value = Vec::new();
    wire::write_header(&mut value, schema_id);
    count.write_avro(&mut value);
    produce(line, &topic, &count.key(), &value).await;
    assert_named(line, count.minute, "relay: ").await;

    let gone = "delete from raw.events where event_id = (select event_id from raw.events
                where ingested_at >= $1 and ingested_at < $1 + interval '1 minute' limit 1)";
    let at = at + chrono::TimeDelta::minutes(2);
    assert_eq!(line.pg.execute(gone, &[&at]).await.unwrap(), 1);
    assert_named(line, at, "store: ").await;

    // A forgery that passes every check is one record more than the relay gave. It is of a record that came
    // last: Spark's watermark is past those of the warm-up, and drops what is forged of them.
    let good = records(&line.endpoints, events_topic).await;
    let good = good.iter().rfind(|record| record.headers().is_some()).unwrap();
    let brokers = &line.endpoints.kafka_brokers;
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let forged = FutureRecord::to(events_topic)
        .key(good.key().unwrap())
        .payload(good.payload().unwrap())
        .headers(good.headers().unwrap().clone());
    producer.send(forged, Duration::from_secs(20)).await.map_err(|(error, _)| error).unwrap();
    let ingested_at = "select ingested_at from raw.events where event_id = $1";
    let (_, body) = wire::split(good.payload().unwrap()).unwrap();
    let event_id: uuid::Uuid = Reader::new(body).str().unwrap().parse().unwrap();
    let ingested_at: DateTime<Utc> = line.pg.query_one(ingested_at, &[&event_id]).await.unwrap().get(0);
    let minute = minute_us(ingested_at.timestamp_micros());
    assert_named(line, DateTime::from_timestamp_micros(minute).unwrap(), "spark: ").await;
}
