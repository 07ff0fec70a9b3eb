//! The table of subjects.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::address;
use crate::api::answer::Proof;
use crate::page::Viewing;
use crate::page::states::{self, State};
use crate::watch::Seen;
use crate::watch::registry::{Contract, Subject, Subjects};

/// Every subject, or why none is known.
pub(super) fn subjects(seen: &Seen<Subjects>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="schemas.subjects" .panel .flush .stale[seen.away.is_some() && seen.value.is_some()] {
            header {
                h2 { "Subjects" }
                @if seen.value.is_some() {
                    p .panel-note { "read every 30 s" }
                    (states::about(&states::looked(seen, "the registry does not answer", now), &Proof::NONE, viewing, now))
                }
            }
            @if let Some(away) = &seen.away { (states::away("The schema registry", away, viewing, now)) }
            @match &seen.value {
                None if seen.away.is_none() => (states::empty("The registry has not answered yet.", None)),
                None => {},
                Some(known) if known.subjects.is_empty() => {
                    (states::empty("The registry has no subject.", Some("storepulse setup")))
                },
                Some(known) => {
                    div .scroll tabindex="0" role="region" aria-label="Subjects" {
                        table .data {
                            caption .sr { "Subjects of the registry" }
                            thead { tr {
                                th scope="col" { "Subject" }
                                th scope="col" .num { "Versions" }
                                th scope="col" { "Held to" }
                                th scope="col" { "In force here" }
                                th scope="col" { "What for" }
                            } }
                            tbody { @for subject in &known.subjects { (row(subject)) } }
                        }
                    }
                },
            }
        }
    }
}

fn row(subject: &Subject) -> Markup {
    html! {
        tr {
            th scope="row" .key { a href=(address(&subject.name)) { (subject.name) } }
            td .num { (subject.versions.len()) }
            td { (held_to(subject)) }
            td .state { (in_force(subject)) }
            td {
                @match &subject.contract {
                    Some(contract) => (contract.doc),
                    None => span .muted { "not of this installation's contract" },
                }
            }
        }
    }
}

/// What a new version is held to; said where that is not what the contract asks for.
pub(super) fn held_to(subject: &Subject) -> Markup {
    html! {
        (subject.held_to)
        @if !subject.held_by_itself { " " span .muted { "(as all)" } }
        @if subject.contract.as_ref().is_some_and(|contract| !contract.held_as_agreed) {
            " " span .bad { "not " (contracts::topics::COMPATIBILITY) ": run " code { "storepulse setup" } }
        }
    }
}

/// The version in force, and whether it is the contract's.
pub(super) fn in_force(subject: &Subject) -> Markup {
    html! {
        @match (&subject.contract, subject.newest()) {
            (Some(Contract { in_force: Some(version), .. }), newest) => {
                (states::mark(State::Runs)) " v" (version.version) " = contract "
                span .ok aria-hidden="true" { "✓" }
                @if let Some(newest) = newest.filter(|newest| newest.version > version.version) {
                    " " span .warn { "v" (newest.version) " is newer" }
                }
            },
            (Some(Contract { in_force: None, .. }), _) => {
                (states::mark(State::Stopped)) " " span .bad { "no version equals the contract" }
                ": run " code { "storepulse setup" }
            },
            (None, Some(newest)) => span .muted { "newest is v" (newest.version) },
            (None, None) => (states::unknown("it has no version")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{away, now, seen};
    use crate::page::Against;

    #[test]
    fn a_registry_that_does_not_answer_leaves_what_it_told_in_grey_with_its_time() {
        let viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };
        let drawn = |seen: &Seen<Subjects>| subjects(seen, &viewing, now()).into_string();
        let told = seen(Subjects::default());
        assert!(!drawn(&told).contains("stale"), "{}", drawn(&told));
        let text = drawn(&away(told, 30, "connection refused"));
        for part in
            ["panel flush stale", "as of ", "08:00:00", "the registry does not answer<", "connection refused"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let never = drawn(&away(Seen::default(), 30, "connection refused"));
        assert!(!never.contains("stale") && !never.contains("asof"), "{never}");
    }
}
