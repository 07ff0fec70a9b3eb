//! The verdict on a pasted schema.

use maud::{Markup, html};

use super::address;
use super::versions::{changes, verdict};
use crate::page::states::{self, State};
use crate::schemas::check::{Against, Checked};
use crate::schemas::meaning::Change;
use crate::schemas::wrong::Fault;

/// The verdict in one line.
fn title(checked: &Checked) -> &'static str {
    if checked.fault.is_some() {
        "This is no schema"
    } else if checked.equals.is_some() {
        "It is registered already"
    } else if checked.registry.as_ref().is_some_and(|says| !says.takes) || !checked.may_come_in() {
        "It may not come in"
    } else {
        "It may come in"
    }
}

/// What the registry says and what each version says.
pub(super) fn judged(checked: &Checked, text: &str) -> Markup {
    html! {
        section .panel {
            header { h2 { (title(checked)) } p .panel-note { "held to " (checked.held_to) } }
            @match &checked.fault {
                Some(fault) => (self::fault(fault, text)),
                None => {
                    (registry(checked))
                    @if let Some(version) = checked.equals {
                        p { "It equals v" (version) " character for character, keys put in one order." }
                    }
                    @for against in &checked.versions { (summary(against)) }
                },
            }
        }
        @for against in &checked.versions {
            section .panel {
                header {
                    h2 { "Against v" (against.version) }
                    p .panel-note { a href={ (address(&checked.subject)) "?to=" (against.version) } { "v" (against.version) ", id " (against.id) } }
                }
                (changes(&against.changes, against.backward.is_some()))
            }
        }
    }
}

fn registry(checked: &Checked) -> Markup {
    html! {
        @match (&checked.registry, &checked.registry_away) {
            (Some(says), _) if says.takes => {
                p { (states::mark(State::Runs)) " " strong { "registry: would take it." } }
            },
            (Some(says), _) => {
                p { (states::mark(State::Stopped)) " " strong .bad { "registry: refused." } }
                @for words in &says.words { p .why { (words) } }
            },
            (None, Some(why)) => {
                p { (states::mark(State::Unknown)) " registry: not known. " (why) }
            },
            (None, None) => {},
        }
    }
}

/// One version in a sentence that names the fields.
fn summary(against: &Against) -> Markup {
    let broken = |backward: bool| -> Vec<&Change> {
        let of = |change: &&Change| !if backward { change.backward } else { change.forward }.is_ok();
        against.changes.iter().filter(of).collect()
    };
    let state = if against.refused() { State::Stopped } else { State::Runs };
    html! {
        p {
            (states::mark(state)) " Against v" (against.version) ": "
            @match (against.backward, against.forward) {
                (Some(backward), Some(forward)) => {
                    "backward " (verdict(backward)) @if !against.asked.backward { span .muted { " (not asked for)" } }
                    ", forward " (verdict(forward)) @if !against.asked.forward { span .muted { " (not asked for)" } }
                    "."
                },
                _ => "its schema is not understood here.",
            }
        }
        @for (asked, direction, broken) in [
            (against.asked.backward, "backward", broken(true)),
            (against.asked.forward, "forward", broken(false)),
        ] {
            @if asked && !broken.is_empty() {
                ul {
                    @for change in broken {
                        li { code { @if change.path.is_empty() { "the whole" } @else { (change.path) } } " (" (direction) "): " (change.why) }
                    }
                }
            }
        }
    }
}

/// What is wrong, where, with the line itself.
fn fault(fault: &Fault, text: &str) -> Markup {
    let line = fault.line.and_then(|line| text.lines().nth(line.saturating_sub(1)));
    html! {
        div .notice .bad {
            p {
                @if let (Some(line), Some(column)) = (fault.line, fault.column) {
                    strong { "Line " (line) ", column " (column) }
                    @if !fault.path.is_empty() { " (" code { (fault.path) } ")" }
                    ": "
                } @else if !fault.path.is_empty() {
                    code { (fault.path) } ": "
                }
                (fault.what) "."
            }
            p { "What to do: " (fault.todo) "." }
        }
        @if let (Some(line), Some(column)) = (line, fault.column) {
            pre .code tabindex="0" role="region" aria-label="The line" { (excerpt(line, column)) }
        }
    }
}

/// How much of a long line is shown before and after the place.
const AROUND: usize = 60;

/// The part of a line around a column, and a pointer below it.
fn excerpt(line: &str, column: usize) -> String {
    let at = column.saturating_sub(1);
    let first = at.saturating_sub(AROUND);
    let shown: String =
        line.chars().skip(first).take(2 * AROUND).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let before = if first > 0 { "…" } else { "" };
    let indent = at - first + before.chars().count();
    format!("{before}{shown}\n{}^", " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_stands_below_the_column() {
        assert_eq!(excerpt("  \"x\": strin", 8), "  \"x\": strin\n       ^");
        let long = format!("{}X", "a".repeat(300));
        let shown = excerpt(&long, 301);
        let (line, pointer) = shown.split_once('\n').unwrap();
        assert_eq!(line.chars().position(|c| c == 'X'), pointer.chars().position(|c| c == '^'));
    }
}
