//! Committed records, as a reader sees them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::ledger::{self, RelayCount};
use contracts::{RelayPosition, wire};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use relay::RelayConfig;

use super::{DEADLINE, Scene};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub key: String,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Record {
    /// The Avro body, after checking the schema's id.
    pub fn body(&self, schema_id: u32) -> &[u8] {
        let (id, body) = wire::split(self.value.as_deref().unwrap()).unwrap();
        assert_eq!(id, schema_id);
        body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Everything committed in a topic, up to its present end, by partition and offset.
pub fn committed(config: &RelayConfig, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let mut open: Vec<i32> = metadata.topics()[0].partitions().iter().map(|p| p.id()).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "{topic} has no end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = message.headers().map_or(Vec::new(), |headers| {
                    headers.iter().map(|h| (h.key.to_owned(), text(h.value.unwrap()))).collect()
                });
                records.push(Record {
                    partition: message.partition(),
                    key: text(message.key().unwrap()),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers,
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|p| *p != partition),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    records
}

impl Scene {
    pub fn committed_events(&self) -> Vec<Record> {
        committed(&self.config, &self.config.namespace.events_topic(self.config.assigned.generation))
    }

    /// The last committed position.
    pub fn position(&self) -> RelayPosition {
        let records = committed(&self.config, &self.config.namespace.positions_topic());
        RelayPosition::read_avro(records.last().unwrap().body(self.config.assigned.position_schema_id))
            .unwrap()
    }

    /// The committed counts of every minute: received, produced, quarantined.
    pub fn counts(&self) -> BTreeMap<DateTime<Utc>, (i64, i64, i64)> {
        let mut counts = BTreeMap::new();
        for record in committed(&self.config, &self.config.namespace.ledger_topic()) {
            let count = RelayCount::read_avro(record.body(self.config.assigned.ledger_schema_id)).unwrap();
            assert_eq!(record.key, count.key());
            let before = counts.insert(count.minute, (count.received, count.produced, count.quarantined));
            assert!(
                before.is_none_or(|(received, ..)| received < count.received),
                "{count:?} after {before:?}"
            );
        }
        counts
    }

    /// Asserts that exactly these events are counted, each once, in its minute.
    pub fn assert_counted(&self, expected: &[contracts::Event], quarantined: i64) {
        let mut wanted: BTreeMap<DateTime<Utc>, i64> = BTreeMap::new();
        for event in expected {
            let minute = ledger::minute_us(event.ingested_at.timestamp_micros());
            *wanted.entry(DateTime::from_timestamp_micros(minute).unwrap()).or_default() += 1;
        }
        let counts = self.counts();
        let produced = counts.iter().map(|(minute, (_, produced, _))| (*minute, *produced));
        let produced: BTreeMap<_, _> = produced.filter(|(_, produced)| *produced > 0).collect();
        assert_eq!(produced, wanted);
        assert!(counts.values().all(|(received, produced, set_aside)| *received == produced + set_aside));
        assert_eq!(counts.values().map(|(_, _, set_aside)| set_aside).sum::<i64>(), quarantined);
    }

    pub fn committed_users(&self) -> Vec<Record> {
        committed(&self.config, &self.config.namespace.users_topic())
    }

    /// Asserts that the topic holds exactly these events, each once, per user in the order given.
    pub fn assert_events(&self, expected: &[contracts::Event]) {
        let records = self.committed_events();
        assert_eq!(records.len(), expected.len());
        let mut wanted: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        for event in expected {
            let mut body = Vec::new();
            event.write_avro(&mut body);
            wanted.entry(event.user_id.to_string()).or_default().push(body);
        }
        let mut found: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        let mut partitions: HashMap<String, i32> = HashMap::new();
        let generation_id = self.config.assigned.generation_id.to_string();
        for record in records {
            assert_eq!(record.header(wire::GENERATION_HEADER), Some(generation_id.as_str()));
            let body = record.body(self.config.assigned.event_schema_id).to_vec();
            let partition = *partitions.entry(record.key.clone()).or_insert(record.partition);
            assert_eq!(partition, record.partition, "one key, one partition");
            found.entry(record.key).or_default().push(body);
        }
        assert!(found == wanted, "rows and records differ");
    }
}
