//! A line of an order as it was told before: its places among the order's, what is sold of it, and what of
//! that refunds took.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use contracts::Event;
use contracts::event::Rate;
use contracts::money::{Cost, Places};
use contracts::validation::MAX_ORDER_LINES;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::order::Order;
use crate::store::shop_order::{ShopLine, ShopOrder, UnreadLine};

/// Lines by the shop's ids of them.
pub(super) type Lines = BTreeMap<String, LineState>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LineState {
    /// The lines of the order that it is: more than one where units were added.
    pub(super) at: Vec<i32>,
    pub(super) units: i32,
    pub(super) sum: Decimal,
    /// Whether a purchase of it was booked.
    pub(super) sold: bool,
    /// Whether it stands in quarantine under its place. It may, where an earlier commit did not note that: so
    /// it keeps its place.
    #[serde(default = "may_be_aside")]
    pub(super) aside: bool,
    /// Where it stands there: sources and coordinates. Earlier commits did not note that.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) kept: BTreeSet<(String, String)>,
    /// The same of lines that had its place before, and are told no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) former: BTreeSet<(String, String)>,
    /// Of one that stands there: what of it is told now, units and their sum, as far as that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<(i32, Decimal)>,
    /// What could not be taken away from it, because refunds had taken it: units, and hundredths of the base
    /// currency. What comes again is first of all this, which stays paid back.
    #[serde(default)]
    pub(super) back: (i32, i64),
}

const fn may_be_aside() -> bool {
    true
}

impl LineState {
    /// One of which nothing is sold.
    pub(super) fn unsold(at: i32) -> Self {
        Self { at: vec![at], ..Self::default() }
    }

    /// What of units and a sum that come again is sold; nothing where refunds had taken all of it.
    pub(super) fn sold_again(
        &mut self,
        (units, sum): (i32, Decimal),
        rate: Option<Rate>,
        places: Places,
    ) -> Option<(i32, Decimal)> {
        if self.back.1 == 0 {
            return Some((units, sum));
        }
        let known = rate.and_then(|rate| Some((rate, hundredths(sum, rate, places)?)));
        let Some((rate, hundredths)) = known else { return Some((units, sum)) };
        let taken = (self.back.0.min(units), self.back.1.min(hundredths));
        self.back = (self.back.0 - taken.0, self.back.1 - taken.1);
        let rest = Decimal::new(hundredths - taken.1, 2).checked_div(rate.to_decimal())?;
        (rest > Decimal::ZERO).then_some(((units - taken.0).max(1), rest))
    }

    /// Takes a purchase over that came in by its place in quarantine, and not by the order: from now on it is
    /// what was told of the line before.
    fn adopt(&mut self, purchase: &Event, told: Option<&ShopLine>, places: Places) {
        let (Some(units), Some(amount), Some(rate)) =
            (purchase.quantity, purchase.amount_base, purchase.rate)
        else {
            return;
        };
        // Where the line is told as it is stored, its sum was not rounded.
        let told = told.map(|line| line.amount.to_decimal());
        let told = told.filter(|sum| hundredths(*sum, rate, places) == Some(amount.unscaled()));
        let Some(sum) = told.or_else(|| amount.to_decimal().checked_div(rate.to_decimal())) else { return };
        (self.units, self.sum, self.sold) = (units, sum, true);
    }
}

/// Hundredths of the base currency that a sum comes to.
pub(super) fn hundredths(sum: Decimal, rate: Rate, places: Places) -> Option<i64> {
    Some(Cost::Line(sum.into()).amount(1, rate, places).ok()?.unscaled())
}

/// What the quarantine has of an order's refused lines.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Records {
    /// Purchases that refused lines became which were replayed meanwhile.
    pub(in super::super) replayed: HashSet<Uuid>,
    /// Lines of which no record stands there any more, though the state notes where they stood.
    pub(in super::super) forgotten: HashSet<String>,
}

/// Takes over what of refused lines was replayed meanwhile. One that is refused again stays as it is. What a
/// page has told at the place of one is the page's, and counts as it is.
///
/// What was replayed and is of another product than the line is now was of a line that is told no more. Of a
/// line whose records are gone, as after an erasure, nothing tells whether it was replayed but its product.
pub(super) fn adopt_replayed(lines: &mut Lines, told: &ShopOrder, order: &Order, records: &Records) {
    let mut others = Vec::new();
    for (key, line) in lines.iter_mut().filter(|(_, line)| line.aside && !line.sold) {
        let is_of = |unread: &UnreadLine| unread.key.as_ref() == Some(key) && unread.aside.is_some();
        if told.unread.iter().any(is_of) {
            continue;
        }
        let Some(purchase) = line.at.first().and_then(|at| order.purchase(*at)) else { continue };
        let told = told.lines.iter().find(|told| told.key == *key);
        let is_of_product = told.is_none_or(|told| told.purchase.event.item_id == purchase.item_id);
        if line.kept.is_empty() && line.former.is_empty() || records.forgotten.contains(key) {
            // Nothing tells what was replayed from what a page told, unless the product does.
            if is_of_product {
                line.adopt(&purchase, told, order.places());
            }
        } else if records.replayed.contains(&purchase.event_id) {
            line.adopt(&purchase, told.filter(|_| is_of_product), order.places());
            if !is_of_product {
                others.push(key.clone());
            }
        }
    }
    for key in others {
        if let Some(line) = lines.remove(&key) {
            let at = line.at.first().copied().unwrap_or_default();
            lines.insert(format!("replayed at {at}"), line);
        }
    }
}

/// Notes of lines that are in quarantine what is told of them now: that is what a replay of them sells.
pub(super) fn note_refused(lines: &mut Lines, told: &ShopOrder) {
    let may_be_any = told.unread.iter().any(|line| line.key.is_none() && line.aside.is_some());
    for (key, line) in lines.iter_mut().filter(|(_, line)| line.aside && !line.sold) {
        let unread = told.unread.iter().find(|unread| unread.key.as_ref() == Some(key));
        let read = told.lines.iter().find(|told| told.key == *key);
        line.told = match (unread, read) {
            (Some(unread), _) => unread.sold.map(|(units, sum)| (units, sum.to_decimal())),
            (None, Some(read)) => Some((read.quantity, read.amount.to_decimal())),
            (None, None) if may_be_any => line.told,
            (None, None) => Some((0, Decimal::ZERO)),
        };
    }
}

/// Gives lines that were made anew the places of those before, and then the next ones. WooCommerce does so
/// with all lines, in their order, when a customer pays again: nothing was sold of those that went. A page
/// that told the order has their places.
pub(super) fn renew(lines: &mut Lines, told: &[&String], next: &mut i32) {
    let are_new = told.iter().all(|key| !lines.contains_key(*key));
    if told.is_empty() || lines.is_empty() || !are_new || lines.values().any(|line| line.sold) {
        return;
    }
    let mut before: Vec<(String, LineState)> = std::mem::take(lines).into_iter().collect();
    before.sort_by_key(|(_, line)| line.at.first().copied());
    // Those behind keep their places: they may be in quarantine.
    lines.extend(before.split_off(told.len().min(before.len())));
    let further = (*next..=MAX_ORDER_LINES).map(LineState::unsold);
    let more = told.len() - before.len();
    *next = next.saturating_add(i32::try_from(more).unwrap_or(0)).min(MAX_ORDER_LINES + 1).max(*next);
    let before = before.into_iter().map(|(_, mut line)| {
        line.former.append(&mut line.kept);
        line
    });
    let places = before.chain(further);
    lines.extend(told.iter().map(|key| (*key).clone()).zip(places));
}
