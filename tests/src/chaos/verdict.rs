//! Whether each event counts once: PostgreSQL against Kafka, and against Cassandra.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use contracts::avro::Reader;
use contracts::endpoints::Endpoints;
use contracts::lateness::ON_TIME_SQL;
use contracts::measure::MEASURE;
use contracts::wire;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use scylla::client::session::Session;
use uuid::Uuid;

use crate::support::Line;

/// How long `verify` may wait for relay and Spark.
const DRAIN_S: u32 = 240;
/// How long Kafka may say nothing while a topic is read.
const SILENCE: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Rows of `raw.events`.
    pub stored: usize,
    /// Committed records of the topic.
    pub committed: Committed,
    /// Rows that no committed record carries.
    pub missing: usize,
    /// Committed records that carry no row.
    pub foreign: usize,
    /// Rows that are on time, which the tables must hold.
    pub on_time: i64,
    /// Events in the table that has every one of them once.
    pub counted: i64,
    /// What `verify` said, and whether it passed.
    pub verify: (bool, String),
    /// What `ledger` said, and whether it balances at every stage, the minute that is not over included.
    pub ledger: (bool, String),
}

impl Verdict {
    /// Judges a line whose simulation has ended and whose relay and job are at work.
    pub(crate) async fn of(line: &Line) -> anyhow::Result<Self> {
        let wait = format!("verify --wait-s {DRAIN_S}");
        let verified = line.run(&wait).await;
        let verify = (verified.status.success(), format!("{}{}", verified.out, verified.err));
        let balanced = line.run("ledger --include-open").await;
        let ledger = (balanced.status.success(), format!("{}{}", balanced.out, balanced.err));

        let endpoints = &line.endpoints;
        let client = provision::connect(&endpoints.pg_url).await?;
        let rows = client.query("select event_id from raw.events", &[]).await?;
        let stored: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        let on_time = client
            .query_one(&format!("select count(*) from raw.events where {ON_TIME_SQL}"), &[])
            .await?
            .get(0);
        let provisioned = provision::load(endpoints).await?;
        let topic = endpoints.namespace.events_topic(provisioned.assigned.generation);
        let committed = committed_ids(endpoints, &topic).await?;
        let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
        Ok(Self {
            stored: stored.len(),
            missing: stored.difference(&committed.ids).count(),
            foreign: committed.ids.difference(&stored).count(),
            committed,
            on_time,
            counted: counted(&session, endpoints).await?,
            verify,
            ledger,
        })
    }

    /// Events that are in PostgreSQL and not everywhere behind it.
    #[must_use]
    pub fn lost(&self) -> i64 {
        let missing = i64::try_from(self.missing).unwrap_or(i64::MAX);
        missing.max(self.on_time - self.counted)
    }

    /// Events that count more than once somewhere behind PostgreSQL.
    #[must_use]
    pub fn twice(&self) -> i64 {
        let repeated = i64::try_from(self.committed.repeated + self.foreign).unwrap_or(i64::MAX);
        repeated.max(self.counted - self.on_time)
    }

    /// Whether each event counts once.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.stored > 0 && self.lost() == 0 && self.twice() == 0 && self.verify.0 && self.ledger.0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Committed { records, repeated, .. } = &self.committed;
        writeln!(f, "postgresql: {} events, {} of them on time", self.stored, self.on_time)?;
        writeln!(
            f,
            "kafka:      {records} committed records, {} rows missing, {repeated} records repeated, {} foreign",
            self.missing, self.foreign
        )?;
        writeln!(f, "cassandra:  {} events counted", self.counted)?;
        writeln!(f, "verify:     {}", self.verify.1.trim_end())?;
        writeln!(f, "ledger:     {}", self.ledger.1.trim_end())?;
        write!(f, "{} lost, {} counted twice", self.lost(), self.twice())
    }
}

/// The committed records of a topic of events.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    pub records: usize,
    /// Records whose event a record before them carries.
    pub repeated: usize,
    /// The events they carry.
    pub ids: HashSet<Uuid>,
}

/// Reads the committed records of a topic of events, from its start to its present end.
///
/// # Errors
/// When Kafka does not answer, or a record is none of ours.
pub async fn committed_ids(endpoints: &Endpoints, topic: &str) -> anyhow::Result<Committed> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &endpoints.kafka_brokers)
        .set("group.id", format!("{}-verdict", endpoints.namespace))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), SILENCE)?;
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    let mut open = partitions.count();
    ensure!(open > 0, "topic {topic} has no partitions");
    let mut committed = Committed::default();
    while open > 0 {
        let received = tokio::time::timeout(SILENCE, consumer.recv()).await.context("kafka is silent")?;
        match received {
            Ok(record) => {
                let (_, body) = wire::split(record.payload().context("a record has no value")?)?;
                let id: Uuid = Reader::new(body).str()?.parse()?;
                committed.records += 1;
                committed.repeated += usize::from(!committed.ids.insert(id));
            }
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(committed)
}

/// The events of the table without dimensions, all minutes together.
async fn counted(session: &Session, endpoints: &Endpoints) -> anyhow::Result<i64> {
    let keyspace = endpoints.namespace.keyspace();
    let select = format!("select sum({}) from {keyspace}.activity_by_minute", MEASURE.events);
    let (sum,) = session.query_unpaged(select, ()).await?.into_rows_result()?.single_row::<(i64,)>()?;
    Ok(sum)
}
