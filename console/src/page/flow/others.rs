//! What arrived and is in no figure: counted, kept, and told here by source and name.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::page::{Viewing, states};
use crate::watch::others::{Events, Hour, KINDS, Name, Others};
use crate::watch::{Seen, Snapshot};
use contracts::printable::printable_name;

/// How many rows are listed at once; the others fold out.
const LISTED: usize = 12;

/// What an operator can do about it.
const COMMANDS: &str = "\
storepulse ingest other list
storepulse ingest other replay --dry-run
storepulse ingest other replay";

/// Both kinds, and each name.
pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    drawn(&snapshot.others, viewing, Utc::now())
}

fn drawn(seen: &Seen<Others>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="flow.others" .panel.span-12 {
            header { h2 { "Kept beside the figures" } p .panel-note { "events that arrived and are in no figure, by time of arrival" } }
            @if let Some(away) = &seen.away { (states::away("PostgreSQL", away, viewing, now)) }
            @match (seen.value.as_deref(), seen.read_at) {
                (Some(others), Some(read_at)) => {
                    (kinds(others, seen.away.is_some(), read_at, viewing, now))
                    @if others.names.is_empty() {
                        (states::empty("Every event that arrived has a place in the figures or in quarantine.", None))
                    } @else {
                        (names(others, viewing, now))
                        (hours(others, viewing, now))
                    }
                },
                _ => p { "no place in the figures " (states::unknown("it has not been counted yet")) " from programs " (states::unknown("it has not been counted yet")) },
            }
            p .note {
                "After an upgrade, a replay translates kept messages of Segment's API again. What has a place then is stored and counts once. "
                "Events of programs stay where they are. What an event says is shown nowhere here."
            }
            pre .code tabindex="0" role="region" aria-label="Commands for what is kept" { code { (COMMANDS) } }
        }
    }
}

/// What a kind is called on the page, and what it is.
fn told(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "other" => ("no place in the figures", "our vocabulary has no word for it"),
        "bot" => ("from programs", "its sender says of itself that it is a program, such as a search engine"),
        _ => ("not known", "a kind that this version does not know"),
    }
}

fn kinds(
    others: &Others,
    stale: bool,
    read_at: DateTime<Utc>,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Events by what they are" {
            table .data {
                caption .sr { "Events kept beside the figures, by what they are" }
                thead { tr {
                    th scope="col" { "Kind" }
                    th scope="col" { "What it is" }
                    (counted(others, viewing, now))
                    th scope="col" { "Counted" }
                } }
                tbody {
                    @for kind in KINDS {
                        @let (word, meaning) = told(kind);
                        tr .stale[stale] data-key=(kind) {
                            th scope="row" { (word) }
                            td { (meaning) }
                            (events(others.by_kind.get(kind).copied().unwrap_or_default()))
                            td { (states::age(read_at, now)) }
                        }
                    }
                }
            }
        }
    }
}

/// The heads of both counts.
fn counted(others: &Others, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        th scope="col" .num { "Events since " (states::moment(others.since, viewing, now)) }
        th scope="col" .num { "Events kept" }
    }
}

fn events(events: Events) -> Markup {
    html! { td .num { (format::count(events.recent)) } td .num { (format::count(events.kept)) } }
}

fn names(others: &Others, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (first, rest) = others.names.split_at(others.names.len().min(LISTED));
    html! {
        (table("Events by source and name", first, others, viewing, now))
        @if !rest.is_empty() {
            details .more {
                summary { (rest.len()) " more names" }
                (table("More events by source and name", rest, others, viewing, now))
            }
        }
    }
}

fn table(label: &str, names: &[Name], others: &Others, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(label) {
            table .data {
                caption .sr { (label) ", the most frequent first" }
                thead { tr {
                    th scope="col" { "Source" }
                    th scope="col" { "Sent in words of" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Name" }
                    (counted(others, viewing, now))
                    th scope="col" { "Newest" }
                } }
                tbody { @for name in names { (row(name, now)) } }
            }
        }
    }
}

