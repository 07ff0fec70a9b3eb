//! The log: who did what, to what, why, and what came of it.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::running::name;
use crate::actions::log::{Asked, Logged, Rows};
use crate::page::Viewing;
use crate::page::states::{self, State};
use crate::problem::Problem;
use contracts::printable::printable_name;

/// A page of it. It is no live part: what is read stays where it stands.
pub(super) fn panel(
    found: Result<Rows, Problem>,
    asked: &Asked,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Markup {
    html! {
        section #log .panel .flush {
            header { h2 { "Log of actions" } p .panel-note { "the newest first, as of " (states::moment(now, viewing, now)) } }
            @match found {
                Err(problem) => div .away {
                    p { strong { "The log could not be read." } }
                    p .why { (problem.told()) }
                },
                Ok(found) if found.rows.is_empty() => p .note { "Nothing has been done yet." },
                Ok(found) => {
                    div .scroll tabindex="0" role="region" aria-label="Log of actions" { (rows(&found.rows, viewing, now)) }
                    nav .apart aria-label="Pages of the log" {
                        @if asked.after.is_some() { a href="/actions#log" { "The newest" } } @else { span {} }
                        @if let Some(next) = found.next { a rel="next" href={ "/actions?after=" (next) "#log" } { "Older ones" } }
                    }
                },
            }
        }
    }
}

fn rows(rows: &[Logged], viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        table .data {
            caption .sr { "Who did what, the newest first" }
            thead { tr {
                th scope="col" { "At" }
                th scope="col" { "Who" }
                th scope="col" { "What" }
                th scope="col" { "To what" }
                th scope="col" { "Why" }
                th scope="col" { "Outcome" }
                th scope="col" { "More" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        td { (states::moment(row.at, viewing, now)) }
                        td .nowrap { @if row.name.is_empty() { span .muted { "nobody known" } } @else { (row.name) ", " (row.role) } }
                        th scope="row" .nowrap {
                            @match row.operation {
                                Some(id) => a href={ "/actions/" (id) } { (name(&row.action)) },
                                None => (name(&row.action)),
                            }
                        }
                        td .key { bdi { (printable_name(&row.target)) } }
                        td { bdi { (printable_name(&row.reason)) } }
                        td .state { (phase(&row.phase)) }
                        td .wide { (more(row)) }
                    }
                }
            }
        }
    }
}

fn phase(phase: &str) -> Markup {
    let (state, word) = match phase {
        "intended" => (State::Waits, "about to"),
        "done" => (State::Runs, "done"),
        "failed" => (State::Stopped, "failed"),
        "refused" => (State::Stopped, "refused"),
        _ => (State::Unknown, "outcome unknown"),
    };
    html! { (states::mark(state)) " " (word) }
}

/// What else the row says: numbers that were confirmed, what came of it, why it was refused.
fn more(row: &Logged) -> Markup {
    let parts = row.detail.as_object().map(|detail| {
        detail.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), printable_name);
            format!("{}: {text}", name.replace('_', " "))
        })
    });
    let text: Vec<String> = parts.into_iter().flatten().collect();
    html! { (text.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_drawn_as_text() {
        let row = Logged {
            audit_id: 1,
            at: DateTime::UNIX_EPOCH,
            name: "ana".into(),
            role: "operator".into(),
            action: "job-hold".into(),
            target: "cube".into(),
            reason: "<b>\u{202e}".into(),
            phase: "unknown".into(),
            detail: serde_json::json!({"why": "the console ended", "state": null}),
            operation: None,
        };
        let viewing = Viewing { zone: chrono_tz::UTC, against: crate::page::Against::default() };
        let drawn = rows(&[row], &viewing, DateTime::UNIX_EPOCH).into_string();
        for part in ["&lt;b&gt;\\u202e", "outcome unknown", "why: the console ended", "Job stopped"] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(!drawn.contains("state: "), "{drawn}");
    }
}
