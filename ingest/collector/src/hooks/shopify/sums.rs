//! What of Shopify's refunds is of no line. A refund tells its lines at what Shopify computes for them, and
//! what was paid in truth as an adjustment: so much less or more. A refund of an amount alone has no lines,
//! and is such an adjustment altogether.
//!
//! What is more than the lines is a sum, of which each line of the order pays its share. What is less comes
//! off the lines of the refund. Shipping, tax and duties count nowhere, and so they do not here.

use ingest::store::{Share, ShopRefund, ShopSums};
use rust_decimal::Decimal;
use serde_json::Value;

use super::{instant, is_product};
use crate::hooks::delivery::{Head, id, list, places, rounded, sum, unread_refund, written};
use crate::hooks::{System, ToldRefund};
use crate::item::Mapped;

/// What is paid of an amount, in the shop's currency; nothing where that cannot be read.
fn shop_money(value: &Value, field: &str) -> Option<Decimal> {
    let set = &value[format!("{field}_set")]["shop_money"]["amount"];
    sum(set).or_else(|| sum(&value[field]))
}

/// How much more a refund paid back than its lines are computed to cost, or less; nothing where that cannot
/// be read. Newer versions of Shopify tell shipping elsewhere, and no kind.
fn beside_lines(refund: &Value) -> Option<Decimal> {
    let is_shipping = |adjustment: &Value| {
        adjustment["kind"] == "shipping_refund" || adjustment["reason"] == "Shipping refund"
    };
    let of_products = list(&refund["order_adjustments"]).iter().filter(|told| !is_shipping(told));
    // What goes back is less than nothing to the shop.
    of_products
        .map(|told| shop_money(told, "amount"))
        .try_fold(Decimal::ZERO, |all, told| all.checked_sub(told?))
}

/// How much less a refund paid back than its lines are computed to cost.
pub(super) fn less(refund: &Value) -> Decimal {
    let beside = beside_lines(refund).unwrap_or_default();
    if beside.is_sign_negative() { -beside } else { Decimal::ZERO }
}

/// What of its lines' sums a refund paid back that paid so much less: of each line its share.
pub(super) fn reduced(amounts: &[Option<Decimal>], less: Decimal, currency: &Value) -> Vec<Option<Decimal>> {
    let total = amounts.iter().flatten().fold(Decimal::ZERO, |all, amount| all.saturating_add(*amount));
    if less <= Decimal::ZERO || total <= Decimal::ZERO {
        return amounts.to_vec();
    }
    let less = less.min(total);
    // Rounded so that all of the shares come to all of it.
    let upto = |passed: Decimal| {
        let share = less.checked_mul(passed).and_then(|share| share.checked_div(total));
        rounded(share.unwrap_or_default(), currency)
    };
    let mut passed = Decimal::ZERO;
    let share = |amount: &Option<Decimal>| {
        let amount = (*amount)?;
        let before = upto(passed);
        passed = passed.saturating_add(amount);
        Some((amount - (upto(passed) - before)).max(Decimal::ZERO))
    };
    amounts.iter().map(share).collect()
}

/// The order that refunds are of, where it is told, too.
pub(super) struct OfOrder<'a> {
    /// The order; nothing where a refund is told by itself.
    pub(super) told: Option<&'a Value>,
    pub(super) order_id: &'a str,
    /// Who ordered, and how.
    pub(super) common: &'a Mapped,
}

