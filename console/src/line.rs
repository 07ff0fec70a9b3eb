//! The line hop by hop: where events are, how old the newest are, and why a hop stands still.

use chrono::{DateTime, Utc};

use crate::api::answer::{Freshness, FreshnessState, Proof, ProofState};
use crate::watch::Snapshot;

/// How old a query's figures are. `as_of` is the newest event that is in them, where their tables tell it; otherwise it is
/// what the query itself last reported. `query` is its name: `cube`, `live`, `hours`, `products`, `sessions`, `orders`,
/// `registrations`.
pub(crate) fn freshness(
    _snapshot: &Snapshot,
    _query: &str,
    as_of: Option<DateTime<Utc>>,
    _now: DateTime<Utc>,
) -> Freshness {
    Freshness { state: FreshnessState::Unknown, as_of, age_ms: None, why: None }
}

/// Whether a table's figures of windows that end before a moment were recomputed and equal.
pub(crate) fn proof(_snapshot: &Snapshot, _table: &str, _to: DateTime<Utc>) -> Proof {
    Proof { state: ProofState::None, kind: None, at: None, covers_to: None, late_outstanding: None }
}
