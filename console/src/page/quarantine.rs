//! Quarantine.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};

use super::frame::Frame;
use crate::app::App;
use crate::hub::Panel;

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/quarantine", get(page))
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    frame.page(&app, "quarantine", "Quarantine", &html! { h1 { "Quarantine" } })
}
