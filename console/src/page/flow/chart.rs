//! From an event to its rows, over the last hour.

use chrono::{DateTime, TimeDelta};
use maud::{Markup, html};

use crate::line::hops::LATE_MS;
use crate::line::view::{HistoryView, PointView, history};
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

const STEP_S: i64 = 30;
const MINUTES: i64 = 60;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let view = snapshot.ops.value.as_deref().map(|ops| {
        // The step that is not over would change every second.
        let end = ops.at.timestamp();
        let to = DateTime::from_timestamp(end - end.rem_euclid(STEP_S), 0).unwrap_or(ops.at);
        history(ops, to - TimeDelta::minutes(MINUTES), to, STEP_S)
    });
    html! {
        section id="flow.history" .panel.span-8 {
            header { h2 { "End to end, in seconds" } p .panel-note { "from an event to its rows in Cassandra, last 60 minutes" } }
            @match &view {
                Some(view) => (figure(view, viewing)),
                None => (super::absent(snapshot)),
            }
        }
    }
}

fn figure(view: &HistoryView, viewing: &Viewing) -> Markup {
    let gaps = view.points.iter().any(|point| point.lag_p50_ms.is_none());
    html! {
        figure .chart data-step=(view.step_s) {
            ul .legend aria-hidden="true" {
                li .s1.line { "half of the rows (p50)" }
                li .s3.line { "all but 1 % (p99)" }
                li .dashed { "limit of p50" }
                @if gaps { li .gap { "not known" } }
            }
            details .more {
                summary { "Values" }
                div .scroll tabindex="0" role="region" aria-label="End to end, values" {
                    table .data {
                        caption .sr { "Seconds from an event to its rows, the newest first" }
                        thead {
                            tr {
                                th scope="col" { "from" }
                                th scope="col" .num.s1 data-line="solid" { "p50" }
                                th scope="col" .num.s3 data-line="solid" { "p99" }
                                th scope="col" .num data-line="limit" { "limit" }
                            }
                        }
                        tbody { @for point in view.points.iter().rev() { (row(point, viewing)) } }
                    }
                }
            }
        }
    }
}

fn row(point: &PointView, viewing: &Viewing) -> Markup {
    html! {
        tr data-key=(point.at.timestamp()) {
            th scope="row" { (point.at.with_timezone(&viewing.zone).format("%H:%M:%S")) }
            td .num { (seconds(point.lag_p50_ms)) }
            td .num { (seconds(point.lag_p99_ms)) }
            td .num { (LATE_MS / 1_000) }
        }
    }
}

fn seconds(ms: Option<i64>) -> Markup {
    match ms {
        Some(ms) => html! { (ms / 1_000) "." (format!("{:03}", ms % 1_000)) },
        None => states::unknown("nothing was reported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_written_as_seconds() {
        let told = [1_204, 90, 12_000].map(|ms| seconds(Some(ms)).into_string());
        assert_eq!(told, ["1.204", "0.090", "12.000"]);
        assert!(seconds(None).into_string().contains("not known"));
    }
}
