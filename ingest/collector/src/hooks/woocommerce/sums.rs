//! What of WooCommerce's refunds is for products. A refund is told as one sum, in which shipping and tax are,
//! too. These count nowhere else, and so they do not here.
//!
//! A refund that tells its lines pays these back, by their own amounts. Of any other the sum says what it is
//! for: exactly what shipping and fees cost is for these. Else it is for products, at their part without tax
//! where the shop's prices have none. That is decided where the order is known, once for each refund.
//!
//! A refund that cannot be read is refused by name. So is a sum of an order whose costs cannot be read: what
//! it is for would be a guess.

use chrono::{DateTime, Utc};
use contracts::Reason;
use ingest::store::{Share, ShopRefund, ShopSums};
use rust_decimal::Decimal;
use serde_json::Value;

use super::{instant, product};
use crate::hooks::delivery::{
    Head, id, is_list_or_none, list, places, sum, text, unread_refund, whole, written,
};
use crate::hooks::{System, ToldRefund};
use crate::item::Mapped;

/// What an order costs.
#[derive(Default)]
struct Costs {
    /// Its lines as they are counted, and with their tax.
    share: Share,
    /// Each line with its tax.
    lines: Vec<Decimal>,
    /// Shipping and fees with their tax.
    rest: Option<Decimal>,
}

impl Costs {
    /// Nothing where a sum of the order cannot be read.
    fn of(told: &Value) -> Option<Self> {
        let includes_tax = told["prices_include_tax"] == true;
        let mut costs = Self::default();
        for line in list(&told["line_items"]) {
            let (total, tax) = (sum(&line["total"])?, sum(&line["total_tax"])?);
            let with_tax = total.checked_add(tax)?;
            costs.lines.push(with_tax);
            let counted = if includes_tax { with_tax } else { total };
            costs.share.counted = costs.share.counted.checked_add(counted)?;
            costs.share.with_tax = costs.share.with_tax.checked_add(with_tax)?;
        }
        let rest = sum(&told["total"])?.checked_sub(costs.share.with_tax)?;
        costs.rest = Some(rest).filter(|rest| *rest > Decimal::ZERO);
        Some(costs)
    }

    /// Whether a sum is exactly what shipping and fees cost, and no line does.
    fn is_rest(&self, total: Decimal) -> bool {
        self.rest == Some(total) && !self.lines.contains(&total)
    }
}

/// The refunds of an order: sums, and lines. Among the lines is what cannot be read, to be refused.
pub(super) fn refunds(
    told: &Value,
    order_id: &str,
    common: &Mapped,
    as_of: DateTime<Utc>,
    head: &Head<'_>,
) -> (ShopSums, Vec<ToldRefund>) {
    let costs = Costs::of(told);
    let share = Share {
        places: places(&told["currency"]),
        ..costs.as_ref().map(|costs| costs.share).unwrap_or_default()
    };
    let (mut sums, mut lines) = (ShopSums { share, ..ShopSums::default() }, Vec::new());
    let of = |refund: &Value| {
        let at = instant(&refund["date_created_gmt"]).unwrap_or(as_of);
        let mut record = common.clone();
        record.set("occurred_at", written(at, head));
        record
    };
    let unread = |refund: &Value, record: &Mapped, why: &str| {
        unread_refund(System::Woocommerce, (order_id, refund, &refund["total"]), record.clone(), why)
    };
    if !is_list_or_none(&told["refunds"]) {
        lines.push(unread(&told["refunds"], &of(told), "they are no list"));
    }
    let mut refunds: Vec<(String, &Value)> = Vec::new();
    for refund in list(&told["refunds"]) {
        match id(&refund["id"]) {
            Some(id) => refunds.push((id, refund)),
            None => lines.push(unread(refund, &of(refund), "it has no id")),
        }
    }
    // Each as it came.
    refunds.sort_by_key(|(id, _)| (id.len(), id.clone()));
    for (id, refund) in refunds {
        if !is_list_or_none(&refund["line_items"]) {
            lines.push(unread(refund, &of(refund), "its lines are no list"));
            continue;
        }
        let of_lines = list(&refund["line_items"]);
        if !of_lines.is_empty() {
            lines.extend(of_lines.iter().zip(1..).filter_map(|(line, place)| {
                let places = (place, of_lines.len());
                line_of(told, line, (order_id, &id), of(refund), places)
            }));
            sums.lined.push(id);
            continue;
        }
        match (sum(&refund["total"]).map(|total| total.abs()), &costs) {
            (None, _) => lines.push(unread(refund, &of(refund), "its sum cannot be read")),
            (Some(total), None) if !total.is_zero() => {
                let why = "what its order costs cannot be read, and so not what it is for";
                lines.push(unread(refund, &of(refund), why));
            }
            (Some(total), costs) => {
                let is_rest = costs.as_ref().is_some_and(|costs| costs.is_rest(total));
                sums.told.push(ShopRefund { id, total: total.into(), is_rest });
            }
        }
    }
    (sums, lines)
}

