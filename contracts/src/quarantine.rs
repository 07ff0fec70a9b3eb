//! What did not pass: kept with its bytes and a typed reason, never dropped.

use chrono::{DateTime, Utc};

use crate::record;
use crate::record::{FieldType, Kind, Spelling, Text};
use crate::vocabulary::{UnknownWord, vocabulary};

vocabulary! {
    /// Why a record was set aside. There is no catch-all: a new cause gets a word of its own.
    pub enum Reason, "quarantine reason" {
        /// The source's bytes are not JSON, or not of the shape agreed on.
        Malformed => "malformed",
        /// A user without `login.uuid`, or an event without any id.
        MissingId => "missing_id",
        /// A field that must be there is not.
        MissingField => "missing_field",
        /// A field's value breaks its rule.
        InvalidField => "invalid_field",
        /// Fields that contradict each other.
        Inconsistent => "inconsistent",
        /// It happened more than a minute after it was received.
        Future => "future",
        /// It happened before the retention floor: what is that old is not kept.
        BeforeFloor => "before_floor",
        /// It is about a person who was erased.
        Erased => "erased",
        /// No rate for its currency and day.
        MissingRate => "missing_rate",
        /// Its amount does not fit decimal(14,2).
        AmountOverflow => "amount_overflow",
        /// It pays back an order that no stored purchase tells of.
        UnknownOrder => "unknown_order",
        /// It pays back more than is left of what was sold.
        OverRefunded => "over_refunded",
        /// A row of the log that the relay could not decode.
        UndecodableRow => "undecodable_row",
        /// In Kafka: the value does not start with Confluent's magic byte.
        BadMagicByte => "bad_magic_byte",
        /// In Kafka: the schema id is not the contract's.
        UnknownSchemaId => "unknown_schema_id",
        /// In Kafka: the generation header is missing or another one's.
        ForeignGeneration => "foreign_generation",
        /// In Kafka: the Avro body does not decode.
        UndecodableAvro => "undecodable_avro",
        /// In Kafka: a decoded field is outside of its range, as random bytes that decode would be.
        OutOfRange => "out_of_range",
    }
}

impl Reason {
    /// Whether the bytes are left out: what retention or an erasure has removed must not come back by way of
    /// the quarantine.
    #[must_use]
    pub const fn keeps_no_bytes(self) -> bool {
        matches!(self, Self::BeforeFloor | Self::Erased)
    }
}

record! {
    /// A record that Spark refused, as published on the quarantine topic. The bytes themselves may hold
    /// anything, so they are fetched from the coordinates into `raw.quarantine` and stay out of this topic.
    pub struct Refusal, columns REFUSAL: RefusalColumns {
        /// The topic it stands in.
        source: Text<200>,
        /// Partition and offset, `partition/offset`.
        coordinates: Text<64>,
        /// Why it was refused.
        reason: Reason,
        /// Bytes of its value; 0 for a null value.
        size_bytes: i32,
        /// SHA-256 of its value, hex.
        sha256: Text<64>,
        /// When it was refused.
        refused_at: DateTime<Utc>,
    }
}
