//! What stands around the data of every answer: its period, its age, its proof.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answer<T> {
    pub(crate) data: T,
    /// What it is about, where it is about a stretch of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) period: Option<PeriodBounds>,
    pub(crate) freshness: Freshness,
    pub(crate) proof: Proof,
    /// Where to go on, where there is more.
    pub(crate) next: Option<String>,
}

impl<T> Answer<T> {
    /// Of what is about no stretch of time and is never verified.
    pub(crate) const fn new(data: T, freshness: Freshness, next: Option<String>) -> Self {
        Self { data, period: None, freshness, proof: Proof::NONE, next }
    }

    /// The same of what was read for this answer.
    pub(crate) fn read_now(data: T, next: Option<String>) -> Self {
        Self::new(data, Freshness::read_now(), next)
    }
}

/// A period and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PeriodTold)]
pub(crate) struct PeriodBounds {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) compared_from: Option<DateTime<Utc>>,
    pub(crate) compared_to: Option<DateTime<Utc>>,
    /// IANA name of the zone that days are cut in.
    pub(crate) time_zone: String,
}

/// How old figures are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Freshness {
    pub(crate) state: FreshnessState,
    /// When the newest event that is in them occurred.
    pub(crate) as_of: Option<DateTime<Utc>>,
    pub(crate) age_ms: Option<i64>,
    /// Why they are not newer.
    pub(crate) why: Option<String>,
}

impl Freshness {
    /// Of what was read for this answer.
    pub(crate) fn read_now() -> Self {
        Self { state: FreshnessState::Live, as_of: Some(Utc::now()), age_ms: Some(0), why: None }
    }
}

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FreshnessState {
    /// Up to date.
    Live,
    /// Nothing new has come, and nothing waits: a quiet shop, not a stale figure.
    Idle,
    /// It trails by more than it should.
    Late,
    /// A hop stands still.
    Stalled,
    /// It cannot be told.
    Unknown,
}

/// Whether figures were recomputed from the raw events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Proof {
    pub(crate) state: ProofState,
    /// `verify`, where there was one.
    pub(crate) kind: Option<&'static str>,
    pub(crate) at: Option<DateTime<Utc>>,
    /// Windows that ended before are proved.
    pub(crate) covers_to: Option<DateTime<Utc>>,
    /// Late records that wait for reconciliation.
    pub(crate) late_outstanding: Option<i64>,
}

impl Proof {
    /// Of what is never verified.
    pub(crate) const NONE: Self =
        Self { state: ProofState::None, kind: None, at: None, covers_to: None, late_outstanding: None };
}

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProofState {
    /// Recomputed and equal.
    Equal,
    /// Recomputed and not equal.
    Differs,
    /// The last verification ended before this period did.
    NotYet,
    /// Nothing was ever verified, or figures of this kind are not.
    None,
}
