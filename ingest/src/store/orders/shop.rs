//! Orders that a shop system tells: each time as they are. What changed since it was told before is booked,
//! once.
//!
//! What was told before is kept (`raw.shop_order`), and moves on in the transaction that books the change.
//! The first time each line is a purchase under its shared id, so that a browser may have told it already.
//! Later, what was added is a further line, and what was taken away is paid back, as far as it is left.

mod deleted;
mod line;
mod places;
mod state;
mod sums;

use contracts::validation::{Accepted, Claim, MAX_ORDER_LINES, Rejection};
use contracts::{Reason, ids};
use rust_decimal::Decimal;

use super::back::line_back;
use super::order::Order;
use super::placed::{self, Unsold};
use crate::store::held::StateAt;
use crate::store::quarantine::SetAside;
use crate::store::shop_order::{LineRefund, ShopLine, ShopOrder};
use line::LineState;
use state::State;

pub(super) use state::{Known, Noted, Stored, known, noted};

/// What becomes of an order.
#[derive(Debug, Default)]
pub(super) struct Booked {
    /// Purchases and refunds, which the order knows of.
    pub(super) booked: Vec<Accepted>,
    /// Refunds that cannot be paid back.
    pub(super) refused: Vec<(Accepted, Rejection)>,
    /// Lines that were refused, each at its place in the order.
    pub(super) unread: Vec<SetAside>,
    /// What of lines is told and cannot be sold. The state goes on without it.
    pub(super) unsold: Vec<Unsold>,
    /// The new state, and of when it is, where it is another one.
    pub(super) state: Option<(StateAt, State)>,
}

/// Books what changed of an order.
pub(super) fn book(told: &ShopOrder, known: &Known, order: &mut Order) -> Booked {
    let mut made = Booked::default();
    let told_at = (told.as_of, told.rank);
    let is_whole = told.created_at.is_some() || told.is_void;
    let is_newer = is_whole && known.at.is_none_or(|at| at < told_at);
    let mut state = known.state.clone();
    // Refunds only come: also those that an older state tells.
    sums::decide(&mut state.refunds, &told.sums, |id| order.has_sum(&told.order_id, id));
    deleted::note_lines(&mut state, told);
    let mut booking = Booking { told, order, made: &mut made };
    if is_newer {
        booking.follow(&mut state, known);
    } else {
        booking.pay_lines_back(&state);
    }
    let refused = state.refused_places();
    for (id, counted) in sums::counted(&state.refunds, told) {
        made.booked.extend(order.sum_back(&told.refund, id, counted.into(), &refused));
    }
    let at = if is_newer { Some(told_at) } else { known.at.filter(|_| state != known.state) };
    made.state = at.map(|at| (at, state));
    made
}

struct Booking<'a> {
    told: &'a ShopOrder,
    order: &'a mut Order,
    made: &'a mut Booked,
}

