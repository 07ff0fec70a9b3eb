//! Alerts as page and API show them.

mod history;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use history::{ChangeView, HistoryView, change_view};
use history::{history, hours};

use super::board::{Board, Key};
use super::notice::summary;
use super::outbox::Delivery;
pub(crate) use super::outbox::Status;
use super::rules::Severity;
use super::silence::Silence;
use super::state::{Alert, Held, State};
use super::store::Event;
use super::targets::Settings;

/// Who evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Evaluator {
    /// This console.
    Here,
    /// Another one, beside which this one stands by.
    Another,
    /// Nobody as far as this console knows: it has not reached PostgreSQL yet.
    Nobody,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Alerts {
    pub(crate) at: DateTime<Utc>,
    pub(crate) evaluator: Evaluator,
    /// Who is told; nobody where there is none.
    pub(crate) targets: Vec<TargetView>,
    /// What fires, the gravest first.
    pub(crate) firing: Vec<AlertView>,
    /// What is beyond its threshold and not for long enough.
    pub(crate) pending: Vec<AlertView>,
    /// Sources that tell nothing, and the rules that cannot be judged for it.
    pub(crate) blind: Vec<BlindView>,
    /// Rules whose signal tells nothing now.
    pub(crate) blind_rules: Vec<String>,
    pub(crate) silences: Vec<Silence>,
    /// Notices that are still to be told.
    pub(crate) undelivered: usize,
    pub(crate) rules: Vec<RuleView>,
    /// The newest first.
    pub(crate) history: Vec<HistoryView>,
}

/// Somebody who is told. Never where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AlertTarget)]
pub(crate) struct TargetView {
    pub(crate) name: String,
    /// `webhook` or `command`.
    pub(crate) kind: &'static str,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Alert)]
pub(crate) struct AlertView {
    pub(crate) rule: String,
    /// The service or query; empty where there is but one.
    pub(crate) subject: String,
    pub(crate) severity: Severity,
    pub(crate) state: State,
    pub(crate) since: DateTime<Utc>,
    pub(crate) raised_at: Option<DateTime<Utc>>,
    pub(crate) value: f64,
    /// What has happened, in words.
    pub(crate) summary: String,
    /// In the words of the part itself.
    pub(crate) detail: String,
    pub(crate) action: &'static str,
    /// The rule under which it is listed, and for which it is not told.
    pub(crate) under: Option<&'static str>,
    pub(crate) silenced_until: Option<DateTime<Utc>>,
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// A source that tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BlindSource)]
pub(crate) struct BlindView {
    pub(crate) source: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) why: String,
}

/// A rule as it is held here.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AlertRule)]
pub(crate) struct RuleView {
    pub(crate) rule: &'static str,
    pub(crate) signal: &'static str,
    /// `>` or `<`.
    pub(crate) op: &'static str,
    pub(crate) raise_at: f64,
    pub(crate) for_s: u32,
    pub(crate) clear_at: f64,
    pub(crate) clear_for_s: u32,
    pub(crate) severity: Severity,
    pub(crate) enabled: bool,
    /// The worst of its alerts.
    pub(crate) state: State,
    /// Its signal now; nothing where it tells nothing, or there is nothing to tell of.
    pub(crate) now: Option<f64>,
    /// Whether the signal is missing.
    pub(crate) blind: bool,
    /// Whether it fired in each of the last 24 hours, the oldest first.
    pub(crate) hours: Vec<bool>,
}

/// A notice for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AlertDelivery)]
pub(crate) struct DeliveryView {
    pub(crate) target: String,
    /// `firing`, `repeat-1`, `resolved`; `event` of what has no end.
    pub(crate) news: String,
    pub(crate) status: Status,
    pub(crate) at: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) next_at: Option<DateTime<Utc>>,
    pub(crate) took_ms: Option<i64>,
    /// What the target said.
    pub(crate) answer: String,
}

impl Alerts {
    /// How many somebody has to know of: what fires and is no mere effect.
    pub(crate) fn telling(&self) -> impl Iterator<Item = &AlertView> {
        self.firing.iter().filter(|alert| alert.under.is_none())
    }

    /// How many of each rule fire.
    pub(crate) fn counts(&self) -> Vec<(&'static str, Severity, usize)> {
        let of = |rule: &RuleView| self.firing.iter().filter(|alert| alert.rule == rule.rule).count();
        self.rules.iter().map(|rule| (rule.rule, rule.severity, of(rule))).collect()
    }
}

/// What it is made from.
pub(super) struct Known<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) evaluator: Evaluator,
    pub(super) settings: &'a Settings,
    pub(super) board: &'a Board,
    pub(super) silences: &'a [Silence],
    pub(super) events: &'a [Event],
    pub(super) fired: &'a [Event],
    pub(super) deliveries: &'a [Delivery],
    pub(super) waiting: usize,
}

