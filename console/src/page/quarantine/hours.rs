//! What was set aside hour by hour, as bars by reason.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::page::Viewing;
use crate::page::states;
use crate::watch::Seen;
use crate::watch::quarantine::{Hour, Summary};
use contracts::printable::printable_name;

/// How many reasons have a colour of their own; the others share one.
const COLOURS: usize = 5;
/// The drawing's own units: a bar has ten, of which two are the gap.
const BAR: usize = 10;
const HEIGHT: i64 = 1_000;

/// The last 24 hours and the one under way.
pub(super) fn panel(seen: &Seen<Summary>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section id="quarantine.hours" .panel .span-7 .stale[seen.away.is_some() && seen.value.is_some()] {
            header {
                h2 { "Set aside in the last 24 hours" }
                p .panel-note { "by hour and reason, whatever became of them since; the last hour is under way" }
                (super::summary::age(seen, viewing, now))
            }
            @match &seen.value {
                // The summary says why.
                None => p { (states::unknown("it has not been counted yet")) },
                Some(summary) if summary.hours.iter().all(|hour| hour.all() == 0) => {
                    (states::empty("Nothing was set aside in the last 24 hours.", None))
                },
                Some(summary) => (bars(&summary.hours, viewing, now)),
            }
        }
    }
}

/// Reasons in the order in which they are stacked: the most frequent ones, by name, so that a colour seldom
/// changes hands.
fn series(hours: &[Hour]) -> Vec<&str> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for (reason, count) in hours.iter().flat_map(|hour| &hour.by_reason) {
        *sums.entry(reason).or_default() += count;
    }
    let mut reasons: Vec<(&str, i64)> = sums.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let mut named: Vec<&str> = reasons.into_iter().take(COLOURS).map(|(reason, _)| reason).collect();
    named.sort_unstable();
    named
}

/// An hour's counts by the series, and of all other reasons.
fn stack(hour: &Hour, series: &[&str]) -> Vec<i64> {
    let named: Vec<i64> =
        series.iter().map(|reason| hour.by_reason.get(*reason).copied().unwrap_or(0)).collect();
    let rest = hour.all() - named.iter().sum::<i64>();
    named.into_iter().chain([rest]).collect()
}

/// Where each part of a stack lies: its upper edge and its height, of [`HEIGHT`]. What is there is never
/// drawn as nothing.
fn lengths(stack: &[i64], highest: i64) -> Vec<(i64, i64)> {
    let mut below = 0;
    stack
        .iter()
        .map(|count| {
            let from = below * HEIGHT / highest.max(1);
            below += count;
            let to = below * HEIGHT / highest.max(1);
            let height = (to - from).max(i64::from(*count > 0) * 8);
            (HEIGHT - from - height, height)
        })
        .collect()
}

fn bars(hours: &[Hour], viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let series = series(hours);
    let highest = hours.iter().map(Hour::all).max().unwrap_or(0);
    let others = hours.iter().any(|hour| stack(hour, &series).last().is_some_and(|rest| *rest > 0));
    let clock = |hour: &Hour| hour.from.with_timezone(&viewing.zone).format("%H:%M").to_string();
    let class = |index: usize| format!("s{}", index + 1);
    html! {
        ul .legend {
            @for (index, reason) in series.iter().enumerate() { li class=(class(index)) { (printable_name(reason)) } }
            @if others { li class=(class(COLOURS)) { "other reasons" } }
        }
        svg .stack viewBox={ "0 0 " (hours.len() * BAR) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label={ "Bars of 24 hours; the highest hour has " (format::count(highest)) ". The values are in the table below." } {
            @for (at, hour) in hours.iter().enumerate() {
                g {
                    title { (clock(hour)) ": " (told(hour)) }
                    @for (index, (y, height)) in lengths(&stack(hour, &series), highest).into_iter().enumerate() {
                        @if height > 0 {
                            rect class=(class(index)) x=(at * BAR + 1) y=(y.max(0)) width=(BAR - 2) height=(height) {}
                        }
                    }
                }
            }
        }
        div .apart .muted {
            @if let (Some(first), Some(last)) = (hours.first(), hours.last()) {
                span { (states::moment(first.from, viewing, now)) }
                span { "highest: " (format::count(highest)) " an hour" }
                span { (clock(last)) " and on" }
            }
        }
        details .more {
            summary { "Values" }
            div .scroll tabindex="0" role="region" aria-label="Values by hour" { (values(hours, &series, others, viewing, now)) }
        }
    }
}

fn told(hour: &Hour) -> String {
    if hour.by_reason.is_empty() {
        return "none".to_owned();
    }
    let told: Vec<String> = hour
        .by_reason
        .iter()
        .map(|(reason, count)| format!("{} {}", printable_name(reason), format::count(*count)))
        .collect();
    told.join(", ")
}

fn values(hours: &[Hour], series: &[&str], others: bool, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        table .data {
            caption .sr { "Records set aside by hour and reason" }
            thead { tr {
                th scope="col" { "Hour from" }
                @for reason in series { th scope="col" .num { (printable_name(reason)) } }
                @if others { th scope="col" .num { "other reasons" } }
                th scope="col" .num { "all" }
            } }
            tbody {
                @for hour in hours.iter().rev() {
                    @let stack = stack(hour, series);
                    tr {
                        th scope="row" { (states::moment(hour.from, viewing, now)) }
                        @for count in stack.iter().take(series.len() + usize::from(others)) {
                            td .num { (format::count(*count)) }
                        }
                        td .num { (format::count(hour.all())) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hour(counts: &[(&str, i64)]) -> Hour {
        let by_reason = counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        Hour { from: DateTime::UNIX_EPOCH, by_reason }
    }

    #[test]
    fn the_most_frequent_reasons_have_colours_and_the_rest_is_summed() {
        let hours = [hour(&[("a", 1), ("b", 9), ("c", 8), ("d", 7), ("e", 6), ("f", 5), ("g", 2)])];
        let series = series(&hours);
        assert_eq!(series, ["b", "c", "d", "e", "f"]);
        assert_eq!(stack(&hours[0], &series), [9, 8, 7, 6, 5, 3]);
    }

    proptest! {
        /// Parts lie upon each other, within the drawing, and one that is there shows.
        #[test]
        fn bars_stay_within_the_drawing(
            stack in prop::collection::vec(0..5_000_000_i64, 1..6),
            more in 0..5_000_000_i64,
        ) {
            let highest = stack.iter().sum::<i64>() + more;
            let told = lengths(&stack, highest);
            for (count, (y, height)) in stack.iter().zip(&told) {
                prop_assert_eq!(*count > 0, *height > 0);
                prop_assert!(*y >= -8 && y + height <= HEIGHT);
            }
        }
    }
}
