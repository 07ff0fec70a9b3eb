use chrono::TimeDelta;

use super::*;
use crate::alerts::rules::RULES;
use crate::alerts::silence::Matcher;
use crate::line::hops::tests_support::{now, seen, snapshot, well};
use crate::watch::ops::{Ops, Relay, Run, Slot};
use crate::watch::registry::Subjects;
use crate::watch::services::Services;
use crate::watch::{Away, Seen};

fn at(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

/// A line with the ages of the last reports of relay and job.
fn line(seconds: i64, relay_age: i64, job_age: i64) -> Snapshot {
    let reported = |age: i64| at(seconds - age);
    let ops = well();
    let relay = Relay { reported_at: reported(relay_age), ..ops.relay.clone().unwrap() };
    let run = Run { reported_at: reported(job_age), ..ops.run.clone().unwrap() };
    let slot = Slot { active: true, retained_bytes: Some(1), safe_bytes: Some(9), ..Slot::default() };
    Snapshot {
        registry: seen(Subjects::default()),
        services: seen(Services { asked: vec![("spark_connect", None)] }),
        ..snapshot(Ops {
            at: at(seconds),
            relay: Some(relay),
            run: Some(run),
            slot: Some(slot),
            queries: std::collections::BTreeMap::new(),
            ..ops
        })
    }
}

/// The same, and PostgreSQL does not answer.
fn frozen(seconds: i64, since: i64) -> Snapshot {
    let line = line(seconds, 1, 1);
    let away = Some(Away { since: at(since), why: "no answer within 2 s".into() });
    Snapshot { ops: Seen { away, ..line.ops.clone() }, ..line }
}

struct Driven {
    board: Board,
    rules: Vec<Held>,
    told: Vec<(i64, String, News)>,
    kept_back: Vec<i64>,
}

impl Driven {
    fn new() -> Self {
        let rules = RULES.iter().map(Held::from).collect();
        Self { board: Board::default(), rules, told: Vec::new(), kept_back: Vec::new() }
    }

    /// Looks every five seconds from one second to before another.
    fn drive(&mut self, from: i64, to: i64, silences: &[Silence], snapshot: impl Fn(i64) -> Snapshot) {
        for seconds in (from..to).step_by(5) {
            let changes = self.board.evaluate(&self.rules, &snapshot(seconds), at(seconds));
            let (notices, kept_back) = self.board.news(&self.rules, &changes, silences, true, at(seconds));
            self.told.extend(notices.into_iter().map(|notice| (seconds, notice.key.rule, notice.news)));
            self.kept_back.extend(kept_back);
        }
    }

    fn told(&self) -> Vec<(i64, &str, News)> {
        self.told.iter().map(|(seconds, rule, news)| (*seconds, rule.as_str(), *news)).collect()
    }
}

#[test]
fn a_relay_that_dies_and_comes_back_is_told_once_each() {
    let mut driven = Driven::new();
    driven.drive(0, 60, &[], |seconds| line(seconds, 1, 1));
    assert!(driven.told.is_empty() && driven.board.alerts.is_empty(), "{:?}", driven.board.alerts);
    driven.drive(60, 300, &[], |seconds| line(seconds, seconds - 60, 1));
    driven.drive(300, 600, &[], |seconds| line(seconds, 1, 1));
    // Silent for more than 15 s from 80 on, for a minute; well for half a minute from 300 on.
    let expected = [(140, "RelayNotStreaming", News::Firing), (330, "RelayNotStreaming", News::Resolved)];
    assert_eq!(driven.told(), expected);
}

#[test]
fn while_postgresql_is_frozen_nothing_is_over_and_only_that_is_told() {
    let mut driven = Driven::new();
    driven.drive(0, 200, &[], |seconds| line(seconds, seconds, 1));
    assert_eq!(driven.told(), [(80, "RelayNotStreaming", News::Firing)]);
    driven.drive(200, 500, &[], |seconds| frozen(seconds, 200));
    let relay = Key { rule: "RelayNotStreaming".into(), subject: String::new() };
    assert_eq!(driven.board.alerts[&relay].state, State::Firing);
    assert!(driven.board.missing.contains("RelayNotStreaming") && driven.board.missing.contains("SlotLost"));
    let blind = Key { rule: "Blind".into(), subject: "postgres".into() };
    assert_eq!(driven.board.alerts[&blind].state, State::Firing);
    // That it is blind is but an effect.
    assert_eq!(driven.told()[1..], [(260, "NothingTakenIn", News::Firing)]);
    driven.drive(500, 600, &[], |seconds| line(seconds, 1, 1));
    let over = [(530, "RelayNotStreaming", News::Resolved), (530, "NothingTakenIn", News::Resolved)];
    assert_eq!(driven.told()[2..], over);
}

#[test]
fn an_effect_is_told_when_its_cause_is_over_and_it_goes_on() {
    let mut driven = Driven::new();
    // Of every second rule one is the effect of another: a slot that is lost stops the relay.
    let lost = |seconds: i64, lost: bool| {
        let line = line(seconds, 100, 1);
        let ops = Ops {
            slot: if lost { None } else { line.ops.value.as_ref().unwrap().slot.clone() },
            ..(**line.ops.value.as_ref().unwrap()).clone()
        };
        Snapshot { ops: seen(ops), ..line }
    };
    driven.drive(0, 300, &[], |seconds| lost(seconds, true));
    assert_eq!(driven.told(), [(120, "SlotLost", News::Firing)]);
    let relay = driven.rules.iter().find(|held| held.rule.name == "RelayNotStreaming").unwrap();
    assert_eq!(driven.board.under(relay, ""), Some("SlotLost"));
    driven.drive(300, 500, &[], |seconds| lost(seconds, false));
    let after = [(360, "SlotLost", News::Resolved), (360, "RelayNotStreaming", News::Firing)];
    assert_eq!(driven.told()[1..], after);
}

#[test]
fn what_is_silenced_is_counted_once_and_told_when_the_silence_ends() {
    let silence = |rule: Option<&str>, until: i64| Silence {
        silence_id: 7,
        of: Matcher { rule: rule.map(str::to_owned), ..Matcher::default() },
        begun_at: at(0),
        until: at(until),
        reason: "load test".into(),
        by_whom: "ana".into(),
        suppressed: 0,
    };
    let mut driven = Driven::new();
    driven.drive(0, 300, &[silence(Some("RelayNotStreaming"), 200)], |seconds| line(seconds, 100, 1));
    assert_eq!(driven.kept_back, [7]);
    assert_eq!(driven.told(), [(200, "RelayNotStreaming", News::Firing)]);
    // A silence of something else keeps nothing back.
    let elsewhere = Matcher { subject: Some("kafka".into()), ..Matcher::default() };
    let mut driven = Driven::new();
    driven.drive(0, 100, &[Silence { of: elsewhere, ..silence(None, 900) }], |seconds| line(seconds, 100, 1));
    assert_eq!(driven.told(), [(60, "RelayNotStreaming", News::Firing)]);
    // Of what is over before its silence, nobody is told anything.
    let mut driven = Driven::new();
    driven.drive(0, 100, &[silence(None, 900)], |seconds| line(seconds, 100, 1));
    driven.drive(100, 900, &[silence(None, 900)], |seconds| line(seconds, 1, 1));
    assert!(driven.told.is_empty(), "{:?}", driven.told);
}

#[test]
fn what_is_critical_and_goes_on_is_told_again_every_four_hours() {
    let mut driven = Driven::new();
    driven.drive(0, 9 * 3_600, &[], |seconds| line(seconds, 100, 1));
    let told: Vec<_> = driven.told.iter().map(|(seconds, _, news)| (*seconds / 60, *news)).collect();
    assert_eq!(told, [(1, News::Firing), (241, News::Repeated(1)), (481, News::Repeated(2))]);
}

#[test]
fn a_rule_that_is_switched_off_ends_what_it_had_raised() {
    let mut driven = Driven::new();
    driven.drive(0, 100, &[], |seconds| line(seconds, 100, 1));
    driven.rules.iter_mut().for_each(|held| held.enabled = held.rule.name != "RelayNotStreaming");
    driven.drive(100, 200, &[], |seconds| line(seconds, 100, 1));
    let told = [(60, "RelayNotStreaming", News::Firing), (100, "RelayNotStreaming", News::Resolved)];
    assert_eq!(driven.told(), told);
}
