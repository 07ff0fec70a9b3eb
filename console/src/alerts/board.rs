//! All alerts at one moment: which fire, what holds them back, and whom to tell what.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::ring::Ring;
use super::rules::Severity;
use super::signals::{Readings, Sight, read};
use super::silence::Silence;
use super::state::{Alert, Held, State, step};
use crate::watch::Snapshot;

/// Of a critical alert that goes on somebody is told again this often.
const REPEAT: TimeDelta = TimeDelta::hours(4);

/// A rule and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) rule: String,
    pub(crate) subject: String,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) severity: Severity,
    pub(crate) from: State,
    pub(crate) at: DateTime<Utc>,
    /// As it is since.
    pub(crate) alert: Alert,
}

/// What somebody is told about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    Firing,
    /// It goes on.
    Repeated(i32),
    Resolved,
}

impl News {
    /// With the incident, what a receiver tells repetitions by.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Firing => "firing".to_owned(),
            Self::Repeated(times) => format!("repeat-{times}"),
            Self::Resolved => "resolved".to_owned(),
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    pub(crate) key: Key,
    pub(crate) incident: Uuid,
    pub(crate) news: News,
    pub(crate) at: DateTime<Utc>,
    pub(crate) alert: Alert,
}

/// All alerts that are not ok.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) alerts: BTreeMap<Key, Alert>,
    ring: Ring,
    /// The worst value of each rule's signal when it was last known, for whoever looks at the table.
    pub(crate) now: BTreeMap<&'static str, f64>,
    /// Rules whose signal tells nothing now.
    pub(crate) missing: BTreeSet<&'static str>,
}

impl Board {
    /// Looks at every signal once.
    pub(crate) fn evaluate(
        &mut self,
        rules: &[Held],
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Vec<Change> {
        self.ring.add(snapshot, now);
        let mut changes = Vec::new();
        for held in rules {
            let name = held.rule.name;
            if !held.enabled {
                self.now.remove(name);
                self.end(held, now, &mut changes);
                continue;
            }
            let told = read(held.rule.signal, &Sight { snapshot, ring: &self.ring, now });
            let Readings::Known(readings) = told else {
                self.missing.insert(name);
                self.now.remove(name);
                continue;
            };
            self.missing.remove(name);
            let worst = readings.iter().map(|reading| reading.value).reduce(|a, b| match held.rule.op {
                super::rules::Op::Above => a.max(b),
                super::rules::Op::Below => a.min(b),
            });
            match worst {
                Some(worst) => self.now.insert(name, worst),
                None => self.now.remove(name),
            };
            self.end_absent(held, &readings, now, &mut changes);
            for reading in &readings {
                let key = Key { rule: name.to_owned(), subject: reading.subject.clone() };
                let before = self.alerts.get(&key).cloned().unwrap_or_else(|| Alert::ok(now));
                let after = step(held, &before, Some(reading), now);
                self.put(held, key, &before, after, now, &mut changes);
            }
        }
        changes
    }

    /// What is no longer there is no longer bad: a query of an earlier plan, a collector that is not asked
    /// any more.
    fn end_absent(
        &mut self,
        held: &Held,
        readings: &[super::signals::Reading],
        now: DateTime<Utc>,
        changes: &mut Vec<Change>,
    ) {
        let gone: Vec<Key> = self
            .alerts
            .keys()
            .filter(|key| key.rule == held.rule.name)
            .filter(|key| readings.iter().all(|reading| reading.subject != key.subject))
            .cloned()
            .collect();
        for key in gone {
            let Some(before) = self.alerts.get(&key).cloned() else { continue };
            let well = super::signals::Reading {
                subject: key.subject.clone(),
                value: held.clear_at,
                detail: String::new(),
                partial: false,
            };
            let after = step(held, &before, Some(&well), now);
            self.put(held, key, &before, after, now, changes);
        }
    }

    /// Of a rule that was switched off nothing goes on.
    fn end(&mut self, held: &Held, now: DateTime<Utc>, changes: &mut Vec<Change>) {
        let of_rule: Vec<Key> =
            self.alerts.keys().filter(|key| key.rule == held.rule.name).cloned().collect();
        for key in of_rule {
            let Some(before) = self.alerts.get(&key).cloned() else { continue };
            let after = Alert { state: State::Ok, since: now, ..before.clone() };
            self.put(held, key, &before, after, now, changes);
        }
    }

    fn put(
        &mut self,
        held: &Held,
        key: Key,
        before: &Alert,
        after: Alert,
        now: DateTime<Utc>,
        changes: &mut Vec<Change>,
    ) {
        if before.state == after.state {
            if after.state != State::Ok {
                self.alerts.insert(key, after);
            }
            return;
        }
        // From ok to firing at once where a rule waits for nothing: the step between belongs to the history
        // too.
        if after.state == State::Ok {
            self.alerts.remove(&key);
        } else {
            self.alerts.insert(key.clone(), after.clone());
        }
        changes.push(Change { key, severity: held.severity, from: before.state, at: now, alert: after });
    }

    /// The rule under which an alert is listed: a cause of it that is not well.
    pub(crate) fn under(&self, held: &Held, subject: &str) -> Option<&'static str> {
        held.rule.causes.iter().copied().find(|cause| {
            self.alerts.keys().any(|key| {
                key.rule == **cause
                    && (key.subject == subject || key.subject.is_empty() || subject.is_empty())
            })
        })
    }

