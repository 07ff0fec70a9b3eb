//! Units of a product that are paid back at what was paid for them: the refund tells no price, or no
//! currency.

use std::collections::HashSet;

use contracts::event::Amount;
use contracts::money::{self, Cost, Places};
use contracts::validation::{Accepted, PaidBack, Rejection};
use contracts::{Event, ids};

use super::super::unknown;
use super::{Order, Sold, hundredths, is_one, over, too_much};

impl Order {
    /// The refund of so many units of a product, at a cost in the order's currency or at what was paid for
    /// them. One that is stored already stays as it is.
    ///
    /// # Errors
    /// Where the order has no such product, and where less of it is left.
    pub(in super::super) fn product(
        &self,
        told: &Accepted,
        (item_id, quantity, cost): (&str, i32, Option<Cost>),
    ) -> Result<Accepted, Rejection> {
        let own = [Some(told.event.event_id), told.claim.and_then(|claim| claim.told)];
        let own: Vec<_> = own.iter().flatten().map(ids::identity).collect();
        if let Some(stored) =
            self.refunds.iter().find(|refund| own.contains(&ids::identity(&refund.event_id)))
        {
            let Event { quantity, price, amount_base, .. } = stored;
            let paid = PaidBack { quantity: quantity.unwrap_or(1), price: *price, amount_base: *amount_base };
            let line = self.lines_of(stored).first().and_then(|line| self.lines.get(line));
            let line = line.ok_or_else(|| self.without(told, item_id))?;
            return as_told(told, &line.purchase, paid);
        }
        let is_of_product = |sold: &Sold| sold.purchase.item_id.as_deref() == Some(item_id);
        let lines: Vec<(i32, &Event)> = self
            .lines
            .iter()
            .filter(|(_, sold)| is_of_product(sold))
            .map(|(line, sold)| (*line, &sold.purchase))
            .collect();
        let Some((_, first)) = lines.first() else { return Err(self.without(told, item_id)) };
        let left = self.left(&HashSet::new());
        let left_of = |line: i32| left.get(&line).map_or((0, 0), |left| (left.quantity, left.hundredths));
        let money: i64 = lines.iter().map(|(line, _)| left_of(*line).1).sum();
        let order_id = first.order_id.as_deref();
        let hundredths = match cost {
            Some(cost) => {
                let slack = if is_one(first.rate) { 0 } else { self.roundings() };
                let asked =
                    first.rate.and_then(|rate| money::amount_base(cost, quantity, rate, self.places).ok());
                let asked = asked.map_or(i64::MAX, Amount::unscaled);
                if asked > money.saturating_add(slack) {
                    return Err(too_much(asked, money, order_id));
                }
                asked.min(money)
            }
            None => {
                let lines = lines.iter().map(|(line, purchase)| (*purchase, left_of(*line)));
                worth(lines, quantity, (item_id, money), self.places)?
            }
        };
        let begins = lines.iter().find(|(line, _)| left_of(*line).0 > 0);
        let purchase = begins.map_or(*first, |(_, purchase)| *purchase);
        let paid = paid_back(purchase, quantity, hundredths, self.places).ok_or_else(|| {
            over("quantity", format!("what goes back for {quantity} of {item_id} is more than is kept"))
        })?;
        as_told(told, purchase, paid)
    }

    fn without(&self, told: &Accepted, item_id: &str) -> Rejection {
        let order_id = told.whole_order.as_ref().map_or("", |order| &*order.order_id);
        unknown(format!("order {order_id} has no product {item_id}, so that nobody knows what it cost"))
    }
}

/// What was paid for so many units of a product, as far as it is left. Money decides: where units went back
/// by sums, what is left of the money goes back for them.
fn worth<'a>(
    lines: impl Iterator<Item = (&'a Event, (i32, i64))> + Clone,
    quantity: i32,
    (item_id, money): (&str, i64),
    places: Places,
) -> Result<i64, Rejection> {
    let order_id = lines.clone().find_map(|(purchase, _)| purchase.order_id.as_deref());
    let (mut open, mut asked, mut paid) = (quantity, 0i64, 0i64);
    let mut rest = Vec::new();
    for (purchase, (units, money)) in lines {
        let taken = open.min(units);
        let cost = paid_for(purchase, units, taken, places);
        asked += cost;
        paid += cost.min(money);
        open -= taken;
        rest.push((purchase, money - cost.min(money)));
    }
    for (purchase, money) in rest {
        let taken = if money > 0 { open.min(purchase.quantity.unwrap_or(0)) } else { 0 };
        let cost = paid_for(purchase, taken, taken, places);
        asked += cost;
        paid += cost.min(money);
        open -= taken;
    }
    if open > 0 {
        let order_id = order_id.unwrap_or_default();
        let detail =
            format!("{quantity} of {item_id} of order {order_id} would be paid back, {open} too many");
        return Err(over("quantity", detail));
    }
    if paid == 0 && asked > 0 {
        return Err(too_much(asked, money, order_id));
    }
    Ok(paid)
}

/// What was paid for some of the units that are left of a line: all units together come to all of it.
fn paid_for(purchase: &Event, left: i32, taken: i32, places: Places) -> i64 {
    let sold = purchase.quantity.unwrap_or(0).max(1);
    let of = |units: i32| {
        if units == sold {
            return hundredths(purchase);
        }
        let (step, sold) = (i128::from(places.step()), i128::from(sold));
        let share = i128::from(hundredths(purchase)) * i128::from(units) * 2 + sold * step;
        i64::try_from(share / (2 * sold * step) * step).unwrap_or(i64::MAX)
    };
    let gone = sold - left;
    of(gone + taken) - of(gone)
}

fn paid_back(purchase: &Event, quantity: i32, hundredths: i64, places: Places) -> Option<PaidBack> {
    let (amount, rate) = (Amount::from_unscaled(hundredths).ok()?, purchase.rate?);
    let agrees = |price| {
        money::amounts_base(price, quantity, rate, places).is_ok_and(|allowed| allowed.contains(&amount))
    };
    let each = || {
        let sum = amount.to_decimal().checked_div(rate.to_decimal())?;
        Cost::Line(sum.into()).price(quantity).ok()
    };
    let price = purchase.price.filter(|price| agrees(*price)).or_else(each)?;
    Some(PaidBack { quantity, price: Some(price), amount_base: Some(amount) })
}

/// Under its own id, since a line may be paid back in parts.
fn as_told(told: &Accepted, purchase: &Event, paid: PaidBack) -> Result<Accepted, Rejection> {
    let mut back = told.line_paid_back(purchase, paid)?;
    (back.event.event_id, back.claim) = (told.event.event_id, told.claim);
    Ok(back)
}
