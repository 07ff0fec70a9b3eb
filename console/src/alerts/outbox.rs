//! What is still to be told: in order, again where it failed, and never twice.
//!
//! A notice is told by its incident, its news and its target. It stays here until the incident is over, so
//! that the end of an incident is told only to whom its beginning was.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Pauses before the second attempt, the third …; the last one holds for all that follow.
const PAUSES_S: [i64; 4] = [5, 15, 60, 300];
/// For how long it is tried.
const TRIED: TimeDelta = TimeDelta::hours(24);

/// The news of what has no end, as a task of Airflow that has failed.
pub(crate) const ALONE: &str = "event";
/// So many that are through are remembered, lest PostgreSQL, which may learn of it later, has them told
/// again.
const REMEMBERED: usize = 2_000;

/// What a notice is told by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) incident: Uuid,
    /// `firing`, `repeat-1`, `resolved`.
    pub(crate) news: String,
    pub(crate) target: String,
}

/// How far a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Waiting,
    Delivered,
    /// The target refused it, or was away for a day.
    Failed,
    /// Its beginning never left.
    Skipped,
}

impl Status {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Failed, Self::Skipped].into_iter().find(|s| s.word() == word)
    }
}

/// A notice for a target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) label: Label,
    pub(crate) rule: String,
    pub(crate) subject: String,
    pub(crate) payload: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) status: Status,
    pub(crate) attempts: i32,
    pub(crate) next_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) took_ms: Option<i64>,
    /// What the target said, or why it said nothing.
    pub(crate) answer: String,
}

impl Delivery {
    pub(crate) fn new(label: Label, rule: &str, subject: &str, payload: Value, now: DateTime<Utc>) -> Self {
        Self {
            label,
            rule: rule.to_owned(),
            subject: subject.to_owned(),
            payload,
            created_at: now,
            status: Status::Waiting,
            attempts: 0,
            next_at: now,
            ended_at: None,
            took_ms: None,
            answer: String::new(),
        }
    }

    /// Whether it tells that something is over.
    fn ends(&self) -> bool {
        self.label.news == "resolved"
    }

    fn begins(&self) -> bool {
        self.label.news == "firing"
    }

    /// Whether it is all that there is to tell, as of somebody else's failure.
    fn stands_alone(&self) -> bool {
        self.label.news == ALONE
    }

    /// Whether another program is about to tell it: `storepulse alerts send`, which wrote it down before.
    pub(super) fn is_elsewhere(&self, now: DateTime<Utc>) -> bool {
        self.stands_alone() && self.attempts == 0 && now < self.next_at
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempted {
    pub(crate) outcome: Outcome,
    pub(crate) answer: String,
    pub(crate) took_ms: i64,
}

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    /// It may be better later.
    Again,
    /// It will not.
    Refused,
}

/// All that is still to be told, and what was told of incidents that go on.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    deliveries: BTreeMap<Label, Delivery>,
    /// What has changed since it was last asked.
    changed: BTreeMap<Label, Delivery>,
    through: VecDeque<Label>,
}

impl Outbox {
    /// Takes in a notice; one that is here already stays as it is.
    pub(crate) fn add(&mut self, mut delivery: Delivery) {
        if self.is_known(&delivery.label) {
            return;
        }
        let lost = |earlier: &Delivery| matches!(earlier.status, Status::Failed | Status::Skipped);
        let begun = self.of(&delivery).find(|earlier| earlier.begins());
        if !delivery.begins() && !delivery.stands_alone() && begun.is_none_or(lost) {
            delivery.status = Status::Skipped;
            delivery.ended_at = Some(delivery.created_at);
            delivery.answer = "its beginning was not delivered".to_owned();
        }
        self.changed.insert(delivery.label.clone(), delivery.clone());
        let over = delivery.ends() && delivery.status != Status::Waiting;
        self.deliveries.insert(delivery.label.clone(), delivery.clone());
        if over {
            self.forget(&delivery.label);
        }
    }

    /// Takes over what an earlier process has left.
    pub(crate) fn take_over(&mut self, delivery: Delivery) {
        if !self.is_known(&delivery.label) {
            self.deliveries.insert(delivery.label.clone(), delivery);
        }
    }

