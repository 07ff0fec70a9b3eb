//! One query: how it does, its micro-batches, and why it failed.

use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{batches, faults, table};
use crate::app::App;
use crate::format;
use crate::line::jobs::{QueryView, of_name};
use crate::page::frame::{self, Frame};
use crate::page::{Viewing, states};
use crate::problem::Problem;
use crate::watch::Snapshot;
use crate::watch::ops::query_names;

pub(super) async fn page(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
) -> Result<Markup, Problem> {
    let name = query_names()
        .find(|known| *known == name)
        .ok_or_else(|| Problem::not_found(format!("the job has no query {name:?}; /jobs lists them")))?;
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    let title = format!("Query {name}");
    Ok(frame.page(
        &app,
        "jobs",
        &title,
        &html! {
            p .crumbs { a href="/jobs" { "Jobs" } " › " (name) }
            div .title { h1 { (title) } (frame::pause()) }
            div data-pages={ "job." (name) } { (panel(&snapshot, &viewing, name)) }
        },
    ))
}

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing, name: &str) -> Markup {
    let now = Utc::now();
    let view = of_name(snapshot, name, now);
    let ops = snapshot.ops.value.as_deref();
    let query = ops.and_then(|ops| ops.queries.get(name));
    html! {
        div id={ "jobs." (name) } .grid .stale[snapshot.ops.away.is_some() && view.is_some()] {
            @if let Some(away) = &snapshot.ops.away { (states::away("PostgreSQL", away, viewing, now)) }
            @if let Some(view) = &view { (facts(view, viewing, now)) }
            section .panel.span-8 {
                header { h2 { "Micro-batches" } p .panel-note { "each bar is one, with what it did with its time" } }
                @match query {
                    Some(query) if !query.batches.is_empty() => {
                        (batches::chart(&query.batches, query.told.trigger_ms))
                        (batches::values(&query.batches, viewing, now))
                    },
                    Some(_) => (states::empty("No micro-batch has ended yet.", None)),
                    None => (states::empty("The supervisor does not report the micro-batches of this query.", None)),
                }
            }
            section .panel.span-12 {
                header { h2 { "Failures" } p .panel-note { "with the whole exception" } }
                @match ops {
                    Some(ops) => (faults::list(ops.standing.faults.iter().filter(|fault| fault.query == name), viewing, now)),
                    None => p .note { (states::unknown("not asked yet")) },
                }
            }
        }
    }
}

fn facts(query: &QueryView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (mark, word) = table::state(query);
    let batch = query.last_batch.as_ref();
    let unknown = || {
        let silent = "the job does not report it";
        states::unknown(if query.state.is_some() { "no micro-batch has ended yet" } else { silent })
    };
    html! {
        section .panel.span-4 {
            header { h2 { (states::mark(mark)) " " (word) } }
            p .note { (query.what) }
            @if let Some(why) = &query.freshness.why { p .warn { (why) } }
            dl .facts {
                dt { "Newest event" }
                dd { @match query.freshness.as_of { Some(at) => (states::age(at, now)), None => (unknown()) } }
                dt { "Behind" }
                dd {
                    @match &query.behind {
                        Some(behind) => {
                            (format::count(behind.offsets)) " offsets"
                            span .muted { @if behind.by == "checkpoint" { ", by Kafka's ends now" } @else { ", by its last report" } }
                        },
                        None => (unknown()),
                    }
                }
                dt { "Last batch" }
                dd { @match batch { Some(batch) => { (format::ms(batch.duration_ms)) ", " (format::count(batch.rows_in)) " rows" }, None => (unknown()) } }
                @if let Some((p50, p99)) = batch.and_then(|batch| batch.lag_p50_ms.zip(batch.lag_p99_ms)) {
                    dt { "Event to row" }
                    dd { (format::ms(p50)) " p50, " (format::ms(p99)) " p99" }
                }
                dt { "Trigger" }
                dd { @match query.trigger_ms { Some(ms) => (format::ms(ms)), None => (unknown()) } }
                dt { "Watermark" }
                dd { @match batch.and_then(|batch| batch.watermark) { Some(at) => (states::moment(at, viewing, now)), None => span .muted { "none" } } }
                dt { "State" }
                dd { @match batch { Some(batch) => { (format::count(batch.state_rows)) " rows" }, None => (unknown()) } }
                @if let Some(batch) = batch.filter(|batch| batch.dropped_rows > 0) {
                    dt { "Dropped" }
                    dd { strong .bad { (format::count(batch.dropped_rows)) " rows as too late, in the last batch" } }
                }
                dt { "Runs since" }
                dd { @match query.started_at { Some(at) => (states::moment(at, viewing, now)), None => (unknown()) } }
                dt { "Writes" }
                dd { @if query.tables.is_empty() { span .muted { "no table: to the quarantine's topic" } } @else { code { (query.tables.join(", ")) } } }
                dt { "Revision" }
                dd { @match query.revision { Some(revision) => (revision), None => (unknown()) } }
                dt { "Checkpoint" }
                dd { @match &query.checkpoint { Some(path) => code { (path) }, None => (unknown()) } }
            }
        }
    }
}
