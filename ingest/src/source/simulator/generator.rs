//! The schedule: which records fall into which moment, judged and encoded on their way out.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use contracts::User;
use contracts::ids;
use contracts::money::Rates;
use contracts::validation::{self, Draft};
use uuid::Uuid;

use super::SOURCE;
use super::config::{Limit, Pace, Rhythm, RunConfig};
use super::dice::Dice;
use super::disturb::{Disturbed, Sent};
use super::floor::Floor;
use super::market;
use super::truth::{Tally, Truth};
use crate::source::draft;
use crate::store::{EncodedRows, SetAside};

/// Slots are handed out in ticks of this much of the machine's time: what a paced event waits at most.
const TICK_US: i64 = 50_000;

/// Drafts in one batch: half a MiB or so.
const MAX_DRAFTS: usize = 1_000;

/// A stretch of the schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    slots: u64,
}

/// As what the records of a run travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Judged here: rows for the store, and what is set aside.
    Rows,
    /// As they are told, to be judged elsewhere.
    Drafts,
}

/// Records on their way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: EncodedRows,
    pub(super) set_aside: Vec<SetAside>,
    pub(super) drafts: Vec<Draft>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.rows() == 0 && self.set_aside.is_empty() && self.drafts.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.is_full() || self.set_aside.len() >= 1_000 || self.drafts.len() >= MAX_DRAFTS
    }
}

pub(super) struct Generator {
    seed: u64,
    form: Form,
    run_id: Uuid,
    start: DateTime<Utc>,
    records: Disturbed,
    rates: Rates,
    tally: Tally,
    limit: Limit,
    rhythm: Rhythm,
    tick: TimeDelta,
    events_per_s: f64,
    next_tick: DateTime<Utc>,
    /// What is left of a slot after whole ones were handed out.
    carry: f64,
    planned: u64,
}

impl Generator {
    pub(super) fn new(
        config: &RunConfig,
        form: Form,
        rates: Rates,
        users: &[User],
        start: DateTime<Utc>,
    ) -> Self {
        let mut id_dice = Dice::new(config.seed, 1);
        let floor = Floor::new(config.seed, users, start, &config.dial);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a bounded product")]
        let tick_us = match config.pace {
            Pace::OpenLoop { speed } => (TICK_US as f64 * speed.max(1.0)) as i64,
            Pace::Unpaced => TICK_US,
        };
        Self {
            seed: config.seed,
            form,
            run_id: ids::v7(start, id_dice.id_bits()),
            start,
            records: Disturbed::new(floor, config.dial, Dice::new(config.seed, 2)),
            rates,
            tally: Tally::default(),
            limit: config.limit,
            rhythm: config.rhythm,
            tick: TimeDelta::microseconds(tick_us),
            events_per_s: config.events_per_s,
            next_tick: start,
            carry: 0.0,
            planned: 0,
        }
    }

    pub(super) const fn sent(&self) -> u64 {
        self.tally.sent
    }

    /// The next stretch of the schedule, or nothing when the limit is reached.
    pub(super) fn next_tick(&mut self) -> Option<Tick> {
        let from = self.next_tick;
        let mut to = from + self.tick;
        if let Limit::Time(limit) = self.limit {
            let end = self.start + TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
            if from >= end {
                return None;
            }
            to = to.min(end);
        }
        let weight = match self.rhythm {
            Rhythm::Flat => 1.0,
            Rhythm::Daily => f64::from(market::busy_at(i64::from(from.hour()))) / 1_000.0,
        };
        let length_s = (to - from).to_std().unwrap_or(Duration::ZERO).as_secs_f64();
        let due = self.carry + self.events_per_s * weight * length_s;
        // A rate times a tick is off by less than this; without it 500/s would lose an event now and then.
        let whole = (due + 1e-6).floor();
        self.carry = due - whole;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the rate")]
        let mut slots = whole as u64;
        if let Limit::Records(limit) = self.limit {
            if self.planned >= limit {
                return None;
            }
            slots = slots.min(limit - self.planned);
        }
        self.planned += slots;
        self.next_tick = to;
        Some(Tick { from, to, slots })
    }

    /// Takes back a tick that was not filled: the run ends where it begins.
    pub(super) const fn give_up(&mut self, tick: &Tick) {
        self.next_tick = tick.from;
    }

    /// Fills batches with a tick's records; each full one goes to `flush`, which says `false` to stop.
    pub(super) fn fill(
        &mut self,
        tick: &Tick,
        ingested_at: DateTime<Utc>,
        batch: &mut Batch,
        mut flush: impl FnMut(&mut Batch) -> bool,
    ) -> bool {
        let length_us = (tick.to - tick.from).num_microseconds().unwrap_or(0);
        let slots = i64::try_from(tick.slots).unwrap_or(i64::MAX);
        for slot in 0..slots {
            let at = tick.from + TimeDelta::microseconds(length_us * (2 * slot + 1) / (2 * slots));
            let sent = self.records.next(at, self.slots_left());
            self.judge(sent, ingested_at, batch);
            if batch.is_full() && !flush(batch) {
                return false;
            }
        }
        true
    }

    /// What is still held back at the end.
    pub(super) fn fill_held(
        &mut self,
        ingested_at: DateTime<Utc>,
        batch: &mut Batch,
        mut flush: impl FnMut(&mut Batch) -> bool,
    ) -> bool {
        while let Some(sent) = self.records.next_held() {
            self.judge(sent, ingested_at, batch);
            if batch.is_full() && !flush(batch) {
                return false;
            }
        }
        true
    }

    /// How many slots there will be, this one included.
    const fn slots_left(&self) -> usize {
        match self.limit {
            #[expect(clippy::cast_possible_truncation, reason = "64-bit machines only")]
            Limit::Records(limit) => limit.saturating_sub(self.tally.sent) as usize,
            Limit::Forever | Limit::Time(_) => usize::MAX,
        }
    }

    pub(super) fn into_truth(self) -> Truth {
        self.tally.into_truth(self.run_id, self.seed, self.start, self.next_tick)
    }

    fn judge(&mut self, sent: Sent, ingested_at: DateTime<Utc>, batch: &mut Batch) {
        let (draft, first) = match sent {
            Sent::First(draft) => (draft, true),
            Sent::Again(draft) => (draft, false),
        };
        // Needed after it was judged where it breaks a rule, or is to be judged again elsewhere.
        let told = draft.clone();
        match validation::accept(draft, SOURCE, ingested_at, &self.rates) {
            Ok(accepted) => {
                if first {
                    self.tally.accept(&accepted.event);
                } else {
                    self.tally.repeat();
                }
                if self.form == Form::Drafts {
                    batch.drafts.push(told);
                    return;
                }
                let taken = batch.rows.take(&accepted);
                debug_assert!(taken, "a full batch is flushed");
            }
            Err(rejection) => {
                self.tally.reject(rejection.reason);
                if self.form == Form::Drafts {
                    batch.drafts.push(told);
                    return;
                }
                batch.set_aside.push(SetAside {
                    source: SOURCE.to_owned(),
                    coordinates: format!("{}/{}", self.run_id, self.tally.sent),
                    reason: rejection.reason,
                    detail: rejection.to_string(),
                    payload: draft::write(&told),
                    user_id: None,
                    quarantined_at: ingested_at,
                });
            }
        }
    }
}