    fn is_known(&self, label: &Label) -> bool {
        self.deliveries.contains_key(label) || self.through.contains(label)
    }

    /// Those of the same incident and target.
    fn of<'a>(&'a self, delivery: &'a Delivery) -> impl Iterator<Item = &'a Delivery> {
        let Label { incident, target, .. } = &delivery.label;
        self.deliveries
            .values()
            .filter(move |other| other.label.incident == *incident && other.label.target == *target)
    }

    /// What is to be sent to a target now: the oldest first, and nothing before what comes before it in its
    /// incident.
    pub(crate) fn due<'a>(&'a self, target: &'a str, now: DateTime<Utc>) -> Option<&'a Delivery> {
        self.heads(target)
            .filter(|delivery| delivery.next_at <= now)
            .min_by_key(|delivery| delivery.created_at)
    }

    /// When something is to be sent to a target next.
    pub(crate) fn next_at(&self, target: &str) -> Option<DateTime<Utc>> {
        self.heads(target).map(|delivery| delivery.next_at).min()
    }

    /// The first of each incident that waits.
    fn heads<'a>(&'a self, target: &'a str) -> impl Iterator<Item = &'a Delivery> {
        let order = |delivery: &Delivery| (delivery.created_at, delivery.ends(), !delivery.begins());
        self.deliveries.values().filter(move |delivery| {
            delivery.label.target == target
                && delivery.status == Status::Waiting
                && self
                    .of(delivery)
                    .all(|other| other.status != Status::Waiting || order(other) >= order(delivery))
        })
    }

    /// Notes how an attempt ended.
    pub(crate) fn settle(&mut self, label: &Label, attempted: Attempted, now: DateTime<Utc>) {
        let Some(delivery) = self.deliveries.get_mut(label) else { return };
        delivery.attempts += 1;
        delivery.answer = attempted.answer;
        delivery.took_ms = Some(attempted.took_ms);
        delivery.status = match attempted.outcome {
            Outcome::Delivered => Status::Delivered,
            Outcome::Refused => Status::Failed,
            Outcome::Again if now - delivery.created_at >= TRIED => Status::Failed,
            Outcome::Again => {
                let pause = usize::try_from(delivery.attempts - 1).ok().and_then(|index| PAUSES_S.get(index));
                delivery.next_at = now + TimeDelta::seconds(*pause.unwrap_or(&300));
                Status::Waiting
            }
        };
        if delivery.status != Status::Waiting {
            delivery.ended_at = Some(now);
        }
        let settled = delivery.clone();
        self.changed.insert(label.clone(), settled.clone());
        if settled.status == Status::Failed && settled.begins() {
            self.skip_rest(&settled, now);
        }
        if settled.status != Status::Waiting && (settled.ends() || settled.stands_alone()) {
            self.forget(label);
        }
    }

    /// Nobody is told how an incident went on of which they were not told that it began.
    fn skip_rest(&mut self, begun: &Delivery, now: DateTime<Utc>) {
        let rest: Vec<Label> = self
            .of(begun)
            .filter(|other| other.status == Status::Waiting)
            .map(|other| other.label.clone())
            .collect();
        for label in rest {
            let Some(delivery) = self.deliveries.get_mut(&label) else { continue };
            delivery.status = Status::Skipped;
            delivery.ended_at = Some(now);
            delivery.answer = "its beginning was not delivered".to_owned();
            self.changed.insert(label, delivery.clone());
        }
    }

    /// An incident that is over and told.
    fn forget(&mut self, label: &Label) {
        let over = |other: &Label| other.incident == label.incident && other.target == label.target;
        self.through.extend(self.deliveries.keys().filter(|other| over(other)).cloned());
        while self.through.len() > REMEMBERED {
            self.through.pop_front();
        }
        self.deliveries.retain(|other, _| !over(other));
    }

    /// What has changed since this was last asked.
    pub(crate) fn changes(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.changed).into_values().collect()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.deliveries.values().filter(|delivery| delivery.status == Status::Waiting).count()
    }
}

#[cfg(test)]
mod tests;
