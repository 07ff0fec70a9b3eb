//! Parts of the job's work, each run once as a batch to be timed: what `bench` measures.
//!
//! A batch reads all that a topic holds with as many tasks as the cube's stream reads with, and shuffles into
//! as many. It keeps no state and no checkpoint: what a micro-batch costs beside its records is not in it.

use std::time::{Duration, Instant};

use contracts::cube::{CUBE, GROUPINGS};
use contracts::endpoints::Endpoints;
use contracts::family::{CUBE_FAMILY, Family};
use contracts::topics::Assigned;
use spark_connect_rs::{DataFrame, DataFrameWriter, SparkError, SparkSession};

use crate::checked::{self, Expected, Judge};
use crate::metrics::windowed;
use crate::plans::Owned;
use crate::sink::CassandraSink;
use crate::source::KafkaSource;
use crate::spark::{self, CallError, SHUFFLE_PARTITIONS};

/// How long one part may take.
const PART: Duration = Duration::from_secs(1_800);
/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(30);
/// The revision of what is written.
const REVISION: i64 = 1;
/// The connector's own data source.
const CONNECTOR: &str = "org.apache.spark.sql.cassandra";

/// A part of the work on a topic of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The records as Kafka has them, thrown away.
    Scan,
    /// Decoded and judged, every field of the events thrown away.
    Judged,
    /// The plan of the cube's stream, its rows thrown away.
    Cube,
    /// Each grouping of the cube by a query of its own, one after another, their rows thrown away.
    Groupings,
    /// The plan of the cube's stream into Cassandra.
    Written,
}

/// A session in which parts are timed, and a namespace whose topic they read and whose tables they write.
#[derive(Clone)]
pub struct Measured {
    session: SparkSession,
    source: KafkaSource,
    expected: Expected,
    judge: Judge,
    sink: CassandraSink,
}

impl Measured {
    /// Opens a session of its own, for a namespace that is set up.
    ///
    /// # Errors
    /// As [`spark::connect`].
    pub async fn connect(endpoints: &Endpoints, assigned: &Assigned) -> Result<Self, CallError> {
        let session = spark::connect(&endpoints.spark_remote).await?;
        let asked = session.clone();
        let judge = spark::call("look for a function", ANSWER, move || Judge::of(&asked)).await?;
        Ok(Self {
            session,
            source: KafkaSource {
                brokers: endpoints.kafka_brokers.clone(),
                topic: endpoints.namespace.events_topic(assigned.generation),
                max_offsets_per_trigger: 0,
                pace: None,
                readers: SHUFFLE_PARTITIONS,
            },
            expected: Expected {
                event_schema_id: assigned.event_schema_id,
                generation_id: assigned.generation_id,
            },
            judge,
            sink: CassandraSink { keyspace: endpoints.namespace.keyspace().to_owned() },
        })
    }

    /// How long a part takes over all that the topic holds.
    ///
    /// # Errors
    /// When Spark refuses it, or fails at it.
    pub async fn time(&self, part: Part) -> Result<Duration, CallError> {
        let measured = self.clone();
        timed("run a part of the job", move || measured.run(part)).await
    }

    /// How long the rows of a query take by themselves, thrown away.
    ///
    /// # Errors
    /// When Spark refuses it, or fails at it.
    pub async fn time_rows(&self, rows_sql: String) -> Result<Duration, CallError> {
        let session = self.session.clone();
        timed("make rows", move || thrown_away(&session.sql(&rows_sql)?)).await
    }

    /// How long the sink takes for the rows of a query, which has the columns of all tables of the cube,
    /// `route` and `write_time`.
    ///
    /// # Errors
    /// When Spark refuses it, or fails at it.
    pub async fn time_sink(&self, rows_sql: String) -> Result<Duration, CallError> {
        let Self { session, sink, .. } = self.clone();
        timed("write rows through the sink", move || {
            sink.batch(&CUBE_FAMILY, session.sql(&rows_sql)?.write()).save(None)
        })
        .await
    }

    /// How long the connector's own data source takes for the same rows: one write a table, each of which
    /// picks its rows from the query.
    ///
    /// # Errors
    /// When Spark refuses it, or fails at it.
    pub async fn time_connector(&self, rows_sql: String) -> Result<Duration, CallError> {
        let Self { session, sink, .. } = self.clone();
        timed("write rows through the connector", move || {
            for grouping in GROUPINGS {
                let columns =
                    grouping.columns().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let of_table = format!(
                    "select {columns}, {} from ({rows_sql}) where {} = '{}'",
                    CUBE.write_time, CUBE.route, grouping.table
                );
                session
                    .sql(&of_table)?
                    .write()
                    .format(CONNECTOR)
                    .mode("append")
                    .option("keyspace", &sink.keyspace)
                    .option("table", grouping.table)
                    .option("writetime", CUBE.write_time.name())
                    .save(None)?;
            }
            Ok(())
        })
        .await
    }

    fn run(&self, part: Part) -> Result<(), SparkError> {
        let records = self.source.batch(&self.session, "bench");
        let events = || checked::events(&records, &self.expected, self.judge);
        let cube = || windowed::cube_and_counts(&checked::on_time(&events()), REVISION, Owned::default());
        match part {
            Part::Scan => thrown_away(&records),
            Part::Judged => thrown_away(&events()),
            Part::Cube => thrown_away(&cube()?),
            Part::Groupings => GROUPINGS.iter().try_for_each(|grouping| {
                let alone =
                    Family { name: grouping.table, tables: std::slice::from_ref(grouping), ..CUBE_FAMILY };
                let events = checked::on_time(&events());
                thrown_away(&windowed::rows(&events, &alone, REVISION, Owned::default())?)
            }),
            Part::Written => self.sink.batch_of_cube(cube()?.write()).save(None),
        }
    }
}

/// Computes rows with all their columns, and keeps none.
fn thrown_away(rows: &DataFrame) -> Result<(), SparkError> {
    let writer: DataFrameWriter = rows.write();
    writer.format("noop").mode("overwrite").save(None)
}

/// Runs something that writes until it is through, and tells how long that took.
async fn timed(
    action: &'static str,
    work: impl FnOnce() -> Result<(), SparkError> + Send + 'static,
) -> Result<Duration, CallError> {
    spark::call(action, PART, move || {
        let began = Instant::now();
        work()?;
        Ok(began.elapsed())
    })
    .await
}
