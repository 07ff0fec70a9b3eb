//! Decoding and judging by the function of our jar: one pass over a record's bytes.
//!
//! The jar knows no shop's schema. What a record must carry and what its fields may hold goes with the plan,
//! as a constant.

use contracts::event::EVENT;
use contracts::quarantine::Reason;
use contracts::record::{Field, Kind, Spelling};
use contracts::validation::{EARLIEST_US, LATEST_US};
use contracts::{Event, cube, lateness, wire};
use serde_json::{Value, json};
use spark_connect_rs::Column;
use spark_connect_rs::column::lit_string;
use spark_connect_rs::functions::{call_function, col};

use super::Expected;
use crate::source::column::{HEADERS, VALUE};

/// The function's name; see the package `judge` in `spark/`.
pub(super) const FUNCTION: &str = "storepulse_judged";
/// The field of its result, beside the event's, that says why a record is refused.
pub(super) const REASON: &str = "reason";
const DAY_US: i64 = 86_400_000_000;

/// The event in a record's value, and beside its fields the reason for refusing it.
pub(super) fn judged(expected: &Expected) -> Column {
    call_function(FUNCTION, [col(VALUE), col(HEADERS), lit_string(&rules(expected))])
}

/// The rules that the function judges by, as JSON; the class `JudgeRules` in `spark/` tells its form.
#[must_use]
pub fn rules(expected: &Expected) -> String {
    json!({
        "schema_id": expected.event_schema_id,
        "header": {
            "key": wire::GENERATION_HEADER,
            "value": expected.generation_id.hyphenated().to_string(),
        },
        "reasons": {
            "magic": Reason::BadMagicByte.as_str(),
            "schema": Reason::UnknownSchemaId.as_str(),
            "generation": Reason::ForeignGeneration.as_str(),
            "undecodable": Reason::UndecodableAvro.as_str(),
            "range": Reason::OutOfRange.as_str(),
            "future": Reason::Future.as_str(),
        },
        "ahead": {
            "happened": EVENT.occurred_at.name(),
            "received": EVENT.ingested_at.name(),
            "most_us": lateness::MAX_AHEAD_US,
        },
        "fields": Event::FIELDS.iter().map(field_rule).collect::<Vec<_>>(),
    })
    .to_string()
}

fn field_rule(field: &Field) -> Value {
    let (least, most) = super::bounds(field);
    let mut rule = match field.kind {
        Kind::Uuid => json!({"type": "uuid"}),
        Kind::Text { max_chars } => match field.spelling {
            Spelling::Words(words) => json!({"type": "words", "words": words}),
            Spelling::Letters(count) => json!({"type": "letters", "count": count}),
            Spelling::Free => json!({"type": "text", "max_chars": max_chars, "not": cube::NONE}),
        },
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "int", "least": least, "most": most}),
        Kind::Double => json!({"type": "double", "least": least, "most": most}),
        Kind::Decimal { precision, scale } => {
            json!({"type": "decimal", "precision": precision, "scale": scale, "least": 0})
        }
        // An instant outside would be a window that never closes or is dropped.
        Kind::TimestampMicros => json!({"type": "timestamp", "least": EARLIEST_US, "most": LATEST_US}),
        Kind::Date => json!({"type": "date", "least": EARLIEST_US / DAY_US, "most": LATEST_US / DAY_US}),
    };
    rule["name"] = json!(field.name);
    rule["nullable"] = json!(field.nullable);
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_has_the_name_of_the_reason() {
        assert!(Event::FIELDS.iter().all(|field| field.name != REASON));
    }

    #[test]
    fn every_field_has_a_rule_in_the_schemas_order() {
        let expected = Expected { event_schema_id: 7, generation_id: uuid::Uuid::nil() };
        let rules: Value = serde_json::from_str(&rules(&expected)).unwrap();
        let names: Vec<&str> =
            rules["fields"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
        let fields: Vec<&str> = Event::FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names, fields);
    }
}
