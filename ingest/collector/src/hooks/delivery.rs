//! What a delivery tells, and what both shop systems have in common.

use std::str::FromStr as _;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::Reason;
use contracts::ids;
use contracts::money::{Exact, minor_units};
use contracts::printable::printable_within;
use contracts::validation::MAX_ORDER_LINES;
use ingest::store::{OtherEvent, OtherKind, ShopLine, ShopOrder, ShopSums};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{System, addresses};
use crate::item::{Item, Mapped};

/// Characters of an id, and of a topic, that are kept.
const ID_CHARS: usize = 200;
/// Refunds of an order that are read.
const MAX_REFUNDS: usize = 100;
/// Rows that an order may become at most.
const MAX_ROWS: usize = 9_000;

/// How a delivery came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// From which shop, by the name that it has here.
    pub(crate) shop: &'a str,
    /// What it is about, by its header.
    pub(crate) topic: &'a str,
    /// Its id, by its header.
    pub(crate) id: Option<&'a str>,
    /// When it was set off, by its header.
    pub(crate) triggered_at: Option<&'a str>,
}

impl Head<'_> {
    /// An order's id among those of all shops: their numbers are the same.
    pub(super) fn order_id(&self, id: &str) -> String {
        format!("{}/{id}", self.shop)
    }
}

/// What a delivery tells.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Records, and what has no place.
    pub(crate) items: Vec<Item>,
    /// An order as it is now.
    pub(crate) order: Option<Box<ToldOrder>>,
}

/// An order as it is told, not yet judged.
#[derive(Debug)]
pub(crate) struct ToldOrder {
    pub(crate) order_id: String,
    /// When it was bought; nothing where refunds of it are told, or that it came to nothing, and not the
    /// order as it is.
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) as_of: DateTime<Utc>,
    pub(crate) rank: i64,
    pub(crate) is_void: bool,
    pub(crate) lines: Vec<ToldLine>,
    /// Lines whose ids or sums cannot be read: they stay as they are.
    pub(crate) unread: Vec<ToldUnread>,
    pub(crate) line_refunds: Vec<ToldRefund>,
    pub(crate) sums: ShopSums,
    pub(crate) refund: Mapped,
    pub(crate) otherwise: OtherEvent,
}

/// A line of it.
#[derive(Debug)]
pub(crate) struct ToldLine {
    pub(crate) key: String,
    pub(crate) quantity: i32,
    pub(crate) amount: Exact,
    pub(crate) by_units: bool,
    pub(crate) purchase: Mapped,
}

/// A line that cannot be read, at its place among those that are told.
#[derive(Debug)]
pub(crate) struct ToldUnread {
    pub(crate) key: Option<String>,
    pub(crate) place: i32,
    /// Whether anything of it is sold, as far as that is known.
    pub(crate) is_sold: bool,
    pub(crate) purchase: Mapped,
}

/// A refund of a line, by the shop's id of it.
#[derive(Debug)]
pub(crate) struct ToldRefund {
    pub(crate) key: Option<String>,
    /// The shop's id of the refund, where it may be told as a sum, too.
    pub(crate) of: Option<String>,
    /// Whether it is all of a refund, which cannot be read.
    pub(crate) is_whole: bool,
    pub(crate) refund: Mapped,
}

impl ToldOrder {
    /// How many rows it may become at most.
    pub(crate) const fn rows(&self) -> usize {
        ShopOrder::rows_of(self.lines.len(), self.sums.told.len(), self.line_refunds.len())
    }
}

impl Delivery {
    /// How many events it may be at most.
    pub(crate) fn len(&self) -> usize {
        self.items.iter().map(Item::len).sum::<usize>() + self.order.as_ref().map_or(0, |order| order.rows())
    }

    /// Something without a place: that it came is counted, and nothing of it is kept but its id.
    pub(super) fn other(system: System, body: &[u8], head: &Head<'_>) -> Self {
        Self { items: vec![Item::Other(Box::new(other(system, body, head)))], order: None }
    }

