//! The bytes at given coordinates.

use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, timeout_at};

use crate::error::Interrupted;
use crate::log::Quiet;

/// How long one record may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Reading on over this many records costs less than asking anew.
const READ_ON: i64 = 1_000;

/// What stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record with this value.
    Value(Vec<u8>),
    /// A record without a value.
    Null,
    /// Nothing any more: retention has removed it, or the topic.
    Gone,
}

/// Reads single records; refusals come mostly in order, so it reads on where it stands.
pub(super) struct Fetcher {
    consumer: StreamConsumer<Quiet>,
    at: Option<(String, i32, i64)>,
}

impl Fetcher {
    /// Uses a consumer that is assigned to nothing.
    pub(super) const fn new(consumer: StreamConsumer<Quiet>) -> Self {
        Self { consumer, at: None }
    }

    pub(super) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Found, Interrupted> {
        let near = |at: &(String, i32, i64)| {
            at.0 == topic && at.1 == partition && (at.2..at.2 + READ_ON).contains(&offset)
        };
        let failed = |source| Interrupted::Kafka { doing: "fetch a refused record", source };
        if !self.at.take().is_some_and(|at| near(&at)) {
            let mut assignment = TopicPartitionList::new();
            assignment.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(failed)?;
            self.consumer.assign(&assignment).map_err(failed)?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(received) = timeout_at(deadline, self.consumer.recv()).await else {
                let seconds = PATIENCE.as_secs();
                return Err(Interrupted::KafkaTimeout { doing: "deliver a refused record", seconds });
            };
            match received {
                // Left over from an assignment before.
                Ok(record) if record.topic() != topic || record.partition() != partition => {}
                Ok(record) if record.offset() < offset => {}
                Ok(record) => {
                    let found = match record.payload() {
                        _ if record.offset() > offset => Found::Gone,
                        Some(value) => Found::Value(value.to_vec()),
                        None => Found::Null,
                    };
                    self.at = Some((topic.to_owned(), partition, record.offset() + 1));
                    return Ok(found);
                }
                Err(KafkaError::PartitionEOF(_)) => return Ok(Found::Gone),
                Err(source) => match source.rdkafka_error_code() {
                    Some(
                        RDKafkaErrorCode::UnknownTopicOrPartition
                        | RDKafkaErrorCode::UnknownPartition
                        | RDKafkaErrorCode::UnknownTopic
                        | RDKafkaErrorCode::OffsetOutOfRange
                        | RDKafkaErrorCode::AutoOffsetReset,
                    ) => return Ok(Found::Gone),
                    _ => return Err(failed(source)),
                },
            }
        }
    }
}
