//! Jobs: what does each query do with its time?

mod batches;
mod faults;
mod header;
mod query;
mod table;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use contracts::reported;
use maud::{Markup, html};

use super::frame::{self, Frame};
use crate::app::App;
use crate::panel::Panel;
use crate::watch::{Snapshot, Source};

const JOB: &[Source] = &[Source::Ops, Source::Kafka, Source::Shop];

/// Its live parts. The queries' pages are named by them.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "jobs.header", page: "jobs", sources: JOB, draw: header::panel },
    Panel { id: "jobs.table", page: "jobs", sources: JOB, draw: table::panel },
    Panel { id: "jobs.faults", page: "jobs", sources: &[Source::Ops], draw: faults::panel },
    Panel { id: "jobs.cube", page: "job.cube", sources: JOB, draw: |s, v| query::panel(s, v, "cube") },
    Panel { id: "jobs.ledger", page: "job.ledger", sources: JOB, draw: |s, v| query::panel(s, v, "ledger") },
    Panel {
        id: "jobs.refusals",
        page: "job.refusals",
        sources: JOB,
        draw: |s, v| query::panel(s, v, "refusals"),
    },
    Panel { id: "jobs.orders", page: "job.orders", sources: JOB, draw: |s, v| query::panel(s, v, "orders") },
    Panel { id: "jobs.live", page: "job.live", sources: JOB, draw: |s, v| query::panel(s, v, "live") },
    Panel {
        id: "jobs.sessions",
        page: "job.sessions",
        sources: JOB,
        draw: |s, v| query::panel(s, v, "sessions"),
    },
    Panel { id: "jobs.hours", page: "job.hours", sources: JOB, draw: |s, v| query::panel(s, v, "hours") },
    Panel {
        id: "jobs.products",
        page: "job.products",
        sources: JOB,
        draw: |s, v| query::panel(s, v, "products"),
    },
    Panel {
        id: "jobs.registrations",
        page: "job.registrations",
        sources: JOB,
        draw: |s, v| query::panel(s, v, "registrations"),
    },
];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/jobs", get(page)).route("/jobs/{query}", get(query::page))
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    frame.page(
        &app,
        "jobs",
        "Jobs",
        &html! {
            div .title { h1 { "Jobs" } (frame::pause()) }
            (header::panel(&snapshot, &viewing))
            @if frame.may_act() { (wishes(&snapshot)) }
            div .grid {
                (table::panel(&snapshot, &viewing))
                (faults::panel(&snapshot, &viewing))
            }
        },
    )
}

/// What an operator may want of the job. It is no live part: those are the same for everybody.
fn wishes(snapshot: &Snapshot) -> Markup {
    let run = snapshot.ops.value.as_deref().and_then(|ops| ops.run.as_ref());
    let held = run.is_some_and(|run| run.state == reported::job::HELD);
    html! {
        p .row {
            @if held {
                a .button.primary href="/actions/new/job-resume" { "Start…" }
            } @else {
                a .button href="/actions/new/job-restart" { "Restart…" }
                a .button.danger href="/actions/new/job-hold" { "Stop…" }
                a .button.quiet href="/actions/new/job-resume" { "Start…" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::ops::query_names;

    #[test]
    fn every_query_has_a_live_part_of_its_own() {
        for name in query_names() {
            let panel = PANELS.iter().find(|panel| panel.id == format!("jobs.{name}"));
            assert_eq!(panel.map(|panel| panel.page), Some(format!("job.{name}").as_str()));
        }
    }
}
