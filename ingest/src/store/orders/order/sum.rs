//! Sums that are paid back of an order, whatever for: of each line its share of what is left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use contracts::event::{Amount, Currency};
use contracts::money::{self, Cost, Exact};
use contracts::validation::{Accepted, Rejection};
use contracts::{Event, Reason, ids};
use uuid::Uuid;

use super::super::back::{identity, line_back};
use super::{Left, Order, hundredths, is_one, over, too_much};

impl Order {
    /// Pays a sum back, whatever for: of each line its share of what is left, and no more than that.
    ///
    /// Where the refund of this id was stored before, what it did not pay back then comes off those `late`
    /// lines that it paid nothing of: they were refused, and may not have been sold yet.
    pub(in super::super) fn sum_back(
        &mut self,
        refund: &Accepted,
        id: &str,
        amount: Exact,
        late: &BTreeSet<i32>,
    ) -> Vec<Accepted> {
        let shared = shared_ids(refund, id);
        let stored = self.stored_of(&shared);
        let is_stored = |refund: &&Event| stored.contains_key(&ids::identity(&refund.event_id));
        let before: i64 = self.refunds.iter().filter(is_stored).map(hundredths).sum();
        let rate = self.lines.values().next().and_then(|line| line.purchase.rate);
        let wanted = rate.and_then(|rate| money::amount_base(Cost::Line(amount), 1, rate, self.places).ok());
        let wanted = wanted.map_or(0, Amount::unscaled).saturating_sub(before);
        if wanted <= 0 || !stored.is_empty() && late.is_empty() {
            return Vec::new();
        }
        let mut left = self.left(&HashSet::new());
        if !stored.is_empty() {
            left.retain(|line, _| late.contains(line) && !stored.values().any(|stored| stored == line));
        }
        let lines = self.shares(refund, wanted, left, shared);
        lines.iter().for_each(|line| self.pay_back(line.event.clone()));
        lines
    }

    /// Pays a sum back that a refund tells of the order, in the order's currency, in another one at the rate
    /// of its day, or in one that is not told. All that is left goes back where it is as much or less: what
    /// is more was for shipping or tax.
    ///
    /// # Errors
    /// Where nothing is left, and where the sum comes to nothing or cannot be converted.
    pub(in super::super) fn sum(
        &self,
        refund: &Accepted,
        (amount, currency, converted): (Exact, Option<Currency>, Option<Amount>),
    ) -> Result<Vec<Accepted>, Rejection> {
        let id = refund.identity().to_string();
        let shared = shared_ids(refund, &id);
        let stored = self.stored_of(&shared);
        if !stored.is_empty() {
            return Ok(self.again(refund, &stored, shared));
        }
        let wanted = self.base_of(amount, currency, converted)?;
        let left = self.left(&HashSet::new());
        let total: i64 = left.values().map(|left| left.hundredths).sum();
        let sold: i64 = self.lines.values().map(|line| hundredths(&line.purchase)).sum();
        let is_exact = self.lines.values().all(|line| is_one(line.purchase.rate));
        let lines = i64::try_from(self.lines.len()).unwrap_or(i64::MAX);
        let slack = lines.saturating_mul(self.places.step()).saturating_add(self.roundings());
        let slack = if is_exact { 0 } else { slack };
        let reaches = |sum: i64| wanted.saturating_add(slack) >= sum;
        let is_paid_whole = self.lines.values().any(|line| self.known.contains(&line.refund));
        if total == 0 && !(is_paid_whole && reaches(sold)) {
            let order_id = refund.whole_order.as_ref().map(|order| &*order.order_id);
            return Err(too_much(wanted, total, order_id));
        }
        // The whole order by another id is the same refund: told twice, it counts once.
        if total == 0 || self.refunds.is_empty() && reaches(total) {
            return self.whole(refund);
        }
        let wanted = if reaches(total) { total } else { wanted };
        let lines = self.shares(refund, wanted, left, shared);
        if lines.is_empty() {
            return Err(over("amount", format!("{amount} of the order cannot be shared among its lines")));
        }
        Ok(lines)
    }

    /// Whether a refund of a sum stands under the id of its first share: so does one that could not be read
    /// and that somebody has completed and replayed.
    pub(in super::super) fn has_sum(&self, order_id: &str, id: &str) -> bool {
        self.known.contains(&identity(&ids::refund_sum(order_id, id, 1)))
    }

    /// The identities of what a refund of a sum may have paid back, by the shop's id of it.
    pub(in super::super) fn sum_identities(&self, order_id: &str, id: &str) -> HashSet<Uuid> {
        let numbers = self.lines.keys().chain([&1]);
        numbers.map(|line| identity(&ids::refund_sum(order_id, id, *line))).collect()
    }

    /// Refunds by their identities.
    pub(in super::super) fn refunds_of(&self, identities: &HashSet<Uuid>) -> Vec<Event> {
        let is_one = |refund: &&Event| identities.contains(&ids::identity(&refund.event_id));
        self.refunds.iter().filter(is_one).cloned().collect()
    }