/// Whether an order tells all of its refunds, each by its id: then one that it does not tell was deleted.
pub(super) fn are_all_told(told: &Value) -> bool {
    let refunds = told["refunds"].as_array();
    refunds.is_some_and(|refunds| refunds.iter().all(|refund| id(&refund["id"]).is_some()))
}

/// The refund of a line; nothing where no money of it goes back.
fn line_of(
    told: &Value,
    line: &Value,
    (order_id, refund_id): (&str, &str),
    mut record: Mapped,
    (place, places): (usize, usize),
) -> Option<ToldRefund> {
    let includes_tax = told["prices_include_tax"] == true;
    let tax = if includes_tax { sum(&line["total_tax"]) } else { Some(Decimal::ZERO) };
    let total = sum(&line["total"]).zip(tax).and_then(|(total, tax)| total.checked_add(tax));
    let amount = total.map(|amount| amount.abs());
    if amount.is_some_and(|amount| amount.is_zero()) {
        return None;
    }
    let meta = list(&line["meta_data"]).iter().find(|meta| meta["key"] == "_refunded_item_id");
    let key = meta.and_then(|meta| id(&meta["value"]));
    let sold = list(&told["line_items"]).iter().find(|sold| key.is_some() && id(&sold["id"]) == key);
    for (field, value) in product(sold.unwrap_or(line)) {
        record.set(field, value);
    }
    record.set("event_name", "refund");
    record.set("order_id", order_id);
    record.set("order_line", place);
    record.set("order_lines", places);
    match id(&line["id"]) {
        Some(id) => {
            let shared = format!("refund/{order_id}/{refund_id}-line-{id}");
            record.set_known_by(format!("woocommerce/{shared}"));
            record.set("shared_id", shared);
        }
        None => record.refuse(Reason::MissingField, "refunds.line_items.id", "it has none"),
    }
    // Units that come back are less than none; of a part of the price none does.
    let units = line["quantity"].as_i64().map(i64::abs).map(Value::from);
    record.set("quantity", units.as_ref().and_then(whole).unwrap_or(1).max(1));
    record.set("amount", amount.map_or(Value::Null, |amount| amount.to_string().into()));
    record.set("currency", text(&told["currency"]));
    Some(ToldRefund { key, of: Some(refund_id.to_owned()), is_whole: false, refund: record })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_part_without_tax_has_the_places_of_the_currency() {
        for (currency, total, tax, refund, counted) in [
            ("EUR", "10.00", "1.90", "1.00", "0.84"),
            ("KWD", "10.000", "1.900", "1.000", "0.840"),
            ("JPY", "1000", "100", "333", "303"),
        ] {
            let line = json!({"total": total, "total_tax": tax});
            let mut told = json!({"currency": currency, "prices_include_tax": false, "total": total});
            told["line_items"] = json!([line]);
            let share = Share { places: places(&told["currency"]), ..Costs::of(&told).unwrap().share };
            assert_eq!(share.of(refund.parse().unwrap()), counted.parse().unwrap(), "{currency}");
        }
    }
}
