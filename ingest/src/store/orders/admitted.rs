//! Which orders of shop systems may come in: none from before the retention floor, and of erased persons
//! only those that are stored.
//!
//! An erasure is recorded first, and takes the person out of the events later. In between, an order that is
//! stored is the person's still. What is told of it then must not be, and belongs to a nobody of its own.

use std::sync::Arc;

use contracts::admission::Admission;
use contracts::validation::{Accepted, Rejection};
use contracts::{Event, ids};

use super::order::Order;
use super::shop::Known;
use crate::store::admission;
use crate::store::quarantine::{SetAside, kept_once};
use crate::store::shop_order::ShopOrder;

/// Lets an order in, or says why not. What is told of an erased person's order that is stored becomes that of
/// whoever the order belongs to since: nobody. Refunds that come without their order are its owner's.
pub(super) fn admit(
    told: &mut ShopOrder,
    known: &Known,
    order: &Order,
    owner: Option<&Event>,
    admission: &Admission,
) -> Result<(), Rejection> {
    let bought_at = told.created_at.or(known.bought_at()).or_else(|| order.sold_at());
    if let Some(bought_at) = bought_at {
        admission::before_floor(admission, bought_at)?;
    }
    let is_erased = admission.is_erased(&told.refund.event.user_id);
    let is_alone = told.created_at.is_none();
    let lines = told.lines.iter_mut().map(|line| &mut line.purchase);
    let refunds = told.line_refunds.iter_mut().map(|line| &mut line.refund);
    let events = lines.chain(refunds).chain([told.refund.as_mut()]);
    match owner {
        Some(owner) if is_erased => events.for_each(|accepted| give(accepted, owner)),
        None if is_erased => return Err(admission::erased()),
        Some(owner) if is_alone => events.for_each(|accepted| leave(accepted, owner)),
        _ => {}
    }
    Ok(())
}

/// Makes an event one of somebody, in a visit of its own.
fn leave(accepted: &mut Accepted, owner: &Event) {
    let event = &mut accepted.event;
    event.user_id = owner.user_id;
    event.session_id = ids::inferred_visit(&owner.user_id, event.occurred_at);
    event.session_started_at = event.occurred_at;
    event.returning = owner.returning;
}

/// Makes an event one of the visit of another.
fn give(accepted: &mut Accepted, of: &Event) {
    accepted.event.user_id = of.user_id;
    accepted.event.session_id = of.session_id;
    accepted.event.session_started_at = of.session_started_at.min(accepted.event.occurred_at);
    accepted.event.returning = of.returning;
    // As it was told it would name the person in quarantine.
    accepted.part = None;
}

/// An order that is refused, once for each state of it. Nothing of it is kept.
pub(super) fn refused(source: Option<&Arc<str>>, told: &ShopOrder, rejection: &Rejection) -> SetAside {
    let state = format!("{}/{}-{}", told.refund.identity(), told.as_of.timestamp_micros(), told.rank);
    SetAside {
        source: source.map_or("store", |source| source).to_owned(),
        coordinates: kept_once(state),
        reason: rejection.reason,
        detail: rejection.to_string(),
        payload: Vec::new(),
        user_id: None,
        quarantined_at: told.refund.event.ingested_at,
    }
}
