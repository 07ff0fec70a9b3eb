//! What stands in a topic.

use contracts::endpoints::Endpoints;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

/// The committed records of a topic, from its start to its end, partition by partition as they come.
pub async fn records(endpoints: &Endpoints, topic: &str) -> Vec<OwnedMessage> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &endpoints.kafka_brokers)
        .set("group.id", format!("{}-test", endpoints.namespace))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut records = Vec::new();
    let mut open = partitions.count();
    let all = async {
        while open > 0 {
            match consumer.recv().await {
                Ok(record) => records.push(record.detach()),
                Err(KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, all).await.unwrap();
    records
}
