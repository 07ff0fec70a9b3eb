//! Records, the newest first, page by page.

use chrono::{DateTime, Utc};
use contracts::Reason;
use maud::{Markup, html};

use super::reasons::meaning;
use crate::format;
use crate::page::Viewing;
use crate::page::address::encoded;
use crate::page::states::{self, State};
use crate::problem::Problem;
use crate::quarantine_records::{Record, Records, Wanted};
use crate::watch::quarantine::Summary;
use contracts::printable::printable_name;

/// The filters and what they let through. It is no live part: what is read stays where it stands.
pub(super) fn panel(
    wanted: &Wanted,
    found: Result<Records, Problem>,
    summary: Option<&Summary>,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Markup {
    html! {
        section #records .panel .flush {
            header { h2 { "Records" } p .panel-note { "the newest first, as of " (states::moment(now, viewing, now)) } }
            (filters(wanted, summary))
            @match found {
                Err(problem) => div .away {
                    p { strong { "The records could not be read." } }
                    p .why { (problem.told()) }
                    p .todo { "Other panels go on. " a href=(address(wanted, wanted.after.as_deref())) { "Try again" } }
                },
                Ok(found) if found.records.is_empty() => (nothing(wanted)),
                Ok(found) => {
                    div .scroll tabindex="0" role="region" aria-label="Records in quarantine" { (rows(&found.records, viewing, now)) }
                    nav .apart aria-label="Pages of records" {
                        @if wanted.after.is_some() { a href=(address(wanted, None)) { "The newest" } } @else { span {} }
                        @if let Some(next) = &found.next { a rel="next" href=(address(wanted, Some(next))) { "Older ones" } }
                    }
                },
            }
        }
    }
}

fn filters(wanted: &Wanted, summary: Option<&Summary>) -> Markup {
    let sources: Vec<&String> = summary.map(|summary| summary.by_source.keys().collect()).unwrap_or_default();
    // A source that is asked for and has no record any more stays chosen.
    let absent = wanted.source.as_ref().filter(|source| !sources.contains(source));
    html! {
        form .bar method="get" action="/quarantine#records" {
            label { "Reason"
                select name="reason" {
                    option value="" { "any" }
                    @for reason in Reason::ALL {
                        @let word = reason.as_str();
                        option value=(word) selected[wanted.reason.as_deref() == Some(word)] { (word) }
                    }
                }
            }
            label { "Source"
                select name="source" {
                    option value="" { "any" }
                    @for source in sources.into_iter().chain(absent) {
                        option value=(source) selected[wanted.source.as_ref() == Some(source)] { (printable_name(source)) }
                    }
                }
            }
            label { "State"
                select name="state" {
                    @for (word, told) in [("", "any"), ("open", "open"), ("passed", "passed since")] {
                        option value=(word) selected[wanted.state.as_deref().unwrap_or_default() == word] { (told) }
                    }
                }
            }
            button type="submit" { "Show" }
            @if *wanted != Wanted::default() { a .button .quiet href="/quarantine#records" { "All" } }
        }
    }
}

fn nothing(wanted: &Wanted) -> Markup {
    if *wanted == Wanted::default() {
        states::empty("Nothing is in quarantine: every record so far has passed.", None)
    } else {
        states::empty("Nothing of that kind is in quarantine.", None)
    }
}

/// The same filters from another row on.
fn address(wanted: &Wanted, after: Option<&str>) -> String {
    let filters = [
        ("reason", wanted.reason.as_deref()),
        ("source", wanted.source.as_deref()),
        ("state", wanted.state.as_deref()),
        ("after", after),
    ];
    let query: Vec<String> = filters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value?))))
        .chain(wanted.limit.map(|limit| format!("limit={limit}")))
        .collect();
    format!("/quarantine?{}#records", query.join("&"))
}

/// One record's page.
pub(super) fn record_address(record: &Record) -> String {
    format!(
        "/quarantine/record?source={}&coordinates={}",
        encoded(&record.source),
        encoded(&record.coordinates)
    )
}

fn rows(records: &[Record], viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        table .data {
            caption .sr { "Records in quarantine, the newest first" }
            thead { tr {
                th scope="col" { "Since" }
                th scope="col" { "Source" }
                th scope="col" { "Coordinates" }
                th scope="col" { "Reason" }
                th scope="col" { "Field" }
                th scope="col" .num { "Size" }
                th scope="col" { "State" }
            } }
            tbody {
                @for record in records {
                    tr {
                        td { (states::moment(record.quarantined_at, viewing, now)) }
                        td .key { bdi { (printable_name(&record.source)) } }
                        th scope="row" .key { a href=(record_address(record)) { bdi { (printable_name(&record.coordinates)) } } }
                        td title=[meaning(&record.reason)] { (printable_name(&record.reason)) }
                        td .key { @if let Some(field) = &record.field { (field) } }
                        td .num { (format::bytes(record.size_bytes)) }
                        td .state { (state(record)) }
                    }
                }
            }
        }
    }
}

/// What became of a record, by shape and word.
pub(super) fn state(record: &Record) -> Markup {
    let (state, word) = match record.outcome.as_deref() {
        None => (State::Late, "open"),
        Some("refused") => (State::Late, "open, refused again"),
        Some("accepted") => (State::Runs, "accepted"),
        Some("repeated") => (State::Runs, "repeated"),
        Some(_) => (State::Unknown, "not known"),
    };
    html! { (states::mark(state)) " " (word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_older_ones_keeps_the_filters() {
        let wanted =
            Wanted { source: Some("file:a&b".into()), state: Some("open".into()), ..Wanted::default() };
        assert_eq!(
            address(&wanted, Some("x y")),
            "/quarantine?source=file%3Aa%26b&state=open&after=x%20y#records"
        );
        assert_eq!(address(&Wanted::default(), None), "/quarantine?#records");
    }

    #[test]
    fn names_from_elsewhere_are_drawn_with_what_does_not_show() {
        let record = Record {
            source: "a\u{202e}b".into(),
            coordinates: "<row>\u{7}".into(),
            reason: "future".into(),
            field: None,
            size_bytes: 1,
            sha256: String::new(),
            quarantined_at: DateTime::UNIX_EPOCH,
            replayed_at: None,
            outcome: None,
            outcome_reason: None,
        };
        let viewing = Viewing { zone: chrono_tz::UTC, against: crate::page::Against::default() };
        let drawn = rows(&[record], &viewing, DateTime::UNIX_EPOCH).into_string();
        assert!(drawn.contains("a\\u202eb") && drawn.contains("&lt;row&gt;\\u0007"), "{drawn}");
        assert!(!drawn.contains('\u{202e}') && !drawn.contains('\u{7}'));
        assert!(drawn.contains("source=a%E2%80%AEb&amp;coordinates=%3Crow%3E%07"), "{drawn}");
    }
}
