//! One order: what was sold, line by line, and what of it is left after its refunds.
//!
//! Money decides, in the base currency, in which every amount is exact: the refunds of a line never come to
//! more than its purchase. Units follow as far as they go: where money is left of no unit, the rest goes back
//! as one.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::event::{Amount, Price, Rate};
use contracts::money::{self, Cost, Places};
use contracts::validation::{Accepted, PaidBack, Rejection};
use contracts::{Event, Reason, ids};
use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

mod product;
mod sum;

/// An order as far as it is known.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Order {
    lines: BTreeMap<i32, Sold>,
    /// By their identities, so that each stands here once.
    refunds: Vec<Event>,
    known: HashSet<Uuid>,
    /// Of refunds whose line the shop system tells, all that this line is here, by the refunds' identities.
    assigned: HashMap<Uuid, Vec<i32>>,
    places: Places,
}

/// A line of it.
#[derive(Debug, Clone)]
struct Sold {
    purchase: Event,
    /// The identity of its refund by one of the whole order.
    refund: Uuid,
}

/// What is left of a line.
#[derive(Debug, Clone, PartialEq)]
struct Left {
    quantity: i32,
    /// Hundredths of the base currency.
    hundredths: i64,
    /// In the order's currency, where that is known.
    sum: Option<Decimal>,
    /// Whether nothing of it was paid back.
    is_untouched: bool,
}

impl Order {
    /// One of which nothing is known, in a shop whose base currency has these places.
    pub(super) fn new(places: Places) -> Self {
        Self { places, ..Self::default() }
    }

    /// What its amounts are rounded to.
    pub(super) const fn places(&self) -> Places {
        self.places
    }

    /// Takes a line in; one that is there stays.
    pub(super) fn sell(&mut self, line: i32, purchase: Event) {
        let order_id = purchase.order_id.as_deref().unwrap_or_default();
        let shared = ids::rekeyed(purchase.occurred_at, ids::SHARED, &ids::refund_line(order_id, line));
        let refund = ids::identity(&shared);
        self.lines.entry(line).or_insert(Sold { purchase, refund });
    }

    /// Takes a refund in, once.
    pub(super) fn pay_back(&mut self, refund: Event) {
        if self.known.insert(ids::identity(&refund.event_id)) {
            self.refunds.push(refund);
        }
    }

    /// Whether a refund was taken in.
    pub(super) fn has_refund(&self, refund: &Event) -> bool {
        self.known.contains(&ids::identity(&refund.event_id))
    }

    /// Says of which lines a refund is, also one that came before they were known. It comes off others only
    /// once nothing is left of these.
    pub(super) fn assign(&mut self, refund: &Event, lines: &[i32]) {
        self.assigned.insert(ids::identity(&refund.event_id), lines.to_vec());
    }

    /// Whose it is: a purchase of it.
    pub(super) fn first(&self) -> Option<&Event> {
        self.lines.values().next().map(|line| &line.purchase)
    }

    /// Its purchases, by their lines.
    pub(super) fn into_purchases(self) -> impl Iterator<Item = (i32, Event)> {
        self.lines.into_iter().map(|(line, sold)| (line, sold.purchase))
    }

    /// The lines of which a purchase is known.
    pub(super) fn line_numbers(&self) -> Vec<i32> {
        self.lines.keys().copied().collect()
    }

    /// Whether a purchase of a line is known.
    pub(super) fn has_line(&self, line: i32) -> bool {
        self.lines.contains_key(&line)
    }

    /// The purchase of a line.
    pub(super) fn purchase(&self, line: i32) -> Option<Event> {
        self.lines.get(&line).map(|sold| sold.purchase.clone())
    }

    /// Units that are left of a line, and hundredths of the base currency.
    pub(super) fn left_of(&self, line: i32) -> (i32, i64) {
        self.left(&HashSet::new()).get(&line).map_or((0, 0), |left| (left.quantity, left.hundredths))
    }

    /// Whether a purchase of it is known.
    pub(super) fn is_known(&self) -> bool {
        !self.lines.is_empty()
    }

