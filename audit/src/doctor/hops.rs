//! The hops behind PostgreSQL: each returns once the event is seen there, with where.

use std::time::Duration;

use contracts::cause::chain;
use contracts::cube::{CUBE, WINDOW_US};
use contracts::event::EVENT;
use contracts::measure::MEASURE;
use contracts::{Event, wire};
use provision::position::{Next, PositionReader};
use provision::{Provisioned, Watermarks, watermarks};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use scylla::client::session::Session;
use scylla::value::{CqlDate, CqlTimestamp};
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;

use super::advice::{self, Part};
use super::services::Ready;
use super::{DOCTOR_COUNTRY, Examination, GRACE, Hop, Stopped};
use crate::checkpoint::{SparkProgress, checkpoints_in_force};

/// How often the checkpoint and the table are looked at: neither tells when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a part that lets wait is looked at.
const ADVICE_EVERY: Duration = Duration::from_secs(1);
/// How long a request to Kafka may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the event's record stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    partition: i32,
    offset: i64,
}

/// Everything that is looked at.
pub(super) struct Watch<'a> {
    examination: &'a Examination<'a>,
    provisioned: Provisioned,
    topic: String,
    pg: Client,
    cassandra: Session,
    positions: PositionReader,
    events: StreamConsumer,
    /// Where PostgreSQL's log ended before the event.
    before: PgLsn,
}

impl<'a> Watch<'a> {
    /// Opens readers at the present ends.
    pub(super) async fn begin(examination: &'a Examination<'a>, ready: Ready) -> Result<Self, Stopped> {
        let Ready { pg, cassandra, provisioned } = ready;
        let endpoints = examination.endpoints;
        let namespace = &endpoints.namespace;
        let topic = namespace.events_topic(provisioned.assigned.generation);
        let positions =
            PositionReader::open(&endpoints.kafka_brokers, &namespace.positions_topic(), &provisioned.slot)
                .await
                .map_err(|error| Stopped::service(Hop::Services, "kafka", &error))?;
        let events = events_from_now(&endpoints.kafka_brokers, &topic)
            .await
            .map_err(|error| Stopped::service(Hop::Services, "kafka", &error))?;
        let before = pg
            .query_one("select pg_current_wal_insert_lsn()", &[])
            .await
            .map_err(|error| Stopped::service(Hop::Services, "postgresql", &error))?
            .get(0);
        Ok(Self { examination, provisioned, topic, pg, cassandra, positions, events, before })
    }

    /// The relay has committed a position beyond the log's end before the event.
    pub(super) async fn relay(&self, deadline: Instant) -> Result<String, Stopped> {
        let moved = async {
            loop {
                match self.positions.next().await {
                    Ok(Next::Position(position)) if position.lsn > u64::from(self.before) => {
                        return Ok(format!("position {}", PgLsn::from(position.lsn)));
                    }
                    Ok(_) => {}
                    Err(error) => return Err(Stopped::service(Hop::Relay, "kafka", &error)),
                }
            }
        };
        self.patiently(Hop::Relay, deadline, moved).await
    }

    /// The record is in the topic, for readers of committed records.
    pub(super) async fn kafka(&self, event: &Event, deadline: Instant) -> Result<(Record, String), Stopped> {
        let mut body = Vec::new();
        event.write_avro(&mut body);
        let found = async {
            loop {
                match self.events.recv().await {
                    Ok(record) => {
                        let is_it = record
                            .payload()
                            .and_then(|value| wire::split(value).ok())
                            .is_some_and(|(_, found)| found == body);
                        if is_it {
                            return Ok(Record { partition: record.partition(), offset: record.offset() });
                        }
                    }
                    Err(error) => return Err(Stopped::service(Hop::Kafka, "kafka", &error)),
                }
            }
        };
        let record = self.patiently(Hop::Kafka, deadline, found).await?;
        let Record { partition, offset } = record;
        Ok((record, format!("{} partition {partition} offset {offset}", self.topic)))
    }

