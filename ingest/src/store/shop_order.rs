//! Orders as shop systems tell them.

use chrono::{DateTime, Utc};
use contracts::money::Exact;
use contracts::validation::Accepted;

use super::other_events::OtherEvent;
use super::quarantine::SetAside;

/// An order as its shop system tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopOrder {
    /// Its id among those of all shops, for which the lines' shared ids are made.
    pub order_id: String,
    /// When it was bought; nothing where refunds of it are told and not the order as it is.
    pub created_at: Option<DateTime<Utc>>,
    /// When the shop changed it last.
    pub as_of: DateTime<Utc>,
    /// Tells changes of one moment apart: the greater one is the later.
    pub rank: i64,
    /// Whether it came to nothing, as one that was cancelled: whatever of it was told, by a browser too, is
    /// paid back.
    pub is_void: bool,
    /// Its lines, also those of which nothing is sold any more.
    pub lines: Vec<ShopLine>,
    /// Lines that were refused: they stay as they are.
    pub unread: Vec<UnreadLine>,
    /// Refunds that name their lines.
    pub line_refunds: Vec<LineRefund>,
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

/// A line that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct UnreadLine {
    /// The shop's id of it, where that can be read.
    pub key: Option<String>,
    /// Where it stands among those that are told.
    pub place: i32,
    /// What is set aside of it, once its place in the order is known.
    pub aside: SetAside,
}

/// A refund of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRefund {
    /// The shop's id of the line, where that can be read.
    pub key: Option<String>,
    /// The refund; its line is that of its place in what was told, and of the order once it is booked.
    pub refund: Accepted,
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
        Self::rows_of(self.lines.len(), self.refunds.len(), self.line_refunds.len())
    }

    /// How many rows an order of so many lines, refunds of sums and refunds of lines may become at most.
    #[must_use]
    pub const fn rows_of(lines: usize, refunds: usize, line_refunds: usize) -> usize {
        1 + lines * (2 + refunds) + line_refunds
    }
}
