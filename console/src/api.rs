//! `/api/v1`: the figures that the pages show, as JSON. Pages and API are made from the same views.

mod actions;
mod alerts;
pub(crate) mod answer;
pub mod described;
mod events;
pub(crate) mod jobs;
pub(crate) mod line;
mod orders;
mod others;
pub(crate) mod quarantine;
pub(crate) mod schemas;
mod shop;
mod tag;
pub(crate) mod topics;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every endpoint, below `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(shop::routes())
        .merge(orders::routes())
        .merge(line::routes())
        .merge(others::routes())
        .merge(jobs::routes())
        .merge(topics::routes())
        .merge(schemas::routes())
        .merge(quarantine::routes())
        .merge(actions::routes())
        .merge(alerts::routes())
}
