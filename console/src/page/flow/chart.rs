//! From an event to its rows, over the last hour.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::api::answer::{Freshness, FreshnessState};
use crate::figures::period::Stretch;
use crate::line::hops::LATE_MS;
use crate::line::view::{HistoryView, PointView, history};
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

const STEP_S: i64 = 30;
const MINUTES: i64 = 60;
/// As long as the line is remembered.
pub(super) const LONGEST: TimeDelta = TimeDelta::hours(24);
/// Steps of a stretch that was chosen, about.
const STEPS: i64 = 240;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let view = snapshot.ops.value.as_deref().map(|ops| {
        // The step that is not over would change every second.
        let end = ops.at.timestamp();
        let to = DateTime::from_timestamp(end - end.rem_euclid(STEP_S), 0).unwrap_or(ops.at);
        history(ops, to - TimeDelta::minutes(MINUTES), to, STEP_S)
    });
    draw(Some("flow.history"), &html! { "last 60 minutes" }, view.as_ref(), snapshot, viewing)
}

/// A stretch that was chosen: no live part.
pub(super) fn of_stretch(snapshot: &Snapshot, viewing: &Viewing, stretch: Stretch) -> Markup {
    let clock = |at: DateTime<Utc>, format: &str| at.with_timezone(&viewing.zone).format(format).to_string();
    let note = html! {
        (clock(stretch.from, "%b %-d %H:%M")) " – " (clock(stretch.to, "%b %-d %H:%M")) "; "
        a href="/flow" { "last 60 minutes" }
    };
    let view = snapshot.ops.value.as_deref().map(|ops| {
        // What is still to come is not what is not known.
        history(ops, stretch.from, stretch.to.min(ops.at), step_s(stretch.length()))
    });
    draw(None, &note, view.as_ref(), snapshot, viewing)
}

/// A multiple of the ten seconds in which the line is remembered.
fn step_s(length: TimeDelta) -> i64 {
    (length.num_seconds() / (STEPS * 10) + 1) * 10
}

fn draw(
    id: Option<&str>,
    note: &Markup,
    view: Option<&HistoryView>,
    snapshot: &Snapshot,
    viewing: &Viewing,
) -> Markup {
    let now = Utc::now();
    let reported = super::reported(snapshot, now);
    // As old as its newest step. The last report would draw all of it anew every second.
    let end = view.and_then(|view| Some(view.points.last()?.at + TimeDelta::seconds(view.step_s)));
    let freshness = match reported.state {
        FreshnessState::Live => Freshness { as_of: end, ..reported },
        _ => reported,
    };
    html! {
        section id=[id] .panel.span-8 .stale[view.is_some() && states::stale(&freshness)] {
            header {
                h2 { "End to end, in seconds" }
                p .panel-note { "from an event to its rows in Cassandra, " (note) }
                @if end.is_some() { (super::about(&freshness, viewing, now)) }
            }
            @match view {
                Some(view) => (figure(view, viewing)),
                None => (super::absent(snapshot)),
            }
        }
    }
}

fn figure(view: &HistoryView, viewing: &Viewing) -> Markup {
    let gaps = view.points.iter().any(|point| point.lag_p50_ms.is_none());
    html! {
        figure .chart data-step=(view.step_s) data-zoom {
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
    use crate::line::hops::tests_support::{away, snapshot, well};
    use crate::page::Against;

    #[test]
    fn a_stretch_has_about_as_many_steps_as_a_chart_has_room_for() {
        let steps = |length: TimeDelta| length.num_seconds() / step_s(length);
        assert_eq!([1, 60, 24 * 60].map(|minutes| step_s(TimeDelta::minutes(minutes))), [10, 20, 370]);
        assert!((1..=LONGEST.num_minutes()).all(|minutes| steps(TimeDelta::minutes(minutes)) <= STEPS));
    }

    #[test]
    fn while_postgresql_is_away_the_chart_is_grey_and_says_of_when_it_is() {
        let well = snapshot(well());
        let viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };
        let text = panel(&well, &viewing).into_string();
        assert!(text.contains("data-zoom") && !text.contains("stale"), "{text}");
        let gone = Snapshot { ops: away(well.ops.clone(), 9, "no answer within 2 s"), ..well };
        let text = panel(&gone, &viewing).into_string();
        assert!(text.contains("span-8 stale") && text.contains("PostgreSQL does not answer<"), "{text}");
    }

    #[test]
    fn milliseconds_are_written_as_seconds() {
        let told = [1_204, 90, 12_000].map(|ms| seconds(Some(ms)).into_string());
        assert_eq!(told, ["1.204", "0.090", "12.000"]);
        assert!(seconds(None).into_string().contains("not known"));
    }
}
