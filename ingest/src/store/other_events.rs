//! Events of foreign dialects that are well formed and have no place in the figures.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a dialect told that our vocabulary has no word for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEvent {
    /// The sender's own id of it; with the source the key on which repeats are recognised.
    pub id: String,
    /// In which dialect it was told.
    pub dialect: &'static str,
    /// What kind of event it is.
    pub kind: OtherKind,
    /// What the dialect calls it.
    pub name: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The user whose it is, where it names one.
    pub user_id: Option<Uuid>,
    /// The visitor by the browser or the app, where it names one.
    pub anonymous_id: Option<Uuid>,
    /// Its JSON as it came, without IP addresses and credentials.
    pub payload: Vec<u8>,
}

/// Why an event has no place in the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// Our vocabulary has no word for it.
    Other,
    /// A program sent it that says of itself that it is no shopper.
    Bot,
}

impl OtherKind {
    /// The word in `raw.other_events`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Bot => "bot",
        }
    }
}
