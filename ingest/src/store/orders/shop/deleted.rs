//! Refunds that a shop system has deleted: what they had paid back is sold again, each part as a further line
//! of the order.

use std::collections::{BTreeSet, HashSet};

use contracts::event::Amount;
use contracts::money::Cost;
use contracts::validation::{Accepted, Claim};
use contracts::{Event, ids};
use rust_decimal::Decimal;

use super::super::placed::Unsold;
use super::places;
use super::state::State;
use super::sums::Decision;
use super::{Booking, no_place};
use crate::store::shop_order::ShopOrder;

/// Notes what refunds pay back that tell their lines: their ids do not tell it.
pub(super) fn note_lines(state: &mut State, told: &ShopOrder) {
    for refund in &told.line_refunds {
        let Some(id) = &refund.of else { continue };
        if state.refunds.get(id) == Some(&Decision::Lines) {
            let of_lines = state.of_lines.entry(id.clone()).or_default();
            of_lines.insert(ids::identity(&refund.refund.event.event_id));
        }
    }
}

impl Booking<'_> {
    /// Takes refunds back that the shop lists no more, once a later list leaves them out.
    pub(super) fn take_deleted_back(&mut self, state: &mut State) {
        let Some(listed) = self.told.sums.listed.filter(|at| state.listed.is_none_or(|before| before < *at))
        else {
            return;
        };
        let sums = &self.told.sums;
        let unread = self.told.unread_refunds.iter().filter_map(|refund| refund.of.as_ref());
        let told: BTreeSet<&String> =
            sums.told.iter().map(|refund| &refund.id).chain(&sums.lined).chain(unread).collect();
        let is_gone = |id: &String, decision: Decision| decision != Decision::Gone && !told.contains(id);
        let known = state.refunds.iter().filter(|(id, decision)| is_gone(id, **decision));
        let gone: Vec<(String, Decision)> = known.map(|(id, decision)| (id.clone(), *decision)).collect();
        for (id, decision) in gone {
            let identities: HashSet<_> = match decision {
                Decision::Products { .. } => self.order.sum_identities(&self.told.order_id, &id),
                Decision::Lines => state.of_lines.get(&id).into_iter().flatten().copied().collect(),
                Decision::Rest | Decision::Gone => HashSet::new(),
            };
            let refunds = self.order.refunds_of(&identities);
            // Who bought it, and how, is told by its lines: without any it waits for the next state.
            let Some(line) = self.told.lines.first() else {
                if refunds.is_empty() {
                    state.refunds.insert(id, Decision::Gone);
                }
                continue;
            };
            for refund in refunds {
                self.take_back(state, &refund, &line.purchase);
            }
            state.of_lines.remove(&id);
            state.refunds.insert(id, Decision::Gone);
        }
        state.listed = Some(listed);
    }

    /// Sells again what a refund had paid back of a line, unless that is gone meanwhile.
    fn take_back(&mut self, state: &mut State, refund: &Event, buyer: &Accepted) {
        let paid = refund.amount_base.map_or(0, Amount::unscaled);
        let is_of = |line: &&mut super::LineState| refund.order_line.is_some_and(|at| line.at.contains(&at));
        let mut line = state.lines.values_mut().find(is_of);
        // What was taken away of the line and refunds had taken before: now it is gone without them.
        let missing = line.as_ref().map_or(0, |line| line.back.1).min(paid);
        if let Some(line) = line.as_mut().filter(|_| missing > 0) {
            let units = if missing == paid { refund.quantity.unwrap_or(0) } else { 0 };
            line.back = ((line.back.0 - units).max(0), line.back.1 - missing);
        }
        if paid == missing {
            return;
        }
        let Some((mut purchase, sum)) = sold_again(refund, paid - missing, buyer) else { return };
        let Some(at) = places::free(self.order, &mut state.next) else {
            let known_by = format!("taken back/{}", ids::identity(&refund.event_id));
            let more = (purchase.event.quantity.unwrap_or(1), sum);
            self.made.unsold.push(Unsold { purchase: purchase.event, more, known_by, rejection: no_place() });
            return;
        };
        let event = &mut purchase.event;
        event.occurred_at = event.occurred_at.max(self.told.refund.event.occurred_at);
        event.event_id =
            ids::rekeyed(event.occurred_at, ids::SHARED, &ids::order_line(&self.told.order_id, at));
        (event.order_line, event.order_lines) = (Some(at), Some((state.next - 1).max(at)));
        purchase.claim = Some(Claim { event_id: event.event_id, told: None });
        if let Some(line) = line {
            line.at.push(at);
        }
        self.order.sell(at, purchase.event.clone());
        self.made.booked.push(purchase);
    }
}

/// The purchase of so many hundredths of the base currency of what a refund had paid back, and what it costs.
fn sold_again(refund: &Event, hundredths: i64, buyer: &Accepted) -> Option<(Accepted, Decimal)> {
    let amount = Amount::from_unscaled(hundredths).ok()?;
    let cost = amount.to_decimal().checked_div(refund.rate?.to_decimal())?;
    let price = Cost::Line(cost.into()).price(refund.quantity?).ok()?;
    let mut purchase = buyer.clone();
    purchase.event = Event {
        item_id: refund.item_id.clone(),
        item_name: refund.item_name.clone(),
        category: refund.category.clone(),
        brand: refund.brand.clone(),
        price: Some(price),
        currency: refund.currency,
        quantity: refund.quantity,
        amount_base: Some(amount),
        rate: refund.rate,
        rate_date: refund.rate_date,
        ..purchase.event
    };
    Some((purchase, cost))
}
