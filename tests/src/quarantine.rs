//! Dirty data through the whole line: what does not pass is kept and named, and comes in once when it is put
//! right.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::quarantine::Reason;
use contracts::{Event, ids, wire};
use rdkafka::ClientConfig;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use crate::support::{Line, Sent, on_shared_stack, records, until};

/// What is open in quarantine, by source and reason.
async fn open(line: &Line) -> BTreeMap<(String, String), i64> {
    let listed = line.run("quarantine list --summary --json").await.succeeded();
    let counts: Value = serde_json::from_str(&listed.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    counts
        .as_array()
        .unwrap()
        .iter()
        .map(|count| ((text(&count["source"]), text(&count["reason"])), count["open"].as_i64().unwrap()))
        .filter(|(_, open)| *open > 0)
        .collect()
}

/// The first record of a reason, as `list` names it.
async fn first(line: &Line, reason: &str) -> (String, String) {
    let listed = line.run(&format!("quarantine list --json --limit 1 --reason {reason}")).await.succeeded();
    let records: Value = serde_json::from_str(&listed.out).unwrap();
    let text = |field: &str| records[0][field].as_str().unwrap().to_owned();
    (text("source"), text("coordinates"))
}

/// Writes an event to the topic without the relay's header, and returns its coordinates.
async fn strange(producer: &FutureProducer, topic: &str, value: &[u8]) -> String {
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).payload(value);
    let delivered = producer.send(record, Duration::from_secs(10)).await.unwrap();
    format!("{}/{}", delivered.partition, delivered.offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn dirty_data_is_named_and_comes_in_once_after_the_fix() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let dial = "--late-pct 5 --repeated-pct 5 --malformed-pct 2 --hot-key-pct 20";
        let ended = line.run(&format!("simulate --rate 400 --duration 12s --seed 3 --truth {dial}")).await;
        let truth: Value = serde_json::from_str(&ended.succeeded().out).unwrap();
        let count = |value: &Value| value.as_i64().unwrap();
        let rejected: BTreeMap<String, i64> = truth["rejected"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(reason, times)| (reason.clone(), count(times)))
            .collect();
        let mut sent = Sent {
            sent: count(&truth["sent"]),
            committed: count(&truth["accepted"]),
            repeated: count(&truth["repeated"]),
            quarantined: rejected.values().sum(),
        };
        assert!(rejected.len() >= 5 && sent.repeated > 0 && count(&truth["late"]["events"]) > 0, "{truth}");
        let expected: BTreeMap<(String, String), i64> = rejected
            .iter()
            .map(|(reason, times)| (("simulator".to_owned(), reason.clone()), *times))
            .collect();
        assert_eq!(open(line).await, expected);
        for reason in rejected.keys() {
            let (source, coordinates) = first(line, reason).await;
            let shown = line.run(&format!("quarantine show {source} {coordinates}")).await.succeeded();
            for words in
                [&format!("reason       {reason}"), "payload      json", "\"session_started_at\": \""]
            {
                assert!(shown.out.contains(words), "{words}: {shown}");
            }
        }

        // By rates that know its currency a record comes in, once.
        // Shortly after midnight some of the records are of the day before.
        let today = chrono::Utc::now().date_naive();
        let rates = [today.pred_opt().unwrap(), today].map(|day| format!("{day},XXX,0.5\n")).concat();
        let rates = line.file("rates.csv", &rates);
        let replay = format!("quarantine replay --reason missing_rate --rates {rates}");
        let missing = rejected["missing_rate"];
        let foretold = line.run(&format!("{replay} --dry-run")).await.succeeded();
        assert!(foretold.out.contains(&format!("would be: {missing} accepted + 0 repeated")), "{foretold}");
        let replayed = line.run(&replay).await.succeeded();
        assert!(
            replayed.out.contains(&format!("= {missing} accepted + 0 repeated + 0 refused")),
            "{replayed}"
        );
        let again = line.run(&replay).await.succeeded();
        assert!(again.out.contains("nothing of that kind is open"), "{again}");
        sent.committed += missing;

        // A stranger's records: one that is no event yet, and one that the relay has brought already.
        let provisioned = provision::load(&line.endpoints).await.unwrap();
        let topic = line.endpoints.namespace.events_topic(provisioned.assigned.generation);
        let known = records(&line.endpoints, &topic).await.swap_remove(0).payload().unwrap().to_vec();
        let mut event = Event::read_avro(wire::split(&known).unwrap().1).unwrap();
        event.event_id = ids::v7(event.occurred_at, [9; 10]);
        let mut foreign = known[..wire::HEADER_BYTES].to_vec();
        event.write_avro(&mut foreign);
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &line.endpoints.kafka_brokers).create().unwrap();
        let coordinates = strange(&producer, &topic, &foreign).await;
        strange(&producer, &topic, &known).await;
        let reason = Reason::ForeignGeneration.as_str();
        until("both strange records are kept", async || {
            let open = open(line).await;
            match open.get(&(topic.clone(), reason.to_owned())) {
                Some(2) => Ok(()),
                _ => Err(format!("{open:?}")),
            }
        })
        .await;
        let shown = line.run(&format!("quarantine show {topic} {coordinates}")).await.succeeded();
        assert!(shown.out.contains(&event.event_id.to_string()), "{shown}");
        let replayed = line.run(&format!("quarantine replay --source {topic}")).await.succeeded();
        assert!(replayed.out.contains("= 1 accepted + 1 repeated + 0 refused"), "{replayed}");
        sent.committed += 1;

        // What no fix was made for stays open, and the exit code says so.
        let refused = line.run("quarantine replay --reason missing_id").await.failed();
        assert!(refused.out.contains(&format!("{} missing_id", rejected["missing_id"])), "{refused}");
        assert_eq!(
            open(line).await.get(&("simulator".into(), "missing_id".into())),
            Some(&rejected["missing_id"])
        );

        line.assert_verified(sent).await;
        let progress = line.progress().await;
        assert_eq!((progress.restarts, progress.rows_dropped_by_watermark), (0, 0), "{progress:?}");
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
