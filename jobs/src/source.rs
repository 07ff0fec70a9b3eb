//! The Kafka source: what Spark reads, and how.

use spark_connect_rs::{DataFrame, SparkSession};

/// The columns of Spark's Kafka source, as its integration guide names them.
pub(crate) mod column {
    pub(crate) const TOPIC: &str = "topic";
    pub(crate) const PARTITION: &str = "partition";
    pub(crate) const OFFSET: &str = "offset";
    pub(crate) const TIMESTAMP: &str = "timestamp";
    pub(crate) const VALUE: &str = "value";
    pub(crate) const HEADERS: &str = "headers";
}

/// A topic to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSource {
    /// Bootstrap servers, as Spark's driver and executors reach them.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The most records of one micro-batch: bounds its memory and its time after a pause.
    pub max_offsets_per_trigger: u64,
    /// How many tasks read, at most: each costs the same whatever it reads, and a micro-batch is small.
    pub readers: u32,
}

impl KafkaSource {
    /// Opens the topic as a stream, from its start; a checkpoint, where there is one, decides instead.
    ///
    /// Reads are committed reads. Records that retention has cut before they were read stop the query
    /// (`failOnDataLoss`): a silent gap would make every figure wrong.
    pub(crate) fn stream(&self, session: &SparkSession, reader: &str) -> DataFrame {
        session
            .read_stream()
            .format("kafka")
            .option("kafka.bootstrap.servers", &self.brokers)
            .option("subscribe", &self.topic)
            .option("startingOffsets", "earliest")
            .option("includeHeaders", "true")
            .option("kafka.isolation.level", "read_committed")
            .option("failOnDataLoss", "true")
            .option("maxOffsetsPerTrigger", &self.max_offsets_per_trigger.to_string())
            .option("groupIdPrefix", &format!("storepulse-{reader}"))
            .load(None)
            .coalesce(i32::try_from(self.readers).unwrap_or(i32::MAX))
    }
}
