//! From Kafka records to events: what decodes and keeps the rules is an event, the rest has a typed reason.
//!
//! Random bytes often decode as Avro, so the wire format's magic byte, the schema's id and the topic
//! generation's header are compared first, and the ranges of the decoded fields after: those that the types of the
//! contract keep by themselves in Rust. An event of the future, which ingest would have refused, is refused last.

use contracts::event::EVENT;
use contracts::quarantine::{REFUSAL, Reason};
use contracts::record::{Field, Kind, Spelling};
use contracts::validation::{EARLIEST_US, LATEST_US, MAX_AGE_YEARS};
use contracts::{Event, cube, lateness, ledger, topics, wire};
use spark_connect_rs::functions::{col, expr, from_avro_with_options, to_avro_with_schema, when};
use spark_connect_rs::{Column, DataFrame};
use uuid::Uuid;

use crate::source::column::{HEADERS, OFFSET, PARTITION, TIMESTAMP, TOPIC, VALUE};

/// What a record must carry to be the relay's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The registry's id of the event schema.
    pub event_schema_id: u32,
    /// The id of the topic generation in force.
    pub generation_id: Uuid,
}

/// The decoded event beside its record.
const DECODED: &str = "decoded";
/// Why a record is refused; null where it is not.
const REFUSED: &str = "refused";
/// The minute of a refused record's Kafka time; null where it is not refused.
pub(crate) const REFUSED_MINUTE: &str = "refused_minute";

/// Where the Avro body begins in a value, from 1 as SQL counts.
const BODY_AT: usize = wire::HEADER_BYTES + 1;

/// Kafka records with the decoded event and the reason for refusing them.
fn judged(records: &DataFrame, expected: &Expected) -> DataFrame {
    // Old instants are out of range and not, as without the second option, an error of the decoder.
    let options = expr("map('mode', 'PERMISSIVE', 'datetimeRebaseMode', 'CORRECTED')");
    let body = expr(&format!("substring({VALUE}, {BODY_AT})"));
    let decoded = from_avro_with_options(body, &topics::event_schema().to_string(), options);
    let record = || [TOPIC, PARTITION, OFFSET, TIMESTAMP, VALUE, HEADERS].map(col).into_iter();
    let refused = expr(&refusal_sql(expected));
    records
        .select(record().chain([once(decoded).alias(DECODED)]))
        .select(record().chain([col(DECODED), once(refused).alias(REFUSED)]))
}

/// A column that is computed once a row, whatever the optimizer thinks of it: by the number of its partition, which
/// is never negative, it does not count as deterministic, so that it is neither copied nor moved.
///
/// Left alone, it copies the decoding into every place that names a field: 80 copies a record, each reading
/// Hadoop's configuration anew in every task, took 10 s a micro-batch. And it turns the reason into a filter and
/// that into conjunctive normal form, which took all of the driver's memory. Unlike a generator, which would do as well,
/// it is compiled.
pub(crate) fn once(column: Column) -> Column {
    when(expr("spark_partition_id() >= 0"), column)
}

fn refusal_sql(expected: &Expected) -> String {
    let schema_id = hex::encode(expected.event_schema_id.to_be_bytes());
    let header_bytes = wire::HEADER_BYTES;
    // A lambda over the headers would say the same, but Spark does not compile an expression that holds one.
    let generation = hex::encode(expected.generation_id.hyphenated().to_string());
    let header = format!("named_struct('key', '{}', 'value', X'{generation}')", wire::GENERATION_HEADER);
    // What does not decode comes as a struct of nulls; the key is never null in what does.
    let key = EVENT.event_id;
    let in_range = in_range_sql();
    let (ingested_at, occurred_at) = (EVENT.ingested_at, EVENT.occurred_at);
    let max_ahead_us = lateness::MAX_AHEAD_US;
    format!(
        "case \
         when {VALUE} is null or length({VALUE}) < {header_bytes} or substring({VALUE}, 1, 1) <> X'00' then '{}' \
         when substring({VALUE}, 2, 4) <> X'{schema_id}' then '{}' \
         when not coalesce(array_contains({HEADERS}, {header}), false) then '{}' \
         when {DECODED}.{key} is null then '{}' \
         when not coalesce({in_range}, false) then '{}' \
         when unix_micros({DECODED}.{ingested_at}) - unix_micros({DECODED}.{occurred_at}) < -{max_ahead_us} then '{}' \
         end",
        Reason::BadMagicByte,
        Reason::UnknownSchemaId,
        Reason::ForeignGeneration,
        Reason::UndecodableAvro,
        Reason::OutOfRange,
        Reason::Future,
    )
}