    /// When its first line was sold.
    pub(super) fn sold_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        self.lines.values().map(|line| line.purchase.occurred_at).min()
    }

    /// The refunds of what is left of its lines. Those that the same refund brought before are the same
    /// again.
    ///
    /// # Errors
    /// Where nothing is left, and where it was sold after it is paid back.
    pub(super) fn whole(&self, whole: &Accepted) -> Result<Vec<Accepted>, Rejection> {
        let own = self.lines.values().map(|line| line.refund).collect();
        let left = self.left(&own);
        let mut lines = Vec::with_capacity(left.len());
        for (line, Sold { purchase, refund }) in &self.lines {
            let is_repeat = self.known.contains(refund);
            let left = left.get(line).and_then(|left| left.paid_back(purchase, self.places));
            // Of what was free a repeat may find nothing left: its id decides.
            let paid =
                left.or_else(|| Left::of(purchase).paid_back(purchase, self.places).filter(|_| is_repeat));
            if let Some(paid) = paid {
                lines.push(whole.line_paid_back(purchase, paid)?);
            }
        }
        if lines.is_empty() {
            let order_id = whole.whole_order.as_ref().map_or("", |order| &*order.order_id);
            return Err(over(
                "order_id",
                format!("nothing is left of order {order_id}: all was paid back before"),
            ));
        }
        Ok(lines)
    }

    /// A refund of a part, converted at the rate of its purchase, if so much is left. One that is stored
    /// already stays as it is.
    ///
    /// # Errors
    /// Where less is left.
    pub(super) fn part(&self, told: &Accepted) -> Result<Accepted, Rejection> {
        let mut accepted = told.clone();
        let own = [Some(told.event.event_id), told.claim.and_then(|claim| claim.told)];
        if own.iter().flatten().any(|id| self.known.contains(&ids::identity(id))) {
            return Ok(accepted);
        }
        let lines = self.lines_of(&told.event);
        let Some(purchase) = lines.first().and_then(|line| self.lines.get(line)).map(|line| &line.purchase)
        else {
            return Ok(accepted);
        };
        let left = self.left(&HashSet::new());
        let left: i64 = lines.iter().filter_map(|line| left.get(line)).map(|left| left.hundredths).sum();
        let event = &mut accepted.event;
        convert_as(event, purchase, self.places);
        let asked = hundredths(event);
        let slack = if is_one(purchase.rate) && is_one(event.rate) { 0 } else { self.roundings() };
        if asked > left.saturating_add(slack) {
            return Err(too_much(asked, left, event.order_id.as_deref()));
        }
        if asked > left {
            event.amount_base = Amount::from_unscaled(left).ok();
        }
        Ok(accepted)
    }

    /// Hundredths by which sums of it may be off, since each conversion was rounded by itself.
    fn roundings(&self) -> i64 {
        let roundings = i64::try_from(self.refunds.len()).unwrap_or(i64::MAX).saturating_add(1);
        roundings.saturating_mul(self.places.step())
    }

    /// What is left of each line, without what some refunds took.
    fn left(&self, except: &HashSet<Uuid>) -> BTreeMap<i32, Left> {
        let mut left: BTreeMap<i32, Left> =
            self.lines.iter().map(|(line, sold)| (*line, Left::of(&sold.purchase))).collect();
        for refund in &self.refunds {
            if except.contains(&ids::identity(&refund.event_id)) {
                continue;
            }
            let lines = self.lines_of(refund);
            // Of another product no unit comes back, and the money was for something of this order.
            let is_of_product = |line: &i32| self.lines[line].purchase.item_id == refund.item_id;
            let units = if lines.iter().any(is_of_product) { refund.quantity.unwrap_or(0) } else { 0 };
            let (mut money, mut units) = (hundredths(refund), units);
            for line in lines {
                let (Some(left), Some(sold)) = (left.get_mut(&line), self.lines.get(&line)) else { continue };
                left.take(&mut money, &mut units, refund, &sold.purchase);
                if money == 0 && units == 0 {
                    break;
                }
            }
        }
        left
    }

    /// The lines that a refund may be of, the likeliest first: those of its product, or all where none is.
    fn lines_of(&self, refund: &Event) -> Vec<i32> {
        let identity = ids::identity(&refund.event_id);
        let of_whole = self.lines.iter().find(|(_, sold)| sold.refund == identity);
        if let Some((line, _)) = of_whole {
            return vec![*line];
        }
        let is_of_product = |sold: &Sold| sold.purchase.item_id == refund.item_id;
        let mut lines: Vec<i32> =
            self.lines.iter().filter(|(_, sold)| is_of_product(sold)).map(|(line, _)| *line).collect();
        if lines.is_empty() {
            lines = self.lines.keys().copied().collect();
        }
        // Some tell the line of the order, others the place in the refund: so it only says where to begin.
        let own = self.assigned.get(&identity).map_or(&[][..], Vec::as_slice);
        let told = refund.order_line.filter(|line| own.is_empty() || own.contains(line));
        let named = told.or(own.first().copied());
        // What was added last goes first.
        let place = |line: &i32| own.iter().rev().position(|of| of == line).unwrap_or(own.len());
        lines.sort_by_key(|line| (Some(*line) != named, place(line), *line));
        lines
    }
}

