//! The replication slot: how much log PostgreSQL keeps for the relay, and how much more it may.

use chrono::Utc;
use maud::{Markup, html};

use crate::draw::bars::bar;
use crate::format;
use crate::line::view::SlotView;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let reported = super::reported(snapshot, now);
    let slot = snapshot.ops.value.as_deref().and_then(SlotView::of);
    let is_told = snapshot.ops.value.is_some() && snapshot.ops.away.is_none();
    html! {
        section id="flow.slot" .panel.span-4 .stale[slot.is_some() && states::stale(&reported)] {
            header {
                h2 { "Replication slot" }
                p .panel-note { "PostgreSQL's log that waits for the relay" }
                @if slot.is_some() { (super::about(&reported, viewing, now)) }
            }
            @match slot {
                Some(slot) => (body(&slot)),
                None if is_told => (states::empty("There is no slot: the line was not set up.", Some("storepulse setup"))),
                None => (super::absent(snapshot)),
            }
        }
    }
}

fn body(slot: &SlotView) -> Markup {
    let limit = slot.retained_bytes.zip(slot.safe_bytes).map(|(kept, safe)| kept.saturating_add(safe).max(1));
    let share = slot.retained_bytes.zip(limit).map(|(kept, limit)| share(kept, limit));
    html! {
        @if let (Some(kept), Some(limit), Some(share)) = (slot.retained_bytes, limit, share) {
            p { strong { (format::bytes(kept)) } " of " (format::bytes(limit)) }
            // The text before says it.
            (bar(share, None))
        }
        dl .facts {
            dt { "Is read" }
            dd { @if slot.active { "yes" } @else { strong .bad { "no: nobody reads it, so it grows" } } }
            dt { "Kept" }
            dd { (size(slot.retained_bytes)) }
            dt { "To spare" }
            dd {
                @match slot.safe_bytes {
                    Some(safe) => { (format::bytes(safe)) " before PostgreSQL gives it up" },
                    None => { span .muted { "no limit is set, or it is given up already" } },
                }
            }
            dt { "Not in Kafka yet" }
            dd { (size(slot.behind_bytes)) }
            dt { "State" }
            dd {
                @match slot.wal_status.as_deref() {
                    Some(status @ ("reserved" | "extended")) => (status),
                    Some(status) => strong .bad { (status) },
                    None => (states::unknown("PostgreSQL does not tell")),
                }
            }
        }
    }
}

/// From 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "it is drawn in thousandths")]
fn share(part: i64, whole: i64) -> f64 {
    (part.max(0) as f64 / whole.max(1) as f64).min(1.0)
}

fn size(bytes: Option<i64>) -> Markup {
    match bytes {
        Some(bytes) => html! { (format::bytes(bytes)) },
        None => states::unknown("nobody tells"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{away, snapshot, well};
    use crate::page::Against;
    use crate::watch::Seen;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    #[test]
    fn while_postgresql_is_away_the_slot_is_grey_and_says_of_when_it_is() {
        let well = snapshot(well());
        let text = panel(&well, &VIEWING).into_string();
        assert!(text.contains("reserved") && !text.contains("stale"), "{text}");
        let gone = Snapshot { ops: away(well.ops.clone(), 9, "no answer within 2 s"), ..well };
        let text = panel(&gone, &VIEWING).into_string();
        for part in ["span-4 stale", "as of ", "ago</time>: PostgreSQL does not answer<", "reserved"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // What was never told is not known, and neither grey nor absent from the database.
        let never = Snapshot { ops: away(Seen::default(), 9, "no answer within 2 s"), ..gone };
        let text = panel(&never, &VIEWING).into_string();
        assert!(
            text.contains("not known") && !text.contains("stale") && !text.contains("storepulse setup"),
            "{text}"
        );
    }

    #[test]
    fn a_share_is_within_its_bounds() {
        assert_eq!(
            [(0, 4), (1, 4), (9, 4), (-1, 4), (i64::MAX, 1)].map(|(a, b)| share(a, b)),
            [0.0, 0.25, 1.0, 0.0, 1.0]
        );
    }

    #[test]
    fn a_slot_that_nobody_reads_is_told() {
        let slot = SlotView {
            active: false,
            wal_status: Some("lost".into()),
            retained_bytes: Some(1 << 30),
            safe_bytes: None,
            behind_bytes: None,
        };
        let text = body(&slot).into_string();
        assert!(
            text.contains("nobody reads it") && text.contains("lost") && !text.contains("<svg"),
            "{text}"
        );
    }
}
