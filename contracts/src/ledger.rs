//! The ledger: what became of every record, by stage and minute of `ingested_at`.
//!
//! At every stage, in = out + repeated + late + quarantined + other, and what one stage gives out the next
//! takes in. Each stage counts records for itself, where it cannot count wrongly without being wrong:
//!
//! | stage | counts | where |
//! |---|---|---|
//! | `ingest` | records handed in, committed, repeated, set aside, without a place | `ops.ledger`, in the transaction of the rows |
//! | `store` | rows of `raw.events` | counted when asked |
//! | `relay` | rows received, records produced, rows set aside | the ledger topic ([`RelayCount`]), in the transaction of the records |
//! | `spark` | records folded into the cube | [`CUBE_COUNTS`], a grouping set of the cube |
//! | `spark` | records judged, by outcome | [`JUDGED_COUNTS`], a query of its own |
//!
//! Offsets are never subtracted: transaction markers take offsets too.

use chrono::{DateTime, Utc};

use crate::avro::{ReadError, Reader, write_long, write_str};
use crate::cube::{CUBE, WINDOW_US};
use crate::measure::MEASURE;
use crate::record::{Column, columns};

/// The length of a ledger's minute, in µs.
pub const MINUTE_US: i64 = WINDOW_US;

/// The minute that holds an instant, as its start; both in µs since 1970.
#[must_use]
pub const fn minute_us(unix_us: i64) -> i64 {
    unix_us - unix_us.rem_euclid(MINUTE_US)
}

/// What follows the path of the cube's checkpoint in that of the ledger's query.
pub const CHECKPOINT_SUFFIX: &str = "-ledger";

/// The outcome of a record that is in the cube.
pub const ON_TIME: &str = "on_time";
/// The outcome of a record that is left to reconciliation. Every other outcome is the reason of a refusal.
pub const LATE: &str = "late";

columns! {
    /// Columns of the ledger's tables.
    LEDGER: LedgerColumns {
        /// The minute of `ingested_at`, where [`CUBE.minute`](crate::cube::CUBE) is the window's.
        ingested_minute,
        /// What became of records: [`ON_TIME`], [`LATE`] or the reason of a refusal.
        outcome,
        /// How many records.
        records,
        /// The stage, in `pipeline_ledger`.
        stage,
        /// Records that came in.
        records_in,
        /// Records that went on.
        records_out,
        /// Records that were there already.
        repeated,
        /// Records left to reconciliation.
        late,
        /// Records set aside.
        quarantined,
        /// Of the late ones, those that reconciliation has brought into the metrics since.
        repaired,
        /// Records that have no place in the figures and are kept beside them.
        other,
    }
}

/// A Cassandra table of the ledger: partitioned by day, with minutes in descending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name, and the route of its rows.
    pub name: &'static str,
    /// What it is for, and the rule of its write time.
    pub comment: &'static str,
    /// The clustering columns, with their CQL types.
    pub clustering: &'static [(Column, &'static str)],
    /// The other columns.
    pub counts: &'static [Column],
}

impl Table {
    /// The partition key.
    pub const PARTITION: Column = CUBE.day;
    /// The CQL type of counts.
    pub const COUNT_TYPE: &'static str = "bigint";

    /// All columns, key first.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        std::iter::once(Self::PARTITION).chain(self.row_columns()).collect()
    }

    /// The columns of a row within its partition: the clustering ones, then the counts.
    pub fn row_columns(&self) -> impl Iterator<Item = Column> {
        self.clustering.iter().map(|(column, _)| *column).chain(self.counts.iter().copied())
    }
}

/// What the cube folded in, by minute of `ingested_at` and window; the day is that of `ingested_at`.
pub const CUBE_COUNTS: Table = Table {
    name: "ledger_cube",
    comment: "Which records are in the cube? Write time as in the tables of the cube.",
    clustering: &[(LEDGER.ingested_minute, "timestamp"), (CUBE.minute, "timestamp")],
    counts: &[MEASURE.events],
};

/// What Spark judged, by outcome. The minute of what is refused is that of its Kafka record: it has no other.
pub const JUDGED_COUNTS: Table = Table {
    name: "ledger_judged",
    comment: "What became of each record in Kafka? Write time: minute in us + revision * 2^32 + records.",
    clustering: &[(CUBE.minute, "timestamp"), (LEDGER.outcome, "text")],
    counts: &[LEDGER.records],
};

