//! Where the partitions of a topic begin and end.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

/// The bounds of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is left.
    pub low: i64,
    /// The offset behind the last record. To a client that reads committed records only, the last stable
    /// offset.
    pub high: i64,
}

/// The bounds of every partition of a topic; none of a topic that does not exist. Blocks, for `timeout` at
/// most with each request: one for the topic and one for each partition.
///
/// # Errors
/// When Kafka does not answer one of them in time, or cannot tell the topic's partitions at the moment.
pub fn watermarks<X: ConsumerContext>(
    consumer: &impl Consumer<X>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<BTreeMap<i32, Watermarks>> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let mut bounds = BTreeMap::new();
    for found in metadata.topics() {
        match found.error().map(RDKafkaErrorCode::from) {
            None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
            // With it come no partitions, which is not to be taken for a topic that has none.
            Some(code) => return Err(KafkaError::MetadataFetch(code)),
        }
        for partition in found.partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), timeout)?;
            bounds.insert(partition.id(), Watermarks { low, high });
        }
    }
    Ok(bounds)
}
