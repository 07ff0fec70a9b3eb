//! The last verdict over the figures, with the rows that differ.

use chrono::Utc;
use maud::{Markup, html};

use crate::format;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

/// How many rows are named.
const NAMED: usize = 20;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let last = snapshot.ops.value.as_deref().and_then(|ops| ops.verification("verify"));
    html! {
        section id="actions.verified" .panel .span-5 {
            header { h2 { "Last verification" } }
            @if let Some(away) = &snapshot.ops.away { (states::away("PostgreSQL", away, viewing, now)) }
            @match last {
                None => p .note { "The figures have not been verified yet." },
                Some(last) => {
                    p {
                        @if last.passed { strong .ok { "✓ Every row recomputed and equal" } }
                        @else { strong .bad { "✗ " (format::count(last.differing)) @if last.differing == 1 { " row differs" } @else { " rows differ" } } }
                        ", state of " (states::moment(last.snapshot_at, viewing, now)) ", by " (last.by_whom)
                    }
                    @if !last.differences.is_empty() {
                        ol .history {
                            @for difference in last.differences.iter().take(NAMED).map(|difference| difference.shortened()) {
                                li { code { (difference.table) } code { (difference.row) } span .bad { (difference.text) } }
                            }
                        }
                        p .note { code { "storepulse reconcile" } " puts closed windows right; verify again afterwards." }
                    }
                },
            }
        }
    }
}
