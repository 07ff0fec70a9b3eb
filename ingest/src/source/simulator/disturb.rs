//! The dial: what is wrong with the records that the shop floor gives.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids;
use contracts::validation::{Draft, SourceId};
use contracts::vocabulary::EventName;

use super::config::Dial;
use super::dice::Dice;
use super::floor::Floor;

/// A repeat is of one of this many newest records.
const REMEMBERED: usize = 2_000;
/// A held-back record is overtaken by those of at most this long.
const LONGEST_HOLD_MS: usize = 20_000;

/// A record on its way to the store.
pub(super) enum Sent {
    /// Told for the first time.
    First(Draft),
    /// Told before.
    Again(Draft),
}

pub(super) struct Disturbed {
    floor: Floor,
    dial: Dial,
    dice: Dice,
    recent: VecDeque<Draft>,
    held: Vec<(DateTime<Utc>, Draft)>,
}

impl Disturbed {
    pub(super) const fn new(floor: Floor, dial: Dial, dice: Dice) -> Self {
        Self { floor, dial, dice, recent: VecDeque::new(), held: Vec::new() }
    }

    /// The record of the slot at this time, one of `slots_left`: what is held back gets the last ones.
    pub(super) fn next(&mut self, at: DateTime<Utc>, slots_left: usize) -> Sent {
        if !self.held.is_empty() && slots_left <= self.held.len() {
            return self.first(0);
        }
        if let Some(index) = self.held.iter().position(|(until, _)| *until <= at) {
            return self.first(index);
        }
        if self.dial.repeated_pct > 0.0
            && self.dice.percent(self.dial.repeated_pct)
            && !self.recent.is_empty()
        {
            return Sent::Again(self.recent[self.dice.below(self.recent.len())].clone());
        }
        if self.dial.malformed_pct > 0.0
            && self.dice.percent(self.dial.malformed_pct)
            && let Some(model) = self.recent.back().cloned()
        {
            return Sent::First(self.broken(model, at));
        }
        loop {
            let hot = self.dial.hot_key_pct > 0.0 && self.dice.percent(self.dial.hot_key_pct);
            let draft =
                if hot { self.floor.next_hot(at) } else { None }.unwrap_or_else(|| self.floor.next(at));
            let may_hold = self.dial.out_of_order_pct > 0.0 && slots_left > self.held.len() + 1;
            if may_hold && self.dice.percent(self.dial.out_of_order_pct) {
                let hold_ms = 100 + self.dice.below(LONGEST_HOLD_MS);
                let until = at + TimeDelta::milliseconds(i64::try_from(hold_ms).unwrap_or(0));
                self.held.push((until, draft));
                continue;
            }
            self.remember(&draft);
            return Sent::First(draft);
        }
    }

    /// What is still held back when a run ends.
    pub(super) fn next_held(&mut self) -> Option<Sent> {
        if self.held.is_empty() { None } else { Some(self.first(0)) }
    }

    fn first(&mut self, held: usize) -> Sent {
        let (_, draft) = self.held.remove(held);
        self.remember(&draft);
        Sent::First(draft)
    }

    fn remember(&mut self, draft: &Draft) {
        if self.dial.repeated_pct > 0.0 || self.dial.malformed_pct > 0.0 {
            if self.recent.len() >= REMEMBERED {
                self.recent.pop_front();
            }
            self.recent.push_back(draft.clone());
        }
    }

    /// A record of its own that breaks one rule; the visit it imitates stays whole.
    fn broken(&mut self, mut draft: Draft, at: DateTime<Utc>) -> Draft {
        draft.source_id = Some(SourceId::Uuid(ids::v7(draft.occurred_at, self.dice.id_bits())));
        let about_product = draft.line.is_some();
        match self.dice.below(if about_product { 6 } else { 4 }) {
            // A purchase without an id is known by its order and line, and breaks nothing.
            2 if draft.event_name != EventName::Purchase => draft.source_id = None,
            0 | 2 => draft.shopper.age = Some(200),
            1 => {
                draft.occurred_at = at + TimeDelta::minutes(5);
                draft.source_id = Some(SourceId::Uuid(ids::v7(draft.occurred_at, self.dice.id_bits())));
            }
            3 => draft.visit.session_started_at = Some(draft.occurred_at + TimeDelta::seconds(1)),
            4 => draft.line.iter_mut().for_each(|line| line.quantity = 0),
            // The code ISO 4217 keeps for "no currency": nothing can have a rate for it.
            _ => draft.line.iter_mut().for_each(|line| line.currency = no_currency()),
        }
        draft
    }
}

#[expect(clippy::expect_used, reason = "three upper-case letters")]
fn no_currency() -> contracts::event::Currency {
    "XXX".parse().expect("a code")
}
