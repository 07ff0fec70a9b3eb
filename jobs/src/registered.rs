//! From records of the users topic to registrations: users that the relay says were inserted.
//!
//! An update is no registration, nor is a deletion, which comes without a value. A record that is not the
//! relay's (its wire format, schema or ranges differ) is none either; unlike an event it is not refused,
//! since the topic's owner is PostgreSQL and what it should hold is counted there.

use contracts::record::Spelling;
use contracts::user::USER;
use contracts::validation::{EARLIEST_US, LATEST_US};
use contracts::{User, topics, wire};
use spark_connect_rs::DataFrame;
use spark_connect_rs::functions::{col, expr, from_avro_with_options};

use crate::checked::once;
use crate::source::column::{HEADERS, VALUE};

/// The decoded user beside its record.
const DECODED: &str = "decoded";
/// The relay's letter for an insert.
const INSERTED: &str = "i";

/// The registrations among records of the users topic, with country and `ingested_at`.
#[must_use]
pub fn registrations(records: &DataFrame, user_schema_id: u32) -> DataFrame {
    let options = expr("map('mode', 'PERMISSIVE', 'datetimeRebaseMode', 'CORRECTED')");
    let body = expr(&format!("substring({VALUE}, {})", wire::HEADER_BYTES + 1));
    let decoded = from_avro_with_options(body, &topics::user_schema().to_string(), options);
    records
        .filter(expr(&is_insert_sql(user_schema_id)))
        .select([once(decoded).alias(DECODED)])
        .filter(expr(&in_range_sql()))
        .select([USER.country, USER.ingested_at].map(|column| col(&format!("{DECODED}.{column}"))))
}

fn is_insert_sql(user_schema_id: u32) -> String {
    let head = hex::encode([&[wire::MAGIC][..], &user_schema_id.to_be_bytes()].concat());
    let operation =
        format!("named_struct('key', '{}', 'value', X'{}')", wire::OPERATION_HEADER, hex::encode(INSERTED));
    format!(
        "coalesce(substring({VALUE}, 1, {}) = X'{head}' and array_contains({HEADERS}, {operation}), false)",
        wire::HEADER_BYTES
    )
}

/// What would harm: a country that is no code, and a time whose window would never close. What does not
/// decode has neither.
fn in_range_sql() -> String {
    let letters = User::FIELDS.iter().find(|field| field.name == USER.country.name());
    let pattern = match letters.map(|field| field.spelling) {
        Some(Spelling::Letters(count)) => format!("^[A-Z]{{{count}}}\\\\z"),
        _ => "^.+\\\\z".to_owned(),
    };
    format!(
        "coalesce({DECODED}.{} rlike '{pattern}' and \
         {DECODED}.{} between timestamp_micros({EARLIEST_US}) and timestamp_micros({LATEST_US}), false)",
        USER.country, USER.ingested_at
    )
}
