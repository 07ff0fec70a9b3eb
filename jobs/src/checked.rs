//! From Kafka records to events: what decodes and keeps the rules is an event, the rest has a typed reason.
//!
//! Random bytes often decode as Avro, so the wire format's magic byte, the schema's id and the topic
//! generation's header are compared first, and the ranges of the decoded fields after: those that the types
//! of the contract keep by themselves in Rust. An event of the future, which ingest would have refused, is
//! refused last.

mod rules;
mod sql;

use contracts::event::EVENT;
use contracts::quarantine::REFUSAL;
use contracts::record::Field;
use contracts::validation::{MAX_AGE_YEARS, MAX_LATITUDE_DEGREES, MAX_LONGITUDE_DEGREES};
use contracts::{Event, lateness, ledger, topics, wire};
use spark_connect_rs::functions::{col, expr, to_avro_with_schema, when};
use spark_connect_rs::{Column, DataFrame, SparkError, SparkSession};
use uuid::Uuid;

use crate::source::column::{HEADERS, OFFSET, PARTITION, TIMESTAMP, TOPIC, VALUE};

pub use rules::rules;
pub(crate) use sql::in_range_sql;
pub use sql::refusal_sql;

/// What a record must carry to be the relay's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The registry's id of the event schema.
    pub event_schema_id: u32,
    /// The id of the topic generation in force.
    pub generation_id: Uuid,
}

/// What decodes and judges. Both say the same of every record, so that a checkpoint may be continued with
/// either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The function of our jar.
    Function,
    /// Spark's SQL, for a server whose jar is from before the function.
    Sql,
}

impl Judge {
    /// The one that a server has.
    ///
    /// # Errors
    /// When the server does not tell.
    pub fn of(session: &SparkSession) -> Result<Self, SparkError> {
        let known = session.catalog().function_exists(rules::FUNCTION)?;
        Ok(if known { Self::Function } else { Self::Sql })
    }
}

/// The least and the most that a whole number may be, counts having no most of their own, or a number of
/// degrees.
fn bounds(field: &Field) -> (i32, i32) {
    let degrees = |most: i32| (-most, most);
    match field.name {
        name if name == EVENT.age.name() => (0, MAX_AGE_YEARS),
        name if name == EVENT.latitude.name() => degrees(MAX_LATITUDE_DEGREES),
        name if name == EVENT.longitude.name() => degrees(MAX_LONGITUDE_DEGREES),
        _ => (1, i32::MAX),
    }
}

/// The decoded event beside its record.
const DECODED: &str = "decoded";
/// Why a record is refused; null where it is not.
const REFUSED: &str = "refused";
/// The minute of a refused record's Kafka time; null where it is not refused.
pub(crate) const REFUSED_MINUTE: &str = "refused_minute";

/// Kafka records with the decoded event and the reason for refusing them.
fn judged(records: &DataFrame, expected: &Expected, judge: Judge) -> DataFrame {
    let record = || [TOPIC, PARTITION, OFFSET, TIMESTAMP, VALUE, HEADERS].map(col).into_iter();
    let (decoded, refused) = match judge {
        Judge::Function => (rules::judged(expected), expr(&format!("{DECODED}.{}", rules::REASON))),
        Judge::Sql => (sql::decoded(), once(expr(&refusal_sql(expected)))),
    };
    records
        .select(record().chain([once(decoded).alias(DECODED)]))
        .select(record().chain([col(DECODED), refused.alias(REFUSED)]))
}

/// A column that is computed once a row, whatever the optimizer thinks of it: by the number of its partition,
/// which is never negative, it does not count as deterministic, so that it is neither copied nor moved.
///
/// Left alone, it copies the decoding into every place that names a field: 80 copies a record, each reading
/// Hadoop's configuration anew in every task, took 10 s a micro-batch. And it turns the reason into a filter
/// and that into conjunctive normal form, which took all of the driver's memory. Unlike a generator, which
/// would do as well, it is compiled.
pub(crate) fn once(column: Column) -> Column {
    when(expr("spark_partition_id() >= 0"), column)
}