fn row(of: &Name, now: DateTime<Utc>) -> Markup {
    let key = [&of.source, &of.dialect, &of.kind, of.name.as_ref().unwrap_or(&String::new())]
        .map(|part| printable_name(part));
    html! {
        tr data-key=(key.join("/")) {
            td .key { bdi { (printable_name(&of.source)) } }
            td { (printable_name(&of.dialect)) }
            td { (told(&of.kind).0) }
            th scope="row" .key {
                @match &of.name {
                    Some(name) => bdi { (printable_name(name)) },
                    None => span .muted title="rare names, and names that may be a person's: `storepulse ingest other list` shows them" { "other names" },
                }
            }
            (events(of.events))
            td { (states::age(of.newest_at, now)) }
        }
    }
}

fn hours(others: &Others, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let count = |hour: &Hour, kind: &str| format::count(hour.by_kind.get(kind).copied().unwrap_or_default());
    html! {
        details .more {
            summary { "Hour by hour" }
            div .scroll tabindex="0" role="region" aria-label="Kept beside the figures, by hour" {
                table .data {
                    caption .sr { "Events kept beside the figures by hour of arrival, the newest first" }
                    thead { tr {
                        th scope="col" { "Hour from" }
                        @for kind in KINDS { th scope="col" .num { "Events, " (told(kind).0) } }
                    } }
                    tbody {
                        @for (index, hour) in others.hours.iter().rev().enumerate() {
                            tr .open[index == 0] data-key=(hour.from.timestamp()) {
                                th scope="row" {
                                    (states::moment(hour.from, viewing, now))
                                    @if index == 0 { span .muted { " not over" } }
                                }
                                @for kind in KINDS { td .num { (count(hour, kind)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;

    use super::*;
    use crate::line::hops::tests_support::{ago, now};
    use crate::page::Against;
    use crate::watch::Away;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn others(names: Vec<Name>) -> Others {
        let mut by_kind =
            std::collections::BTreeMap::from(KINDS.map(|kind| (kind.to_owned(), Events::default())));
        for name in &names {
            *by_kind.entry(name.kind.clone()).or_default() += name.events;
        }
        let hours = vec![Hour { from: ago(3_600), by_kind: [("other".to_owned(), 3)].into() }];
        Others { since: now() - TimeDelta::hours(24), by_kind, names, hours, counted_at: ago(60) }
    }

    fn name(kind: &str, name: Option<&str>, recent: i64, kept: i64) -> Name {
        Name {
            source: "collector:shop".into(),
            dialect: "segment".into(),
            kind: kind.into(),
            name: name.map(str::to_owned),
            events: Events { recent, kept },
            newest_at: ago(90),
        }
    }

    fn seen(others: Option<Others>, away: bool) -> Seen<Others> {
        let read_at = others.is_some().then(|| ago(4));
        let away = away.then(|| Away { since: ago(2), why: "connection refused".into() });
        Seen { value: others.map(Arc::new), read_at, away }
    }

    #[test]
    fn what_is_not_counted_yet_is_not_known_and_never_none() {
        let drawn = drawn(&seen(None, false), &VIEWING, now()).into_string();
        assert!(drawn.contains("hatched") && !drawn.contains(">0<"), "{drawn}");
        let away = super::drawn(&seen(None, true), &VIEWING, now()).into_string();
        assert!(away.contains("connection refused") && away.contains("hatched"), "{away}");
    }

    #[test]
    fn every_name_has_its_counts_and_the_age_of_its_newest() {
        let names = vec![
            name("other", Some("Product List <Viewed>"), 1_204, 5_678),
            name("bot", Some("page_view"), 7, 8),
            name("other", None, 3, 9),
        ];
        let drawn = drawn(&seen(Some(others(names)), false), &VIEWING, now()).into_string();
        let drawn = drawn.replace('\u{a0}', " ");
        for part in [
            "Product List &lt;Viewed&gt;",
            "1,204",
            "5,678",
            ">1,207<",
            ">5,687<",
            "from programs",
            "other names",
            "1 min 30 s ago",
            "4.0 s ago",
            "storepulse ingest other replay --dry-run",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
    }

    #[test]
    fn nothing_kept_is_told_as_none_and_a_store_that_is_away_greys_it() {
        let nothing = drawn(&seen(Some(others(Vec::new())), false), &VIEWING, now()).into_string();
        assert!(nothing.contains(">0<") && nothing.contains("Every event that arrived"), "{nothing}");
        assert!(!nothing.contains("class=\"stale\""), "{nothing}");
        let away = drawn(&seen(Some(others(Vec::new())), true), &VIEWING, now()).into_string();
        assert!(away.contains("class=\"stale\"") && away.contains("connection refused"), "{away}");
    }
}