/// The rules of all decoded fields; also what the plan's fingerprint covers.
pub(crate) fn in_range_sql() -> String {
    let rules =
        Event::FIELDS.iter().filter(|field| code_pattern(field).is_none()).filter_map(field_in_range_sql);
    rules.chain([codes_sql(), clean_text_sql()]).collect::<Vec<_>>().join(" and ")
}

/// The regular expression of a field that always holds a code: a UUID, a word of few, capital letters.
fn code_pattern(field: &Field) -> Option<String> {
    // Within brackets a character stands for itself.
    let literal = |word: &&str| word.chars().map(|c| format!("[{c}]")).collect::<String>();
    match (field.kind, field.spelling) {
        _ if field.nullable => None,
        (Kind::Uuid, _) => Some("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}".into()),
        (Kind::Text { .. }, Spelling::Words(words)) => {
            Some(format!("(?:{})", words.iter().map(literal).collect::<Vec<_>>().join("|")))
        }
        (Kind::Text { .. }, Spelling::Letters(count)) => Some(format!("[A-Z]{{{count}}}")),
        _ => None,
    }
}

/// Whether every code is one, by one expression: each of its own would be planned and compiled in every micro-batch.
/// No code holds the comma that keeps them apart.
fn codes_sql() -> String {
    let (names, patterns): (Vec<String>, Vec<String>) = Event::FIELDS
        .iter()
        .filter_map(|field| Some((format!("{DECODED}.{}", field.name), code_pattern(field)?)))
        .unzip();
    // Unlike `$`, `\z` does not match before a last line end. Backslashes are escapes in SQL too.
    format!("concat_ws(',', {}) rlike '^{}\\\\z'", names.join(", "), patterns.join(","))
}

/// Whether all free text is UTF-8 without control characters. It is looked at once for all fields: a space keeps
/// halves of characters apart.
fn clean_text_sql() -> String {
    let free = Event::FIELDS
        .iter()
        .filter(|field| matches!(field.kind, Kind::Text { .. }) && field.spelling == Spelling::Free)
        .map(|field| format!("{DECODED}.{}", field.name));
    let text = format!("concat_ws(' ', {})", free.collect::<Vec<_>>().join(", "));
    // Encoding puts a replacement where Java found no character. Backslashes are escapes in SQL too.
    format!("(cast({text} as binary) = encode({text}, 'UTF-8') and not {text} rlike '\\\\p{{Cc}}')")
}

