//! Orders as shop systems tell them.

use chrono::{DateTime, Utc};
use contracts::money::Exact;
use contracts::validation::Accepted;

use super::other_events::OtherEvent;

/// An order as its shop system tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopOrder {
    /// Its id, for which the lines' shared ids are made.
    pub order_id: String,
    /// When the shop changed it last.
    pub as_of: DateTime<Utc>,
    /// Tells changes of one moment apart: the greater one is the later.
    pub rank: i64,
    /// Whether it came to nothing, as one that was cancelled: whatever of it was told, by a browser too, is
    /// paid back.
    pub is_void: bool,
    /// Its lines, also those of which nothing is sold any more.
    pub lines: Vec<ShopLine>,
    /// Lines that could not be read, by the shop's ids, each with its place: they stay as they are.
    pub unread: Vec<(String, i32)>,
    /// Refunds that name no lines.
    pub refunds: Vec<ShopRefund>,
    /// A refund of the whole order: who, and when. What is taken away is paid back so.
    pub refund: Box<Accepted>,
    /// What is kept where nothing of it is new.
    pub otherwise: Box<OtherEvent>,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopLine {
    /// The shop's id of it.
    pub key: String,
    /// Units that are sold now; 0 where the line was taken away.
    pub quantity: i32,
    /// What they cost, in the currency of the purchase.
    pub amount: Exact,
    /// Whether only its units count, because its sum is computed from them.
    pub by_units: bool,
    /// The purchase of it.
    pub purchase: Accepted,
}

/// A refund of a sum, whatever for.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopRefund {
    /// The shop's id of it.
    pub id: String,
    /// The sum, in the currency of the purchases. What is more than is left of the lines was for something
    /// else, such as shipping.
    pub amount: Exact,
}

impl ShopOrder {
    /// How many rows it may become at most.
    #[must_use]
    pub const fn rows(&self) -> usize {
        Self::rows_of(self.lines.len(), self.refunds.len())
    }

    /// How many rows an order of so many lines and refunds may become at most.
    #[must_use]
    pub const fn rows_of(lines: usize, refunds: usize) -> usize {
        1 + lines * (2 + refunds)
    }
}