/// The events among Kafka records, with the event's columns.
#[must_use]
pub fn events(records: &DataFrame, expected: &Expected, judge: Judge) -> DataFrame {
    let fields = Event::FIELDS.iter().map(|field| col(&format!("{DECODED}.{}", field.name)));
    judged(records, expected, judge).filter(expr(&format!("{REFUSED} is null"))).select(fields)
}

/// The events that are on time by the rule of [`lateness`].
#[must_use]
pub fn on_time(events: &DataFrame) -> DataFrame {
    events.filter(expr(&on_time_sql("")))
}

/// The rule over the event's columns, each with a prefix that says where they are.
pub(crate) fn on_time_sql(prefix: &str) -> String {
    format!(
        "unix_micros({prefix}{}) - unix_micros({prefix}{}) between -{} and {}",
        EVENT.ingested_at,
        EVENT.occurred_at,
        lateness::MAX_AHEAD_US,
        lateness::MAX_LATE_US
    )
}

/// What becomes of each Kafka record, with the minute that the ledger counts it in: that of `ingested_at`, or
/// [`REFUSED_MINUTE`], which is that of the Kafka record. One of the two is null.
#[must_use]
pub(crate) fn outcomes(records: &DataFrame, expected: &Expected, judge: Judge) -> DataFrame {
    let ingested =
        format!("case when {REFUSED} is null then date_trunc('minute', {DECODED}.{}) end", EVENT.ingested_at);
    // A producer chooses its record's time; null and nonsense are filed under the nearest end.
    let [earliest, latest] = lateness::days();
    let stamped = format!("least(greatest({TIMESTAMP}, timestamp'{earliest}'), timestamp'{latest}')");
    let refused = format!("case when {REFUSED} is not null then date_trunc('minute', {stamped}) end");
    let outcome = format!(
        "case when {REFUSED} is not null then {REFUSED} when {} then '{}' else '{}' end",
        on_time_sql(&format!("{DECODED}.")),
        ledger::ON_TIME,
        ledger::LATE
    );
    judged(records, expected, judge).select([
        expr(&ingested).alias(ledger::LEDGER.ingested_minute.name()),
        expr(&refused).alias(REFUSED_MINUTE),
        expr(&outcome).alias(ledger::LEDGER.outcome.name()),
    ])
}

/// The refusals among Kafka records, as keys and values of the quarantine topic.
///
/// The bytes stay out: they may hold anything, personal data included.
#[must_use]
pub fn refusals(records: &DataFrame, expected: &Expected, judge: Judge, refusal_schema_id: u32) -> DataFrame {
    let coordinates = format!("concat({PARTITION}, '/', {OFFSET})");
    let refusal: Vec<Column> = vec![
        col(TOPIC).alias(REFUSAL.source.name()),
        expr(&coordinates).alias(REFUSAL.coordinates.name()),
        col(REFUSED).alias(REFUSAL.reason.name()),
        expr(&format!("coalesce(length({VALUE}), 0)")).alias(REFUSAL.size_bytes.name()),
        expr(&format!("sha2(coalesce({VALUE}, X''), 256)")).alias(REFUSAL.sha256.name()),
        expr("current_timestamp()").alias(REFUSAL.refused_at.name()),
    ];
    let names = [
        REFUSAL.source,
        REFUSAL.coordinates,
        REFUSAL.reason,
        REFUSAL.size_bytes,
        REFUSAL.sha256,
        REFUSAL.refused_at,
    ]
    .map(|column| column.name())
    .join(", ");
    let refused =
        judged(records, expected, judge).filter(expr(&format!("{REFUSED} is not null"))).select(refusal);
    let body = to_avro_with_schema(expr(&format!("struct({names})")), &topics::refusal_schema().to_string());
    let header = hex::encode([&[wire::MAGIC][..], &refusal_schema_id.to_be_bytes()].concat());
    refused
        .select([
            expr(&format!("concat({}, '/', {})", REFUSAL.source, REFUSAL.coordinates)).alias("key"),
            body.alias("body"),
        ])
        .select([col("key"), expr(&format!("concat(X'{header}', body)")).alias(VALUE)])
}
