//! Actions: what is being done, what has been done, by whom and why, and the forms that begin something.

mod forms;
mod log;
mod running;
mod verified;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};
use uuid::Uuid;

use super::frame::{self, Frame};
use crate::access::Operator;
use crate::actions::log::{self as actions_log, Asked};
use crate::actions::operations::{Kind, Operation, Stage};
use crate::actions::quarantine_replay::confirmed;
use crate::app::App;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::watch::Source;

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "actions.list", page: "actions", sources: &[Source::Operations], draw: running::list },
    Panel { id: "actions.verified", page: "actions", sources: &[Source::Ops], draw: verified::panel },
    Panel {
        id: "actions.newest",
        page: "actions.one",
        sources: &[Source::Operations],
        draw: running::newest,
    },
];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/actions", get(page))
        .route("/actions/{id}", get(one))
        .route("/actions/new/{action}", get(forms::page))
}

async fn page(State(app): State<App>, frame: Frame, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    // A store that is away fails its own part of the page alone.
    let log = match frame.may_act() {
        true => Some(actions_log::list(&app, &asked).await),
        false => None,
    };
    let body = html! {
        div .title { h1 { "Actions" } (frame::pause()) }
        @if frame.may_act() {
            nav .row aria-label="Begin something" {
                a .button href="/actions/new/verify" { "Verify figures…" }
                a .button href="/actions/new/trace" { "Trace one event…" }
                a .button href="/actions/new/dry-run" { "Judge quarantine again…" }
                a .button href="/actions/new/job-restart" { "Restart the job…" }
                a .button href="/actions/new/job-resume" { "Start the job…" }
                a .button.danger href="/actions/new/job-hold" { "Stop the job…" }
            }
        } @else {
            p .note { "Operators act here, and see who did what. You look." }
        }
        div .grid {
            (running::list(&snapshot, &viewing))
            (verified::panel(&snapshot, &viewing))
        }
        @if let Some(log) = log { (log::panel(log, &asked, &viewing, Utc::now())) }
    };
    Ok(frame.page(&app, "actions", "Actions", &body))
}

async fn one(State(app): State<App>, frame: Frame, Path(id): Path<Uuid>) -> Result<Markup, Problem> {
    let snapshot = app.watch.snapshot();
    let operations = snapshot.operations.value.as_deref();
    let known = operations.and_then(|operations| operations.of_id(id));
    let newest =
        operations.and_then(|operations| operations.list.front()).is_some_and(|newest| newest.id == id);
    let operation = match known {
        Some(operation) => operation.clone(),
        None => actions_log::operation(&app, id).await?,
    };
    let title = running::title(&operation).to_owned();
    let body = html! {
        p .crumbs { a href="/actions" { "Actions" } }
        h1 { (title) }
        @if newest { (running::newest(&snapshot, &frame.viewing)) }
        @else { (running::panel(&operation, "operation", &frame.viewing, Utc::now())) }
        @if frame.may_act() && operation.kind == Some(Kind::DryRun) { (then_replay(&app, &frame, &operation)) }
    };
    Ok(frame.page(&app, if newest { "actions.one" } else { "actions" }, &title, &body))
}

/// What may follow a dry run, once it has ended.
fn then_replay(app: &App, frame: &Frame, operation: &Operation) -> Markup {
    if operation.stage == Stage::Running {
        return html! {
            p .note data-then="actions.newest" {
                "What may follow stands here when it has ended. "
                a .unscripted href={ "/actions/" (operation.id) } { "Look again" }
            }
        };
    }
    match confirmed(app, operation.id) {
        Ok(judged) => forms::replay(app, frame, operation.id, &judged),
        Err(_) => html! {},
    }
}

/// Forms are drawn for operators alone.
async fn form_page(app: App, frame: Frame, _by: Operator, title: &str, body: &Markup) -> Markup {
    let body = html! {
        p .crumbs { a href="/actions" { "Actions" } }
        h1 { (title) }
        (body)
    };
    frame.page(&app, "actions", title, &body)
}
