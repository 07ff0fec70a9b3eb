//! What the relay counts for the ledger: rows received and records produced, by minute of `ingested_at`.
//!
//! The counts of a minute are cumulative, and those that a Kafka transaction changes are written in that
//! transaction, beside its rows and the position: a count is there exactly if its rows are. A session that
//! failed forgets its counts; the next reads the topic to its settled end and goes on from what is committed.

use std::collections::BTreeMap;

use chrono::DateTime;
use contracts::ledger::{RelayCount, minute_us};
use contracts::pg_binary::PG_EPOCH_UNIX_US;
use contracts::wire;
use rdkafka::message::{Message, OwnedHeaders};

use crate::config::RelayConfig;
use crate::error::{Fault, Interrupted, RelayError};
use crate::kafka::Producer;
use crate::readback;

/// The counts of one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    received: i64,
    produced: i64,
    quarantined: i64,
}

/// Every minute's counts, and which of them the open transaction has changed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Minutes and their counts, in µs since 1970; small enough to be kept whole: a year has half a million.
    minutes: BTreeMap<i64, Counts>,
    /// What the open transaction adds; a transaction touches a minute or two.
    open: Vec<(i64, Counts)>,
    topic: String,
    slot: String,
    generation: i32,
    schema_id: u32,
    value: Vec<u8>,
}

impl Ledger {
    /// Reads the committed counts of this slot and generation. Blocks.
    pub(crate) fn read(config: &RelayConfig) -> Result<Self, Fault> {
        let mut ledger = Self {
            topic: config.namespace.ledger_topic(),
            slot: config.namespace.slot(),
            generation: config.assigned.generation,
            schema_id: config.assigned.ledger_schema_id,
            ..Self::default()
        };
        let topic = ledger.topic.clone();
        readback::read(config, &topic, |record| {
            let unreadable = |source| RelayError::LedgerUnreadable {
                topic: topic.clone(),
                offset: record.offset(),
                source,
            };
            let Some(value) = record.payload() else { return Ok(()) };
            let body = wire::split(value).map(|(_, body)| body);
            ledger.take(&body.and_then(RelayCount::read_avro).map_err(unreadable)?);
            Ok(())
        })?;
        Ok(ledger)
    }

    fn take(&mut self, count: &RelayCount) {
        if count.slot == self.slot && count.topic_generation == self.generation {
            let RelayCount { received, produced, quarantined, .. } = *count;
            let counts = Counts { received, produced, quarantined };
            self.minutes.insert(count.minute.timestamp_micros(), counts);
        }
    }

    /// A row became a record.
    #[inline]
    pub(crate) fn produced(&mut self, ingested_at_us: i64) {
        let counts = self.counts(ingested_at_us);
        counts.received += 1;
        counts.produced += 1;
    }

    /// A row was set aside; where it has no time of its own, its transaction's commit counts, in µs
    /// since 2000.
    pub(crate) fn quarantined(&mut self, ingested_at_us: Option<i64>, commit_time_us: i64) {
        let at_us = ingested_at_us.unwrap_or(commit_time_us.saturating_add(PG_EPOCH_UNIX_US));
        let counts = self.counts(at_us);
        counts.received += 1;
        counts.quarantined += 1;
    }

    #[inline]
    fn counts(&mut self, at_us: i64) -> &mut Counts {
        let minute = minute_us(at_us);
        // The last one is nearly always the one.
        let index = match self.open.iter().rposition(|(open, _)| *open == minute) {
            Some(index) => index,
            None => {
                self.open.push((minute, Counts::default()));
                self.open.len() - 1
            }
        };
        &mut self.open[index].1
    }

    /// Adds what the open transaction has changed to it. Nothing else may be counted before it is committed.
    pub(crate) fn write(&mut self, producer: &mut Producer) -> Result<(), Interrupted> {
        for (minute, added) in self.open.drain(..) {
            let counts = self.minutes.entry(minute).or_default();
            counts.received += added.received;
            counts.produced += added.produced;
            counts.quarantined += added.quarantined;
            let count = RelayCount {
                slot: self.slot.clone(),
                topic_generation: self.generation,
                // Rows and commits have times of the years 1 to 9999.
                minute: DateTime::from_timestamp_micros(minute).unwrap_or_default(),
                received: counts.received,
                produced: counts.produced,
                quarantined: counts.quarantined,
            };
            self.value.clear();
            wire::write_header(&mut self.value, self.schema_id);
            count.write_avro(&mut self.value);
            producer.send(&self.topic, count.key().as_bytes(), Some(&self.value), &OwnedHeaders::new())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_by_minute_and_gather_in_the_open_transaction() {
        let mut ledger = Ledger::default();
        ledger.produced(59_999_999);
        ledger.produced(0);
        ledger.produced(60_000_000);
        ledger.quarantined(Some(61_000_000), 0);
        ledger.quarantined(None, -PG_EPOCH_UNIX_US + 120_000_000);
        let counts = |received, produced, quarantined| Counts { received, produced, quarantined };
        assert_eq!(
            ledger.open,
            [(0, counts(2, 2, 0)), (60_000_000, counts(2, 1, 1)), (120_000_000, counts(1, 0, 1))]
        );
    }

    #[test]
    fn only_counts_of_the_own_slot_and_generation_are_taken() {
        let mut ledger = Ledger { slot: "a".into(), generation: 2, ..Ledger::default() };
        let count = |slot: &str, topic_generation, received| RelayCount {
            slot: slot.into(),
            topic_generation,
            minute: DateTime::UNIX_EPOCH,
            received,
            produced: 0,
            quarantined: 0,
        };
        for count in [count("a", 2, 5), count("b", 2, 6), count("a", 1, 7), count("a", 2, 8)] {
            ledger.take(&count);
        }
        assert_eq!(ledger.minutes.len(), 1);
        assert_eq!(ledger.minutes[&0].received, 8);
    }
}
