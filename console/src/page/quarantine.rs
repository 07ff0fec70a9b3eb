//! Quarantine: what did not pass, why, and whether it would pass now. Bytes are shown to an operator who says
//! why, and to nobody else.

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

use super::address::encoded;
use super::frame::Frame;
use crate::access::act_fields;
use crate::actions::bytes::Shown;
use crate::api::quarantine::Place;
use crate::app::App;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::quarantine_records::{self, Wanted};
use crate::watch::Source;
use contracts::printable::printable_name;

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
    let found = quarantine_records::list(&app, &wanted).await;
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
        (again(&frame, &wanted))
        p .note {
            "Events that nothing is wrong with and that are in no figure, such as those of programs, are on "
            a href="/flow#flow.others" { "Flow" } "."
        }
    };
    Ok(frame.page(&app, "quarantine", "Quarantine", &body))
}

/// How records are judged again.
fn again(frame: &Frame, wanted: &Wanted) -> Markup {
    let words = [("of_reason", wanted.reason.as_deref()), ("source", wanted.source.as_deref())];
    let words = words.into_iter().filter_map(|(name, word)| Some(format!("{name}={}", encoded(word?))));
    let address = format!("/actions/new/dry-run?{}", words.collect::<Vec<_>>().join("&"));
    html! {
        section .panel {
            header { h2 { "Judge again" } }
            p .note {
                "What is open is judged again by today's rules and rates; what passes is taken in and counts once. "
                "A dry run only says what would become of it."
            }
            @if frame.may_act() {
                p { a .button href=(address) { "Judge these again: dry run…" } }
            }
            pre .code tabindex="0" role="region" aria-label="Commands" { code {
                "storepulse quarantine replay --dry-run\n"
                "storepulse quarantine replay --reason missing_rate --rates rates.csv"
            } }
        }
    }
}

async fn record(State(app): State<App>, frame: Frame, Query(place): Query<Place>) -> Result<Markup, Problem> {
    let record = quarantine_records::record(&app, &place.source, &place.coordinates).await?;
    let title = format!("{} {}", printable_name(&record.source), printable_name(&record.coordinates));
    let body = html! {
        p .crumbs { a href="/quarantine" { "Quarantine" } }
        h1 { (title) }
        (record::panel(&record, &frame.viewing, Utc::now()))
        @if frame.may_act() { (ask_for_bytes(&app, &frame, &record)) }
    };
    Ok(frame.page(&app, "quarantine", &title, &body))
}

/// Where the form that asks for bytes is sent.
const BYTES: &str = "/api/v1/quarantine/bytes";

fn ask_for_bytes(app: &App, frame: &Frame, record: &quarantine_records::Record) -> Markup {
    html! {
        section .panel {
            header { h2 { "Show its bytes" } }
            p .note {
                (crate::format::count(record.size_bytes)) " bytes and the whole text of what is wrong. They may tell of a person: "
                "that you asked, when and why is kept."
            }
            form .form method="post" action=(BYTES) {
                input type="hidden" name="source" value=(record.source);
                input type="hidden" name="coordinates" value=(record.coordinates);
                (act_fields(&app.access, &frame.visitor, BYTES))
                p { button { "Show them" } }
            }
        }
    }
}

/// What a record says, for the one who asked.
pub(crate) fn shown_bytes(app: &App, frame: &Frame, shown: &Shown) -> Markup {
    let title = format!("{} {}", printable_name(&shown.source), printable_name(&shown.coordinates));
    let record = format!(
        "/quarantine/record?source={}&coordinates={}",
        encoded(&shown.source),
        encoded(&shown.coordinates)
    );
    let body = html! {
        p .crumbs { a href="/quarantine" { "Quarantine" } " / " a href=(record) { "Record" } }
        h1 { (title) }
        section .panel {
            header { h2 { "Its bytes" } p .panel-note { "shown once; it is in the log of actions" } }
            dl .facts { dt { "What is wrong" } dd { (printable_name(&shown.detail)) } }
            @match (&shown.form, &shown.text) {
                (Some(form), Some(text)) => {
                    p .note { "They are " (form) "." }
                    pre .code.wrap tabindex="0" role="region" aria-label="Its bytes" { (text) }
                },
                _ => p { "None are stored: the record had none, or retention removed them." },
            }
        }
    };
    frame.page(app, "quarantine", &title, &body)
}
