//! The shop floor: all visits under way, and whose turn it is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::User;
use contracts::validation::Draft;

use super::catalogue::Catalogue;
use super::config::Dial;
use super::dice::Dice;
use super::population::Population;
use super::visit::{Surroundings, Visit};
use crate::clock::from_micros;

/// Visits hurry in a run's first minute, so that a short run reaches purchases and not only arrivals.
const WARM_UP_US: i64 = 60_000_000;
const WARM_UP_START: f64 = 0.05;
/// A late visit is told between 11 and 40 minutes after it happened: beyond the bound of being on time.
const LATE_FROM_S: f64 = 660.0;
const LATE_SPREAD_S: f64 = 1_740.0;

/// Something due at a time; ties go in the order of scheduling.
struct Due<T> {
    at_us: i64,
    ticket: u64,
    what: T,
}

impl<T> Due<T> {
    const fn rank(&self) -> (i64, u64) {
        (self.at_us, self.ticket)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}
impl<T> Eq for Due<T> {}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// What is due, earliest first.
struct Agenda<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    tickets: u64,
}

impl<T> Agenda<T> {
    const fn new() -> Self {
        Self { heap: BinaryHeap::new(), tickets: 0 }
    }

    fn add(&mut self, at_us: i64, what: T) {
        self.tickets += 1;
        self.heap.push(Reverse(Due { at_us, ticket: self.tickets, what }));
    }

    fn pop_due(&mut self, now_us: i64) -> Option<T> {
        if self.heap.peek()?.0.at_us > now_us {
            return None;
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|Reverse(due)| due.what)
    }
}

pub(super) struct Floor {
    dice: Dice,
    catalogue: Catalogue,
    population: Population,
    visits: Agenda<Box<Visit>>,
    /// When a member has something to be paid back.
    refunds: Agenda<usize>,
    late_pct: f64,
    guests_pct: f64,
    /// The member behind a hot key, and its visit.
    hot: Option<(usize, Option<Box<Visit>>)>,
    start_us: i64,
    orders: u64,
}

impl Floor {
    /// At least one user is needed.
    pub(super) fn new(seed: u64, users: &[User], start: DateTime<Utc>, dial: &Dial) -> Self {
        let mut dice = Dice::new(seed, 0);
        let mut population = Population::new(users, &mut dice);
        // Nobody else would be left to visit where there is one user only.
        let hot = (dial.hot_key_pct > 0.0 && users.len() > 1).then(|| {
            let member = dice.below(users.len());
            population.take(member);
            (member, None)
        });
        Self {
            dice,
            catalogue: Catalogue::new(),
            population,
            visits: Agenda::new(),
            refunds: Agenda::new(),
            late_pct: dial.late_pct,
            guests_pct: dial.guests_pct,
            hot,
            start_us: start.timestamp_micros(),
            orders: 0,
        }
    }

    /// What happens in the slot of the schedule at this time.
    pub(super) fn next(&mut self, at: DateTime<Utc>) -> Draft {
        let now_us = at.timestamp_micros();
        // Whoever is due; or somebody new; or, with everybody visiting, whoever is due first.
        let due = self.visits.pop_due(now_us);
        let opened = due.or_else(|| self.open_visit(at)).or_else(|| self.visits.pop());
        let mut visit = opened.unwrap_or_else(|| self.begin(0, at, self.guests_pct));
        let (draft, pause) = self.step(&mut visit, at);
        match pause {
            Some(pause) => self.visits.add(now_us + self.hurried(pause, now_us), visit),
            None => self.population.give_back(visit.member),
        }
        draft
    }

    /// The same for the hot key's member, who never pauses and is always signed in: a key is hot by its user.
    pub(super) fn next_hot(&mut self, at: DateTime<Utc>) -> Option<Draft> {
        let (member, visit) = self.hot.take()?;
        let mut visit = visit.unwrap_or_else(|| self.begin(member, at, 0.0));
        let (draft, pause) = self.step(&mut visit, at);
        self.hot = Some((member, pause.map(|_| visit)));
        Some(draft)
    }

    fn open_visit(&mut self, at: DateTime<Utc>) -> Option<Box<Visit>> {
        let now_us = at.timestamp_micros();
        // A member who is visiting anyway comes to it in the next visit.
        if let Some(member) = self.refunds.pop_due(now_us)
            && self.population.take(member)
        {
            return Some(self.begin(member, at, self.guests_pct));
        }
        let member = self.population.take_any(now_us, &mut self.dice)?;
        Some(self.begin(member, at, self.guests_pct))
    }

    fn begin(&mut self, member: usize, at: DateTime<Utc>, guests_pct: f64) -> Box<Visit> {
        let told_after = if self.dice.percent(self.late_pct) {
            let after_s = LATE_FROM_S + LATE_SPREAD_S * self.dice.unit();
            #[expect(clippy::cast_possible_truncation, reason = "minutes")]
            TimeDelta::milliseconds((after_s * 1e3) as i64)
        } else {
            TimeDelta::zero()
        };
        // What a late visit tells happened before: it cannot pay back what was bought since.
        let refund = if told_after.is_zero() {
            self.population.members[member].take_refund(at.timestamp_micros())
        } else {
            None
        };
        let is_guest = refund.is_none() && guests_pct > 0.0 && self.dice.percent(guests_pct);
        let who = &self.population.members[member];
        let mut visit = Visit::begin(member, who, at, told_after, refund, &mut self.dice);
        if is_guest {
            visit.hide(&mut self.dice);
        } else {
            self.population.members[member].known = true;
        }
        Box::new(visit)
    }

    fn step(&mut self, visit: &mut Visit, at: DateTime<Utc>) -> (Draft, Option<TimeDelta>) {
        let mut around = Surroundings {
            catalogue: &self.catalogue,
            dice: &mut self.dice,
            run_start_ms: from_micros(self.start_us).timestamp_millis(),
            orders: &mut self.orders,
        };
        let step = visit.step(at, &self.population.members[visit.member], &mut around);
        if let Some((after, paid)) = step.refund_later {
            let due_us = (at + after).timestamp_micros();
            self.population.members[visit.member].refunds.push((due_us, paid));
            self.refunds.add(due_us, visit.member);
        }
        (step.draft, step.pause)
    }

    fn hurried(&self, pause: TimeDelta, now_us: i64) -> i64 {
        let pause_us = pause.num_microseconds().unwrap_or(0);
        let age_us = now_us - self.start_us;
        if age_us >= WARM_UP_US {
            return pause_us;
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "within minutes")]
        let hurried = (pause_us as f64 * (age_us as f64 / WARM_UP_US as f64).max(WARM_UP_START)) as i64;
        hurried
    }
}
