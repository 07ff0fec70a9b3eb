//! The table of rules: when each fires, how its signal stands now, and in which hours of the last day it
//! fired.

use maud::{Markup, html};

use crate::alerts::Unit;
use crate::alerts::rules::rule;
use crate::alerts::state::State as AlertState;
use crate::alerts::view::RuleView;
use crate::format;
use crate::page::Viewing;
use crate::page::states::{self, State};
use crate::watch::Snapshot;

pub(super) fn panel(snapshot: &Snapshot, _viewing: &Viewing) -> Markup {
    let rules = super::alerts(snapshot).map(|alerts| alerts.rules.as_slice()).unwrap_or_default();
    html! {
        section id="alerts.rules" .panel.flush {
            header { h2 { "Rules" } p .panel-note { "the same table that Prometheus's alerts are rendered from" } }
            div .scroll tabindex="0" role="region" aria-label="Rules" {
                table .data {
                    caption .sr { "Rules of alerts" }
                    thead { tr {
                        th scope="col" { "Rule" }
                        th scope="col" { "Signal" }
                        th scope="col" .num { "Fires" }
                        th scope="col" .num { "Is over" }
                        th scope="col" { "Severity" }
                        th scope="col" { "State" }
                        th scope="col" .num { "Now" }
                        th scope="col" { "Last 24 h" }
                    } }
                    tbody { @for rule in rules { (row(rule)) } }
                }
            }
        }
    }
}

fn row(view: &RuleView) -> Markup {
    let unit = rule(view.rule).map(|rule| rule.signal.unit());
    let text = |value: f64| unit.map_or_else(|| value.to_string(), |unit| unit.text(value));
    html! {
        tr data-key=(view.rule) {
            th scope="row" .nowrap { a href={ "/alerts/rules/" (view.rule) } { (view.rule) } }
            td .key.nowrap { (view.signal) }
            td .num {
                @if unit == Some(Unit::YesNo) { "yes" } @else { (view.op) " " (text(view.raise_at)) }
                (lasting(view.for_s))
            }
            td .num { (text(view.clear_at)) (lasting(view.clear_for_s)) }
            td { (view.severity.word()) }
            td .nowrap { (state(view)) }
            td .num {
                @match view.now {
                    Some(now) => (text(now)),
                    None if view.blind => (states::unknown("its signal tells nothing")),
                    None => "–",
                }
            }
            td { (hours(view)) }
        }
    }
}

/// For how long a condition must hold; nothing where it counts at once.
pub(super) fn lasting(seconds: u32) -> String {
    if seconds == 0 { String::new() } else { format!(" for {}", format::ms(i64::from(seconds) * 1_000)) }
}

/// By shape and word.
pub(super) fn state(view: &RuleView) -> Markup {
    let (mark, word) = match (view.enabled, view.state) {
        (false, _) => (State::Waits, "off"),
        (true, AlertState::Firing) => (State::Stopped, "firing"),
        (true, AlertState::Clearing) => (State::Stopped, "clearing"),
        (true, AlertState::Pending) => (State::Late, "pending"),
        (true, AlertState::Ok) if view.blind => (State::Unknown, "blind"),
        (true, AlertState::Ok) => (State::Runs, "ok"),
    };
    html! { (states::mark(mark)) " " (word) }
}

/// A mark for each hour in which it fired.
pub(super) fn hours(view: &RuleView) -> Markup {
    let fired = view.hours.iter().filter(|fired| **fired).count();
    let told = match fired {
        0 => "did not fire".to_owned(),
        1 => "fired in one of the last 24 hours".to_owned(),
        fired => format!("fired in {fired} of the last 24 hours"),
    };
    html! {
        span title=(told) {
            svg .spark viewBox="0 0 240 20" preserveAspectRatio="none" aria-hidden="true" {
                @for (index, fired) in view.hours.iter().enumerate() {
                    @if *fired {
                        rect .bad x=(index * 10) y="0" width="8" height="20" {}
                    } @else {
                        rect .gap x=(index * 10) y="16" width="8" height="4" {}
                    }
                }
            }
            span .sr { (told) }
        }
    }
}
