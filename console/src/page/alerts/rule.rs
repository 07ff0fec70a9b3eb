//! One rule: what it means that it fires, and what to do then.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::history::lines;
use super::rules;
use crate::alerts::state::Held;
use crate::alerts::{Alerts, Unit};
use crate::format;
use crate::page::{Viewing, states, with_code};

pub(super) fn panel(held: &Held, alerts: Option<&Alerts>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let rule = held.rule;
    let unit = rule.signal.unit();
    let view = alerts.and_then(|alerts| alerts.rules.iter().find(|view| view.rule == rule.name));
    let firing: Vec<_> =
        alerts.iter().flat_map(|alerts| &alerts.firing).filter(|alert| alert.rule == rule.name).collect();
    let history: Vec<_> = alerts
        .iter()
        .flat_map(|alerts| &alerts.history)
        .filter(|line| line.rule == rule.name)
        .cloned()
        .collect();
    html! {
        section .panel {
            header { h2 { "What to do" } }
            p { (with_code(rule.action)) "." }
            p .note { (rule.section.document) ", section “" (with_code(rule.section.heading)) "”, says more." }
            @for alert in &firing {
                p {
                    (format::sentence(&alert.summary))
                    @if let Some(raised) = alert.raised_at { " Since " (states::moment(raised, viewing, now)) "." }
                    @if !alert.detail.is_empty() { " " code { (contracts::printable::printable_name(&alert.detail)) } }
                }
            }
        }
        section .panel {
            header { h2 { "When it fires" } }
            dl .facts {
                dt { "signal" } dd { code { (rule.signal.name()) } }
                dt { "fires" }
                dd {
                    @if unit == Unit::YesNo { "yes" } @else { (rule.op.sign()) " " (unit.text(held.raise_at)) }
                    (rules::lasting(held.for_s))
                }
                dt { "is over" } dd { (unit.text(held.clear_at)) (rules::lasting(held.clear_for_s)) }
                dt { "severity" } dd { (held.severity.word()) }
                @if let Some(view) = view {
                    dt { "state" } dd { (rules::state(view)) }
                    dt { "last 24 h" } dd { (rules::hours(view)) }
                }
                dt { "listed under" }
                dd { @if rule.causes.is_empty() { "–" } @else { (rule.causes.join(", ")) ": while one of these is not well, it is not told" } }
                dt { "for Prometheus" }
                dd { @if let Some(promql) = rule.promql { code { (promql.replace("{raise}", &held.raise_at.to_string())) } } @else { "not told by /metrics" } }
            }
        }
        section .panel {
            header { h2 { "History" } p .panel-note { "of the newest 50 lines of all rules" } }
            (lines(&history, viewing, now))
        }
    }
}
