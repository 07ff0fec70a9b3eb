//! Decoding and judging in Spark's SQL: `from_avro`, then conditions over what it gives.
//!
//! A server whose jar is from before the function of [`super::rules`] is given this instead. Both say the
//! same of every record, so that a checkpoint goes on with either. The plan's fingerprint covers these
//! conditions.

use contracts::event::EVENT;
use contracts::quarantine::Reason;
use contracts::record::{Field, Kind, Spelling};
use contracts::validation::{EARLIEST_US, LATEST_US};
use contracts::{Event, cube, lateness, topics, wire};
use spark_connect_rs::Column;
use spark_connect_rs::functions::{expr, from_avro_with_options};

use super::{DECODED, Expected};
use crate::source::column::{HEADERS, VALUE};

/// Where the Avro body begins in a value, from 1 as SQL counts.
const BODY_AT: usize = wire::HEADER_BYTES + 1;

/// The event in a record's value; all its fields are null where it does not decode.
pub(super) fn decoded() -> Column {
    // Old instants are out of range and not, as without the second option, an error of the decoder.
    let options = expr("map('mode', 'PERMISSIVE', 'datetimeRebaseMode', 'CORRECTED')");
    let body = expr(&format!("substring({VALUE}, {BODY_AT})"));
    from_avro_with_options(body, &topics::event_schema().to_string(), options)
}

/// Why a record is refused, over its `value`, its `headers` and what of it was `decoded`.
#[must_use]
pub fn refusal_sql(expected: &Expected) -> String {
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

/// Whether every code is one, by one expression: each of its own would be planned and compiled in every
/// micro-batch. No code holds the comma that keeps them apart.
fn codes_sql() -> String {
    let (names, patterns): (Vec<String>, Vec<String>) = Event::FIELDS
        .iter()
        .filter_map(|field| Some((format!("{DECODED}.{}", field.name), code_pattern(field)?)))
        .unzip();
    // Unlike `$`, `\z` does not match before a last line end. Backslashes are escapes in SQL too.
    format!("concat_ws(',', {}) rlike '^{}\\\\z'", names.join(", "), patterns.join(","))
}

/// Whether all free text is UTF-8 without control characters. It is looked at once for all fields: a space
/// keeps halves of characters apart.
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
        Kind::Int | Kind::Double => match super::bounds(field) {
            (least, i32::MAX) => format!("{name} >= {least}"),
            (least, most) => format!("{name} between {least} and {most}"),
        },
        Kind::Decimal { .. } => format!("{name} >= 0"),
        Kind::Date => {
            let [earliest, latest] = lateness::days();
            format!("{name} between date'{earliest}' and date'{latest}'")
        }
        Kind::Bool => return None,
    };
    Some(if field.nullable { format!("({name} is null or ({rule}))") } else { format!("({rule})") })
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