impl Booking<'_> {
    /// The order as it is told, from what was known of it.
    fn follow(&mut self, state: &mut State, known: &Known) {
        state.created_at = self.told.created_at.or(state.created_at);
        line::adopt_replayed(&mut state.lines, self.told, self.order, &known.records);
        let is_first = known.at.is_none() || state.is_untouched() && !self.order.is_known();
        let added = self.give_places(state, is_first);
        self.take_deleted_back(state);
        line::note_refused(&mut state.lines, self.told);
        let lines = state.next - 1;
        // Whatever becomes less, once refunds have taken theirs of it.
        let mut less = Vec::new();
        for line in &self.told.lines {
            let Some(before) = state.lines.get_mut(&line.key) else {
                if ShopLine::sells(line.quantity, line.amount.to_decimal()) {
                    self.refuse(line, (line.quantity.max(1), line.amount.to_decimal()), no_place());
                }
                continue;
            };
            let (units, sum) = (line.quantity - before.units, line.amount.to_decimal() - before.sum);
            if units == 0 && (line.by_units || sum.is_zero()) {
                // A price that changed by itself is booked with the next change of the units.
                continue;
            }
            let booked = (before.clone(), state.next);
            (before.units, before.sum) = (line.quantity, line.amount.to_decimal());
            if sum > Decimal::ZERO || sum.is_zero() && units > 0 {
                let Some(more) =
                    before.sold_again((units.max(1), sum), line.purchase.event.rate, self.order.places())
                else {
                    continue;
                };
                // What was told of and not sold yet, as an order that was not paid, has its line.
                let at = match before.at.first() {
                    Some(at) if !before.sold => Some(*at),
                    _ => places::free(self.order, &mut state.next),
                };
                let is_first = !before.sold && !added.contains(&line.key);
                let sold = at.ok_or_else(no_place).and_then(|at| {
                    self.sell(line, at, lines.max(at), more, is_first)?;
                    Ok(at)
                });
                match sold {
                    Ok(at) => {
                        before.sold = true;
                        if !before.at.contains(&at) {
                            before.at.push(at);
                        }
                    }
                    Err(rejection) => {
                        (*before, state.next) = booked;
                        self.refuse(line, more, rejection);
                    }
                }
            } else {
                less.push((line.key.clone(), (-units).max(1), -sum));
            }
        }
        self.pay_lines_back(state);
        let gone = self.gone(state);
        for key in gone {
            let Some(line) = state.lines.get_mut(&key) else { continue };
            if line.units == 0 && line.sum.is_zero() {
                continue;
            }
            less.push((key, line.units, line.sum));
            (line.units, line.sum) = (0, Decimal::ZERO);
        }
        for (key, units, sum) in less {
            if let Some(line) = state.lines.get_mut(&key) {
                self.take_away(line, units, sum);
            }
        }
        if self.told.is_void {
            for at in self.order.line_numbers() {
                let (units, left) = self.order.left_of(at);
                if left > 0 {
                    self.back(at, units.max(1), left, "-void");
                    // A page has sold it: what is sold after all is another line.
                    let of_line = state.lines.values_mut().filter(|line| line.at.contains(&at));
                    of_line.for_each(|line| line.sold = true);
                }
            }
        }
    }

    /// Pays back what refunds tell of lines, each of its own line.
    fn pay_lines_back(&mut self, state: &State) {
        let line_of = |key: Option<&String>| key.and_then(|key| state.lines.get(key));
        let is_of_lines = |id: &Option<String>| sums::is_of_lines(&state.refunds, id.as_ref());
        let unread = self.told.unread_refunds.iter().filter(|refund| sums::is_open(&state.refunds, refund));
        self.made.unread.extend(unread.map(|refund| refund.aside.clone()));
        // Those that came before their order did not know their lines.
        for refund in &self.told.line_refunds {
            if let Some(line) = line_of(refund.key.as_ref()) {
                self.order.assign(&refund.refund.event, &line.at);
            }
        }
        for told in &self.told.line_refunds {
            if self.order.has_refund(&told.refund.event) || !is_of_lines(&told.of) {
                continue;
            }
            let mut refund = told.refund.clone();
            if let Some(line) = line_of(told.key.as_ref()) {
                let with_rest = line.at.iter().rev().find(|at| self.order.left_of(**at).1 > 0);
                if let Some(at) = with_rest.or(line.at.first()) {
                    placed::refund(&mut refund, *at, self.order.purchase(*at).as_ref());
                }
            }
            match self.part(&refund) {
                Ok(back) => {
                    self.order.pay_back(back.event.clone());
                    self.made.booked.push(back);
                }
                Err(rejection) => match self.part_after_sums(state, told, &refund, &rejection) {
                    Some(backs) => self.made.booked.extend(backs),
                    None => self.made.refused.push((refund, rejection)),
                },
            }
        }
    }

    /// What a refund pays back of a line of which refunds of sums have taken a part: these are of no line,
    /// and so what is missing comes off the others. Nothing where that does not explain what is missing.
    fn part_after_sums(
        &mut self,
        state: &State,
        told: &LineRefund,
        refund: &Accepted,
        rejection: &Rejection,
    ) -> Option<Vec<Accepted>> {
        let line = state.lines.get(told.key.as_ref()?)?;
        if rejection.reason != Reason::OverRefunded {
            return None;
        }
        self.order.part_after_sums(&self.told.refund, refund, &line.at, &sums::of_products(&state.refunds))
    }

    fn part(&self, refund: &Accepted) -> Result<Accepted, Rejection> {
        if self.order.is_known() {
            return self.order.part(refund);
        }
        let order_id = &self.told.order_id;
        Err(super::unknown(format!("no purchase of order {order_id} is stored; replay it once there is one")))
    }

    /// A purchase of some units of a line, at a line of the order.
    ///
    /// # Errors
    /// Where what they cost cannot be told.
    fn sell(
        &mut self,
        line: &ShopLine,
        at: i32,
        lines: i32,
        (units, sum): (i32, Decimal),
        is_first: bool,
    ) -> Result<(), Rejection> {
        let mut purchase = line.purchase.clone();
        let event = &mut purchase.event;
        // What is added later is added then, at the rate of the order.
        if !is_first {
            event.occurred_at = event.occurred_at.max(self.told.refund.event.occurred_at);
        }
        placed::price(event, units, sum, self.order.places()).ok_or_else(|| {
            let detail = format!("{sum} for {units} units is more than is kept of a line");
            Rejection { reason: Reason::AmountOverflow, field: "line_items", detail }
        })?;
        event.event_id =
            ids::rekeyed(event.occurred_at, ids::SHARED, &ids::order_line(&self.told.order_id, at));
        event.order_line = Some(at);
        event.order_lines = Some(lines);
        purchase.claim = Some(Claim { event_id: event.event_id, told: None });
        self.order.sell(at, purchase.event.clone());
        self.made.booked.push(purchase);
        Ok(())
    }

    /// Notes what of a line cannot be sold: it is refused once for each size that the line is told in.
    fn refuse(&mut self, line: &ShopLine, more: (i32, Decimal), rejection: Rejection) {
        let ShopLine { key, quantity, amount, purchase, .. } = line;
        let amount = amount.to_decimal().normalize();
        let known_by = format!("order/{}/line-{key}/{quantity}-{amount}", self.told.order_id);
        self.made.unsold.push(Unsold { purchase: purchase.event.clone(), more, known_by, rejection });
    }

    /// Pays back what was taken away, as far as it is left, from the last line that it is. What refunds had
    /// taken before is noted.
    fn take_away(&mut self, line: &mut LineState, units: i32, sum: Decimal) {
        let mut rest: Option<i64> = None;
        let (mut units, mut gone) = (units, 0);
        for at in line.at.iter().rev() {
            let Some(purchase) = self.order.purchase(*at) else { continue };
            let Some(amount) =
                purchase.rate.and_then(|rate| line::hundredths(sum, rate, self.order.places()))
            else {
                continue;
            };
            let wanted = *rest.get_or_insert(amount);
            let (left_units, left) = self.order.left_of(*at);
            gone += purchase.amount_base.map_or(0, |amount| amount.unscaled() - left);
            let taken = wanted.min(left);
            if taken <= 0 && !(wanted == 0 && left_units > 0) {
                continue;
            }
            let count = units.min(left_units).max(1);
            self.back(*at, count, taken, "");
            rest = Some(wanted - taken);
            units = (units - count).max(0);
            if wanted == taken {
                break;
            }
        }
        let short = rest.unwrap_or(0).min(gone);
        if short > 0 {
            line.back = (line.back.0.saturating_add(units), line.back.1.saturating_add(short));
        }
    }
}

impl Booking<'_> {
    /// Pays back so much of a line, once for each state that an order is told in.
    fn back(&mut self, at: i32, units: i32, hundredths: i64, why: &str) {
        let ShopOrder { order_id, as_of, rank, refund, .. } = self.told;
        let id = format!("{}/{}-{rank}{why}", ids::refund_line(order_id, at), as_of.timestamp_micros());
        let Some(purchase) = self.order.purchase(at) else { return };
        if let Some(refund) = line_back(refund, &purchase, units, hundredths, &id) {
            self.order.pay_back(refund.event.clone());
            self.made.booked.push(refund);
        }
    }
}

/// Why a line is refused that has no place in its order.
fn no_place() -> Rejection {
    let detail = format!("the order has {MAX_ORDER_LINES} lines before it, as many as are kept of one");
    Rejection { reason: Reason::InvalidField, field: "line_items", detail }
}

#[cfg(test)]
mod tests;
