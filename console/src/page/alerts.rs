//! Alerts: what needs somebody, and what has been done about it?

mod firing;
mod history;
mod rule;
mod rules;
mod silences;
mod silencing;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::{Viewing, states};
use crate::alerts::Alerts;
use crate::app::App;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::watch::{Snapshot, Source};
use contracts::printable::printable_name;

const ALERTS: &[Source] = &[Source::Alerts];

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "alerts.notices", page: "alerts", sources: ALERTS, draw: notices },
    Panel { id: "alerts.firing", page: "alerts", sources: ALERTS, draw: firing::panel },
    Panel { id: "alerts.silences", page: "alerts", sources: ALERTS, draw: silences::panel },
    Panel { id: "alerts.rules", page: "alerts", sources: ALERTS, draw: rules::panel },
    Panel { id: "alerts.history", page: "alerts", sources: ALERTS, draw: history::panel },
];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/alerts", get(page))
        .route("/alerts/rules/{rule}", get(one))
        .route("/alerts/silences/new", get(silencing::begin))
        .route("/alerts/silences/{silence}", get(silencing::one))
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    frame.page(
        &app,
        "alerts",
        "Alerts",
        &html! {
            div .title { h1 { "Alerts" } (frame::pause()) }
            (notices(&snapshot, &viewing))
            (firing::panel(&snapshot, &viewing))
            @if frame.may_act() { p .row { a .button href="/alerts/silences/new" { "Silence…" } } }
            (silences::panel(&snapshot, &viewing))
            (rules::panel(&snapshot, &viewing))
            (history::panel(&snapshot, &viewing))
        },
    )
}

/// What to do about one rule: where every notice leads.
async fn one(State(app): State<App>, frame: Frame, Path(name): Path<String>) -> Result<Markup, Problem> {
    let held = app
        .config
        .alerts
        .rules
        .iter()
        .find(|held| held.rule.name == name)
        .ok_or_else(|| Problem::not_found("There is no rule of that name; Alerts lists them all."))?;
    let snapshot = app.watch.snapshot();
    let body = html! {
        p .crumbs { a href="/alerts" { "Alerts" } }
        h1 { (held.rule.name) }
        @if frame.may_act() { (silence(held.rule.name, snapshot.alerts.value.as_deref())) }
        (rule::panel(held, snapshot.alerts.value.as_deref(), &frame.viewing, Utc::now()))
    };
    Ok(frame.page(&app, "alerts.one", held.rule.name, &body))
}

/// What an operator may silence of a rule: all of it, or what one of its alerts is about.
fn silence(rule: &str, alerts: Option<&Alerts>) -> Markup {
    let firing = alerts.iter().flat_map(|alerts| &alerts.firing);
    let subjects = firing.filter(|alert| alert.rule == rule && !alert.subject.is_empty());
    html! {
        p .row {
            a .button href=(silencing::address(rule, "")) { "Silence " (rule) "…" }
            @for alert in subjects {
                a .button href=(silencing::address(rule, &alert.subject)) { "Silence it about " (printable_name(&alert.subject)) "…" }
            }
        }
    }
}

fn alerts(snapshot: &Snapshot) -> Option<&Alerts> {
    snapshot.alerts.value.as_deref()
}

/// That nobody evaluates, or that what was written cannot be read.
fn notices(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    use crate::alerts::view::Evaluator;
    let (now, evaluator) = (Utc::now(), alerts(snapshot).map(|alerts| alerts.evaluator));
    html! {
        div id="alerts.notices" .notices {
            @if let Some(away) = &snapshot.alerts.away {
                div .notice.warn {
                    p {
                        strong { "Alerts cannot be written down" } " since " (states::moment(away.since, viewing, now)) ": "
                        code { (away.why) }
                    }
                    @if evaluator == Some(Evaluator::Here) {
                        p .muted { "They are judged and told all the same, and written down later. History and silences are as they last were." }
                    } @else {
                        p .muted { "Nobody judges them as far as this console knows: one that has just started waits a minute for PostgreSQL." }
                    }
                }
            }
            @if evaluator == Some(Evaluator::Another) {
                div .notice { p { "Another console judges alerts and tells them; this one shows what it has written." } }
            }
        }
    }
}
