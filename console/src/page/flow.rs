//! Flow: do the events arrive, and where do they stop, since when, why?

mod boxes;
mod chart;
mod ledger;
mod minutes;
mod slot;
mod troubles;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::states;
use crate::app::App;
use crate::panel::Panel;
use crate::watch::{Snapshot, Source};

const LINE: &[Source] = &[Source::Ops, Source::Kafka, Source::Shop];

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "flow.hops", page: "flow", sources: LINE, draw: boxes::panel },
    Panel { id: "flow.troubles", page: "flow", sources: LINE, draw: troubles::panel },
    Panel { id: "flow.history", page: "flow", sources: &[Source::Ops], draw: chart::panel },
    Panel { id: "flow.slot", page: "flow", sources: &[Source::Ops], draw: slot::panel },
    Panel { id: "flow.arrivals", page: "flow", sources: &[Source::Ops], draw: ledger::arrivals },
    Panel { id: "flow.ledger", page: "flow", sources: &[Source::Ops], draw: ledger::panel },
];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/flow", get(page))
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    let minutes = minutes::panel(&app, &viewing, Utc::now()).await;
    frame.page(
        &app,
        "flow",
        "Flow",
        &html! {
            div .title { h1 { "Flow" } (frame::pause()) }
            @if frame.may_act() {
                p .row { a .button href="/actions/new/trace" { "Trace one event…" } a .button href="/actions/new/verify" { "Verify figures…" } }
            }
            h2 .sr { "Hop by hop" }
            (boxes::panel(&snapshot, &viewing))
            (troubles::panel(&snapshot, &viewing))
            div .grid {
                (chart::panel(&snapshot, &viewing))
                (slot::panel(&snapshot, &viewing))
                (ledger::panel(&snapshot, &viewing))
                (ledger::arrivals(&snapshot, &viewing))
                (minutes)
            }
        },
    )
}

/// In the place of what is told through PostgreSQL, while that does not tell: the notice above says why.
fn absent(snapshot: &Snapshot) -> Markup {
    let why = if snapshot.ops.away.is_some() { "PostgreSQL does not answer" } else { "not asked yet" };
    html! { p .note { (states::unknown(why)) " not known: " (why) } }
}
