//! Records of the relay, spoilt in every way that a disk, a network or a stranger might think of.

use chrono::{DateTime, TimeDelta};
use contracts::event::{Amount, Price};
use contracts::{Event, wire};
use jobs::checked::Expected;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::support::{self, Record};

/// An endless stream of records; the seed decides them all.
pub(super) struct Mutator {
    rng: ChaCha8Rng,
    expected: Expected,
    events: Vec<Event>,
}

impl Mutator {
    pub(super) fn new(mut rng: ChaCha8Rng, expected: Expected) -> Self {
        let events = support::events(rng.random(), 2_000);
        Self { rng, expected, events }
    }

    /// The next record: one in eight whole, the others spoilt in their envelope, their fields or their bytes.
    pub(super) fn record(&mut self) -> Record {
        let event = self.events.choose(&mut self.rng).unwrap().clone();
        let record = Record::of(&event);
        match self.rng.random_range(0..8) {
            0 => record,
            1 => self.in_another_envelope(record),
            2 | 3 => Record::of(&self.with_another_field(event)),
            _ => self.with_other_bytes(record),
        }
    }

    fn in_another_envelope(&mut self, mut record: Record) -> Record {
        let value = record.value.as_mut().unwrap();
        match self.rng.random_range(0..9) {
            0 => record.value = None,
            1 => value.truncate(self.rng.random_range(0..=wire::HEADER_BYTES)),
            2 => value[0] = self.rng.random(),
            3 | 4 => value[self.rng.random_range(1..5)] ^= 1 << self.rng.random_range(0..8),
            5 => record.generation = None,
            6 => record.generation = Some(String::new()),
            7 => record.generation = Some(self.expected.generation_id.simple().to_string()),
            _ => {
                let body = self.rng.random_range(0..400);
                let random = (0..body).map(|_| self.rng.random::<u8>());
                *value = value[..wire::HEADER_BYTES].iter().copied().chain(random).collect();
            }
        }
        record
    }

    /// Fields that their types hold but that no event has.
    fn with_another_field(&mut self, mut event: Event) -> Event {
        let rng = &mut self.rng;
        let us = *[
            -62_135_596_800_000_000,
            -2_300_000_000_000_000,
            -1,
            0,
            1,
            7_258_118_400_000_000,
            7_258_118_400_000_001,
        ]
        .choose(rng)
        .unwrap();
        let instant = DateTime::from_timestamp_micros(us).unwrap();
        match rng.random_range(0..12) {
            0 => {
                event.age = *[None, Some(-1), Some(0), Some(130), Some(131), Some(i32::MIN), Some(i32::MAX)]
                    .choose(rng)
                    .unwrap();
            }
            1 => event.occurred_at = instant,
            2 => event.session_started_at = instant,
            3 => event.ingested_at = instant,
            4 => {
                let ahead_us = *[59_999_999, 60_000_000, 60_000_001, 3_600_000_000].choose(rng).unwrap();
                event.ingested_at = event.occurred_at - TimeDelta::microseconds(ahead_us);
            }
            5 => {
                event.latitude = [90.0, 90.1, -90.1, f64::NAN, f64::INFINITY, -0.0].choose(rng).copied();
            }
            6 => event.longitude = [180.0, -180.1, f64::NAN, f64::NEG_INFINITY].choose(rng).copied(),
            7 => event.quantity = Some(*[0, 1, -1, i32::MAX].choose(rng).unwrap()),
            8 => event.price = Price::from_unscaled(*[-1, 0, 999_999_999_999].choose(rng).unwrap()).ok(),
            9 => {
                event.amount_base =
                    Amount::from_unscaled(*[-1, 0, 99_999_999_999_999].choose(rng).unwrap()).ok();
            }
            10 => event.order_line = Some(*[0, 1, -7].choose(rng).unwrap()),
            _ => event.rate_date = "0001-01-01".parse().ok(),
        }
        event
    }

    fn with_other_bytes(&mut self, mut record: Record) -> Record {
        let value = record.value.as_mut().unwrap();
        for _ in 0..self.rng.random_range(1..=3) {
            // The envelope has its own way of being spoilt.
            let first = wire::HEADER_BYTES.min(value.len());
            if first == value.len() {
                break;
            }
            let at = self.rng.random_range(first..value.len());
            let length = self.rng.random_range(1..=16).min(value.len() - at);
            match self.rng.random_range(0..10) {
                0..=3 => value[at] ^= 1 << self.rng.random_range(0..8),
                4 => value[at] = *[0, 1, 2, 0x7f, 0x80, 0xff].choose(&mut self.rng).unwrap(),
                5 => value[at] = self.rng.random(),
                6 => value.truncate(at),
                7 => {
                    value.drain(at..at + length);
                }
                8 => {
                    let again = value[at..at + length].to_vec();
                    value.splice(at..at, again);
                }
                _ => {
                    let random: Vec<u8> = (0..length).map(|_| self.rng.random()).collect();
                    value.splice(at..at, random);
                }
            }
        }
        record
    }
}
