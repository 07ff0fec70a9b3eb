//! Net sales over time: a chart, and the values that it is drawn from.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::{part, parts};
use crate::figures::Live;
use crate::figures::view::{Part, Point, Series};
use crate::page::{Against, Viewing, states};
use crate::watch::Snapshot;

/// The last hour, a minute each.
pub(super) fn recent(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let recent = part(snapshot, viewing, Live::recent);
    let title = Title { id: Some("live.recent"), title: "Net sales a minute", note: "last 60 minutes" };
    series(&title, &recent, before(viewing), viewing)
}

/// Today, in steps of ten minutes.
pub(super) fn day(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let day = part(snapshot, viewing, Live::day);
    let title = Title { id: Some("live.day"), title: "Net sales in 10 minutes", note: "today" };
    series(&title, &day, before(viewing), viewing)
}

/// A period that is over.
pub(super) fn of_period(part: &Part<Series>, viewing: &Viewing) -> Markup {
    let step = part.data.as_ref().map_or_else(String::new, |series| {
        format!("in steps of {}", crate::format::stretch(TimeDelta::seconds(series.step_s)))
    });
    let title = Title { id: None, title: "Net sales", note: &step };
    series(&title, part, "the equal stretch before", viewing)
}

fn before(viewing: &Viewing) -> &'static str {
    match viewing.against {
        Against::Yesterday => "yesterday",
        Against::LastWeek => "a week before",
    }
}

struct Title<'a> {
    id: Option<&'a str>,
    title: &'a str,
    note: &'a str,
}

fn series(title: &Title<'_>, part: &Part<Series>, before: &str, viewing: &Viewing) -> Markup {
    let body = match &part.data {
        Some(series) => figure(title.title, series, before, viewing),
        None => parts::not_known(part.why.as_deref()),
    };
    html! {
        section id=[title.id] .panel.span-8 .stale[parts::stale(part)] {
            (parts::heading(None, title.title, title.note, part, viewing))
            (body)
        }
    }
}

fn figure(title: &str, series: &Series, before: &str, viewing: &Viewing) -> Markup {
    let gaps = series.points.iter().any(|point| !point.known);
    let open = series.points.iter().any(|point| point.open);
    let step = TimeDelta::seconds(series.step_s);
    let long = series
        .points
        .first()
        .zip(series.points.last())
        .is_some_and(|(first, last)| last.at - first.at > TimeDelta::days(1));
    html! {
        figure .chart data-unit=(series.currency.as_deref().unwrap_or_default()) data-step=(series.step_s) data-zoom {
            ul .legend aria-hidden="true" {
                li .s1.line { "net sales" }
                li .dashed { (before) }
                @if open { li .s1.open { "not over yet" } }
                @if gaps { li .gap { "not known" } }
            }
            details .more {
                summary { "Values" }
                div .scroll tabindex="0" role="region" aria-label={ (title) ", values" } {
                    table .data {
                        caption .sr { (title) ", the newest first" }
                        thead {
                            tr {
                                th scope="col" { "from" }
                                th scope="col" .num.s1 data-line="solid" { "net sales" }
                                th scope="col" .num data-line="dashed" { (before) }
                            }
                        }
                        tbody { @for point in series.points.iter().rev() { (row(point, series, step, long, viewing)) } }
                    }
                }
            }
        }
        @if let Some(why) = &series.why { p .note { (why) } }
    }
}

fn row(point: &Point, series: &Series, step: TimeDelta, long: bool, viewing: &Viewing) -> Markup {
    html! {
        tr data-key=(point.at.timestamp()) .open[point.open] {
            th scope="row" { (clock(point.at, step, long, viewing)) @if point.open { span .muted { " not over" } } }
            td .num {
                @match point.value {
                    Some(value) => (value.text(None)),
                    None => (states::unknown(series.why.as_deref().unwrap_or("no figures of then"))),
                }
            }
            td .num { @match point.compared { Some(value) => (value.text(None)), None => "–" } }
        }
    }
}

fn clock(at: DateTime<Utc>, step: TimeDelta, long: bool, viewing: &Viewing) -> String {
    let local = at.with_timezone(&viewing.zone);
    let format = if step >= TimeDelta::days(1) {
        "%a %b %-d"
    } else if long {
        "%b %-d %H:%M"
    } else {
        "%H:%M"
    };
    local.format(format).to_string()
}
