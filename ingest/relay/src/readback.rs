//! Reading back what the relay itself has written: a compacted topic of one partition, to its settled end.
//!
//! The last *committed* record of a key counts, so such a topic is read to its very end: first until no
//! transaction is open before the high watermark, then up to there. After `init_transactions` none of an
//! older relay is.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::config::RelayConfig;
use crate::error::{Fault, Interrupted};
use crate::log::Quiet;

/// One request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// Longer than any transaction may stay open.
const SETTLED: Duration = Duration::from_secs(30);
const PARTITION: i32 = 0;

/// Hands every committed record of a topic to `take`, from the first to the settled end. Blocks.
///
/// It goes on for as long as records come; only a standstill of 30 s is a failure.
pub(crate) fn read(
    config: &RelayConfig,
    topic: &str,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let reading = |source: KafkaError| match source.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition) => {
            Interrupted::TopicMissing { topic: topic.to_owned() }
        }
        _ => Interrupted::Kafka { doing: "read back what was written", source },
    };
    let end = await_settled_end(config, topic, &reading)?;

    let consumer = consumer(config, "read_committed").map_err(reading)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, PARTITION, Offset::Beginning).map_err(reading)?;
    consumer.assign(&assignment).map_err(reading)?;

    let mut deadline = Instant::now() + SETTLED;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                take(&record)?;
                deadline = Instant::now() + SETTLED;
            }
            // No transaction was open before `end`, so the committed end lies at or beyond it.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(source)) if is_transient(&source) => {
                tracing::debug!(%source, topic, "reading goes on");
            }
            Some(Err(source)) => return Err(reading(source).into()),
            None => {}
        }
        if Instant::now() >= deadline {
            tracing::warn!(end, topic, "the topic could not be read to its end");
            return Err(Interrupted::KafkaTimeout {
                doing: "deliver what was written",
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
                doing: "settle what was written",
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