    /// Spark has committed a micro-batch that ends behind the record.
    pub(super) async fn spark(&self, record: Record, deadline: Instant) -> Result<String, Stopped> {
        let failed = |error: &dyn std::error::Error| {
            Stopped::new(Hop::Spark, chain(error), "see `storepulse job status`")
        };
        let committed = async {
            loop {
                // Asked each time: the plan in force may change, and there is none before the first run.
                match checkpoints_in_force(
                    &self.pg,
                    &self.examination.endpoints.namespace,
                    self.examination.query,
                )
                .await
                {
                    Ok(checkpoint) => {
                        let offsets = checkpoint
                            .committed_offsets(self.examination.query, &self.topic)
                            .map_err(|error| failed(&error))?;
                        let next = offsets.and_then(|offsets| offsets.get(&record.partition).copied());
                        if let Some(next) = next.filter(|next| *next > record.offset) {
                            return Ok(format!(
                                "committed up to offset {next} of partition {}",
                                record.partition
                            ));
                        }
                    }
                    Err(crate::VerifyError::NoPlan { .. }) => {}
                    Err(error) => return Err(failed(&error)),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.patiently(Hop::Spark, deadline, committed).await
    }

    /// The row of the event's minute counts as many events as PostgreSQL has.
    pub(super) async fn cassandra(&self, event: &Event, deadline: Instant) -> Result<String, Stopped> {
        let minute_us = event.occurred_at.timestamp_micros().div_euclid(WINDOW_US) * WINDOW_US;
        let minute = CqlTimestamp(minute_us / 1_000);
        let table = "activity_by_country";
        let wanted = self.expected(minute_us).await?;
        let select = format!(
            "select {events} from {keyspace}.{table} where {country} = ? and {day} = ? and {minute} = ?",
            events = MEASURE.events,
            keyspace = self.examination.endpoints.namespace.keyspace(),
            country = EVENT.country,
            day = CUBE.day,
            minute = CUBE.minute,
        );
        let failed = |error: &dyn std::error::Error| Stopped::service(Hop::Cassandra, "cassandra", error);
        let counted = async {
            let statement = self.cassandra.prepare(select).await.map_err(|error| failed(&error))?;
            let key = (DOCTOR_COUNTRY, CqlDate::from(event.occurred_at.date_naive()), minute);
            loop {
                let answer =
                    self.cassandra.execute_unpaged(&statement, &key).await.map_err(|error| failed(&error))?;
                let rows = answer.into_rows_result().map_err(|error| failed(&error))?;
                let row = rows.maybe_first_row::<(i64,)>().map_err(|error| failed(&error))?;
                if let Some((events,)) = row.filter(|(events,)| *events >= wanted) {
                    return Ok(format!("{table} counts {events} of {DOCTOR_COUNTRY} in its minute"));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.patiently(Hop::Cassandra, deadline, counted).await
    }

    async fn expected(&self, minute_us: i64) -> Result<i64, Stopped> {
        let select = format!(
            "select count(*) from raw.events where {country} = $1 and {at} >= $2 and {at} < $3",
            country = EVENT.country,
            at = EVENT.occurred_at,
        );
        let bound = |us| chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
        let (from, to) = (bound(minute_us), bound(minute_us + WINDOW_US));
        self.pg
            .query_one(&select, &[&DOCTOR_COUNTRY, &from, &to])
            .await
            .map(|row| row.get(0))
            .map_err(|error| Stopped::service(Hop::Cassandra, "postgresql", &error))
    }

    /// Waits for a hop. A part that is not there is not waited for; past the deadline, what is known is said.
    async fn patiently<T>(
        &self,
        hop: Hop,
        deadline: Instant,
        wanted: impl Future<Output = Result<T, Stopped>>,
    ) -> Result<T, Stopped> {
        tokio::pin!(wanted);
        let mut look = (Instant::now() + GRACE).min(deadline);
        loop {
            if let Ok(answer) = tokio::time::timeout_at(look, &mut wanted).await {
                return answer;
            }
            let known = self.part(hop).await;
            match known {
                Ok(Part::Absent(stopped)) => return Err(Stopped { hop, ..stopped }),
                Ok(Part::Trying(stopped)) if look >= deadline => return Err(Stopped { hop, ..stopped }),
                Ok(Part::AtWork) if look >= deadline => return Err(self.late(hop)),
                Err(error) if look >= deadline => {
                    return Err(Stopped::service(hop, "postgresql", &error));
                }
                Ok(_) | Err(_) => {}
            }
            look = (Instant::now() + ADVICE_EVERY).min(deadline);
        }
    }

    /// The part that a hop depends on.
    async fn part(&self, hop: Hop) -> Result<Part, tokio_postgres::Error> {
        match hop {
            Hop::Services | Hop::Postgres | Hop::Relay | Hop::Kafka => {
                advice::relay(&self.pg, &self.provisioned.slot).await
            }
            Hop::Spark | Hop::Cassandra => advice::job(&self.pg, self.examination.query).await,
        }
    }

    /// The part says that it works, and yet.
    fn late(&self, hop: Hop) -> Stopped {
        let waited_s = self.examination.timeout.as_secs();
        let (what, advice) = match hop {
            Hop::Services | Hop::Postgres | Hop::Relay => (
                "the relay streams, but has not moved on",
                "it may have a backlog: see `storepulse relay status`, or give it more time with --timeout",
            ),
            Hop::Kafka => (
                "the relay moves on, but the event's record is not in the topic",
                "see whether the row was quarantined (raw.quarantine), or give it more time with --timeout",
            ),
            Hop::Spark => (
                "the job runs, but has not read the record",
                "it may have a backlog: see `storepulse job status`, or give it more time with --timeout",
            ),
            Hop::Cassandra => (
                "the job has read the record, but the row does not count it",
                "run `storepulse verify`, which says what is missing",
            ),
        };
        Stopped::new(hop, format!("{what} within {waited_s} s"), advice)
    }
}

/// A reader of every partition from its present end on.
async fn events_from_now(brokers: &str, topic: &str) -> Result<StreamConsumer, KafkaError> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // librdkafka wants a group even where nothing is committed.
        .set("group.id", "storepulse-doctor")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let topic = topic.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let mut assignment = TopicPartitionList::new();
        for (partition, Watermarks { high, .. }) in watermarks(&consumer, &topic, REQUEST_TIMEOUT)? {
            assignment.add_partition_offset(&topic, partition, Offset::Offset(high))?;
        }
        consumer.assign(&assignment)?;
        Ok(consumer)
    });
    // Only a panic inside of the call fails to join, or a runtime that is shutting down.
    opened.await.unwrap_or(Err(KafkaError::Canceled))
}
