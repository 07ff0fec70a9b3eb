//! The strip on every page: in one sentence how the line does, how old the newest event is, and whether
//! figures are proved.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::alerts::Severity;
use crate::format;
use crate::line::hops::{Hop, HopName, HopState, hops, newest_event, worst};
use crate::page::states::State;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;
use crate::watch::ops::{Ops, Verification};

/// How the line does. Only the sentences are announced: an age would be, every second.
pub(crate) fn strip(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    draw(snapshot, viewing, Utc::now())
}

fn draw(snapshot: &Snapshot, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let hops = hops(snapshot, now);
    let worst = worst(&hops);
    let state = worst.map_or(State::Runs, |hop| hop.state.mark());
    let ops = snapshot.ops.value.as_deref();
    html! {
        div #strip class={ "strip " (state.class()) } {
            span role="status" { (states::mark(state)) " " (sentence(worst, viewing, now)) }
            @if let Some(ops) = ops {
                @if let Some(at) = newest_event(ops) {
                    span .muted { "newest event " (states::age(at, now)) }
                }
                (proved(ops, viewing, now))
            }
            (alerts(snapshot))
        }
    }
}

/// How many fire, and the gravest of them.
fn alerts(snapshot: &Snapshot) -> Markup {
    let told = snapshot.alerts.value.as_deref();
    let firing: Vec<&str> =
        told.iter().flat_map(|told| told.telling()).map(|alert| alert.rule.as_str()).collect();
    let critical = told.is_some_and(|told| told.telling().any(|alert| alert.severity == Severity::Critical));
    html! {
        @if let Some(first) = firing.first() {
            a href="/alerts" class=(if critical { "bad" } else { "warn" }) {
                @match firing.len() {
                    1 => { "1 alert: " (first) },
                    count => { (count) " alerts: " (first) ", …" },
                }
            }
        }
    }
}

/// In the order of what matters: what stands still, what is not known, what trails.
fn sentence(worst: Option<&Hop>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let Some(hop) = worst else { return html! { a href="/flow" { "All hops run" } } };
    let what = match (hop.hop, hop.state) {
        (HopName::Postgresql | HopName::Kafka | HopName::Cassandra, HopState::Stopped) => "does not answer",
        (_, HopState::Stopped) => "stands still",
        (_, HopState::Late) => "is late",
        _ => "is not known",
    };
    html! {
        a href="/flow" { strong { (hop.hop.label()) " " (what) } }
        @if let Some(since) = hop.since { " since " (states::moment(since, viewing, now)) }
        @if let Some(why) = hop.reason() { ": " (short(why)) }
    }
}

/// One line of it: the whole stands on Flow.
fn short(text: &str) -> String {
    const LONGEST: usize = 110;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line).trim_end()),
        None => line.to_owned(),
    }
}

/// What the last verification said, and whether it still holds.
fn proved(ops: &Ops, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let Some(last) = ops.verification("verify") else {
        return html! { span .muted { "figures not verified yet" } };
    };
    let at = format::clock(last.snapshot_at, viewing.zone, now);
    html! {
        @if !last.passed {
            span .proof.differs { "✗ " (differing(last)) ", state of " (at) }
        } @else if changed_since(ops, last) {
            span .proof.not-yet { "○ figures were put right since the last verification, of " (at) }
        } @else if let Some(family) = &last.family {
            span .proof.equal { "✓ every row of " (family) " recomputed and equal, state of " (at) }
        } @else {
            span .proof.equal { "✓ every row recomputed and equal, state of " (at) }
        }
    }
}

fn differing(last: &Verification) -> String {
    if last.differing == 1 {
        "1 row is not as it was recomputed".to_owned()
    } else {
        format!("{} rows are not as they were recomputed", format::count(last.differing))
    }
}

/// Whether a repair or rebuild has come since.
fn changed_since(ops: &Ops, last: &Verification) -> bool {
    let families = ops.standing.repaired_at.iter();
    let repaired = families
        .filter(|(family, _)| last.family.as_ref().is_none_or(|only| only == *family))
        .any(|(_, at)| *at > last.started_at);
    let rebuild = ops.standing.rebuild.as_ref();
    repaired || rebuild.is_some_and(|rebuild| rebuild.ended_at.is_none_or(|at| at > last.started_at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::line::hops::tests_support::{ago, away, now, seen, snapshot, well};
    use crate::page::Against;
    use crate::watch::ops::Standing;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn told(snapshot: &Snapshot) -> String {
        draw(snapshot, &VIEWING, now()).into_string()
    }

    fn verified(last: Verification, repaired: Option<DateTime<Utc>>) -> String {
        let last = Verification { kind: "verify".into(), started_at: ago(60), snapshot_at: ago(60), ..last };
        let repaired_at = repaired.map(|at| ("hours".to_owned(), at)).into_iter().collect();
        let standing = Standing { verifications: vec![last], repaired_at, ..Standing::default() };
        told(&snapshot(Ops { standing: Arc::new(standing), ..well() }))
    }

    #[test]
    fn a_line_that_is_well_is_told_in_three_words() {
        let text = told(&snapshot(well()));
        assert!(text.contains("All hops run") && text.contains("class=\"strip runs\""), "{text}");
        assert!(text.contains("newest event") && text.contains("not verified yet"), "{text}");
    }

    #[test]
    fn what_stands_still_is_named_with_time_and_reason() {
        let gone = Snapshot { ops: away(seen(well()), 98, "no answer within 2 s"), ..snapshot(well()) };
        let text = told(&gone);
        for part in ["strip stopped", "PostgreSQL does not answer", "07:58:22", "no answer within 2 s"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("All hops run"));
    }

    #[test]
    fn the_proof_is_that_of_the_last_verification() {
        let passed = Verification { passed: true, ..Verification::default() };
        assert!(verified(passed.clone(), None).contains("✓ every row recomputed and equal"));
        assert!(verified(passed.clone(), Some(ago(30))).contains("put right since"));
        let one = Verification { family: Some("cube".into()), ..passed };
        assert!(verified(one, Some(ago(30))).contains("✓ every row of cube"));
        let failed = Verification { differing: 1_204, ..Verification::default() };
        assert!(verified(failed, None).contains("✗ 1,204 rows are not"));
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let text = short(&"é".repeat(200));
        assert_eq!((text.chars().count(), text.ends_with('…')), (111, true));
        assert_eq!(short("one\ntwo"), "one");
    }
}
