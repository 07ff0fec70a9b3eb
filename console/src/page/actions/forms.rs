//! The forms that begin something: what it does, in numbers, comes first.

use axum::extract::{Path, Query, State};
use contracts::Reason;
use contracts::family;
use contracts::wish::Wish;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::form_page;
use crate::access::{Operator, act_fields};
use crate::actions::dry_run::{DryRun, Selection};
use crate::actions::job::{self, JOB};
use crate::actions::quarantine_replay::TYPED_ABOVE;
use crate::app::App;
use crate::format;
use crate::page::frame::Frame;
use crate::page::states;
use crate::problem::Problem;
use crate::watch::Snapshot;
use crate::watch::ops::{Ops, query_names};
use contracts::printable::printable_name;

/// Which records a dry run is of.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    source: Option<String>,
    of_reason: Option<String>,
    coordinates: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    frame: Frame,
    by: Operator,
    Path(action): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Markup, Problem> {
    let snapshot = app.watch.snapshot();
    let (title, body) = match action.as_str() {
        "job-hold" => ("Stop the job", wish(&app, &frame, &snapshot, Wish::Hold)),
        "job-resume" => ("Start the job", wish(&app, &frame, &snapshot, Wish::Resume)),
        "job-restart" => ("Restart the job", wish(&app, &frame, &snapshot, Wish::Restart)),
        "verify" => ("Verify figures", verify(&app, &frame, &snapshot)),
        "trace" => ("Trace one event", trace(&app, &frame)),
        "dry-run" => ("Judge quarantine again", dry_run(&app, &frame, &snapshot, chosen)?),
        _ => {
            return Err(Problem::not_found(
                "There is no action of that name; /actions has those that there are.",
            ));
        }
    };
    Ok(form_page(app, frame, by, title, &body).await)
}

/// A form that acts, below what it does.
fn form(app: &App, frame: &Frame, to: &str, fields: &Markup, button: &Markup) -> Markup {
    html! {
        form .form method="post" action=(to) {
            (fields)
            (act_fields(&app.access, &frame.visitor, to))
            div .row { (button) a .button.quiet href="/actions" { "Do nothing" } }
        }
    }
}

fn ops(snapshot: &Snapshot) -> Option<&Ops> {
    snapshot.ops.value.as_deref().filter(|_| snapshot.ops.away.is_none())
}

fn tables() -> Vec<&'static str> {
    family::tables().map(|(_, table)| table.table).collect()
}

/// A number that is not known is said to be so.
fn known(text: Option<String>) -> Markup {
    html! { @match text { Some(text) => strong { (text) }, None => (states::unknown("it was not told yet")) } }
}

fn wish(app: &App, frame: &Frame, snapshot: &Snapshot, wish: Wish) -> Markup {
    const TO: &str = "/api/v1/jobs/wish";
    let ops = ops(snapshot);
    let run = ops.and_then(|ops| ops.run.as_ref());
    let rate = ops.and_then(|ops| ops.read.rate());
    let a_minute = rate.map(|rate| whole(rate * 60.0));
    let behind =
        run.and_then(|run| run.progress.as_ref()).map(|progress| format::count(progress.offsets_behind));
    let tables = tables();
    let queries = query_names().count();
    let consequence = html! {
        dl .facts {
            dt { "The job now" } dd { (known(run.map(|run| run.state.clone()))) }
            dt { "Queries" } dd { strong { (queries) } }
            @match wish {
                Wish::Hold => {
                    dt { "Tables that stand still" }
                    dd { strong { (tables.len()) } ": " (tables.join(", ")) }
                    dt { "Records that wait" } dd { (known(a_minute)) " a minute at the present rate; Kafka keeps them" }
                },
                Wish::Restart => {
                    dt { "Tables that stand still" }
                    dd { strong { (tables.len()) } ", until the queries run again: usually less than a minute" }
                    dt { "Records that wait" } dd { (known(a_minute)) " a minute at the present rate; none is lost" }
                },
                Wish::Resume => {
                    dt { "Tables that go on" } dd { strong { (tables.len()) } ", from where they stood" }
                    dt { "Records behind" } dd { (known(behind)) " when that was last told" }
                },
            }
        }
        @if wish == Wish::Hold {
            p { "The supervisor stays and holds the job, so that nothing starts it again before you or " code { "storepulse job resume" } " do." }
        }
    };
    let fields = html! {
        input type="hidden" name="wish" value=(job::word(wish));
        @if wish == Wish::Hold {
            div .field {
                label for="job" { "Type the job's name, " code { (JOB) } }
                input #job name="job" required pattern=(JOB) autocomplete="off" autocapitalize="none" spellcheck="false";
            }
        }
    };
    let button = match wish {
        Wish::Hold => html! { button .danger { "Stop the job" } },
        Wish::Resume => html! { button .primary { "Start the job" } },
        Wish::Restart => html! { button .primary { "Restart the job" } },
    };
    html! { section .panel { header { h2 { "What happens" } } (consequence) (form(app, frame, TO, &fields, &button)) } }
}

/// Without a fraction.
fn whole(number: f64) -> String {
    // A float beyond an integer's range becomes its end.
    format::count(number.round() as i64)
}

