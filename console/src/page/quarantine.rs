//! Quarantine: what did not pass and why. Looking only: nothing is judged again from here, and no bytes are shown.

mod hours;
mod reasons;
mod record;
mod summary;
mod table;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::frame::Frame;
use crate::api::quarantine::Place;
use crate::app::App;
use crate::hub::Panel;
use crate::problem::Problem;
use crate::quarantined::{self, Wanted};
use crate::visible::visible;
use crate::watch::Source;

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[
    Panel {
        id: "quarantine.summary",
        page: "quarantine",
        sources: &[Source::Quarantine],
        draw: |snapshot, viewing| summary::panel(&snapshot.quarantine, viewing, Utc::now()),
    },
    Panel {
        id: "quarantine.hours",
        page: "quarantine",
        sources: &[Source::Quarantine],
        draw: |snapshot, viewing| hours::panel(&snapshot.quarantine, viewing, Utc::now()),
    },
];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/quarantine", get(page)).route("/quarantine/record", get(record))
}

async fn page(State(app): State<App>, frame: Frame, Query(wanted): Query<Wanted>) -> Result<Markup, Problem> {
    let wanted = wanted.tidy();
    let found = quarantined::list(&app, &wanted).await;
    let snapshot = app.watch.snapshot();
    let now = Utc::now();
    let seen = &snapshot.quarantine;
    // What is asked wrongly is told as such; a store that is away fails its own part of the page alone.
    let found = match found {
        Err(problem) if !problem.is_of_a_store() => return Err(problem),
        found => found,
    };
    let body = html! {
        h1 { "Quarantine" }
        div .grid {
            (hours::panel(seen, &frame.viewing, now))
            (summary::panel(seen, &frame.viewing, now))
        }
        (table::panel(&wanted, found, seen.value.as_deref(), &frame.viewing, now))
        (replay_note())
    };
    Ok(frame.page(&app, "quarantine", "Quarantine", &body))
}

/// How records are judged again.
fn replay_note() -> Markup {
    html! {
        section .panel {
            header { h2 { "Judge again" } }
            p .note {
                "What is open is judged again from the terminal, by today's rules and rates; what passes is taken in and counts once. "
                "A dry run only says what would become of it."
            }
            pre .code tabindex="0" role="region" aria-label="Commands" { code {
                "storepulse quarantine replay --dry-run\n"
                "storepulse quarantine replay --reason missing_rate --rates rates.csv"
            } }
        }
    }
}

async fn record(State(app): State<App>, frame: Frame, Query(place): Query<Place>) -> Result<Markup, Problem> {
    let record = quarantined::record(&app, &place.source, &place.coordinates).await?;
    let title = format!("{} {}", visible(&record.source), visible(&record.coordinates));
    let body = html! {
        p .crumbs { a href="/quarantine" { "Quarantine" } }
        h1 { (title) }
        (record::panel(&record, &frame.viewing, Utc::now()))
    };
    Ok(frame.page(&app, "quarantine", &title, &body))
}
