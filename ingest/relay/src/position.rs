//! Reading the position back, and writing it.
//!
//! The positions topic is compacted and has one partition. The last *committed* record of our slot's key counts, so
//! the topic is read to its very end: first until no transaction is open before the high watermark, then up
//! to there. After `init_transactions` none of an older relay is.

use std::time::{Duration, Instant};

use contracts::avro::ReadError;
use contracts::{RelayPosition, wire};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::config::RelayConfig;
use crate::error::{Fault, Interrupted, RelayError};
use crate::log::Quiet;

/// One request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// Longer than any transaction may stay open.
const SETTLED: Duration = Duration::from_secs(30);
/// How long the topic may be unknown to a broker that has just started.
const MISSING: Duration = Duration::from_secs(10);
const PARTITION: i32 = 0;
/// Names the last beat of `ops.relay_status` before the position; see [`crate::status`].
const BEAT_HEADER: &str = "beat";

/// A position as it stands in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) position: RelayPosition,
    /// The last beat before it; nothing in a first position, which set-up writes.
    pub(crate) beat: Option<i64>,
}

/// The headers of a position.
pub(crate) fn headers(beat: i64) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: BEAT_HEADER, value: Some(&beat.to_string()) })
}

fn beat_of(headers: Option<&impl Headers>) -> Option<i64> {
    let header = headers?.iter().find(|header| header.key == BEAT_HEADER)?;
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}

/// Appends a position as the positions topic holds it.
pub fn encode(position: &RelayPosition, schema_id: u32, out: &mut Vec<u8>) {
    out.clear();
    wire::write_header(out, schema_id);
    position.write_avro(out);
}

/// The last committed position of the slot, if there is one. Blocks.
pub(crate) fn read(config: &RelayConfig) -> Result<Option<Stored>, Fault> {
    let deadline = Instant::now() + MISSING;
    loop {
        match read_once(config) {
            Err(Fault::Retry(Interrupted::TopicMissing { topic })) => {
                if Instant::now() >= deadline {
                    return Err(RelayError::PositionsTopicMissing { topic }.into());
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            read => return read,
        }
    }
}

fn read_once(config: &RelayConfig) -> Result<Option<Stored>, Fault> {
    let topic = config.namespace.positions_topic();
    let reading = |source: KafkaError| match source.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition) => {
            Interrupted::TopicMissing { topic: topic.clone() }
        }
        _ => Interrupted::Kafka { doing: "read the positions", source },
    };
    let end = await_settled_end(config, &topic, &reading)?;

    let consumer = consumer(config, "read_committed").map_err(reading)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic, PARTITION, Offset::Beginning).map_err(reading)?;
    consumer.assign(&assignment).map_err(reading)?;

    let slot = config.namespace.slot();
    let mut last = None;
    let deadline = Instant::now() + SETTLED;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) if record.key() == Some(slot.as_bytes()) => {
                let decode = |value| decode(value, config, &topic, record.offset());
                let position = record.payload().map(decode).transpose()?;
                last = position.map(|position| Stored { position, beat: beat_of(record.headers()) });
            }
            Some(Ok(_)) => {}
            // No transaction was open before `end`, so the committed end lies at or beyond it.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            Some(Err(source)) if is_transient(&source) => {
                tracing::debug!(%source, "reading the positions goes on");
            }
            Some(Err(source)) => return Err(reading(source).into()),
            None => {}
        }
        if Instant::now() >= deadline {
            tracing::warn!(end, "the positions topic could not be read to its end");
            return Err(Interrupted::KafkaTimeout {
                doing: "deliver the positions",
                seconds: SETTLED.as_secs(),
            }
            .into());
        }
    }
}

/// Waits until everything before the present end of the topic is committed or aborted; returns that end.
fn await_settled_end(
    config: &RelayConfig,
    topic: &str,
    reading: &impl Fn(KafkaError) -> Interrupted,
) -> Result<i64, Fault> {
    let all = consumer(config, "read_uncommitted").map_err(reading)?;
    let committed = consumer(config, "read_committed").map_err(reading)?;
    let (_, end) = all.fetch_watermarks(topic, PARTITION, REQUEST).map_err(reading)?;
    let deadline = Instant::now() + SETTLED;
    loop {
        let (_, stable) = committed.fetch_watermarks(topic, PARTITION, REQUEST).map_err(reading)?;
        if stable >= end {
            return Ok(end);
        }
        if Instant::now() >= deadline {
            return Err(Interrupted::KafkaTimeout {
                doing: "settle the positions",
                seconds: SETTLED.as_secs(),
            }
            .into());
        }
        // The broker tells no one when a transaction ends; asking again costs one small request.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn consumer(config: &RelayConfig, isolation: &str) -> Result<BaseConsumer<Quiet>, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("client.id", config.namespace.transactional_id())
        // The library wants a group even where none is joined; nothing is ever committed to it.
        .set("group.id", config.namespace.transactional_id())
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .set("fetch.wait.max.ms", "50")
        .set("allow.auto.create.topics", "false")
        .create_with_context(Quiet)
}

/// Errors of a connection, which the library mends by itself.
fn is_transient(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
        )
    )
}

fn decode(value: &[u8], config: &RelayConfig, topic: &str, offset: i64) -> Result<RelayPosition, RelayError> {
    let unreadable =
        |source: ReadError| RelayError::PositionUnreadable { topic: topic.to_owned(), offset, source };
    let (actual, body) = wire::split(value).map_err(unreadable)?;
    let expected = config.position_schema_id;
    if actual != expected {
        return Err(RelayError::PositionSchema { topic: topic.to_owned(), offset, actual, expected });
    }
    RelayPosition::read_avro(body).map_err(unreadable)
}
