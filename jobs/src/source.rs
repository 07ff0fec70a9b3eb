//! The Kafka source: what Spark reads, and how.

use std::time::Duration;

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
    pub topic: String,
    /// The most records of one micro-batch: bounds its memory and its time after a pause.
    pub max_offsets_per_trigger: u64,
    /// How much of that a micro-batch takes; without it, all.
    pub pace: Option<Pace>,
    /// How many tasks read, at most: each costs the same whatever it reads, and a micro-batch is small.
    pub readers: u32,
}

/// Spark's own source, whose micro-batches have one size.
const KAFKA: &str = "kafka";
/// The same with a size that follows what micro-batches took, in our jar.
const PACED: &str = "storepulse-kafka";

/// How long a fetch waits on the broker for records, in ms. After each fetch, Spark's reader asks on the same
/// connection where the partition begins and ends, and the broker answers only once the next fetch, which the
/// client has sent already, is over: by default half a second later where no record comes.
const FETCH_WAIT_MS: &str = "10";

/// How a source follows what its micro-batches take; see the package `pace` in `spark/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Whose queries wait for each other: a name that no other plan has.
    pub job: String,
    /// Whether it is the query that the others wait for while it has fallen behind.
    pub leads: bool,
    /// How long a micro-batch should take.
    pub wanted: Duration,
    /// How long a query waits at most.
    pub longest_wait: Duration,
}

impl Pace {
    fn options(&self) -> [(&'static str, String); 4] {
        [
            ("pace.job", self.job.clone()),
            ("pace.leads", self.leads.to_string()),
            ("pace.wanted.ms", self.wanted.as_millis().to_string()),
            ("pace.longest.wait.ms", self.longest_wait.as_millis().to_string()),
        ]
    }
}

impl KafkaSource {
    /// Opens the topic as a stream, from its start; a checkpoint, where there is one, decides instead.
    ///
    /// Reads are committed reads. Records that retention has cut before they were read stop the query
    /// (`failOnDataLoss`): a silent gap would make every figure wrong.
    pub(crate) fn stream(&self, session: &SparkSession, reader: &str) -> DataFrame {
        let reader_of = session.read_stream().format(if self.pace.is_some() { PACED } else { KAFKA });
        let pace = self.pace.iter().flat_map(Pace::options);
        self.options(reader)
            .into_iter()
            .chain(pace)
            .fold(reader_of, |reader, (name, value)| reader.option(name, &value))
            .option("maxOffsetsPerTrigger", &self.max_offsets_per_trigger.to_string())
            .load(None)
            .coalesce(i32::try_from(self.readers).unwrap_or(i32::MAX))
    }

    /// All that the topic holds now, read once and in as many tasks.
    pub(crate) fn batch(&self, session: &SparkSession, reader: &str) -> DataFrame {
        self.options(reader)
            .into_iter()
            .fold(session.read().format(KAFKA), |reader, (name, value)| reader.option(name, &value))
            .load(None)
            .coalesce(i32::try_from(self.readers).unwrap_or(i32::MAX))
    }

    /// What stream and batch are told alike.
    fn options(&self, reader: &str) -> [(&'static str, String); 8] {
        [
            ("kafka.bootstrap.servers", self.brokers.clone()),
            ("subscribe", self.topic.clone()),
            ("startingOffsets", "earliest".to_owned()),
            ("includeHeaders", "true".to_owned()),
            ("kafka.isolation.level", "read_committed".to_owned()),
            ("kafka.fetch.max.wait.ms", FETCH_WAIT_MS.to_owned()),
            ("failOnDataLoss", "true".to_owned()),
            ("groupIdPrefix", format!("storepulse-{reader}")),
        ]
    }
}