    /// Pays back of some lines, of which the refunds of sums with these ids have taken a part, what is left
    /// of them, and the rest of the other lines. So a sum, which is of no line, stands in no refund's way.
    ///
    /// Nothing where the sums took less of the lines than is missing, or where less is left of the order.
    pub(in super::super) fn part_after_sums(
        &mut self,
        whole: &Accepted,
        told: &Accepted,
        lines: &[i32],
        sums: &[&str],
    ) -> Option<Vec<Accepted>> {
        let purchase = self.purchase(*lines.first()?)?;
        let order_id = purchase.order_id.as_deref().unwrap_or_default();
        let shared = shared_ids(whole, &told.identity().to_string());
        if !self.stored_of(&shared).is_empty() {
            return Some(Vec::new());
        }
        let mut part = told.clone();
        super::convert_as(&mut part.event, &purchase, self.places);
        let asked = hundredths(&part.event);
        let mut left = self.left(&HashSet::new());
        let total: i64 = left.values().map(|left| left.hundredths).sum();
        let own: i64 = lines.iter().filter_map(|line| left.get(line)).map(|left| left.hundredths).sum();
        let ids: HashSet<Uuid> = sums.iter().flat_map(|id| self.sum_identities(order_id, id)).collect();
        let taken = self.refunds_of(&ids);
        let taken = taken.iter().filter(|refund| refund.order_line.is_some_and(|line| lines.contains(&line)));
        let taken: i64 = taken.map(hundredths).sum();
        // What other refunds of these lines have taken of others before.
        let is_of_lines = |of: &[i32]| of.iter().any(|line| lines.contains(line));
        let before = self.assigned.iter().filter(|(_, of)| is_of_lines(of));
        let before: HashSet<Uuid> =
            before.flat_map(|(refund, _)| self.sum_identities(order_id, &refund.to_string())).collect();
        let taken = taken - self.refunds_of(&before).iter().map(hundredths).sum::<i64>();
        let slack = self.roundings();
        if asked <= own || asked > own.saturating_add(taken) || asked > total.saturating_add(slack) {
            return None;
        }
        left.retain(|line, _| !lines.contains(line));
        let mut backs = self.shares(whole, asked - own, left, shared);
        if own > 0 {
            let amount = Amount::from_unscaled(own).ok()?;
            let cost = amount.to_decimal().checked_div(part.event.rate?.to_decimal())?;
            part.event.price = Some(Cost::Line(cost.into()).price(part.event.quantity?).ok()?);
            part.event.amount_base = Some(amount);
            backs.push(part);
        }
        backs.iter().for_each(|back| self.pay_back(back.event.clone()));
        Some(backs)
    }

    /// A sum in hundredths of the base currency: what was paid goes back at the rate at which it was paid.
    fn base_of(
        &self,
        amount: Exact,
        currency: Option<Currency>,
        converted: Option<Amount>,
    ) -> Result<i64, Rejection> {
        let purchase = self.lines.values().next().map(|line| &line.purchase);
        let of_order = purchase.filter(|purchase| currency.is_none() || currency == purchase.currency);
        let amount_base = match of_order.and_then(|purchase| purchase.rate) {
            Some(rate) => money::amount_base(Cost::Line(amount), 1, rate, self.places).ok(),
            None => converted,
        };
        let refused = |reason, detail: &str| Rejection { reason, field: "amount", detail: detail.to_owned() };
        let amount_base =
            amount_base.ok_or_else(|| refused(Reason::AmountOverflow, "more goes back than is kept"))?;
        match amount_base.unscaled() {
            ..=0 => Err(refused(Reason::InvalidField, "it comes to nothing in the base currency")),
            hundredths => Ok(hundredths),
        }
    }

    /// The lines of which refunds stand under these ids, by the identities of the refunds.
    fn stored_of(&self, shared: impl Fn(i32) -> String) -> HashMap<Uuid, i32> {
        // The first one also where it is not sold: under its id stands what somebody has completed.
        let numbers = self.lines.keys().chain([&1]);
        let identities = numbers.map(|line| (identity(&shared(*line)), *line));
        identities.filter(|(identity, _)| self.known.contains(identity)).collect()
    }

    /// What a refund of a sum paid back when it was stored, as repeats.
    fn again(
        &self,
        refund: &Accepted,
        stored: &HashMap<Uuid, i32>,
        shared: impl Fn(i32) -> String,
    ) -> Vec<Accepted> {
        let again = |paid: &Event| {
            let line = *stored.get(&ids::identity(&paid.event_id))?;
            let purchase = self.purchase(line)?;
            line_back(refund, &purchase, paid.quantity?, hundredths(paid), &shared(line))
        };
        self.refunds.iter().filter_map(again).collect()
    }

    /// Of each line its share of a sum, and no more than is left of all of them.
    fn shares(
        &self,
        refund: &Accepted,
        wanted: i64,
        left: BTreeMap<i32, Left>,
        shared: impl Fn(i32) -> String,
    ) -> Vec<Accepted> {
        let total: i64 = left.values().map(|left| left.hundredths).sum();
        let wanted = wanted.min(total);
        if wanted <= 0 {
            return Vec::new();
        }
        let step = i128::from(self.places.step());
        let (mut passed, mut paid, mut lines) = (0i64, 0i64, Vec::new());
        for (line, left) in left {
            passed += left.hundredths;
            let share = i128::from(wanted) * i128::from(passed) / i128::from(total);
            // The last line has what is left of the sum.
            let share = if passed == total { i128::from(wanted) } else { share - share % step };
            let taken = i64::try_from(share).unwrap_or(wanted) - paid;
            let Some(purchase) = self.purchase(line).filter(|_| taken > 0) else { continue };
            let units = if taken == left.hundredths { left.quantity.max(1) } else { 1 };
            lines.extend(line_back(refund, &purchase, units, taken, &shared(line)));
            paid += taken;
        }
        lines
    }
}

/// The shared ids of what a refund of a sum takes of the lines of its order.
fn shared_ids(refund: &Accepted, id: &str) -> impl Fn(i32) -> String + Clone + use<> {
    let order_id = refund.whole_order.as_ref().map_or("", |order| &*order.order_id).to_owned();
    let id = id.to_owned();
    move |line| ids::refund_sum(&order_id, &id, line)
}
