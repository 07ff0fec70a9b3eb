//! Orders that a shop system tells: each time as they are. What changed since it was told before is booked,
//! once.
//!
//! What was told before is kept (`raw.shop_order`), and moves on in the transaction that books the change.
//! The first time each line is a purchase under its shared id, so that a browser may have told it already.
//! Later, what was added is a further line, and what was taken away is paid back, as far as it is left.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::ids;
use contracts::money::Cost;
use contracts::validation::{Accepted, Claim, MAX_ORDER_LINES};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

use super::back::line_back;
use super::order::Order;
use crate::store::error::StoreError;
use crate::store::held::{Moves, StateAt};
use crate::store::shop_order::{ShopLine, ShopOrder};

/// What was told of an order before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// The next line.
    next: i32,
    lines: BTreeMap<String, LineState>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LineState {
    /// The lines of the order that it is: more than one where units were added.
    at: Vec<i32>,
    units: i32,
    sum: Decimal,
    /// Whether a purchase of it was booked.
    sold: bool,
}

/// A state and which one it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) at: Option<StateAt>,
    pub(super) state: State,
}

impl Known {
    /// Takes the new state over, and moves the stored one on.
    pub(super) fn move_on(&mut self, order: &ShopOrder, state: State, moves: &mut Moves) {
        let at = (order.as_of, order.rank);
        moves.add(&order.order_id, self.at, at, serde_json::to_string(&state).unwrap_or_default());
        *self = Self { at: Some(at), state };
    }
}

/// What is known of orders.
pub(super) async fn known(
    client: &Client,
    orders: &[String],
) -> Result<Vec<(String, DateTime<Utc>, i64, String)>, Error> {
    let sql = "select order_id, as_of, rank, state::text from raw.shop_order where order_id = any($1)";
    let rows = client.query(sql, &[&orders]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))).collect()
}

/// Reads a state.
pub(super) fn read(at: DateTime<Utc>, rank: i64, state: &str) -> Result<Known, StoreError> {
    let bad = |error: serde_json::Error| StoreError::BadRow {
        table: "raw.shop_order",
        column: "state",
        detail: error.to_string(),
    };
    Ok(Known { at: Some((at, rank)), state: serde_json::from_str(state).map_err(bad)? })
}

/// Books what changed of an order: purchases and refunds, which `order` knows of afterwards. The new state,
/// where it is newer.
pub(super) fn book(told: &ShopOrder, known: &Known, order: &mut Order) -> (Vec<Accepted>, Option<State>) {
    let mut booked = Vec::new();
    let is_newer = known.at.is_none_or(|at| at < (told.as_of, told.rank));
    let state = is_newer.then(|| Booking { told, order, booked: &mut booked }.lines(known));
    // Refunds only come: also those that an older state tells.
    for refund in &told.refunds {
        booked.extend(order.sum_back(&told.refund, &refund.id, refund.amount));
    }
    (booked, state)
}

struct Booking<'a> {
    told: &'a ShopOrder,
    order: &'a mut Order,
    booked: &'a mut Vec<Accepted>,
}

