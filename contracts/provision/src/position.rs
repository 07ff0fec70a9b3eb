//! The relay's position in Kafka: read to the committed end of its topic, written once at set-up.

use std::time::Duration;

use contracts::{RelayPosition, wire};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};

use crate::ProvisionError;
use crate::committed::CommittedReader;
use crate::kafka::REQUEST_TIMEOUT;

/// Reads the positions of one slot in order, from the first that is kept, committed ones only.
pub struct PositionReader {
    reader: CommittedReader,
    topic: String,
    slot: String,
}

/// What comes next in the positions topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A position of the slot.
    Position(RelayPosition),
    /// The committed end, for now.
    End,
}

impl PositionReader {
    /// Starts at the beginning of the topic.
    ///
    /// # Errors
    /// When the client cannot be started or Kafka does not tell the topic's end.
    pub async fn open(brokers: &str, topic: &str, slot: &str) -> Result<Self, ProvisionError> {
        let reader = CommittedReader::open(brokers, topic).await?;
        Ok(Self { reader, topic: topic.to_owned(), slot: slot.to_owned() })
    }

    /// Waits for the next position of the slot or the end of the topic; may be dropped at any await.
    ///
    /// # Errors
    /// When Kafka does not give the topic or the record is no position.
    pub async fn next(&self) -> Result<Next, ProvisionError> {
        loop {
            let Some(message) = self.reader.next().await? else { return Ok(Next::End) };
            if message.key() != Some(self.slot.as_bytes()) {
                continue;
            }
            let body = wire::split(message.payload().unwrap_or_default()).map(|(_, body)| body);
            return body.and_then(RelayPosition::read_avro).map(Next::Position).map_err(|source| {
                ProvisionError::UnreadablePosition {
                    topic: self.topic.clone(),
                    slot: self.slot.clone(),
                    source,
                }
            });
        }
    }
}

/// The latest committed position of a slot, or nothing where there is none.
///
/// # Errors
/// When Kafka does not answer, the topic does not exist or a record is no position.
pub async fn read(brokers: &str, topic: &str, slot: &str) -> Result<Option<RelayPosition>, ProvisionError> {
    let reader = PositionReader::open(brokers, topic, slot).await?;
    let mut latest = None;
    loop {
        let next = tokio::time::timeout(REQUEST_TIMEOUT, reader.next()).await.map_err(|_| {
            let timed_out = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
            ProvisionError::kafka(format!("read {topic}"))(timed_out)
        })?;
        match next? {
            Next::Position(position) => latest = Some(position),
            Next::End => return Ok(latest),
        }
    }
}

/// Writes the first position, acknowledged by every copy.
pub(crate) async fn write(
    brokers: &str,
    topic: &str,
    schema_id: u32,
    position: &RelayPosition,
) -> Result<(), ProvisionError> {
    let failed = |error| ProvisionError::kafka(format!("write the first position to {topic}"))(error);
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "20000")
        .create()
        .map_err(failed)?;
    let mut value = Vec::new();
    wire::write_header(&mut value, schema_id);
    position.write_avro(&mut value);
    let record = FutureRecord::to(topic).partition(0).key(&position.slot).payload(&value);
    producer.send(record, Duration::from_secs(20)).await.map_err(|(error, _)| failed(error))?;
    Ok(())
}