/// The ledger as it was drawn up: every closed minute, for readers.
pub const PIPELINE_LEDGER: Table = Table {
    name: "pipeline_ledger",
    comment: "What became of every record, stage by stage? Write time: when the counts were read, in us: the later reading stays.",
    clustering: &[(CUBE.minute, "timestamp"), (LEDGER.stage, "text")],
    counts: &[
        LEDGER.records_in,
        LEDGER.records_out,
        LEDGER.repeated,
        LEDGER.late,
        LEDGER.quarantined,
        LEDGER.repaired,
        LEDGER.other,
    ],
};

/// Every table of the ledger.
pub const TABLES: &[Table] = &[CUBE_COUNTS, JUDGED_COUNTS, PIPELINE_LEDGER];

/// What the relay counted for one minute since the slot and topic generation began; each record replaces the
/// one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayCount {
    /// The replication slot.
    pub slot: String,
    /// The generation of the events topic.
    pub topic_generation: i32,
    /// The minute of `ingested_at`; of the commit, where a row has none that can be read.
    pub minute: DateTime<Utc>,
    /// Rows of `raw.events` received.
    pub received: i64,
    /// Records produced to the events topic.
    pub produced: i64,
    /// Rows set aside.
    pub quarantined: i64,
}

impl RelayCount {
    /// The schema as registered.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let long = |name: &str, doc: &str| serde_json::json!({"name": name, "type": "long", "doc": doc});
        serde_json::json!({
            "type": "record", "name": "RelayCount", "namespace": crate::avro::NAMESPACE,
            "doc": "What the relay counted for one minute of ingested_at, since slot and generation began.",
            "fields": [
                {"name": "slot", "type": "string", "doc": "The replication slot."},
                long("topic_generation", "Generation of the events topic."),
                {"name": "minute", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "Start of the minute of ingested_at."},
                long("received", "Rows received from PostgreSQL."),
                long("produced", "Records produced."),
                long("quarantined", "Rows set aside."),
            ],
        })
    }

    /// The record's key, as text.
    #[must_use]
    pub fn key(&self) -> String {
        let minute = self.minute.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        format!("{}/{}/{minute}", self.slot, self.topic_generation)
    }

    /// Appends the Avro body.
    pub fn write_avro(&self, out: &mut Vec<u8>) {
        write_str(out, &self.slot);
        write_long(out, i64::from(self.topic_generation));
        write_long(out, self.minute.timestamp_micros());
        write_long(out, self.received);
        write_long(out, self.produced);
        write_long(out, self.quarantined);
    }

    /// Reads an Avro body.
    ///
    /// # Errors
    /// When it is malformed or a value is out of range.
    pub fn read_avro(body: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(body);
        let slot = reader.str()?.to_owned();
        let generation = reader.long()?;
        let topic_generation = i32::try_from(generation).map_err(|_| ReadError::Value {
            field: "topic_generation",
            message: format!("{generation} is out of range"),
        })?;
        let unix_us = reader.long()?;
        let minute = DateTime::from_timestamp_micros(unix_us).ok_or_else(|| ReadError::Value {
            field: "minute",
            message: format!("{unix_us} us is out of range"),
        })?;
        let (received, produced, quarantined) = (reader.long()?, reader.long()?, reader.long()?);
        reader.finish()?;
        Ok(Self { slot, topic_generation, minute, received, produced, quarantined })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_survive_both_ways(
            minute in -4_000_000_000i64..4_000_000_000,
            received: i64,
            produced: i64,
        ) {
            let count = RelayCount {
                slot: "shop_relay".into(),
                topic_generation: 3,
                minute: DateTime::from_timestamp(minute, 0).unwrap(),
                received,
                produced,
                quarantined: 1,
            };
            let mut body = Vec::new();
            count.write_avro(&mut body);
            prop_assert_eq!(RelayCount::read_avro(&body), Ok(count));
        }

        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = RelayCount::read_avro(&body);
        }

        #[test]
        fn a_minute_begins_at_or_before_what_it_holds(unix_us in i64::MIN / 2..i64::MAX / 2) {
            let minute = minute_us(unix_us);
            prop_assert_eq!(minute % MINUTE_US, 0);
            prop_assert!((0..MINUTE_US).contains(&(unix_us - minute)));
        }
    }

    #[test]
    fn a_key_names_slot_generation_and_minute() {
        let count = RelayCount {
            slot: "shop_relay".into(),
            topic_generation: 2,
            minute: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            received: 1,
            produced: 1,
            quarantined: 0,
        };
        assert_eq!(count.key(), "shop_relay/2/2027-01-15T08:00:00Z");
    }
}