    /// Whom to tell what, now that signals were looked at. What is held back by a cause or a silence is told
    /// when that is over and it still goes on. Returns the silences that have kept something back for the
    /// first time, too.
    pub(crate) fn news(
        &mut self,
        rules: &[Held],
        changes: &[Change],
        silences: &[Silence],
        deliver: bool,
        now: DateTime<Utc>,
    ) -> (Vec<Notice>, Vec<i64>) {
        let (mut notices, mut kept_back) = (Vec::new(), Vec::new());
        for change in changes.iter().filter(|change| change.alert.state == State::Ok) {
            let Some(incident) = change.alert.incident.filter(|_| change.alert.notified_at.is_some()) else {
                continue;
            };
            let Change { key, alert, .. } = change.clone();
            notices.push(Notice { key, incident, news: News::Resolved, at: now, alert });
        }
        let firing: Vec<Key> = self
            .alerts
            .iter()
            .filter(|(_, alert)| alert.state == State::Firing)
            .map(|(key, _)| key.clone())
            .collect();
        for key in firing {
            let Some(held) = rules.iter().find(|held| held.rule.name == key.rule) else { continue };
            let under = self.under(held, &key.subject);
            let Some(alert) = self.alerts.get_mut(&key) else { continue };
            let Some(incident) = alert.incident else { continue };
            let due = match alert.notified_at {
                None => Some(News::Firing),
                Some(at)
                    if held.severity == Severity::Critical && now - at >= REPEAT * (alert.repeats + 1) =>
                {
                    Some(News::Repeated(alert.repeats + 1))
                }
                Some(_) => None,
            };
            let Some(news) = due.filter(|_| under.is_none()) else { continue };
            if let Some(silence) =
                silences.iter().find(|silence| silence.keeps(&key.rule, &key.subject, held.severity, now))
            {
                if !alert.suppressed {
                    alert.suppressed = true;
                    kept_back.push(silence.silence_id);
                }
                continue;
            }
            // Without a target nobody was told: one that is named later is.
            if !deliver {
                continue;
            }
            match news {
                News::Repeated(times) => alert.repeats = times,
                _ => alert.notified_at = Some(now),
            }
            notices.push(Notice { key, incident, news, at: now, alert: alert.clone() });
        }
        (notices, kept_back)
    }
}

#[cfg(test)]
mod tests;