pub(super) fn told(known: &Known<'_>) -> Alerts {
    let Known { now, board, settings, .. } = *known;
    let view = |(key, alert): (&Key, &Alert)| {
        let held = settings.rules.iter().find(|held| held.rule.name == key.rule)?;
        Some(alert_view(known, held, key, alert))
    };
    let (mut firing, pending): (Vec<AlertView>, Vec<AlertView>) =
        board.alerts.iter().filter_map(view).partition(|alert| alert.state.is_raised());
    firing.sort_by_key(|alert| (alert.under.is_some(), std::cmp::Reverse(alert.severity), alert.raised_at));
    let blind = board.alerts.iter().filter(|(key, _)| key.rule == "Blind").map(|(key, alert)| BlindView {
        source: key.subject.clone(),
        // It begins to count a minute before it fires.
        since: alert.read_at - TimeDelta::milliseconds((alert.value * 1_000.0) as i64),
        why: alert.detail.clone(),
    });
    Alerts {
        at: now,
        evaluator: known.evaluator,
        targets: settings
            .targets
            .iter()
            .map(|target| TargetView { name: target.name.clone(), kind: target.kind() })
            .collect(),
        firing,
        pending,
        blind: blind.collect(),
        blind_rules: board.missing.iter().map(|rule| (*rule).to_owned()).collect(),
        silences: known.silences.iter().filter(|silence| silence.until > now).cloned().collect(),
        undelivered: match known.evaluator {
            Evaluator::Another => known.deliveries.iter().filter(|of| of.status == Status::Waiting).count(),
            _ => known.waiting,
        },
        rules: settings.rules.iter().map(|held| rule_view(known, held)).collect(),
        history: history(known.events, known.deliveries),
    }
}

fn alert_view(known: &Known<'_>, held: &Held, key: &Key, alert: &Alert) -> AlertView {
    let keeps = |silence: &&Silence| silence.keeps(&key.rule, &key.subject, held.severity, known.now);
    let silence = known.silences.iter().find(keeps);
    let of_incident =
        known.deliveries.iter().filter(|delivery| alert.incident == Some(delivery.label.incident));
    AlertView {
        rule: key.rule.clone(),
        subject: key.subject.clone(),
        severity: held.severity,
        state: alert.state,
        since: alert.since,
        raised_at: alert.raised_at,
        value: alert.value,
        summary: summary(held, &key.subject, alert.value),
        detail: alert.detail.clone(),
        action: held.rule.action,
        under: known.board.under(held, &key.subject),
        silenced_until: silence.map(|silence| silence.until),
        deliveries: of_incident.map(delivery_view).collect(),
    }
}

fn rule_view(known: &Known<'_>, held: &Held) -> RuleView {
    let name = held.rule.name;
    let of_rule = || known.board.alerts.iter().filter(|(key, _)| key.rule == name);
    let raised: Vec<(&Key, DateTime<Utc>)> = of_rule()
        .filter(|(_, alert)| alert.state.is_raised())
        .map(|(key, alert)| (key, alert.raised_at.unwrap_or(alert.since)))
        .collect();
    RuleView {
        rule: name,
        signal: held.rule.signal.name(),
        op: held.rule.op.sign(),
        raise_at: held.raise_at,
        for_s: held.for_s,
        clear_at: held.clear_at,
        clear_for_s: held.clear_for_s,
        severity: held.severity,
        enabled: held.enabled,
        state: of_rule().map(|(_, alert)| alert.state).max().unwrap_or(State::Ok),
        now: known.board.now.get(name).copied(),
        blind: known.board.missing.contains(name),
        hours: hours(known.fired.iter().filter(|event| event.rule == name), &raised, known.now),
    }
}

fn delivery_view(delivery: &Delivery) -> DeliveryView {
    DeliveryView {
        target: delivery.label.target.clone(),
        news: delivery.label.news.clone(),
        status: delivery.status,
        at: delivery.ended_at.unwrap_or(delivery.created_at),
        attempts: delivery.attempts,
        next_at: Some(delivery.next_at).filter(|_| delivery.status == Status::Waiting),
        took_ms: delivery.took_ms,
        answer: delivery.answer.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;

    /// A board on which nothing fires.
    pub(crate) fn alerts() -> Alerts {
        told(&Known {
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            evaluator: Evaluator::Here,
            settings: &Settings::default(),
            board: &Board::default(),
            silences: &[],
            events: &[],
            fired: &[],
            deliveries: &[],
            waiting: 0,
        })
    }

    /// One that fires.
    pub(crate) fn alert(rule: &str, subject: &str) -> AlertView {
        let held = Held::from(super::super::rules::rule(rule).unwrap());
        AlertView {
            rule: rule.into(),
            subject: subject.into(),
            severity: held.severity,
            state: State::Firing,
            since: alerts().at,
            raised_at: Some(alerts().at),
            value: 1.0,
            summary: summary(&held, subject, 1.0),
            detail: String::new(),
            action: held.rule.action,
            under: None,
            silenced_until: None,
            deliveries: Vec::new(),
        }
    }
}
