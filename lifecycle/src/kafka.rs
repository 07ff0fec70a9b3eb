//! Records of a topic from before an instant.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use provision::{Watermarks, watermarks};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::LifecycleError;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Where each partition of a topic begins, and where its first record from an instant on stands (its end
/// where there is none).
pub(crate) async fn bounds(
    brokers: &str,
    topic: &str,
    from: DateTime<Utc>,
) -> Result<BTreeMap<i32, (i64, i64)>, LifecycleError> {
    let failed = LifecycleError::kafka("tell the bounds of", topic);
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(&failed)?;
    let name = topic.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        // The ends first: a record that comes after them is found by its time, or lies behind.
        let partitions = watermarks(&consumer, &name, TIMEOUT)?;
        let mut times = TopicPartitionList::new();
        for &partition in partitions.keys() {
            times.add_partition_offset(&name, partition, Offset::Offset(from.timestamp_millis()))?;
        }
        let found = consumer.offsets_for_times(times, TIMEOUT)?;
        let mut bounds = BTreeMap::new();
        for (partition, Watermarks { low, high }) in partitions {
            let first = match found.find_partition(&name, partition).map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset,
                _ => high,
            };
            bounds.insert(partition, (low, first));
        }
        Ok(bounds)
    });
    match asked.await {
        Ok(bounds) => bounds.map_err(failed),
        Err(_) => Err(failed(rdkafka::error::KafkaError::Canceled)),
    }
}

/// Removes the records before an offset of each partition.
pub(crate) async fn delete_before(
    brokers: &str,
    topic: &str,
    offsets: &BTreeMap<i32, i64>,
) -> Result<(), LifecycleError> {
    let failed = LifecycleError::kafka("delete old records of", topic);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(&failed)?;
    let mut list = TopicPartitionList::new();
    for (&partition, &offset) in offsets {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(&failed)?;
    }
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let deleted = admin.delete_records(&list, &options).await.map_err(&failed)?;
    deleted.elements().iter().try_for_each(|element| element.error()).map_err(failed)
}
