//! Segment's tracking API: what its messages tell, in our terms.
//!
//! A message of the e-commerce spec becomes records under our names of events, one for each product of an
//! order. What our vocabulary has no word for is kept as it came, and so are `identify` and `alias`: what
//! they tell of a user is taken out of them. Nothing is guessed: a message that cannot be understood is set
//! aside, with the name of the field as Segment has it. `docs/segment.md` lists what maps to what.

mod json;
mod kept;
mod message;
pub(crate) mod openapi;
mod product;
pub(crate) mod scrub;
#[cfg(test)]
mod spoilt;
#[cfg(test)]
mod tests;
mod traits;

use chrono::{DateTime, Utc};
use contracts::event::Currency;
use serde_json::value::RawValue;

use crate::item::Item;

pub(crate) use json::Object;
pub use kept::{Replayed, replay};

/// What the dialect is called in `raw.other_events`.
pub(crate) const DIALECT: &str = "segment";
/// The most bytes of a request, as Segment has them.
pub(crate) const BATCH_BYTES: usize = 500 * 1024;
/// The most bytes of a message, as Segment has them.
pub(crate) const MESSAGE_BYTES: usize = 32 * 1024;

/// What a message is, by its path or by its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Somebody did something.
    Track,
    /// Somebody saw a page.
    Page,
    /// Somebody saw a page of an app.
    Screen,
    /// Who somebody is.
    Identify,
    /// Two ids are one person.
    Alias,
    /// Somebody belongs to a group.
    Group,
}

impl Call {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Track, Self::Page, Self::Screen, Self::Identify, Self::Alias, Self::Group];

    /// What it tells.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::Track => "Segment: somebody did something",
            Self::Page => "Segment: somebody saw a page",
            Self::Screen => "Segment: somebody saw a page of an app",
            Self::Identify => "Segment: who somebody is",
            Self::Alias => "Segment: two ids are one person",
            Self::Group => "Segment: somebody belongs to a group",
        }
    }

    /// Its `type`, and its path.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Alias => "alias",
            Self::Group => "group",
        }
    }
}

/// How a message came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    /// What its sender's records are called.
    pub(crate) source: &'a str,
    /// When it came.
    pub(crate) at: DateTime<Utc>,
    /// When its sender sent it, by the sender's clock; a message may say so itself.
    pub(crate) sent_at: Option<&'a RawValue>,
    /// When it happened, where that was found out before.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    /// What a price is in where nobody says so and no money changes hands.
    pub(crate) base: Currency,
}

/// Refuses a message that has more bytes than are read.
pub(crate) fn too_large(message: &RawValue) -> Item {
    message::too_large(message)
}

/// Translates a message; a call that its path names goes before its `type`.
pub(crate) fn translate(message: &RawValue, call: Option<Call>, received: &Received<'_>) -> Item {
    message::translate(message, call, received)
}
