//! The relay's position in Kafka: read to the committed end of its topic, written once at set-up.

use std::time::Duration;

use contracts::{RelayPosition, wire};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::ProvisionError;
use crate::kafka::REQUEST_TIMEOUT;

/// The latest committed position of a slot, or nothing where there is none.
///
/// # Errors
/// When Kafka does not answer, the topic does not exist or the record is no position.
pub async fn read(brokers: &str, topic: &str, slot: &str) -> Result<Option<RelayPosition>, ProvisionError> {
    let failed = |error| ProvisionError::kafka(format!("read {topic}"))(error);
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // librdkafka wants a group even where nothing is committed.
        .set("group.id", "storepulse-position")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .map_err(failed)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning).map_err(failed)?;
    consumer.assign(&assignment).map_err(failed)?;
    let mut latest = None;
    loop {
        let message = tokio::time::timeout(REQUEST_TIMEOUT, consumer.recv())
            .await
            .map_err(|_| failed(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)))?;
        match message {
            Ok(message) if message.key() == Some(slot.as_bytes()) => {
                latest = message.payload().map(<[u8]>::to_vec);
            }
            Ok(_) => {}
            Err(KafkaError::PartitionEOF(_)) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    let Some(value) = latest else { return Ok(None) };
    let position = wire::split(&value).and_then(|(_, body)| RelayPosition::read_avro(body));
    position.map(Some).map_err(|source| ProvisionError::UnreadablePosition {
        topic: topic.to_owned(),
        slot: slot.to_owned(),
        source,
    })
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
