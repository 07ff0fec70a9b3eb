//! Whether a topic still holds everything from its first record on.

use std::time::Duration;

use provision::{Watermarks, watermarks};
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

/// A topic from whose start a plan cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Kafka could not be asked.
    #[error("could not read the bounds of {topic} from kafka: check KAFKA_BROKERS")]
    Kafka {
        topic: String,
        /// Why not.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Records are gone.
    #[error(
        "retention has cut partition {partition} of {topic} up to offset {low}: a new plan would miss the records \
         before it; run `storepulse rebuild`, which computes their figures from postgresql"
    )]
    Cut {
        topic: String,
        partition: i32,
        /// The first offset that is left.
        low: i64,
    },
}

/// Checks that every partition of a topic still begins at offset 0. Blocks for as long as Kafka takes.
///
/// # Errors
/// [`RetentionError`].
pub fn check_complete(brokers: &str, topic: &str) -> Result<(), RetentionError> {
    let kafka = |source| RetentionError::Kafka { topic: topic.to_owned(), source };
    let timeout = Duration::from_secs(15);
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(kafka)?;
    for (partition, Watermarks { low, .. }) in watermarks(&consumer, topic, timeout).map_err(kafka)? {
        if low > 0 {
            return Err(RetentionError::Cut { topic: topic.to_owned(), partition, low });
        }
    }
    Ok(())
}