impl Left {
    fn of(purchase: &Event) -> Self {
        let quantity = purchase.quantity.unwrap_or(0);
        Self { quantity, hundredths: hundredths(purchase), sum: sum(purchase), is_untouched: true }
    }

    /// Takes as much of a refund as there is.
    fn take(&mut self, money: &mut i64, units: &mut i32, refund: &Event, purchase: &Event) {
        let (taken, count) = ((*money).min(self.hundredths).max(0), (*units).min(self.quantity).max(0));
        if taken == 0 && count == 0 {
            return;
        }
        let is_all = taken == hundredths(refund) && refund.currency == purchase.currency;
        self.sum = self.sum.zip(sum(refund)).filter(|_| is_all).map(|(left, taken)| left - taken);
        self.hundredths -= taken;
        self.quantity -= count;
        self.is_untouched = false;
        *money -= taken;
        *units -= count;
    }

    /// What goes back, if all of it does; nothing where there is nothing.
    fn paid_back(&self, purchase: &Event, places: Places) -> Option<PaidBack> {
        if self.is_untouched {
            let Event { quantity, price, amount_base, .. } = purchase;
            return Some(PaidBack { quantity: (*quantity)?, price: *price, amount_base: *amount_base });
        }
        let was_free = hundredths(purchase) == 0;
        if self.hundredths == 0 && !(was_free && self.quantity > 0) {
            return None;
        }
        let quantity = self.quantity.max(1);
        let amount = Amount::from_unscaled(self.hundredths).ok()?;
        let rate = purchase.rate?;
        let kept = |sum: Decimal| {
            let each = sum.checked_div(quantity.into())?;
            let each = each.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
            Price::try_from_decimal(each).ok().filter(|_| !each.is_sign_negative())
        };
        // The price in the order's currency, if it agrees with what is left in the base currency.
        let told = self.sum.and_then(kept).filter(|price| {
            money::amounts_base(*price, quantity, rate, places).is_ok_and(|allowed| allowed.contains(&amount))
        });
        let price = told.or_else(|| kept(amount.to_decimal().checked_div(rate.to_decimal())?))?;
        Some(PaidBack { quantity, price: Some(price), amount_base: Some(amount) })
    }
}

/// What was paid goes back: the rate of the purchase holds, where the refund's sender did not know of it.
fn convert_as(refund: &mut Event, purchase: &Event, places: Places) {
    if refund.currency != purchase.currency || refund.rate == purchase.rate {
        return;
    }
    let (Some(price), Some(quantity), Some(rate)) = (refund.price, refund.quantity, purchase.rate) else {
        return;
    };
    if let Ok(amount) = money::amount_base(Cost::Unit(price.into()), quantity, rate, places) {
        refund.amount_base = Some(amount);
        refund.rate = Some(rate);
        refund.rate_date = purchase.rate_date;
    }
}

fn hundredths(event: &Event) -> i64 {
    event.amount_base.map_or(0, Amount::unscaled)
}

fn sum(event: &Event) -> Option<Decimal> {
    event.price?.to_decimal().checked_mul(event.quantity?.into())
}

fn is_one(rate: Option<Rate>) -> bool {
    rate.is_some_and(|rate| rate.to_decimal() == Decimal::ONE)
}

fn too_much(asked: i64, left: i64, order_id: Option<&str>) -> Rejection {
    let [asked, left] = [asked, left].map(|hundredths| Decimal::new(hundredths, 2));
    let order_id = order_id.unwrap_or_default();
    let detail =
        format!("{asked} of order {order_id} would be paid back, and {left} is left, in the base currency");
    over("price", detail)
}

fn over(field: &'static str, detail: String) -> Rejection {
    Rejection { reason: Reason::OverRefunded, field, detail }
}

#[cfg(test)]
mod tests;
