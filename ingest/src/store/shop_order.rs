//! Orders as shop systems tell them.

use chrono::{DateTime, Utc};
use contracts::money::Exact;
use contracts::validation::Accepted;
use rust_decimal::{Decimal, RoundingStrategy};

use super::other_events::OtherEvent;
use super::quarantine::SetAside;

/// An order as its shop system tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopOrder {
    /// Its id among those of all shops, for which the lines' shared ids are made.
    pub order_id: String,
    /// When it was bought; nothing where refunds of it are told, or that it came to nothing, and not the
    /// order as it is.
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
    /// Lines that were refused: they stay as they are, unless nothing of them is sold.
    pub unread: Vec<UnreadLine>,
    /// Refunds that name their lines.
    pub line_refunds: Vec<LineRefund>,
    /// Refunds and lines of them that were refused.
    pub unread_refunds: Vec<UnreadRefund>,
    /// Refunds that name no lines.
    pub sums: ShopSums,
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
    /// Units that are sold now, and what they cost; nothing where that cannot be read.
    pub sold: Option<(i32, Exact)>,
    /// What is set aside of it, once its place in the order is known. Nothing where nothing of it is sold, as
    /// of an order that is not paid.
    pub aside: Option<SetAside>,
}

/// A refund of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRefund {
    /// The shop's id of the line, where that can be read.
    pub key: Option<String>,
    /// The shop's id of the refund, where it may be told as a sum, too.
    pub of: Option<String>,
    /// The refund; its line is that of its place in what was told, and of the order once it is booked.
    pub refund: Accepted,
}

/// A refund, or a line of one, that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct UnreadRefund {
    /// The shop's id of the refund, where it may be told as a sum, too.
    pub of: Option<String>,
    /// Whether it is all of the refund. One that was decided on before counts as it was told then.
    pub is_whole: bool,
    /// What is set aside of it.
    pub aside: SetAside,
}

/// The refunds of an order that are told as sums.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShopSums {
    /// Those that name no lines.
    pub told: Vec<ShopRefund>,
    /// The ids of those that name their lines, which may be told as sums at another time.
    pub lined: Vec<String>,
    /// What of a sum counts.
    pub share: Share,
    /// When the shop listed all refunds that the order has, by the shop's clock; nothing where it may have
    /// left some out. One that it lists no more was deleted.
    pub listed: Option<DateTime<Utc>>,
}

/// A refund of a sum, whatever for.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopRefund {
    /// The shop's id of it.
    pub id: String,
    /// The sum with tax, in the currency of the purchases. What is more than is left of the lines was for
    /// something else, such as shipping.
    pub total: Exact,
    /// Whether this is exactly what shipping and fees cost, and no line does.
    pub is_rest: bool,
}

/// What of sums with tax counts: nothing of the tax, where the shop's prices are without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What the products cost as they are counted, in the currency of the purchases.
    pub counted: Decimal,
    /// The same with tax.
    pub with_tax: Decimal,
    /// Decimal places of that currency.
    pub places: u32,
}

impl Default for Share {
    /// All of it, in hundredths.
    fn default() -> Self {
        Self { counted: Decimal::ZERO, with_tax: Decimal::ZERO, places: 2 }
    }
}

impl Share {
    /// What of sums with tax counts. All of it, where the products' costs are none that a tax explains.
    #[must_use]
    pub fn of(&self, sums: Decimal) -> Decimal {
        let Self { counted, with_tax, places } = *self;
        let share = sums.checked_mul(counted).and_then(|sums| sums.checked_div(with_tax));
        let is_part = !counted.is_sign_negative() && counted < with_tax;
        let share = share.filter(|_| is_part).unwrap_or(sums);
        share.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
    }
}

impl ShopLine {
    /// Whether so many units at such a sum are anything that is sold; a sum without units is.
    #[must_use]
    pub fn sells(units: i32, sum: Decimal) -> bool {
        units > 0 || !sum.is_zero()
    }
}

impl ShopOrder {
    /// How many rows it may become at most.
    #[must_use]
    pub const fn rows(&self) -> usize {
        Self::rows_of(self.lines.len(), self.sums.told.len(), self.line_refunds.len())
    }

    /// How many rows an order of so many lines, refunds of sums and refunds of lines may become at most.
    #[must_use]
    pub const fn rows_of(lines: usize, refunds: usize, line_refunds: usize) -> usize {
        1 + lines * (2 + refunds) + line_refunds
    }
}
