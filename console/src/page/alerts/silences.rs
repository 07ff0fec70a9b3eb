//! What nobody wants to be told for a while.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::alerts::Silence;
use crate::alerts::rules::Severity;
use crate::format;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;
use contracts::printable::printable_name;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let silences = super::alerts(snapshot).map(|alerts| alerts.silences.as_slice()).unwrap_or_default();
    draw(silences, viewing, Utc::now())
}

fn draw(silences: &[Silence], viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="alerts.silences" .panel {
            header { h2 { "Silences" } p .panel-note { "each ends by itself, after seven days at most" } }
            @if silences.is_empty() {
                p .note { "None." }
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Silences" {
                    table .data {
                        caption .sr { "Silences that go on" }
                        thead { tr {
                            th scope="col" .num { "No." }
                            th scope="col" { "Rule" }
                            th scope="col" { "About" }
                            th scope="col" { "Severity" }
                            th scope="col" { "Until" }
                            th scope="col" { "Why" }
                            th scope="col" { "By" }
                            th scope="col" .num { "Kept back" }
                        } }
                        tbody { @for silence in silences { (row(silence, viewing, now)) } }
                    }
                }
            }
        }
    }
}

fn any(name: Option<&str>) -> String {
    name.map_or_else(|| "any".to_owned(), printable_name)
}

fn row(silence: &Silence, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        tr data-key=(silence.silence_id) {
            th scope="row" .num {
                a href={ "/alerts/silences/" (silence.silence_id) } { span .sr { "Silence " } (silence.silence_id) }
            }
            td { (any(silence.of.rule.as_deref())) }
            td { bdi { (any(silence.of.subject.as_deref())) } }
            td { (silence.of.severity.map_or("any", Severity::word)) }
            td { (states::moment(silence.until, viewing, now)) }
            td { bdi { (printable_name(&silence.reason)) } }
            td { bdi { (printable_name(&silence.by_whom)) } }
            td .num { (format::count(silence.suppressed)) }
        }
    }
}