impl OfOrder<'_> {
    /// The sums of refunds, and those that cannot be read, to be refused.
    pub(super) fn sums(&self, refunds: &[Value], head: &Head<'_>) -> (ShopSums, Vec<ToldRefund>) {
        let currency = self.told.map(|told| &told["currency"]).or_else(|| {
            let told = refunds.first().map(|refund| &refund["order_adjustments"][0]);
            told.map(|told| &told["amount_set"]["shop_money"]["currency_code"])
        });
        let share = Share { places: places(currency.unwrap_or(&Value::Null)), ..Share::default() };
        let (mut sums, mut unread) = (ShopSums { share, ..ShopSums::default() }, Vec::new());
        for refund in refunds {
            let refuse = |why: &str| {
                let mut record = self.common.clone();
                let at = instant(&refund["created_at"]).unwrap_or(head.at);
                record.set("occurred_at", written(at, head));
                let total = &refund["transactions"][0]["amount"];
                unread_refund(System::Shopify, (self.order_id, refund, total), record, why)
            };
            let Some(beside) = beside_lines(refund) else {
                unread.push(refuse("its adjustments cannot be read"));
                continue;
            };
            let is_bare = list(&refund["refund_line_items"]).is_empty() && beside.is_zero();
            let paid = match self.told.filter(|_| is_bare) {
                Some(order) => match paid_for_products(refund, order) {
                    Some(paid) => paid,
                    None => {
                        unread.push(refuse("what was paid back, and what for, cannot be read"));
                        continue;
                    }
                },
                None => (beside, false),
            };
            let (total, is_rest) = paid;
            if total <= Decimal::ZERO {
                continue;
            }
            match id(&refund["id"]) {
                Some(id) => sums.told.push(ShopRefund { id, total: total.into(), is_rest }),
                None => unread.push(refuse("it has no id")),
            }
        }
        sums.told.sort_by_key(|refund| (refund.id.len(), refund.id.clone()));
        (sums, unread)
    }
}

/// What a refund without lines and adjustments paid back for products, by its transactions, and whether it is
/// exactly what shipping costs and no line does. Nothing where that cannot be read.
fn paid_for_products(refund: &Value, order: &Value) -> Option<(Decimal, bool)> {
    let is_paid =
        |told: &&Value| told["kind"] == "refund" && (told["status"] == "success" || told["status"].is_null());
    let mut paid = Decimal::ZERO;
    for transaction in list(&refund["transactions"]).iter().filter(is_paid) {
        let is_of_shop = transaction["currency"].is_null() || transaction["currency"] == order["currency"];
        paid = paid.checked_add(sum(&transaction["amount"]).filter(|_| is_of_shop)?)?;
    }
    if paid.is_zero() {
        return Some((paid, false));
    }
    // What is told to be for something else.
    let mut others = Decimal::ZERO;
    for field in ["total_duties_set", "total_additional_fees_set"] {
        others = others.checked_add(sum(&refund[field]["shop_money"]["amount"]).unwrap_or_default())?;
    }
    for adjustment in list(&refund["order_adjustments"]) {
        others = others.checked_add(shop_money(adjustment, "amount")?.abs())?;
        others = others.checked_add(shop_money(adjustment, "tax_amount").unwrap_or_default().abs())?;
    }
    if list(&refund["order_adjustments"]).is_empty() {
        for line in list(&refund["refund_shipping_lines"]) {
            others = others.checked_add(shop_money(line, "subtotal_amount")?)?;
            others = others.checked_add(shop_money(line, "tax_amount").unwrap_or_default())?;
        }
    }
    let total = paid.checked_sub(others)?;
    let costs = Costs::of(order)?;
    let is_rest = others.is_zero() && costs.shipping == Some(total) && !costs.lines.contains(&total);
    Some((rounded(costs.without_tax(total)?, &order["currency"]), is_rest))
}

/// What an order costs, with its tax.
struct Costs {
    lines: Vec<Decimal>,
    /// Its products as they are counted.
    counted: Decimal,
    shipping: Option<Decimal>,
}

impl Costs {
    /// Nothing where a sum of the order cannot be read.
    fn of(order: &Value) -> Option<Self> {
        let includes_tax = order["taxes_included"] == true;
        let taxes = |told: &Value| {
            let lines = list(&told["tax_lines"]).iter().map(|line| sum(&line["price"]));
            let all = lines.clone().try_fold(Decimal::ZERO, |all, price| all.checked_add(price?));
            all.map(|all| if includes_tax { Decimal::ZERO } else { all })
        };
        let mut costs = Self { lines: Vec::new(), counted: Decimal::ZERO, shipping: None };
        for line in list(&order["line_items"]).iter().filter(|line| is_product(line)) {
            let paid = super::paid(line)?;
            costs.counted = costs.counted.checked_add(paid)?;
            costs.lines.push(paid.checked_add(taxes(line)?)?);
        }
        let shipping = &order["total_shipping_price_set"]["shop_money"]["amount"];
        let of_shipping = list(&order["shipping_lines"]).iter().map(taxes);
        let tax = of_shipping.clone().try_fold(Decimal::ZERO, |all, tax| all.checked_add(tax?))?;
        costs.shipping = sum(shipping).and_then(|shipping| shipping.checked_add(tax));
        Some(costs)
    }

