//! One alert's way: ok → pending → firing → clearing → ok. A pure step; a signal that is missing moves
//! nothing.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::rules::{Op, Rule, Severity};
use super::signals::Reading;

/// Nobody has looked for longer than this: how long something has lasted is not known, and is counted anew.
const GAP_S: i64 = 30;

/// A rule as it is held here: the table's, or what the file of this installation puts in its place.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) rule: &'static Rule,
    pub(crate) raise_at: f64,
    pub(crate) for_s: u32,
    pub(crate) clear_at: f64,
    pub(crate) clear_for_s: u32,
    pub(crate) severity: Severity,
    pub(crate) enabled: bool,
}

impl From<&'static Rule> for Held {
    fn from(rule: &'static Rule) -> Self {
        let Rule { raise_at, for_s, clear_at, clear_for_s, severity, .. } = *rule;
        Self { rule, raise_at, for_s, clear_at, clear_for_s, severity, enabled: true }
    }
}

impl Held {
    fn raises(&self, value: f64) -> bool {
        match self.rule.op {
            Op::Above => value > self.raise_at,
            Op::Below => value < self.raise_at,
        }
    }

    fn clears(&self, value: f64) -> bool {
        match self.rule.op {
            Op::Above => value <= self.clear_at,
            Op::Below => value >= self.clear_at,
        }
    }
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Beyond its threshold, and not for long enough.
    Pending,
    Firing,
    /// Back, and not for long enough.
    Clearing,
}

impl State {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Clearing => "clearing",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Pending, Self::Firing, Self::Clearing].into_iter().find(|state| state.word() == word)
    }

    /// Whether somebody has to know: it fires, or has only just gone back.
    pub(crate) const fn is_raised(self) -> bool {
        matches!(self, Self::Firing | Self::Clearing)
    }
}

/// One alert: a rule, and what it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alert {
    pub(crate) state: State,
    pub(crate) since: DateTime<Utc>,
    /// When its signal was last known.
    pub(crate) read_at: DateTime<Utc>,
    pub(crate) value: f64,
    pub(crate) detail: String,
    /// From firing to ok; notices of one incident belong together.
    pub(crate) incident: Option<Uuid>,
    pub(crate) raised_at: Option<DateTime<Utc>>,
    /// When somebody was first told; nothing where it is held back.
    pub(crate) notified_at: Option<DateTime<Utc>>,
    /// How often it was told again.
    pub(crate) repeats: i32,
    /// Whether the silence that keeps it back has counted it.
    pub(crate) suppressed: bool,
}

impl Alert {
    pub(crate) fn ok(now: DateTime<Utc>) -> Self {
        Self {
            state: State::Ok,
            since: now,
            read_at: now,
            value: 0.0,
            detail: String::new(),
            incident: None,
            raised_at: None,
            notified_at: None,
            repeats: 0,
            suppressed: false,
        }
    }
}

