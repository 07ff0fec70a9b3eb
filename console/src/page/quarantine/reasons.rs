//! What each reason means, for a person who does not know the words.

use contracts::Reason;

/// In one line; nothing for a word that is not known here.
pub(super) fn meaning(word: &str) -> Option<&'static str> {
    Some(match word.parse::<Reason>().ok()? {
        Reason::Malformed => "the bytes are not JSON, or not of the shape agreed on",
        Reason::MissingId => "a user without login.uuid, or an event without any id",
        Reason::MissingField => "a field that must be there is not",
        Reason::InvalidField => "a field's value breaks its rule",
        Reason::Inconsistent => "fields that contradict each other",
        Reason::Future => "it happened more than a minute after it was received",
        Reason::BeforeFloor => "it happened before the retention floor; its bytes are not kept",
        Reason::Erased => "it is about a person who was erased; its bytes are not kept",
        Reason::MissingRate => "no rate for its currency and day",
        Reason::AmountOverflow => "its amount does not fit decimal(14,2)",
        Reason::UnknownOrder => {
            "it pays back an order of which no purchase is stored; replay it once there is one"
        }
        Reason::OverRefunded => "it pays back more than is left of what was sold",
        Reason::UndecodableRow => "a row of PostgreSQL's log that the relay could not decode",
        Reason::BadMagicByte => "in Kafka: the value does not start with Confluent's magic byte",
        Reason::UnknownSchemaId => "in Kafka: the schema id is not the contract's",
        Reason::ForeignGeneration => "in Kafka: the generation header is missing or another one's",
        Reason::UndecodableAvro => "in Kafka: the Avro body does not decode",
        Reason::OutOfRange => "in Kafka: a decoded field is outside of its range",
    })
}
