//! Reading a topic of one partition from its first record to its committed end.

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::ProvisionError;

/// Reads a topic's only partition in order, committed records only.
pub struct CommittedReader {
    consumer: StreamConsumer,
    topic: String,
}

impl CommittedReader {
    /// Starts at the beginning of the topic.
    ///
    /// # Errors
    /// When the client cannot be started.
    pub fn open(brokers: &str, topic: &str) -> Result<Self, ProvisionError> {
        let failed = |error| ProvisionError::kafka(format!("read {topic}"))(error);
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // librdkafka wants a group even where nothing is committed.
            .set("group.id", "storepulse-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .map_err(failed)?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Beginning).map_err(failed)?;
        consumer.assign(&assignment).map_err(failed)?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// Waits for the next record, or gives nothing at the topic's committed end, for now; may be dropped at any
    /// await.
    ///
    /// # Errors
    /// When Kafka does not give the topic.
    pub async fn next(&self) -> Result<Option<BorrowedMessage<'_>>, ProvisionError> {
        match self.consumer.recv().await {
            Ok(message) => Ok(Some(message)),
            Err(KafkaError::PartitionEOF(_)) => Ok(None),
            Err(error) => Err(ProvisionError::kafka(format!("read {}", self.topic))(error)),
        }
    }
}
