//! What waits to be written: as much of it as is still true, since PostgreSQL may be away for hours.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::alerts::board::Key;
use crate::alerts::state::Alert;
use crate::alerts::store::Write;

/// An alert that goes on is written again this often, so that a console that starts knows until when it was
/// looked at.
const AGAIN: TimeDelta = TimeDelta::seconds(20);
/// Changes of state that wait to be written, at most.
const WAITING: usize = 5_000;

/// What is to be written, and what was.
#[derive(Debug, Default)]
pub(super) struct Journal {
    writes: Vec<Write>,
    /// As last written, and when.
    written: BTreeMap<Key, (Alert, DateTime<Utc>)>,
}

impl Journal {
    /// Something that stands in PostgreSQL already.
    pub(super) fn knows(&mut self, key: Key, alert: Alert, now: DateTime<Utc>) {
        self.written.insert(key, (alert, now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn waiting(&self) -> &[Write] {
        &self.writes
    }

    /// All of it was written.
    pub(super) fn is_written(&mut self) {
        self.writes.clear();
    }

    /// Alerts that are not as they were last written.
    pub(super) fn enter_changed(&mut self, alerts: &BTreeMap<Key, Alert>, now: DateTime<Utc>) {
        let moved = |a: &Alert, b: &Alert| {
            (a.state, a.since, a.incident, a.notified_at, a.repeats, a.suppressed)
                != (b.state, b.since, b.incident, b.notified_at, b.repeats, b.suppressed)
        };
        let mut writes = Vec::new();
        for (key, alert) in alerts {
            let due = self.written.get(key).is_none_or(|(was, at)| moved(was, alert) || now - *at >= AGAIN);
            if due {
                self.written.insert(key.clone(), (alert.clone(), now));
                writes.push(Write::State(key.clone(), alert.clone()));
            }
        }
        let gone: Vec<Key> = self.written.keys().filter(|key| !alerts.contains_key(key)).cloned().collect();
        for key in gone {
            self.written.remove(&key);
            writes.push(Write::Gone(key));
        }
        writes.into_iter().for_each(|write| self.enter(write));
    }

    /// Puts something into the journal, in the place of what it replaces.
    pub(super) fn enter(&mut self, write: Write) {
        self.writes.retain(|other| match (other, &write) {
            (Write::State(a, _) | Write::Gone(a), Write::State(b, _) | Write::Gone(b)) => a != b,
            (Write::Delivery(a), Write::Delivery(b)) => a.label != b.label,
            _ => true,
        });
        if self.writes.len() >= WAITING {
            self.writes.remove(0);
        }
        self.writes.push(write);
    }
}