impl Booking<'_> {
    fn lines(&mut self, known: &Known) -> State {
        let mut state = known.state.clone();
        let is_first = known.at.is_none();
        let keys: BTreeSet<&str> = self.told.lines.iter().map(|line| line.key.as_str()).collect();
        let is_unread = |key: &String| self.told.unread.iter().any(|(unread, _)| unread == key);
        let gone = |key: &String| !keys.contains(key.as_str()) && !is_unread(key);
        let gone: Vec<String> = state.lines.keys().filter(|key| gone(key)).cloned().collect();
        for key in gone {
            if let Some(line) = state.lines.get_mut(&key) {
                self.take_away(line, line.units, line.sum);
                (line.units, line.sum) = (0, Decimal::ZERO);
            }
        }
        // The places of the first time are those that a browser tells.
        if is_first {
            state.next =
                1 + i32::try_from(self.told.lines.len() + self.told.unread.len()).unwrap_or(MAX_ORDER_LINES);
            // What stands in quarantine has the id of its place, and is sold there whenever it is replayed.
            for (key, place) in &self.told.unread {
                let unsold = LineState { at: vec![*place], units: 0, sum: Decimal::ZERO, sold: false };
                state.lines.insert(key.clone(), unsold);
            }
        }
        let lines = state.next - 1;
        for line in &self.told.lines {
            let place = line.purchase.event.order_line.unwrap_or(1);
            if !state.lines.contains_key(&line.key) {
                let at = if is_first { place } else { self.free(&mut state.next) };
                let sold = line.quantity > 0;
                let nothing = LineState { at: vec![at], units: 0, sum: Decimal::ZERO, sold };
                state.lines.insert(line.key.clone(), nothing);
                if sold {
                    self.sell(line, at, lines.max(at), (line.quantity, line.amount.to_decimal()), is_first);
                }
            } else if let Some(before) = state.lines.get(&line.key).cloned() {
                let (units, sum) = (line.quantity - before.units, line.amount.to_decimal() - before.sum);
                if units == 0 && (line.by_units || sum.is_zero()) {
                    continue;
                } else if sum > Decimal::ZERO || sum.is_zero() && units > 0 {
                    // What was told of and not sold yet, as an order that was not paid, has its line.
                    let at = match before.at.first() {
                        Some(at) if !before.sold => *at,
                        _ => self.free(&mut state.next),
                    };
                    self.sell(line, at, lines.max(at), (units.max(1), sum), !before.sold);
                    if let Some(state) = state.lines.get_mut(&line.key) {
                        state.sold = true;
                        if !state.at.contains(&at) {
                            state.at.push(at);
                        }
                    }
                } else {
                    self.take_away(&before, (-units).max(1), -sum);
                }
            }
            if let Some(state) = state.lines.get_mut(&line.key) {
                (state.units, state.sum) = (line.quantity, line.amount.to_decimal());
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
        state
    }

    /// The next line that nobody has told of: a page may tell an order in more lines than its shop system.
    fn free(&self, next: &mut i32) -> i32 {
        loop {
            let at = *next;
            *next = at.saturating_add(1);
            if at > MAX_ORDER_LINES || self.order.purchase(at).is_none() {
                return at;
            }
        }
    }

    /// A purchase of some units of a line, at a line of the order.
    fn sell(&mut self, line: &ShopLine, at: i32, lines: i32, (units, sum): (i32, Decimal), is_first: bool) {
        let mut purchase = line.purchase.clone();
        let event = &mut purchase.event;
        // What is added later is added then, at the rate of the order.
        if !is_first {
            event.occurred_at = event.occurred_at.max(self.told.refund.event.occurred_at);
        }
        let cost = Cost::Line(sum.into());
        let rate = event.rate;
        let (Ok(price), Some(Ok(amount))) = (cost.price(units), rate.map(|rate| cost.amount(units, rate)))
        else {
            return;
        };
        event.event_id =
            ids::rekeyed(event.occurred_at, ids::SHARED, &ids::order_line(&self.told.order_id, at));
        event.quantity = Some(units);
        event.price = Some(price);
        event.amount_base = Some(amount);
        event.order_line = Some(at);
        event.order_lines = Some(lines);
        purchase.claim = Some(Claim { event_id: event.event_id, told: None });
        if at <= MAX_ORDER_LINES {
            self.order.sell(at, purchase.event.clone());
            self.booked.push(purchase);
        }
    }

    /// Pays back what was taken away, as far as it is left, from the last line that it is.
    fn take_away(&mut self, line: &LineState, units: i32, sum: Decimal) {
        let mut rest: Option<i64> = None;
        let mut units = units;
        for at in line.at.iter().rev() {
            let Some(purchase) = self.order.purchase(*at) else { continue };
            let Some(Ok(amount)) = purchase.rate.map(|rate| Cost::Line(sum.into()).amount(1, rate)) else {
                continue;
            };
            let wanted = rest.unwrap_or(amount.unscaled());
            let (left_units, left) = self.order.left_of(*at);
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
            self.booked.push(refund);
        }
    }
}

#[cfg(test)]
mod tests;
