//! How many are open, in a sum that adds up.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::reasons::meaning;
use crate::api::answer::Proof;
use crate::format;
use crate::page::Viewing;
use crate::page::address::encoded;
use crate::page::states::{self, State};
use crate::watch::Seen;
use crate::watch::quarantine::{Counts, Summary};
use contracts::printable::printable_name;

/// `open N = reason n + …`, and the same by source.
pub(super) fn panel(seen: &Seen<Summary>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="quarantine.summary" .panel .span-5 .stale[seen.away.is_some() && seen.value.is_some()] {
            header {
                h2 { "Open" }
                (age(seen, viewing, now))
            }
            @if let Some(away) = &seen.away { (states::away("PostgreSQL", away, viewing, now)) }
            @match &seen.value {
                None if seen.away.is_none() => p { (states::unknown("it has not been counted yet")) },
                None => {},
                Some(summary) => (told(summary)),
            }
        }
    }
}

/// How old the counts are; nothing where there are none.
pub(super) fn age(seen: &Seen<Summary>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let looked = states::looked(seen, "PostgreSQL does not answer", now);
    html! { @if seen.value.is_some() { (states::about(&looked, &Proof::NONE, viewing, now)) } }
}

fn told(summary: &Summary) -> Markup {
    let mut open: Vec<(&String, i64)> = summary
        .by_reason
        .iter()
        .map(|(reason, counts)| (reason, counts.open))
        .filter(|(_, open)| *open > 0)
        .collect();
    open.sort_by_key(|(reason, open)| (std::cmp::Reverse(*open), *reason));
    html! {
        p {
            (states::mark(if summary.total.open == 0 { State::Runs } else { State::Late })) " "
            strong { "open " (format::count(summary.total.open)) }
            @for (index, (reason, count)) in open.iter().enumerate() {
                (if index == 0 { " = " } else { " + " })
                a href={ "/quarantine?state=open&reason=" (encoded(reason)) } title=[meaning(reason)] { (printable_name(reason)) }
                " " (format::count(*count))
            }
        }
        p .muted {
            "passed since " (format::count(summary.total.passed()))
            @if summary.total.passed() > 0 {
                " = accepted " (format::count(summary.total.accepted)) " + repeated " (format::count(summary.total.repeated))
            }
        }
        @if summary.total.all() == 0 {
            (states::empty("Nothing has ever been set aside.", None))
        } @else {
            (sources(summary))
        }
    }
}

/// How many sources are listed; the rest is in one row.
const SOURCES: usize = 20;

fn sources(summary: &Summary) -> Markup {
    let mut sources: Vec<(&String, &Counts)> = summary.by_source.iter().collect();
    sources.sort_by_key(|(source, counts)| (std::cmp::Reverse(counts.open), *source));
    let (listed, rest) = sources.split_at(sources.len().min(SOURCES));
    let mut others = Counts::default();
    rest.iter().for_each(|(_, counts)| others += **counts);
    let numbers = |counts: &Counts| {
        html! {
            td .num { (format::count(counts.open)) }
            td .num { (format::count(counts.accepted)) }
            td .num { (format::count(counts.repeated)) }
        }
    };
    html! {
        div .scroll tabindex="0" role="region" aria-label="Records by source" {
            table .data {
                caption .sr { "Records in quarantine by source" }
                thead { tr {
                    th scope="col" { "Source" }
                    th scope="col" .num { "Open" }
                    th scope="col" .num { "Accepted since" }
                    th scope="col" .num { "Repeated" }
                } }
                tbody {
                    @for (source, counts) in listed {
                        tr {
                            th scope="row" .key { a href={ "/quarantine?source=" (encoded(source)) } { bdi { (printable_name(source)) } } }
                            (numbers(counts))
                        }
                    }
                    @if !rest.is_empty() {
                        tr { th scope="row" { (format::count(i64::try_from(rest.len()).unwrap_or(i64::MAX))) " other sources" } (numbers(&others)) }
                    }
                }
            }
        }
    }
}
