//! What fires now, what is listed under it, what waits, and what is blind.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::alerts::rules::Severity;
use crate::alerts::state::State as AlertState;
use crate::alerts::view::{AlertView, Alerts, BlindView, DeliveryView};
use crate::format::{self, sentence};
use crate::page::states::{self, State};
use crate::page::{Viewing, with_code};
use crate::watch::Snapshot;
use contracts::printable::printable_name;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    draw(super::alerts(snapshot), viewing, Utc::now())
}

fn draw(alerts: Option<&Alerts>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="alerts.firing" .panel {
            header {
                h2 { "Firing" }
                @if let Some(alerts) = alerts { p .panel-note { "judged " (states::age(alerts.at, now)) } }
            }
            @match alerts {
                None => p { (states::unknown("alerts were not judged yet")) " not judged yet" },
                Some(alerts) => (told(alerts, viewing, now)),
            }
        }
    }
}

fn told(alerts: &Alerts, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let under = || alerts.firing.iter().filter(|alert| alert.under.is_some());
    html! {
        @if alerts.telling().next().is_none() {
            p { (states::mark(State::Runs)) " Nothing fires." }
        }
        @for alert in alerts.telling() { (one(alert, viewing, now)) }
        dl .facts {
            dt { "under it" }
            dd {
                @if under().next().is_none() { "–" }
                @for (index, alert) in under().enumerate() {
                    @if index > 0 { ", " }
                    (name(alert)) " (under " (alert.under.unwrap_or_default()) ")"
                }
            }
            dt { "not for long enough yet" }
            dd {
                @if alerts.pending.is_empty() { "–" }
                @for (index, alert) in alerts.pending.iter().enumerate() {
                    @if index > 0 { ", " }
                    (name(alert)) " for " (states::since(alert.since, now))
                }
            }
            dt { "blind" }
            dd { (blind(alerts, viewing, now)) }
            dt { "not told yet" }
            dd {
                @if alerts.undelivered == 0 { "0" }
                @else { strong .bad { (format::count(i64::try_from(alerts.undelivered).unwrap_or(i64::MAX))) " notices" } ", see the history" }
            }
            dt { "told to" }
            dd { (targets(alerts)) }
        }
    }
}

fn targets(alerts: &Alerts) -> Markup {
    html! {
        @if alerts.targets.is_empty() {
            "nobody: start the console with " code { "--alerts FILE" } " to name targets"
        }
        @for (index, target) in alerts.targets.iter().enumerate() {
            @if index > 0 { ", " }
            (target.name) " (" (target.kind) ")"
        }
    }
}

/// Sources that tell nothing: what they would tell is neither well nor bad.
fn blind(alerts: &Alerts, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let away: Vec<&BlindView> = alerts.blind.iter().collect();
    html! {
        @if away.is_empty() && alerts.blind_rules.is_empty() { "none" }
        @for (index, source) in away.iter().enumerate() {
            @if index > 0 { "; " }
            (states::mark(State::Unknown)) " " strong { (source.source) } " since " (states::moment(source.since, viewing, now))
        }
        @if !alerts.blind_rules.is_empty() {
            @if !away.is_empty() { ": " }
            span .muted {
                (alerts.blind_rules.join(", "))
                @if alerts.blind_rules.len() == 1 { " neither fires nor ends" } @else { " neither fire nor end" }
            }
        }
    }
}

/// A rule and what it is about, with where to read what to do.
pub(super) fn name(alert: &AlertView) -> Markup {
    html! {
        a href={ "/alerts/rules/" (alert.rule) } { (alert.rule) }
        @if !alert.subject.is_empty() { " " (printable_name(&alert.subject)) }
    }
}

fn one(alert: &AlertView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (class, state) = match alert.severity {
        Severity::Critical => ("bad", State::Stopped),
        Severity::Warning => ("warn", State::Late),
    };
    let key = format!("{} {}", alert.rule, alert.subject);
    html! {
        section class={ "notice " (class) } data-key=(key) {
            p {
                strong { (states::mark(state)) " " (name(alert)) }
                " " span .muted { (alert.severity.word()) }
                @if let Some(raised) = alert.raised_at {
                    " since " (states::moment(raised, viewing, now)) ", " (states::age(raised, now))
                }
                @if alert.state == AlertState::Clearing { " " span .tag { "going back" } }
                @if let Some(until) = alert.silenced_until {
                    " " span .tag.accent { "silenced until " (states::moment(until, viewing, now)) }
                }
            }
            p { (sentence(&alert.summary)) }
            @if !alert.detail.is_empty() { p { code { (printable_name(&alert.detail)) } } }
            p { "What to do: " (with_code(alert.action)) ". " a href={ "/alerts/rules/" (alert.rule) } { "More" span .sr { " about " (alert.rule) } } }
            @if !alert.deliveries.is_empty() {
                p .muted {
                    @for (index, delivery) in alert.deliveries.iter().enumerate() {
                        @if index > 0 { " · " }
                        (self::delivery(delivery, viewing, now))
                    }
                }
            }
        }
    }
}

/// A notice and what became of it.
pub(super) fn delivery(delivery: &DeliveryView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    use crate::alerts::view::Status;
    html! {
        (delivery.target) " " (delivery.news) " "
        @match delivery.status {
            Status::Delivered => {
                "✓ " (states::moment(delivery.at, viewing, now)) ": " (delivery.answer)
                @if let Some(ms) = delivery.took_ms { " in " (format::ms(ms)) }
            },
            Status::Waiting => {
                span .warn { "not told yet" }
                @if delivery.attempts > 0 {
                    ": " (printable_name(&delivery.answer))
                    @if let Some(next) = delivery.next_at { ", again at " (states::moment(next, viewing, now)) }
                }
            },
            Status::Failed => { span .bad { "✗ not told" } ": " (printable_name(&delivery.answer)) },
            Status::Skipped => { "not told: " (delivery.answer) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::view::tests_support::{alert, alerts};
    use crate::page::Against;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn drawn(alerts: &Alerts) -> String {
        draw(Some(alerts), &VIEWING, alerts.at).into_string()
    }

    #[test]
    fn nothing_that_fires_is_said_so() {
        let text = drawn(&alerts());
        assert!(text.contains("Nothing fires.") && text.contains("nobody: start"), "{text}");
        assert!(draw(None, &VIEWING, Utc::now()).into_string().contains("not judged yet"));
    }

    #[test]
    fn what_fires_says_what_to_do_and_what_is_under_it() {
        let mut shown = alerts();
        shown.firing = vec![
            alert("JobNotRunning", ""),
            AlertView { under: Some("JobNotRunning"), ..alert("FlowStopped", "") },
        ];
        shown.firing[0].detail = "<stopped>".into();
        let text = drawn(&shown);
        for part in [
            "/alerts/rules/JobNotRunning",
            "What to do: ",
            "&lt;stopped&gt;",
            "FlowStopped</a> (under JobNotRunning)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_blind_is_named() {
        let mut shown = alerts();
        shown.blind = vec![BlindView { source: "postgres".into(), since: shown.at, why: String::new() }];
        shown.blind_rules = vec!["JobNotRunning".into()];
        assert!(drawn(&shown).contains("JobNotRunning neither fires nor ends"), "{}", drawn(&shown));
    }
}
