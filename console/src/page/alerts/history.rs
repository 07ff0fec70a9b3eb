//! What has happened: every change of state, and what became of every notice.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::firing::delivery;
use crate::alerts::view::{ChangeView, HistoryView};
use crate::page::Viewing;
use crate::page::states::{self, State};
use crate::watch::Snapshot;
use contracts::printable::printable_name;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let history = super::alerts(snapshot).map(|alerts| alerts.history.as_slice()).unwrap_or_default();
    html! {
        section id="alerts.history" .panel {
            header { h2 { "History" } p .panel-note { "the newest 50; the API has 400 days" } }
            (lines(history, viewing, now))
        }
    }
}

pub(super) fn lines(history: &[HistoryView], viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    if history.is_empty() {
        return html! { p .note { "Nothing has fired yet." } };
    }
    html! {
        ol .history {
            @for line in history {
                li {
                    (states::moment(line.at, viewing, now))
                    span {
                        a href={ "/alerts/rules/" (line.rule) } { (line.rule) }
                        @if !line.subject.is_empty() { " " bdi { (printable_name(&line.subject)) } }
                    }
                    @if let Some(change) = &line.change { (self::change(change)) }
                    @if let Some(delivery) = &line.delivery { span .muted { (self::delivery(delivery, viewing, now)) } }
                }
            }
        }
    }
}

fn change(change: &ChangeView) -> Markup {
    let mark = match change.to.as_str() {
        "firing" => State::Stopped,
        "pending" | "clearing" => State::Late,
        _ => State::Runs,
    };
    html! {
        span {
            (states::mark(mark)) " " (change.from) " → " strong { (change.to) } ", " (change.text)
            @if !change.detail.is_empty() { " " span .muted { (printable_name(&change.detail)) } }
        }
    }
}
