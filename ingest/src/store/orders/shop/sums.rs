//! What refunds of sums are for. It is decided once for each of them, by the order as it was told then, and
//! kept: what is edited later does not change it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::store::shop_order::{ShopOrder, ShopRefund, ShopSums, UnreadRefund};

/// Refunds by the shop's ids of them.
pub(super) type Decisions = BTreeMap<String, Decision>;

/// What a refund is for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    /// Shipping and fees, which count nowhere.
    Rest,
    /// Products: the sum with tax, and what of it counts.
    Products { total: Decimal, counted: Decimal },
    /// The lines that it tells.
    Lines,
    /// Nothing any more: the shop has deleted it.
    Gone,
}

/// Decides what refunds are for that are told the first time.
///
/// One whose sum counts stays a sum, though it tells its lines later, and one of lines stays that. Only where
/// nothing of it was counted its lines know better. What is stored of one that could not be read, and that
/// somebody has completed, counts as it is, and for products.
pub(super) fn decide(known: &mut Decisions, sums: &ShopSums, is_stored: impl Fn(&str) -> bool) {
    for id in &sums.lined {
        let counts_already = Decision::Products { total: Decimal::ZERO, counted: Decimal::ZERO };
        let by_lines = if is_stored(id) { counts_already } else { Decision::Lines };
        let decision = known.entry(id.clone()).or_insert(by_lines);
        if *decision == Decision::Rest {
            *decision = by_lines;
        }
    }
    for ShopRefund { id, total, is_rest } in &sums.told {
        if known.contains_key(id) {
            continue;
        }
        let is_paid = known.values().any(|decision| *decision == Decision::Rest);
        let decision = if *is_rest && !is_paid && !is_stored(id) {
            Decision::Rest
        } else {
            let total = total.to_decimal();
            let passed = known.values().map(Decision::total).fold(Decimal::ZERO, Decimal::saturating_add);
            // Shares are rounded so that all of them come to what all of the sums are.
            let share = sums.share;
            let counted =
                share.of(passed.saturating_add(total)).checked_sub(share.of(passed)).unwrap_or(total);
            Decision::Products { total, counted }
        };
        known.insert(id.clone(), decision);
    }
}

/// Of the refunds that are told, also with their lines or so that they cannot be read any more, those that
/// count as sums, and how much of each.
pub(super) fn counted<'a>(
    known: &'a Decisions,
    told: &'a ShopOrder,
) -> impl Iterator<Item = (&'a str, Decimal)> {
    let unread = told.unread_refunds.iter().filter(|refund| refund.is_whole);
    let ids = told.sums.told.iter().map(|refund| &refund.id).chain(&told.sums.lined);
    let ids = ids.chain(unread.filter_map(|refund| refund.of.as_ref()));
    ids.filter_map(|id| match known.get(id)? {
        Decision::Products { counted, .. } => Some((id.as_str(), *counted)),
        Decision::Rest | Decision::Lines | Decision::Gone => None,
    })
}

/// The refunds that count as sums.
pub(super) fn of_products(known: &Decisions) -> Vec<&str> {
    let is_of_products = |decision: &Decision| matches!(decision, Decision::Products { .. });
    known.iter().filter(|(_, decision)| is_of_products(decision)).map(|(id, _)| id.as_str()).collect()
}

/// Whether it is open what becomes of a refund, or of a line of one, that cannot be read.
pub(super) fn is_open(known: &Decisions, refund: &UnreadRefund) -> bool {
    match &refund.of {
        Some(id) if refund.is_whole => !known.contains_key(id),
        id => is_of_lines(known, id.as_ref()),
    }
}

/// Whether the lines of a refund count, and not its sum.
pub(super) fn is_of_lines(known: &Decisions, id: Option<&String>) -> bool {
    let decision = id.and_then(|id| known.get(id));
    !decision.is_some_and(|decision| matches!(decision, Decision::Products { .. } | Decision::Gone))
}

impl Decision {
    /// The sum with tax, where it is for products.
    fn total(&self) -> Decimal {
        match self {
            Self::Products { total, .. } => *total,
            Self::Rest | Self::Lines | Self::Gone => Decimal::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::shop_order::Share;

    #[test]
    fn no_sum_that_a_sender_writes_is_too_large_to_subtract() {
        let sums = ["7900000000000000000000000000", "1000000000000000000000000000"];
        let refund = |(id, total): (usize, &str)| ShopRefund {
            id: id.to_string(),
            total: total.parse::<Decimal>().unwrap().into(),
            is_rest: false,
        };
        for (counted, with_tax) in [("-10", "1"), ("1", "-10"), ("10", "1"), ("0.1", "1"), ("0", "1")] {
            let share =
                Share { counted: counted.parse().unwrap(), with_tax: with_tax.parse().unwrap(), places: 2 };
            let told = sums.into_iter().enumerate().map(refund).collect();
            let mut known = Decisions::new();
            decide(&mut known, &ShopSums { told, share, ..ShopSums::default() }, |_| false);
            assert!(
                known.values().all(|decision| matches!(
                    decision,
                    Decision::Products { total, counted } if counted <= total && !counted.is_sign_negative()
                )),
                "{counted} of {with_tax}: {known:?}"
            );
        }
    }
}