/// Where an alert is after a look at its signal; `None` where the signal tells nothing.
pub(crate) fn step(held: &Held, before: &Alert, reading: Option<&Reading>, now: DateTime<Utc>) -> Alert {
    let Some(reading) = reading else { return before.clone() };
    let mut next =
        Alert { read_at: now, value: reading.value, detail: reading.detail.clone(), ..before.clone() };
    let (raises, clears) = (held.raises(reading.value), held.clears(reading.value));
    if reading.partial && !raises && before.state.is_raised() {
        // Less than the whole stretch is known, and that it is over cannot be told from it.
        return Alert { read_at: before.read_at, ..next };
    }
    if matches!(before.state, State::Pending | State::Clearing)
        && now - before.read_at > TimeDelta::seconds(GAP_S)
    {
        next.since = now;
    }
    let lasted = |since: DateTime<Utc>, for_s: u32| now - since >= TimeDelta::seconds(for_s.into());
    let begun = |state| Alert { state, since: now, ..next.clone() };
    let mut after = match before.state {
        State::Ok if raises => begun(State::Pending),
        State::Pending if !raises => begun(State::Ok),
        State::Firing if clears => begun(State::Clearing),
        State::Clearing if !clears => begun(State::Firing),
        _ => next,
    };
    if after.state == State::Pending && lasted(after.since, held.for_s) {
        after = Alert {
            state: State::Firing,
            since: now,
            incident: Some(Uuid::now_v7()),
            raised_at: Some(now),
            ..after
        };
    }
    if after.state == State::Clearing && lasted(after.since, held.clear_for_s) {
        after = Alert { state: State::Ok, since: now, ..after };
    }
    after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alerts::rules::rule;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn figures_late() -> Held {
        rule("FiguresLate").unwrap().into()
    }

    fn reading(value: f64) -> Reading {
        Reading { subject: String::new(), value, detail: String::new(), partial: false }
    }

    /// The states that it goes through with a value every five seconds; none where the signal is missing.
    fn driven(held: &Held, values: impl IntoIterator<Item = Option<f64>>) -> Vec<(i64, State)> {
        let mut alert = Alert::ok(at(0));
        let mut changes = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let seconds = 5 * i64::try_from(index).unwrap();
            let next = step(held, &alert, value.map(reading).as_ref(), at(seconds));
            if next.state != alert.state {
                changes.push((seconds, next.state));
            }
            alert = next;
        }
        changes
    }

    fn states(changes: &[(i64, State)]) -> Vec<State> {
        changes.iter().map(|(_, state)| *state).collect()
    }

    #[test]
    fn it_fires_when_it_has_lasted_and_is_over_when_that_has() {
        let values = std::iter::repeat_n(Some(12.0), 70).chain(std::iter::repeat_n(Some(1.0), 60));
        let expected = [(0, State::Pending), (300, State::Firing), (350, State::Clearing), (470, State::Ok)];
        assert_eq!(driven(&figures_late(), values), expected);
    }

    #[test]
    fn between_its_two_thresholds_it_goes_on_firing() {
        let values = std::iter::repeat_n(Some(12.0), 70).chain(std::iter::repeat_n(Some(7.0), 300));
        assert_eq!(states(&driven(&figures_late(), values)), [State::Pending, State::Firing]);
    }

    /// Ten minutes around the threshold: one raise, one end.
    #[test]
    fn it_does_not_flap() {
        let held = figures_late();
        let flapping = (0..120).map(|index| Some(if index % 2 == 0 { 10.5 } else { 9.5 }));
        let deep = (0..120).map(|index| Some(if index % 2 == 0 { 11.0 } else { 1.0 }));
        for flapping in [flapping.collect::<Vec<_>>(), deep.collect()] {
            let values =
                std::iter::repeat_n(Some(12.0), 70).chain(flapping).chain(std::iter::repeat_n(Some(1.0), 60));
            let changes = states(&driven(&held, values));
            let of = |wanted: State| changes.iter().filter(|state| **state == wanted).count();
            assert_eq!((of(State::Pending), of(State::Ok)), (1, 1), "{changes:?}");
        }
    }

    #[test]
    fn nobody_looked_so_it_is_counted_anew() {
        let held = figures_late();
        let pending = step(&held, &Alert::ok(at(0)), Some(&reading(12.0)), at(0));
        let looked = step(&held, &pending, Some(&reading(12.0)), at(25));
        assert_eq!((looked.state, looked.since), (State::Pending, at(0)));
        let after_a_gap = step(&held, &looked, Some(&reading(12.0)), at(400));
        assert_eq!((after_a_gap.state, after_a_gap.since), (State::Pending, at(400)));
    }

    #[test]
    fn of_less_than_the_whole_stretch_it_is_not_told_that_it_is_over() {
        let held = Held::from(rule("RowsDropped").unwrap());
        let partial = |value| Reading { partial: true, ..reading(value) };
        let firing = step(&held, &Alert::ok(at(0)), Some(&partial(3.0)), at(0));
        assert_eq!(firing.state, State::Firing);
        assert_eq!(step(&held, &firing, Some(&partial(0.0)), at(5)).state, State::Firing);
        assert_eq!(step(&held, &firing, Some(&reading(0.0)), at(5)).state, State::Ok);
    }

    proptest! {
        /// Whatever the signal does, states follow each other in their order, and each incident is raised
        /// once.
        #[test]
        fn states_follow_each_other(values in prop::collection::vec(prop::option::of(0.0f64..20.0), 1..400)) {
            let mut before = State::Ok;
            for (_, after) in driven(&figures_late(), values) {
                let allowed = matches!(
                    (before, after),
                    (State::Ok, State::Pending) | (State::Pending, State::Ok | State::Firing)
                        | (State::Firing, State::Clearing) | (State::Clearing, State::Firing | State::Ok)
                );
                prop_assert!(allowed, "{before:?} → {after:?}");
                before = after;
            }
        }

        /// A signal that is missing neither fires nor ends anything.
        #[test]
        fn what_is_missing_moves_nothing(
            values in prop::collection::vec(0.0f64..20.0, 1..100),
            missing in 1usize..200,
        ) {
            let held = figures_late();
            let whole: Vec<_> = values.iter().map(|value| Some(*value)).collect();
            let states_before = driven(&held, whole.clone());
            let blind = whole.into_iter().chain(std::iter::repeat_n(None, missing));
            prop_assert_eq!(driven(&held, blind), states_before);
        }

        /// One raise and one end, however the signal moves between its thresholds.
        #[test]
        fn one_incident_is_one(noise in prop::collection::vec(5.01f64..30.0, 0..200)) {
            let values = std::iter::repeat_n(Some(12.0), 70)
                .chain(noise.into_iter().map(Some))
                .chain(std::iter::repeat_n(Some(1.0), 40));
            let changes = states(&driven(&figures_late(), values));
            prop_assert_eq!(changes, [State::Pending, State::Firing, State::Clearing, State::Ok]);
        }
    }
}