    /// What of a sum with tax counts.
    fn without_tax(&self, total: Decimal) -> Option<Decimal> {
        let with_tax = self.lines.iter().try_fold(Decimal::ZERO, |all, line| all.checked_add(*line))?;
        let is_part = self.counted < with_tax;
        if is_part { total.checked_mul(self.counted)?.checked_div(with_tax) } else { Some(total) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn adjustments_say_what_was_paid_beside_the_lines() {
        let of = |adjustments: Value| beside_lines(&json!({ "order_adjustments": adjustments }));
        let set = json!({ "shop_money": { "amount": "-4.50" }, "presentment_money": { "amount": "-5.00" } });
        for (adjustments, beside) in [
            (json!([]), Some("0")),
            (json!([{ "amount": "-5.00", "kind": "refund_discrepancy" }]), Some("5.00")),
            (json!([{ "amount": "-5.00", "amount_set": set, "reason": "Other" }]), Some("4.50")),
            (json!([{ "amount": "-4.90", "kind": "shipping_refund" }, { "amount": "2.00" }]), Some("-2.00")),
            // Paid, and not yet.
            (
                json!([{ "amount": "-5" }, { "amount": "5", "reason": "Pending refund discrepancy" }]),
                Some("0"),
            ),
            (json!([{ "amount": "much" }]), None),
        ] {
            assert_eq!(of(adjustments.clone()), beside.map(told), "{adjustments}");
        }
    }

    #[test]
    fn what_is_less_comes_off_the_lines_to_the_last_place() {
        let amounts = [Some(told("6.00")), None, Some(told("19.00")), Some(told("0.01"))];
        for (less, rest) in
            [("0", "25.01"), ("5.00", "20.01"), ("0.02", "24.99"), ("25.01", "0"), ("99", "0")]
        {
            let reduced = reduced(&amounts, told(less), &json!("EUR"));
            assert_eq!(reduced.iter().flatten().sum::<Decimal>(), told(rest), "{less}");
            assert!(
                reduced[1].is_none() && reduced.iter().flatten().all(|amount| !amount.is_sign_negative())
            );
        }
        assert_eq!(reduced(&[Some(told("100"))], told("33"), &json!("JPY")), [Some(told("67"))]);
    }

    #[test]
    fn transactions_are_for_products_as_far_as_nothing_else_is_told() {
        let line = json!({ "price": "10.00", "quantity": 2, "tax_lines": [{ "price": "4.00" }] });
        let mut order = json!({ "currency": "EUR", "taxes_included": false, "line_items": [line] });
        order["total_shipping_price_set"] = json!({ "shop_money": { "amount": "5.00" } });
        order["shipping_lines"] = json!([{ "tax_lines": [{ "price": "1.00" }] }]);
        let paid = |transaction: Value, more: Value| {
            let mut refund = json!({ "transactions": [transaction] });
            refund.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            paid_for_products(&refund, &order)
        };
        let of = |amount: &str| json!({ "kind": "refund", "status": "success", "amount": amount, "currency": "EUR" });
        assert_eq!(paid(of("12.00"), json!({})), Some((told("10.00"), false)));
        assert_eq!(paid(of("6.00"), json!({})), Some((told("5.00"), true)));
        let shipping = json!([{ "amount": "-5.00", "tax_amount": "-1.00", "kind": "shipping_refund" }]);
        assert_eq!(paid(of("12.00"), json!({ "order_adjustments": shipping })), Some((told("5.00"), false)));
        let lines = json!([{ "subtotal_amount_set": { "shop_money": { "amount": "2.00" } } }]);
        assert_eq!(paid(of("8.00"), json!({ "refund_shipping_lines": lines })), Some((told("5.00"), false)));
        let failed = json!({ "kind": "refund", "status": "failure", "amount": "3.00" });
        assert_eq!(paid(failed, json!({})), Some((Decimal::ZERO, false)));
        let foreign = json!({ "kind": "refund", "status": "success", "amount": "3.00", "currency": "USD" });
        assert_eq!(paid(foreign, json!({})), None);
    }
}
