//! What has happened, as page and API show it: changes of state, notices, and in which hours something fired.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{DeliveryView, delivery_view};
use crate::alerts::board::Key;
use crate::alerts::outbox::Delivery;
use crate::alerts::rules::rule;
use crate::alerts::store::Event;

/// Hours of the last day that are drawn.
const HOURS: usize = 24;
/// How much of the history is shown at once.
const SHOWN: usize = 50;

/// One line of the history: a change of state, or what became of a notice.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AlertHistory)]
pub(crate) struct HistoryView {
    pub(crate) at: DateTime<Utc>,
    pub(crate) rule: String,
    pub(crate) subject: String,
    pub(crate) change: Option<ChangeView>,
    pub(crate) delivery: Option<DeliveryView>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AlertChange)]
pub(crate) struct ChangeView {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) severity: String,
    pub(crate) value: f64,
    /// The value as people read it.
    pub(crate) text: String,
    pub(crate) detail: String,
}

/// In which of the last hours something fired, the oldest first. `raised` is what fires now.
pub(super) fn hours<'a>(
    events: impl Iterator<Item = &'a Event>,
    raised: &[(&Key, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Vec<bool> {
    let day = now - TimeDelta::hours(24);
    let mut stretches: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    let mut open = BTreeMap::<&str, DateTime<Utc>>::new();
    for event in events {
        if event.to == "firing" {
            open.entry(&event.subject).or_insert(event.at);
        } else {
            // One that began before the day.
            stretches.push((open.remove(event.subject.as_str()).unwrap_or(day), event.at));
        }
    }
    stretches.extend(raised.iter().map(|(_, since)| ((*since).max(day), now)));
    let hour = |index: usize| day + TimeDelta::hours(i64::try_from(index).unwrap_or(0));
    (0..HOURS)
        .map(|index| stretches.iter().any(|(from, to)| *from < hour(index + 1) && *to >= hour(index)))
        .collect()
}

/// Changes and notices in one list, the newest first.
pub(super) fn history(events: &[Event], deliveries: &[Delivery]) -> Vec<HistoryView> {
    let changes = events.iter().map(|event| HistoryView {
        at: event.at,
        rule: event.rule.clone(),
        subject: event.subject.clone(),
        change: Some(change_view(event)),
        delivery: None,
    });
    let notices = deliveries.iter().map(|delivery| HistoryView {
        at: delivery.ended_at.unwrap_or(delivery.created_at),
        rule: delivery.rule.clone(),
        subject: delivery.subject.clone(),
        change: None,
        delivery: Some(delivery_view(delivery)),
    });
    let mut lines: Vec<HistoryView> = changes.chain(notices).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    lines.truncate(SHOWN);
    lines
}

pub(crate) fn change_view(event: &Event) -> ChangeView {
    let unit = rule(&event.rule).map(|rule| rule.signal.unit());
    ChangeView {
        from: event.from.clone(),
        to: event.to.clone(),
        severity: event.severity.clone(),
        value: event.value,
        text: unit.map_or_else(|| event.value.to_string(), |unit| unit.text(event.value)),
        detail: event.detail.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    fn event(hours: i64, to: &str) -> Event {
        Event {
            event_id: hours,
            at: at(hours),
            rule: "ServiceDown".into(),
            subject: "kafka".into(),
            severity: "warning".into(),
            from: String::new(),
            to: to.into(),
            value: 1.0,
            detail: String::new(),
        }
    }

    #[test]
    fn hours_in_which_it_fired_are_marked() {
        let key = Key { rule: "ServiceDown".into(), subject: "kafka".into() };
        let drawn = |events: &[Event], raised: Option<i64>| -> String {
            let raised: Vec<_> = raised.map(|hours| (&key, at(hours))).into_iter().collect();
            let hours = hours(events.iter(), &raised, at(24));
            hours.into_iter().map(|fired| if fired { '#' } else { '.' }).collect()
        };
        assert_eq!(drawn(&[], None), ".".repeat(24));
        assert_eq!(drawn(&[event(3, "firing"), event(5, "ok")], None), format!("...###{}", ".".repeat(18)));
        // It began before the day, and something else goes on.
        assert_eq!(drawn(&[event(1, "ok")], Some(22)), format!("##{}##", ".".repeat(20)));
    }
}