/// The rule of one decoded field, or nothing where its type leaves no room for nonsense that could do harm.
fn field_in_range_sql(field: &Field) -> Option<String> {
    let name = format!("{DECODED}.{}", field.name);
    let rule = match field.kind {
        Kind::Uuid => format!(
            "length({name}) = {} and {name} rlike '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}'",
            uuid::fmt::Hyphenated::LENGTH
        ),
        Kind::Text { max_chars } => match field.spelling {
            Spelling::Words(words) => format!("{name} in ('{}')", words.join("', '")),
            Spelling::Letters(count) => {
                format!("length({name}) = {count} and {name} rlike '^[A-Z]{{{count}}}'")
            }
            Spelling::Free => {
                format!("length({name}) between 1 and {max_chars} and {name} <> '{}'", cube::NONE)
            }
        },
        // An instant outside would be a window that never closes or is dropped.
        Kind::TimestampMicros => {
            format!("{name} between timestamp_micros({EARLIEST_US}) and timestamp_micros({LATEST_US})")
        }
        Kind::Double if field.name == EVENT.latitude.name() => format!("{name} between -90 and 90"),
        Kind::Double => format!("{name} between -180 and 180"),
        Kind::Int if field.name == EVENT.age.name() => format!("{name} between 0 and {MAX_AGE_YEARS}"),
        Kind::Int => format!("{name} >= 1"),
        Kind::Decimal { .. } => format!("{name} >= 0"),
        Kind::Date => format!("{name} between date'1970-01-01' and date'2200-01-01'"),
        Kind::Bool => return None,
    };
    Some(if field.nullable { format!("({name} is null or ({rule}))") } else { format!("({rule})") })
}

/// The events among Kafka records, with the event's columns.
#[must_use]
pub fn events(records: &DataFrame, expected: &Expected) -> DataFrame {
    let fields = Event::FIELDS.iter().map(|field| col(&format!("{DECODED}.{}", field.name)));
    judged(records, expected).filter(expr(&format!("{REFUSED} is null"))).select(fields)
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
pub(crate) fn outcomes(records: &DataFrame, expected: &Expected) -> DataFrame {
    let ingested =
        format!("case when {REFUSED} is null then date_trunc('minute', {DECODED}.{}) end", EVENT.ingested_at);
    // A producer chooses its record's time; null and nonsense are filed under the nearest end.
    let stamped = format!("least(greatest({TIMESTAMP}, timestamp'1970-01-01'), timestamp'2200-01-01')");
    let refused = format!("case when {REFUSED} is not null then date_trunc('minute', {stamped}) end");
    let outcome = format!(
        "case when {REFUSED} is not null then {REFUSED} when {} then '{}' else '{}' end",
        on_time_sql(&format!("{DECODED}.")),
        ledger::ON_TIME,
        ledger::LATE
    );
    judged(records, expected).select([
        expr(&ingested).alias(ledger::LEDGER.ingested_minute.name()),
        expr(&refused).alias(REFUSED_MINUTE),
        expr(&outcome).alias(ledger::LEDGER.outcome.name()),
    ])
}

/// The refusals among Kafka records, as keys and values of the quarantine topic.
///
/// The bytes stay out: they may hold anything, personal data included.
#[must_use]
pub fn refusals(records: &DataFrame, expected: &Expected, refusal_schema_id: u32) -> DataFrame {
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
    let refused = judged(records, expected).filter(expr(&format!("{REFUSED} is not null"))).select(refusal);
    let body = to_avro_with_schema(expr(&format!("struct({names})")), &topics::refusal_schema().to_string());
    let header = hex::encode([&[wire::MAGIC][..], &refusal_schema_id.to_be_bytes()].concat());
    refused
        .select([
            expr(&format!("concat({}, '/', {})", REFUSAL.source, REFUSAL.coordinates)).alias("key"),
            body.alias("body"),
        ])
        .select([col("key"), expr(&format!("concat(X'{header}', body)")).alias(VALUE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_holds_what_keeps_codes_apart_or_ends_a_bracket() {
        let words = Event::FIELDS.iter().filter_map(|field| match field.spelling {
            Spelling::Words(words) => Some(words),
            _ => None,
        });
        let forbidden = [',', ']', '^', '\\', '\''];
        assert!(words.flat_map(|words| words.iter()).all(|word| !word.contains(forbidden)));
    }

    #[test]
    fn a_code_is_judged_with_the_others_or_by_itself() {
        let rules = in_range_sql();
        for field in Event::FIELDS.iter().filter(|field| field.kind != Kind::Bool) {
            assert!(rules.contains(&format!("{DECODED}.{}", field.name)), "{}", field.name);
        }
    }
}