    /// Something that cannot be read: set aside as it came, but for IP addresses.
    pub(super) fn refused(
        mut record: Mapped,
        body: &[u8],
        reason: Reason,
        field: &'static str,
        detail: &str,
    ) -> Self {
        let kept = addresses::without(body);
        record.refuse(reason, field, format!("{detail}{}", kept.note()));
        record.set("delivery", kept.text);
        Self { items: vec![Item::Records(vec![record])], order: None }
    }
}

/// What is kept of a delivery of which nothing is new, or that has no place.
pub(super) fn other(system: System, body: &[u8], head: &Head<'_>) -> OtherEvent {
    let told = head.id.map(|id| printable_within(id, ID_CHARS)).filter(|id| !id.is_empty());
    let id = told.unwrap_or_else(|| format!("sha256:{:x}", Sha256::digest(body)));
    let topic = if head.topic.is_empty() { "unknown" } else { head.topic };
    OtherEvent {
        payload: json!({ "delivery_id": id }).to_string().into_bytes(),
        id: format!("{}/{id}", system.name()),
        dialect: system.name(),
        kind: OtherKind::Other,
        name: printable_within(topic, ID_CHARS),
        occurred_at: head.at,
        user_id: None,
        anonymous_id: None,
        tells: None,
    }
}

/// An id: a number, or a text that is not empty and can be kept.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let text = text.trim();
            let is_kept = (1..=ID_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control);
            is_kept.then(|| text.to_owned())
        }
        _ => None,
    }
}

/// A sum of money, with its digits.
pub(super) fn sum(value: &Value) -> Option<Decimal> {
    let digits = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    Exact::from_str(&digits).ok().map(Exact::to_decimal)
}

/// A whole number of 32 bits, from 0 on.
pub(super) fn whole(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?)
        .ok()
        .filter(|number| (0..=contracts::validation::MAX_QUANTITY).contains(number))
}

/// A text; anything else is none.
pub(super) fn text(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, Value::from)
}

/// Whether it is a list, or left out.
pub(super) fn is_list_or_none(value: &Value) -> bool {
    value.is_null() || value.is_array()
}

/// The elements of a list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A sum with as many decimal places as its currency has, or two where it cannot be read: then it is refused
/// with its line.
pub(super) fn rounded(sum: Decimal, currency: &Value) -> Decimal {
    sum.round_dp_with_strategy(places(currency), RoundingStrategy::MidpointAwayFromZero)
}

/// The decimal places of a currency.
pub(super) fn places(currency: &Value) -> u32 {
    currency.as_str().and_then(|code| code.parse().ok()).map_or(2, minor_units)
}

/// An instant as records have it, not after it came: clocks differ.
pub(super) fn written(at: DateTime<Utc>, head: &Head<'_>) -> Value {
    at.min(head.at).to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

/// What orders of both shop systems are made of.
pub(super) struct Parts<'a> {
    pub(super) system: System,
    pub(super) body: &'a [u8],
    /// Among those of all shops.
    pub(super) order_id: String,
    /// Who ordered, and how.
    pub(super) common: Mapped,
    pub(super) created_at: DateTime<Utc>,
    pub(super) as_of: DateTime<Utc>,
    pub(super) rank: i64,
    pub(super) is_void: bool,
}

/// A line as its shop system tells it; nothing of its sums where they cannot be read.
pub(super) struct Line {
    pub(super) key: Option<String>,
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Units, those that are sold still, and what these cost.
    pub(super) sums: Option<(i32, i32, Decimal)>,
    pub(super) by_units: bool,
}

