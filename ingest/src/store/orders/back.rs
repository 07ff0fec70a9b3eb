//! The refund of so much of one line.

use chrono::DateTime;
use contracts::event::Amount;
use contracts::money::Cost;
use contracts::validation::{Accepted, Claim, PaidBack};
use contracts::{Event, ids};
use uuid::Uuid;

/// A refund of so much of a line, under a shared id.
pub(super) fn line_back(
    refund: &Accepted,
    purchase: &Event,
    quantity: i32,
    hundredths: i64,
    shared: &str,
) -> Option<Accepted> {
    let amount = Amount::from_unscaled(hundredths).ok()?;
    let each = amount.to_decimal().checked_div(purchase.rate?.to_decimal())?;
    let price = Cost::Line(each.into()).price(quantity).ok()?;
    let paid = PaidBack { quantity, price: Some(price), amount_base: Some(amount) };
    // Clocks differ: what is paid back was sold before.
    let mut refund = refund.clone();
    refund.event.occurred_at = refund.event.occurred_at.max(purchase.occurred_at);
    let mut line = refund.line_paid_back(purchase, paid).ok()?;
    line.event.event_id = ids::rekeyed(line.event.occurred_at, ids::SHARED, shared);
    line.claim = Some(Claim { event_id: line.event.event_id, told: None });
    Some(line)
}

/// The identity of a shared id.
pub(super) fn identity(shared: &str) -> Uuid {
    ids::identity(&ids::rekeyed(DateTime::UNIX_EPOCH, ids::SHARED, shared))
}
