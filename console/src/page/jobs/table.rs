//! All queries of the job.

use chrono::{DateTime, Utc};
use contracts::reported;
use maud::{Markup, html};

use crate::api::answer::{FreshnessState, Proof};
use crate::format;
use crate::line::jobs::{QueryView, job};
use crate::page::states::State;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let view = job(snapshot, now);
    let reported = view.queries.iter().any(|query| query.state.is_some());
    html! {
        section id="jobs.table" .panel.flush.span-12 .stale[snapshot.ops.away.is_some() && snapshot.ops.value.is_some()] {
            header {
                h2 { "Queries" }
                p .panel-note { "each reads Kafka for itself, and starts a micro-batch every trigger" }
                @if snapshot.ops.value.is_some() {
                    (states::about(&states::looked(&snapshot.ops, "PostgreSQL does not answer", now), &Proof::NONE, viewing, now))
                }
            }
            @if !reported && snapshot.ops.value.is_some() {
                p .note { "The supervisor does not report its queries one by one: of all but the cube nothing is known." }
            }
            div .scroll tabindex="0" role="region" aria-label="Queries" {
                table .data {
                    caption .sr { "How each query does" }
                    thead {
                        tr {
                            th scope="col" { "query" }
                            th scope="col" { "state" }
                            th scope="col" { "newest event" }
                            th scope="col" .num { "behind" }
                            th scope="col" .num { "last batch" }
                            th scope="col" .num { "rows" }
                            th scope="col" .num { "trigger" }
                            th scope="col" .num { "state rows" }
                            th scope="col" .num { "dropped" }
                            th scope="col" { "watermark" }
                        }
                    }
                    tbody { @for query in &view.queries { (row(query, viewing, now)) } }
                }
            }
        }
    }
}

/// A query's state: what it reports, and whether its figures are newer or older for it.
pub(super) fn state(query: &QueryView) -> (State, &'static str) {
    match (query.state.as_deref(), query.freshness.state) {
        (Some(reported::query::ENDED), _) => (State::Stopped, "ended"),
        (Some(reported::query::WAITING), _) => (State::Waits, "starts later"),
        (_, FreshnessState::Stalled) => (State::Waits, "stands still"),
        (_, FreshnessState::Late) => (State::Late, "late"),
        (_, FreshnessState::Live) => (State::Runs, "runs"),
        (_, FreshnessState::Idle) => (State::Runs, "idle"),
        (_, FreshnessState::Unknown) => (State::Unknown, "not known"),
    }
}

fn row(query: &QueryView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (mark, word) = state(query);
    let batch = query.last_batch.as_ref();
    let unknown = || {
        let silent = "the job does not report it";
        states::unknown(if query.state.is_some() { "no micro-batch has ended yet" } else { silent })
    };
    html! {
        tr .stopped[mark == State::Stopped] .stale[states::stale(&query.freshness)] data-key=(query.query) {
            th scope="row" { a href={ "/jobs/" (query.query) } { (query.query) } }
            td .state { (states::mark(mark)) " " (word) }
            td { @match query.freshness.as_of { Some(at) => (states::age(at, now)), None => (unknown()) } }
            td .num { @match &query.behind { Some(behind) => (format::count(behind.offsets)), None => (unknown()) } }
            td .num { @match batch { Some(batch) => (format::ms(batch.duration_ms)), None => (unknown()) } }
            td .num { @match batch { Some(batch) => (format::count(batch.rows_in)), None => (unknown()) } }
            td .num { @match query.trigger_ms { Some(ms) => (format::ms(ms)), None => (unknown()) } }
            td .num { @match batch { Some(batch) => (format::count(batch.state_rows)), None => (unknown()) } }
            td .num { @match batch { Some(batch) => (dropped(batch.dropped_rows)), None => (unknown()) } }
            td {
                @match batch.map(|batch| batch.watermark) {
                    Some(Some(at)) => (states::moment(at, viewing, now)),
                    Some(None) => span .muted { "none" },
                    None => (unknown()),
                }
            }
        }
    }
}

fn dropped(rows: i64) -> Markup {
    html! { @if rows == 0 { "0" } @else { strong .bad { (format::count(rows)) } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{ago, away, now, snapshot, well};
    use crate::page::Against;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    #[test]
    fn what_is_not_reported_is_not_zero() {
        let mut ops = well();
        ops.queries.remove("hours");
        let view = job(&snapshot(ops), now());
        let text = |name: &str| {
            let query = view.queries.iter().find(|query| query.query == name).unwrap();
            row(query, &VIEWING, now()).into_string()
        };
        assert!(text("hours").contains("not known") && !text("hours").contains(">0<"), "{}", text("hours"));
        assert!(text("cube").contains("runs") && text("cube").contains("/jobs/cube"));
    }

    #[test]
    fn what_is_not_of_now_is_grey() {
        let row = |ops| row(&job(&snapshot(ops), now()).queries[0], &VIEWING, now()).into_string();
        assert!(!row(well()).contains("stale"), "{}", row(well()));
        let mut silent = well();
        silent.relay.as_mut().unwrap().reported_at = ago(98);
        assert!(row(silent.clone()).contains("stale"), "{}", row(silent));
        let well = snapshot(well());
        assert!(!panel(&well, &VIEWING).into_string().contains("span-12 stale"));
        let gone = Snapshot { ops: away(well.ops.clone(), 9, "no answer within 2 s"), ..well };
        let text = panel(&gone, &VIEWING).into_string();
        assert!(text.contains("span-12 stale") && text.contains("PostgreSQL does not answer<"), "{text}");
    }

    #[test]
    fn rows_that_were_dropped_stand_out() {
        assert_eq!(dropped(0).into_string(), "0");
        assert!(dropped(3).into_string().contains("bad"));
    }
}
