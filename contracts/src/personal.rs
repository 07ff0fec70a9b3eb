//! Which fields of the contract's records tell of a person, so that whoever shows records knows what to shut.
//!
//! Nothing in Kafka names a person, but ids that recur and places tie records to one. A field without a class
//! is shut whole.

/// What a field tells of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing: it may be shown.
    Open,
    /// An id by which records of a person, a visit or an order are tied together: its first characters may be
    /// shown.
    Id,
    /// A place by name: it is shut.
    Place,
    /// A coordinate in degrees: it may be shown rounded to whole ones.
    Degrees,
}

/// The class of a field of the contract's records, by its name, which means the same in all of them. Nothing
/// where the contract has no such field.
#[must_use]
pub fn class(field: &str) -> Option<Class> {
    Some(match field {
        "event_id" | "user_id" | "session_id" | "order_id" => Class::Id,
        "city" => Class::Place,
        "latitude" | "longitude" => Class::Degrees,
        // Of events.
        "event_name" | "occurred_at" | "ingested_at" | "session_started_at" | "returning" | "gender"
        | "age" | "age_band" | "country" | "device" | "channel" | "item_id" | "item_name" | "category"
        | "brand" | "price" | "currency" | "quantity" | "amount_base" | "rate" | "rate_date"
        | "order_line" | "order_lines" | "payment_type" => Class::Open,
        // Of users.
        "registered_at" => Class::Open,
        // Of refusals.
        "source" | "coordinates" | "reason" | "size_bytes" | "sha256" | "refused_at" => Class::Open,
        // Of positions and of the relay's counts.
        "system_id" | "timeline" | "slot" | "publication_hash" | "topic_generation" | "generation_id"
        | "lsn" | "partial_lsn" | "partial_rows" | "minute" | "received" | "produced" | "quarantined" => {
            Class::Open
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::topics;
    use crate::{Event, Namespace, User};

    #[test]
    fn every_field_of_every_topic_has_a_class() {
        for topic in topics(&Namespace::default(), 1, 1) {
            for field in topic.schema["fields"].as_array().unwrap() {
                let name = field["name"].as_str().unwrap();
                assert!(class(name).is_some(), "{} of {} has no class", name, topic.name);
            }
        }
        assert_eq!(class("email"), None);
    }

    #[test]
    fn what_ties_records_to_a_person_is_not_open() {
        for field in Event::FIELDS.iter().chain(User::FIELDS) {
            let personal = field.name.ends_with("_id") && field.name != "item_id"
                || ["city", "latitude", "longitude"].contains(&field.name);
            assert_eq!(class(field.name) != Some(Class::Open), personal, "{}", field.name);
        }
    }
}