fn verify(app: &App, frame: &Frame, snapshot: &Snapshot) -> Markup {
    let last = ops(snapshot).and_then(|ops| ops.verification("verify"));
    let rows = last.map(|last| last.compared.values().filter_map(serde_json::Value::as_i64).sum::<i64>());
    let took = last.map(|last| format::stretch(last.finished_at - last.started_at));
    let fields = html! {
        div .field {
            label for="only" { "Which tables" }
            select #only name="only" {
                option value="" { "all " (tables().len()) }
                @for family in family::families() {
                    option value=(family.name) { (family.name) " (" (family.tables.len()) ")" }
                }
            }
        }
    };
    let button = html! { button .primary { "Verify" } };
    html! {
        section .panel {
            header { h2 { "What happens" } }
            dl .facts {
                dt { "Tables read" } dd { strong { (tables().len()) } ", each row of them" }
                dt { "Rows, last time" } dd { (known(rows.map(format::count))) }
                dt { "Time, last time" } dd { (known(took)) }
            }
            p {
                "PostgreSQL computes every figure again from the raw events, Cassandra is read whole, and both are compared. Nothing is "
                "changed, but both work for it. The line goes on."
            }
            (form(app, frame, "/api/v1/verifications", &fields, &button))
        }
    }
}

fn trace(app: &App, frame: &Frame) -> Markup {
    let button = html! { button .primary { "Trace one event" } };
    html! {
        section .panel {
            header { h2 { "What happens" } }
            dl .facts {
                dt { "Events stored" } dd { strong { "1" } ", of country XD; it counts as any other" }
                dt { "Waits for" } dd { strong { "60 s" } " at most, from its commit to its row" }
            }
            (form(app, frame, "/api/v1/traces", &html! {}, &button))
        }
    }
}

fn dry_run(app: &App, frame: &Frame, snapshot: &Snapshot, chosen: Chosen) -> Result<Markup, Problem> {
    let selection = Selection::of(chosen.source, chosen.of_reason, chosen.coordinates)?;
    let summary = snapshot.quarantine.value.as_deref();
    // By reason and by source alone; of both together the dry run itself says how many.
    let open =
        summary.and_then(|summary| match (&selection.reason, &selection.source, &selection.coordinates) {
            (None, None, None) => Some(summary.total.open),
            (Some(reason), None, None) => {
                Some(summary.by_reason.get(reason.as_str()).map_or(0, |counts| counts.open))
            }
            (None, Some(source), None) => Some(summary.by_source.get(source).map_or(0, |counts| counts.open)),
            _ => None,
        });
    let sources: Vec<&String> = summary.map(|summary| summary.by_source.keys().collect()).unwrap_or_default();
    let absent = selection.source.as_ref().filter(|source| !sources.contains(source));
    let fields = html! {
        div .field {
            label for="of_reason" { "Set aside for" }
            select #of_reason name="of_reason" {
                option value="" { "any reason" }
                @for reason in Reason::ALL {
                    option value=(reason.as_str()) selected[selection.reason.as_ref() == Some(reason)] { (reason.as_str()) }
                }
            }
        }
        div .field {
            label for="source" { "Of source" }
            select #source name="source" {
                option value="" { "any source" }
                @for source in sources.into_iter().chain(absent) {
                    option value=(source) selected[selection.source.as_ref() == Some(source)] { (printable_name(source)) }
                }
            }
        }
        @if let Some(coordinates) = &selection.coordinates {
            input type="hidden" name="coordinates" value=(coordinates);
        }
    };
    let button = html! { button .primary { "Dry run" } };
    Ok(html! {
        section .panel {
            header { h2 { "What happens" } }
            dl .facts {
                dt { "Records judged" } dd { (known(open.map(format::count))) ": " (selection.told()) }
                dt { "Records changed" } dd { strong { "0" } ": a dry run only says what would become of them" }
            }
            (form(app, frame, "/api/v1/quarantine/dry-runs", &fields, &button))
        }
    })
}

/// What takes in what a dry run has judged: its counts are what is confirmed.
pub(super) fn replay(app: &App, frame: &Frame, of: Uuid, judged: &DryRun) -> Markup {
    let count = |number: u64| format::count(i64::try_from(number).unwrap_or(i64::MAX));
    if judged.records == 0 {
        return html! { p .note { "Nothing of that kind is open, so there is nothing to replay." } };
    }
    let fields = html! {
        input type="hidden" name="dry_run" value=(of);
        @if judged.records > TYPED_ABOVE {
            div .field {
                label for="count" { "Type how many records are judged again, " code { (judged.records) } }
                input #count name="count" required pattern=(judged.records) inputmode="numeric" autocomplete="off";
            }
        }
    };
    let button = html! { button .primary { "Replay " (count(judged.records)) @if judged.records == 1 { " record" } @else { " records" } } };
    html! {
        section .panel {
            header { h2 { "Replay them" } }
            dl .facts {
                dt { "Taken in" } dd { strong { (count(judged.accepted)) } ": each counts once in the figures" }
                dt { "There already" } dd { strong { (count(judged.repeated)) } ": they change nothing" }
                dt { "Refused again" } dd { strong { (count(judged.refused)) } ": they stay open" }
            }
            p { "Events that are too old for the stream are late; " code { "storepulse reconcile" } " brings them into closed windows." }
            (form(app, frame, "/api/v1/quarantine/replays", &fields, &button))
        }
    }
}
