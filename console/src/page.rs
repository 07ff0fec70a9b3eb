//! Pages: a file a view. What is live in them is a [`Panel`], drawn by the same function for the first answer
//! and for each patch.

pub(crate) mod actions;
pub(crate) mod address;
pub(crate) mod alerts;
pub(crate) mod flow;
pub(crate) mod frame;
pub(crate) mod jobs;
pub(crate) mod live;
pub(crate) mod plain;
pub(crate) mod quarantine;
pub(crate) mod schemas;
pub(crate) mod sign_in;
pub(crate) mod states;
pub(crate) mod stream;
pub(crate) mod topics;

use axum::Router;
use maud::{Markup, html};

use crate::app::App;
use crate::panel::Panel;
pub(crate) use crate::panel::{Against, Viewing};

/// Every live part there is.
pub(crate) const PANELS: &[&[Panel]] = &[
    frame::PANELS,
    live::PANELS,
    flow::PANELS,
    topics::PANELS,
    schemas::PANELS,
    jobs::PANELS,
    quarantine::PANELS,
    actions::PANELS,
    alerts::PANELS,
];

/// Every page, for those who are signed in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(live::routes())
        .merge(flow::routes())
        .merge(topics::routes())
        .merge(schemas::routes())
        .merge(jobs::routes())
        .merge(quarantine::routes())
        .merge(actions::routes())
        .merge(alerts::routes())
        .merge(stream::routes())
        .merge(frame::routes())
}

/// Text with `commands` between backquotes.
pub(crate) fn with_code(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
