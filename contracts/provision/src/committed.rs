//! Reading a topic of one partition from its first record to its committed end.
//!
//! The end is where it was when reading began, and after that wherever nothing more comes: of a topic that is
//! written all the time a consumer never sees the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::ProvisionError;
use crate::kafka::REQUEST_TIMEOUT;

/// Reads a topic's only partition in order, committed records only.
pub struct CommittedReader {
    consumer: Arc<StreamConsumer>,
    topic: String,
    /// The offset behind the last record or marker that was committed when reading began.
    end: i64,
    passed: AtomicBool,
    /// The end was passed by the record handed out last.
    due: AtomicBool,
}

impl CommittedReader {
    /// Starts at the beginning of the topic.
    ///
    /// # Errors
    /// When the client cannot be started or Kafka does not tell the topic's end.
    pub async fn open(brokers: &str, topic: &str) -> Result<Self, ProvisionError> {
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
        let consumer = Arc::new(consumer);
        let (asked, name) = (Arc::clone(&consumer), topic.to_owned());
        let watermarks =
            tokio::task::spawn_blocking(move || asked.fetch_watermarks(&name, 0, REQUEST_TIMEOUT)).await;
        let (_, end) = watermarks.unwrap_or(Err(KafkaError::Canceled)).map_err(failed)?;
        let (passed, due) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { consumer, topic: topic.to_owned(), end, passed, due })
    }

    /// Waits for the next record, or gives nothing at the topic's committed end, for now; may be dropped at
    /// any await.
    ///
    /// # Errors
    /// When Kafka does not give the topic.
    pub async fn next(&self) -> Result<Option<BorrowedMessage<'_>>, ProvisionError> {
        if self.due.swap(false, Ordering::Relaxed) {
            return Ok(None);
        }
        match self.consumer.recv().await {
            Ok(message) => {
                if message.offset() + 1 >= self.end && !self.passed.swap(true, Ordering::Relaxed) {
                    self.due.store(true, Ordering::Relaxed);
                }
                Ok(Some(message))
            }
            Err(KafkaError::PartitionEOF(_)) => {
                self.passed.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(ProvisionError::kafka(format!("read {}", self.topic))(error)),
        }
    }
}
