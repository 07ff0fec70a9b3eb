//! A subject's versions and what changed between two of them.

use maud::{Markup, html};

use super::{address, list};
use crate::page::states::{self, State};
use crate::schemas::meaning::{Change, ChangeKind, Verdict};
use crate::schemas::text::{Line, LineKind};
use crate::schemas::view::DiffView;
use crate::watch::registry::{Subject, Version};

/// What a subject is, in a list of facts.
pub(super) fn about(subject: &Subject, shown: Version) -> Markup {
    html! {
        section .panel {
            header { h2 { "In force" } }
            dl .facts {
                @if let Some(contract) = &subject.contract {
                    dt { "Topic" } dd { code { (contract.topic) } ": " (contract.doc) }
                }
                dt { "In force here" } dd { (list::in_force(subject)) }
                dt { "Held to" } dd { (list::held_to(subject)) }
                dt { "Versions" }
                dd {
                    @for (index, version) in subject.versions.iter().rev().enumerate() {
                        @if index > 0 { " · " }
                        a href={ (address(&subject.name)) "?to=" (version.version) }
                            aria-current=[(*version == shown).then_some("true")] { "v" (version.version) }
                        " " span .muted { "id " (version.id) }
                    }
                }
            }
        }
    }
}

/// What changed from one version to another, in either way of telling it.
pub(super) fn difference(
    subject: &Subject,
    from: Option<Version>,
    to: Version,
    compared: Option<&DiffView>,
    by_text: bool,
) -> Markup {
    let Some((from, compared)) = from.zip(compared) else {
        return html! {
            section .panel {
                header { h2 { "What changed" } }
                p .note { "v" (to.version) " is the first version, so there is no earlier one to compare it with." }
            }
        };
    };
    let tab = |view: &str| {
        format!("{}?from={}&to={}&view={view}#diff", address(&subject.name), from.version, to.version)
    };
    html! {
        section #diff .panel {
            header {
                h2 { "What changed: v" (from.version) " → v" (to.version) }
                p .panel-note { (overall(compared)) }
                (chooser(subject, from, to, by_text))
            }
            nav .tabs aria-label="How the difference is told" {
                a href=(tab("meaning")) aria-current=[(!by_text).then_some("page")] { "Meaning" }
                a href=(tab("text")) aria-current=[by_text.then_some("page")] { "Text" }
            }
            @if by_text { (lines(&compared.text)) } @else { (changes(&compared.changes, compared.backward.is_some())) }
        }
    }
}

fn chooser(subject: &Subject, from: Version, to: Version, by_text: bool) -> Markup {
    let choice = |label: &str, name: &str, chosen: Version| {
        html! {
            label { (label)
                select name=(name) {
                    @for version in &subject.versions {
                        option value=(version.version) selected[*version == chosen] { "v" (version.version) }
                    }
                }
            }
        }
    };
    html! {
        form .bar method="get" action=(address(&subject.name)) {
            (choice("From", "from", from))
            (choice("To", "to", to))
            @if by_text { input type="hidden" name="view" value="text"; }
            button type="submit" { "Compare" }
        }
    }
}

fn overall(compared: &DiffView) -> Markup {
    html! {
        @match (compared.backward, compared.forward) {
            (Some(backward), Some(forward)) => {
                "backward " (verdict(backward)) ", forward " (verdict(forward))
            },
            _ => "one of them is not understood here: compare the text",
        }
    }
}

/// A verdict by its word, and by colour beside it.
pub(super) fn verdict(verdict: Verdict) -> Markup {
    html! {
        @match verdict {
            Verdict::Ok => span .ok { "ok" },
            Verdict::Breaks => strong .bad { "BREAKS" },
        }
    }
}

/// Changes as a table.
pub(super) fn changes(changes: &[Change], understood: bool) -> Markup {
    html! {
        @if !understood {
            p .note { "The schema is not understood here, so that only its text can be compared." }
        } @else if changes.is_empty() {
            p .note { (states::mark(State::Runs)) " Nothing: each says the same." }
        } @else {
            p .note {
                "Backward: a reader with the later version reads what the earlier one wrote. "
                "Forward: a reader with the earlier version reads what the later one writes."
            }
            div .scroll tabindex="0" role="region" aria-label="Changes by meaning" {
                table .data {
                    caption .sr { "Changes, with both directions of compatibility" }
                    thead { tr {
                        th scope="col" { "Change" }
                        th scope="col" { "Field" }
                        th scope="col" { "From" }
                        th scope="col" { "To" }
                        th scope="col" { "Backward" }
                        th scope="col" { "Forward" }
                        th scope="col" { "Why" }
                    } }
                    tbody { @for change in changes { (row(change)) } }
                }
            }
        }
    }
}

fn row(change: &Change) -> Markup {
    let shape = match change.kind {
        ChangeKind::Added => "+",
        ChangeKind::Removed => "−",
        _ => "~",
    };
    html! {
        tr {
            td .nowrap { span aria-hidden="true" { (shape) " " } (change.kind.word()) }
            th scope="row" .key .nowrap { code { @if change.path.is_empty() { "the whole" } @else { (change.path) } } }
            td .key { (side(change.from.as_ref())) }
            td .key { (side(change.to.as_ref())) }
            td .state { (verdict(change.backward)) }
            td .state { (verdict(change.forward)) }
            td .wide { (change.why) }
        }
    }
}

fn side(text: Option<&String>) -> Markup {
    html! {
        @match text {
            Some(text) => (text),
            None => { span .muted aria-hidden="true" { "–" } span .sr { "nothing" } },
        }
    }
}

/// A unified diff.
fn lines(lines: &[Line]) -> Markup {
    html! {
        @if lines.is_empty() {
            p .note { "Not a character differs, keys put in one order." }
        } @else {
            pre .code .diff tabindex="0" role="region" aria-label="Unified diff" {
                @for line in lines {
                    @let class = match line.kind {
                        LineKind::Hunk => "hunk",
                        LineKind::Same => "same",
                        LineKind::Add => "add",
                        LineKind::Del => "del",
                    };
                    span class=(class) { (line.text) "\n" }
                }
            }
        }
    }
}
