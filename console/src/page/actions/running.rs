//! What is being done and what came of it, as this console saw it.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::actions::operations::{Operation, Stage};
use crate::format;
use crate::page::Viewing;
use crate::page::states::{self, State};
use crate::watch::Snapshot;

/// What an action is called.
pub(super) fn title(operation: &Operation) -> &str {
    operation.kind.map_or_else(|| name(&operation.action), |kind| kind.title())
}

/// What the log's word for an action means.
pub(super) fn name(action: &str) -> &str {
    match action {
        "verify" => "Verification",
        "trace" => "Trace of one event",
        "quarantine-dry-run" => "Dry run of a replay",
        "quarantine-replay" => "Replay from quarantine",
        "quarantine-show" => "Bytes in quarantine shown",
        "job-hold" => "Job stopped",
        "job-resume" => "Job started",
        "job-restart" => "Job restarted",
        "schema-register" => "Version registered",
        "sign-in" => "Signing in",
        "sign-out" => "Signing out",
        "request" => "Request",
        "show-personal" => "Personal fields shown",
        // What a terminal does is known by its own word.
        other => other,
    }
}

fn mark(stage: Stage) -> (State, &'static str) {
    match stage {
        Stage::Running => (State::Waits, "runs"),
        Stage::Passed => (State::Runs, "passed"),
        Stage::Found => (State::Stopped, "found something"),
        Stage::Failed => (State::Stopped, "failed"),
        Stage::Unknown => (State::Unknown, "outcome not known"),
    }
}

/// The newest one, live.
pub(super) fn newest(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let newest = snapshot.operations.value.as_deref().and_then(|operations| operations.list.front());
    match newest {
        Some(operation) => panel(operation, "actions.newest", viewing, Utc::now()),
        None => {
            html! { section id="actions.newest" .panel { p .note { "Nothing has been begun here yet." } } }
        }
    }
}

/// One of them.
pub(super) fn panel(operation: &Operation, id: &str, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (state, word) = mark(operation.stage);
    let running = operation.stage == Stage::Running;
    html! {
        section id=(id) .panel data-ended[!running] {
            header {
                h2 { (states::mark(state)) " " (title(operation)) " " (word) }
                p .panel-note {
                    "of " (operation.target) ", begun by " (operation.by) " at " (states::moment(operation.started_at, viewing, now))
                }
            }
            @if running {
                (progress(operation))
                p { (operation.told) @if let Some(of) = operation.of { ", " (counted(operation.done)) " of " (counted(of)) } }
            } @else {
                p { strong { (operation.told) } }
                @if let Some(at) = operation.ended_at {
                    p .muted { "ended at " (states::moment(at, viewing, now)) " after " (format::stretch(at - operation.started_at)) }
                }
            }
            @if !operation.lines.is_empty() {
                ol .history {
                    @for line in &operation.lines {
                        li { (states::mark(if line.ok { State::Runs } else { State::Stopped })) " " span .bad[!line.ok] { (line.text) } }
                    }
                }
            }
        }
    }
}

fn progress(operation: &Operation) -> Markup {
    html! {
        @match operation.of {
            Some(of) if of > 0 => progress max=(of) value=(operation.done.min(of)) aria-label="How far it is" {},
            _ => progress aria-label="How far it is" {},
        }
    }
}

fn counted(number: u64) -> String {
    format::count(i64::try_from(number).unwrap_or(i64::MAX))
}

/// All that are kept, the newest first.
pub(super) fn list(snapshot: &Snapshot, _viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let operations = snapshot.operations.value.as_deref();
    html! {
        section id="actions.list" .panel .span-7 {
            header { h2 { "Under way and lately" } p .panel-note { "of this console, since it began" } }
            @match operations.filter(|operations| !operations.list.is_empty()) {
                None => p .note { "Nothing has been begun here yet. The log below has what was done before." },
                Some(operations) => ol .history {
                    @for operation in &operations.list {
                        @let (state, word) = mark(operation.stage);
                        li data-key=(operation.id) {
                            span .nowrap { (states::mark(state)) " " (word) }
                            a href={ "/actions/" (operation.id) } { (title(operation)) }
                            span { (operation.told) }
                            span .muted { (operation.by) ", " (states::age(operation.started_at, now)) }
                        }
                    }
                },
            }
        }
    }
}