/// Puts an order together.
pub(super) fn order(
    parts: Parts<'_>,
    lines: Vec<Line>,
    sums: ShopSums,
    line_refunds: Vec<ToldRefund>,
    head: &Head<'_>,
) -> Delivery {
    let Parts { system, body, order_id, common, created_at, as_of, rank, is_void } = parts;
    let count = lines.len();
    let unread = line_refunds.iter().filter(|refund| refund.is_whole).count();
    if count > MAX_ORDER_LINES as usize
        || sums.told.len() + sums.lined.len() + unread > MAX_REFUNDS
        || (count + 1) * (sums.told.len() + 2) + line_refunds.len() > MAX_ROWS
    {
        return Delivery::refused(
            common,
            body,
            Reason::InvalidField,
            "line_items",
            "it has too many lines or refunds",
        );
    }
    let (mut told, mut unread) = (Vec::with_capacity(count), Vec::new());
    for (place, line) in (1..).zip(lines) {
        let mut purchase = common.clone();
        purchase.set("event_name", "purchase");
        purchase.set("occurred_at", written(created_at, head));
        purchase.set("order_id", order_id.clone());
        purchase.set("shared_id", ids::order_line(&order_id, place));
        purchase.set("order_line", place);
        purchase.set("order_lines", count);
        for (field, value) in line.fields {
            purchase.set(field, value);
        }
        let known_by = line.key.as_ref().map_or_else(|| place.to_string(), |key| format!("line-{key}"));
        let known_by = format!("{}/order/{order_id}/{known_by}", system.name());
        purchase.set_known_by(known_by.clone());
        let units = line.sums.map_or(0, |(units, ..)| units);
        let is_sold = line.sums.is_none_or(|(_, units, sum)| ShopLine::sells(units, sum));
        purchase.set("quantity", units.max(1));
        match (line.key, line.sums) {
            (Some(key), Some((_, quantity, amount))) if !amount.is_sign_negative() || amount.is_zero() => {
                purchase.set("amount", amount.to_string());
                let amount = amount.into();
                told.push(ToldLine { key, quantity, amount, by_units: line.by_units, purchase });
            }
            (key, _) => {
                if key.is_some() {
                    // A record that tells no sum is never sold: the line is another one once it tells it.
                    purchase.set_known_by(format!("{known_by}/unread"));
                }
                purchase.refuse(
                    Reason::InvalidField,
                    "line_items",
                    "its id, its units or its sums cannot be read",
                );
                unread.push(ToldUnread { key, place, is_sold, purchase });
            }
        }
    }
    let order = ToldOrder {
        created_at: Some(created_at),
        rank,
        is_void,
        lines: told,
        unread,
        sums,
        ..refunds_of(system, body, (order_id, common), as_of, line_refunds, head)
    };
    Delivery { items: Vec::new(), order: Some(Box::new(order)) }
}

/// A refund whose sum, which is told apart, cannot be read. What is kept of it is one of a line, so that no
/// replay takes it for one of the whole order, and has the id of its first share, so that it never counts
/// beside its sum.
pub(super) fn unread_refund(
    system: System,
    (order_id, refund, total): (&str, &Value, &Value),
    mut record: Mapped,
    why: &str,
) -> ToldRefund {
    let of = id(&refund["id"]).filter(|_| refund.is_object());
    record.set("event_name", "refund");
    record.set("order_id", order_id);
    record.set("order_line", 1);
    record.set("order_lines", 1);
    record.set("amount", id(total));
    match &of {
        Some(id) => {
            let shared = ids::refund_sum(order_id, id, 1);
            record.set_known_by(format!("{}/{shared}", system.name()));
            record.set("shared_id", shared);
        }
        None => {
            let digest = hex::encode(Sha256::digest(refund.to_string()));
            record.set_known_by(format!("{}/refund/{order_id}/{digest}", system.name()));
        }
    }
    record.refuse(Reason::InvalidField, "refunds", why);
    ToldRefund { key: None, of, is_whole: true, refund: record }
}

/// Refunds of an order of which no lines are told; `common` is who ordered, as far as that is known.
pub(super) fn refunds_of(
    system: System,
    body: &[u8],
    (order_id, common): (String, Mapped),
    as_of: DateTime<Utc>,
    line_refunds: Vec<ToldRefund>,
    head: &Head<'_>,
) -> ToldOrder {
    let mut refund = common;
    refund.set("event_name", "refund");
    refund.set("occurred_at", written(as_of, head));
    refund.set("order_id", order_id.clone());
    refund.set("shared_id", format!("refund/{order_id}"));
    ToldOrder {
        order_id,
        created_at: None,
        as_of,
        rank: 0,
        is_void: false,
        lines: Vec::new(),
        unread: Vec::new(),
        line_refunds,
        sums: ShopSums::default(),
        refund,
        otherwise: other(system, body, head),
    }
}
