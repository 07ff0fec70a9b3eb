//! How many records the relay has produced, from its own counts: it writes them in the transaction of what it
//! counts.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::endpoints::Endpoints;
use contracts::ledger::RelayCount;
use contracts::wire;
use rdkafka::Offset;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;

use super::reader::{Reader, Room};

/// How long one turn may read.
const TURN: Duration = Duration::from_millis(1_500);
/// How long nothing may come before a turn ends.
const QUIET: Duration = Duration::from_millis(50);
/// One request.
const REQUEST: Duration = Duration::from_secs(2);

/// The counts of every minute, as far as they were read.
pub(super) struct Counts {
    brokers: String,
    topic: String,
    reader: Option<Reader>,
    /// By slot, generation and minute: each record replaces the one before it.
    minutes: HashMap<(String, i32, DateTime<Utc>), i64>,
    /// Whether the end was reached once: before, a sum is none.
    whole: bool,
}

impl Counts {
    pub(super) fn new(endpoints: &Endpoints) -> Self {
        Self {
            brokers: endpoints.kafka_brokers.clone(),
            topic: endpoints.namespace.ledger_topic(),
            reader: None,
            minutes: HashMap::new(),
            whole: false,
        }
    }

    /// Records produced, by generation; empty as long as not all counts were read.
    pub(super) fn produced(&self) -> BTreeMap<i32, i64> {
        let mut produced = BTreeMap::new();
        if self.whole {
            for ((_, generation, _), count) in &self.minutes {
                *produced.entry(*generation).or_default() += count;
            }
        }
        produced
    }

    /// Reads what has come since. Blocks. What fails is tried again from the beginning: a count is whole or
    /// not told.
    pub(super) fn follow(&mut self) {
        if let Err(error) = self.turn() {
            tracing::debug!(%error, "the relay's counts cannot be read");
            (self.reader, self.whole) = (None, false);
            self.minutes.clear();
        }
    }

    fn turn(&mut self) -> KafkaResult<()> {
        let began = Instant::now();
        if self.reader.is_none() {
            let reader = Reader::open(&self.brokers, Duration::from_millis(200), 1, Room::FOLLOWING)?;
            let lows = reader.offsets(&[(self.topic.clone(), 0)], Offset::Beginning, REQUEST)?;
            let low = lows.first().and_then(|(_, _, low)| *low);
            // Without the topic there is nothing to count.
            let Some(low) = low else { return Ok(()) };
            reader.assign(&[(self.topic.clone(), 0, low)])?;
            self.reader = Some(reader);
        }
        let Some(reader) = &self.reader else { return Ok(()) };
        while began.elapsed() < TURN {
            match reader.poll(if self.whole { QUIET } else { TURN }) {
                Some(Ok(message)) => {
                    // A null removes a minute that retention has removed from the topic too.
                    let Some(Ok((_, body))) = message.payload().map(wire::split) else { continue };
                    let Ok(count) = RelayCount::read_avro(body) else { continue };
                    self.minutes.insert((count.slot, count.topic_generation, count.minute), count.produced);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.whole = true;
                    return Ok(());
                }
                Some(Err(error)) if super::reader::passes(&error) => return Ok(()),
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
