//! Micro-batches of a query: a bar each, of what it did with its time; and the values.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::line::phases::{PARTS, parts, scale};
use crate::page::{Viewing, states};
use crate::watch::ops::{BATCHES, Batch};

/// Units of the drawing: a batch is so wide, and bars are so high.
const WIDTH: usize = 10;
const HEIGHT: i64 = 1_000;

pub(super) fn chart(batches: &VecDeque<Arc<Batch>>, trigger_ms: i64) -> Markup {
    let scale =
        scale(batches.iter().map(|batch| batch.duration_ms).chain([trigger_ms.saturating_mul(5) / 4]));
    let cut = batches.iter().filter(|batch| batch.duration_ms > scale).count();
    let longest = batches.iter().map(|batch| batch.duration_ms).max().unwrap_or(0);
    let label = format!(
        "The newest {} micro-batches, the oldest left; the longest took {}",
        batches.len(),
        format::ms(longest)
    );
    html! {
        figure .stacks {
            p .apart.muted { span { "up to " (format::ms(scale)) } span { "dashed: the trigger, " (format::ms(trigger_ms)) } }
            svg .stack viewBox={ "0 0 " (WIDTH * BATCHES) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                @for (index, batch) in batches.iter().enumerate() { (bar(batch, index + BATCHES - batches.len().min(BATCHES), scale)) }
                @if trigger_ms > 0 && trigger_ms <= scale {
                    @let y = HEIGHT - height(trigger_ms, scale);
                    line .limit x1="0" x2=(WIDTH * BATCHES) y1=(y) y2=(y) {}
                }
                line .axis x1="0" x2=(WIDTH * BATCHES) y1=(HEIGHT) y2=(HEIGHT) {}
            }
            ul .legend {
                @for (index, (name, what, _)) in PARTS.iter().enumerate() {
                    li class={ "s" (index + 1) } title=(what) { (name) }
                }
            }
            @if cut > 0 { p .note { (cut) @if cut == 1 { " bar is" } @else { " bars are" } " longer than what is drawn." } }
        }
    }
}

fn height(ms: i64, scale: i64) -> i64 {
    let height = i128::from(ms.clamp(0, scale)) * i128::from(HEIGHT) / i128::from(scale.max(1));
    i64::try_from(height).unwrap_or(HEIGHT)
}

fn bar(batch: &Batch, place: usize, scale: i64) -> Markup {
    let mut below = 0_i64;
    let pieces = parts(batch).map(|ms| {
        let from = height(below, scale);
        below = below.saturating_add(ms);
        (HEIGHT - height(below, scale), height(below, scale) - from)
    });
    html! {
        g data-key=(batch.started_at.timestamp_millis()) {
            title { "batch " (batch.batch_id) ": " (format::ms(batch.duration_ms)) ", " (format::count(batch.rows_in)) " rows" }
            @for (index, (y, high)) in pieces.iter().enumerate() {
                @if *high > 0 {
                    rect class={ "s" (index + 1) } x=(place * WIDTH) y=(y) width=(WIDTH - 2) height=(high) {}
                }
            }
        }
    }
}

/// The values, the newest first.
pub(super) fn values(batches: &VecDeque<Arc<Batch>>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        details .more {
            summary { "Values" }
            div .scroll tabindex="0" role="region" aria-label="Micro-batches, values" {
                table .data {
                    caption .sr { "Micro-batches, the newest first" }
                    thead {
                        tr {
                            th scope="col" { "batch" }
                            th scope="col" { "began" }
                            th scope="col" .num { "rows" }
                            th scope="col" .num { "took" }
                            @for (name, _, _) in PARTS { th scope="col" .num { (name) } }
                            th scope="col" .num { "lag p50" }
                            th scope="col" .num { "behind" }
                            th scope="col" .num { "state rows" }
                            th scope="col" .num { "dropped" }
                        }
                    }
                    tbody { @for batch in batches.iter().rev() { (row(batch, viewing, now)) } }
                }
            }
        }
    }
}

fn row(batch: &Batch, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        tr .bad[batch.dropped_rows > 0] data-key=(batch.started_at.timestamp_millis()) {
            th scope="row" { (batch.batch_id) }
            td { (states::moment(batch.started_at, viewing, now)) }
            td .num { (format::count(batch.rows_in)) }
            td .num { (format::ms(batch.duration_ms)) }
            @for ms in parts(batch) { td .num { (format::ms(ms)) } }
            td .num { @match batch.lag_p50_ms { Some(ms) => (format::ms(ms)), None => "–" } }
            td .num { (format::count(batch.offsets_behind)) }
            td .num { (format::count(batch.state_rows)) }
            td .num { (format::count(batch.dropped_rows)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(durations: &[i64]) -> VecDeque<Arc<Batch>> {
        let batch = |(index, ms): (usize, &i64)| {
            let batch_id = i64::try_from(index).unwrap();
            let started_at = DateTime::from_timestamp(1_800_000_000 + batch_id, 0).unwrap();
            let phases_ms = [("addBatch".to_owned(), *ms / 2)].into();
            Arc::new(Batch { batch_id, started_at, duration_ms: *ms, phases_ms, ..Batch::default() })
        };
        durations.iter().enumerate().map(batch).collect()
    }

    #[test]
    fn a_bar_has_a_piece_for_each_part_and_ends_at_its_time() {
        let text = bar(&batches(&[1_000])[0], 3, 2_000).into_string();
        assert!(text.contains("<rect class=\"s1\" x=\"30\" y=\"750\" width=\"8\" height=\"250\""), "{text}");
        assert!(text.contains("<rect class=\"s6\" x=\"30\" y=\"500\" width=\"8\" height=\"250\""), "{text}");
        assert!(!text.contains("s2"), "{text}");
    }

    #[test]
    fn the_newest_stand_at_the_right_and_long_ones_are_told() {
        let mut durations = vec![1_000; BATCHES];
        durations[7] = 90_000;
        let text = chart(&batches(&durations), 1_000).into_string();
        assert!(text.contains("1 bar is longer"), "{text}");
        assert!(text.contains("x=\"1190\"") && text.contains("class=\"limit\""), "{text}");
        assert!(chart(&batches(&[]), 0).into_string().contains("newest 0"));
    }
}
