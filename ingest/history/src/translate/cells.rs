//! What stands in a row for a rule.

use std::borrow::Cow;

use contracts::money::Exact;
use contracts::record::decimal_number;
use rust_decimal::Decimal;

use crate::mapping::Marks;
use crate::mapping::field::{AMOUNT, COUNTRY, EVENT_NAME, Kind, ORDER_ID, PRICE, QUANTITY};
use crate::mapping::{Mapping, Origin, Rule};
use crate::pages::{Held, Page, Row, encoding};
use crate::translate::plan::Plan;
use crate::value;

/// Between the values of several columns that are one id.
pub(crate) const JOINT: &str = "\u{1f}";

/// The cells of one row.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) page: &'a Page,
    pub(crate) row: &'a Row,
    pub(crate) at: usize,
    /// What its order gives it.
    pub(crate) plan: Option<&'a Plan>,
}

/// What a row of a shop's sales is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// As it says.
    AsTold,
    /// A refund of what it says without its sign.
    Refund,
}

impl<'a> Cells<'a> {
    /// What stands in a column, in the row or carried down from one before it.
    pub(crate) fn text(&self, column: usize) -> Option<&'a str> {
        let text = self.page.columns[column].text(self.at);
        text.or_else(|| self.plan?.carried(self.mapping.orders(), column))
    }

    /// What stands in the row for a rule.
    pub(crate) fn of(&self, rule: &Rule) -> Option<Cow<'a, str>> {
        let Origin::Columns(columns) = &rule.from else { return None };
        if let [column] = columns.as_slice() {
            return self.text(*column).map(Cow::Borrowed);
        }
        // Half an id is none.
        let parts: Option<Vec<&str>> = columns.iter().map(|column| self.text(*column)).collect();
        parts.map(|parts| Cow::Owned(parts.join(JOINT)))
    }

    /// Whether its cells may hold marks for what is no text.
    fn is_marked(&self) -> bool {
        self.row.is_marked || self.plan.is_some_and(Plan::is_marked)
    }

    /// Why a rule's cell is no text, where it is none.
    pub(crate) fn no_text(&self, rule: &Rule) -> Option<String> {
        let Origin::Columns(columns) = &rule.from else { return None };
        if !self.is_marked() {
            return None;
        }
        columns.iter().find_map(|column| encoding::fault(self.text(*column)?))
    }

    /// What stands in the row for a rule, as it reads once the file is UTF-8.
    pub(crate) fn converted(&self, rule: &Rule) -> Option<Cow<'a, str>> {
        let value = self.of(rule)?;
        Some(if self.is_marked() { encoding::as_latin1(value) } else { value })
    }

    /// The same, for an id: each column's value as one text, whatever wrote it.
    pub(crate) fn id<'v>(&self, rule: &Rule, value: &'v str) -> Result<Cow<'v, str>, String>
    where
        'a: 'v,
    {
        let Origin::Columns(columns) = &rule.from else { return Ok(Cow::Borrowed(value)) };
        if rule.as_written || self.of(rule).is_none_or(|told| told != value) {
            // What the mapping says instead of the file is what it says.
            return Ok(Cow::Borrowed(value));
        }
        if let [column] = columns.as_slice() {
            return self.column_id(*column, value);
        }
        let parts = columns.iter().filter_map(|column| Some(self.column_id(*column, self.text(*column)?)));
        let parts: Vec<Cow<'_, str>> = parts.collect::<Result<_, _>>()?;
        Ok(Cow::Owned(parts.join(JOINT)))
    }

    fn column_id<'v>(&self, column: usize, text: &'v str) -> Result<Cow<'v, str>, String> {
        let how = self.how(column);
        // In a text it may be a name, as 1E5.
        let has_exponent = how == Held::Text && text.contains(['e', 'E']);
        if has_exponent && self.page.is_number(self.row, column, &self.mapping.columns()[column]) {
            return value::number_id(text);
        }
        value::id(text, how)
    }

    fn how(&self, column: usize) -> Held {
        self.page.columns[column].how()
    }

    pub(crate) fn is_time(&self, rule: &Rule) -> bool {
        match &rule.from {
            Origin::Columns(columns) => columns.iter().all(|column| self.how(*column) == Held::Time),
            Origin::Constant(_) => false,
        }
    }

    /// What stands in the row for a rule as ids have taken it from the first: a float of 32 bits as one
    /// of 64.
    pub(crate) fn content(&self, rule: &Rule) -> Option<Cow<'a, str>> {
        const SINGLE: Held = Held::Float { exact_below: 1 << f32::MANTISSA_DIGITS };
        let value = self.converted(rule)?;
        match &rule.from {
            Origin::Columns(columns) if columns.len() == 1 && self.how(columns[0]) == SINGLE => {
                Some(value.parse().map_or(value, |single: f32| f64::from(single).to_string().into()))
            }
            _ => Some(value),
        }
    }

    /// A field's value in the words of ours.
    pub(crate) fn value(&self, rule: &'a Rule) -> Option<Cow<'a, str>> {
        if let Origin::Constant(value) = &rule.from {
            return Some(Cow::Borrowed(value));
        }
        let value = self.of(rule).and_then(|value| {
            let value = if self.is_marked() { encoding::shown(value) } else { value };
            let ours = rule.values.get(value.as_ref());
            // `1` is also meant where a column of floats has `1.0`.
            let ours = match ours {
                None if !rule.values.is_empty() => {
                    value::word(&value).and_then(|word| rule.values.get(word.as_ref()))
                }
                ours => ours,
            };
            match ours {
                Some(ours) => Some(Cow::Borrowed(ours.as_str())),
                None if is_none(rule, &value) => self.above(rule),
                None => Some(value),
            }
        });
        // A word may be mapped to none.
        value.filter(|value| !value.is_empty()).or_else(|| rule.default.as_deref().map(Cow::Borrowed))
    }

    /// What the row before it in its order gives a rule, where the row itself only has a word for none.
    fn above(&self, rule: &Rule) -> Option<Cow<'a, str>> {
        let Origin::Columns(columns) = &rule.from else { return None };
        let &[column] = columns.as_slice() else { return None };
        let carried = self.plan?.carried(self.mapping.orders(), column)?;
        (!is_none(rule, carried)).then_some(Cow::Borrowed(carried))
    }

    /// The word for none that stands in the row for a rule, where one does.
    pub(crate) fn word_for_none(&self, rule: &Rule) -> Option<Cow<'a, str>> {
        self.of(rule).filter(|value| is_none(rule, value))
    }

    /// A label as it is shown, the same whatever wrote it: `7.0` of a column of floats is `7`. One that may
    /// have lost digits is shown as it is.
    pub(crate) fn label<'v>(&self, rule: &Rule, value: &'v str) -> Cow<'v, str>
    where
        'a: 'v,
    {
        self.id(rule, value).unwrap_or(Cow::Borrowed(value))
    }

    /// How a rule's numbers are written in this row.
    pub(crate) fn marks(&self, rule: &Rule) -> Marks {
        match &rule.from {
            // A number of the file's own has no mark but the point.
            Origin::Columns(columns) if rule.marks != Marks::Plain => {
                let is_number = |at: &usize| self.page.is_number(self.row, *at, &self.mapping.columns()[*at]);
                if columns.iter().all(is_number) { Marks::Plain } else { rule.marks }
            }
            _ => rule.marks,
        }
    }

    /// Whether the row is one that the mapping leaves out. `0` is also meant where a column of decimals has
    /// `0.00`.
    pub(crate) fn is_skipped(&self) -> bool {
        fn plain(text: &str) -> Cow<'_, str> {
            value::word(text).unwrap_or(Cow::Borrowed(text))
        }
        self.mapping.skips().iter().any(|skip| {
            let value = plain(self.text(skip.column).unwrap_or_default());
            skip.values.iter().any(|left_out| plain(left_out) == value)
        })
    }

    /// The order that the row names, by the same text whatever wrote it.
    pub(crate) fn order_id(&self) -> Option<String> {
        let rule = self.mapping.rule(ORDER_ID)?;
        let Origin::Columns(columns) = &rule.from else { return None };
        let text = self.text(*columns.first()?).filter(|text| !is_none(rule, text))?;
        // One that is refused as an id is of no other order all the same.
        Some(self.id(rule, text).unwrap_or(Cow::Borrowed(text)).into_owned())
    }

    /// Whether a value of the file's own is a float of so great a number that its neighbours lie further
    /// apart than one of so many parts of 1.
    pub(crate) fn is_coarse(&self, rule: &Rule, value: &str, parts: u64) -> bool {
        let Origin::Columns(columns) = &rule.from else { return false };
        let &[column] = columns.as_slice() else { return false };
        let Held::Float { exact_below } = self.how(column) else { return false };
        let least = Decimal::from(exact_below / parts);
        self.text(column) == Some(value) && decimal_number(value).is_some_and(|number| number.abs() >= least)
    }

    /// Whether the row is a refund though it calls itself a purchase; an error says what contradicts itself.
    pub(crate) fn sign(&self) -> Result<Sign, String> {
        let rule = |name| self.mapping.rule(name);
        let prefix = rule(ORDER_ID).and_then(|rule| Some((rule.refund_prefix.as_deref()?, self.of(rule)?)));
        let by_prefix = prefix.is_some_and(|(prefix, id)| id.starts_with(prefix));
        let is_negative = |name| rule(name).is_some_and(|rule| self.is_negative(rule));
        let says_refund =
            |name| rule(name).is_some_and(|rule| rule.negative_refunds && self.is_negative(rule));
        if !by_prefix && ![QUANTITY, PRICE, AMOUNT].into_iter().any(says_refund) {
            return Ok(Sign::AsTold);
        }
        let name = rule(EVENT_NAME).and_then(|rule| self.value(rule));
        if !name.is_some_and(|name| matches!(name.as_ref(), "purchase" | "refund")) {
            return Ok(Sign::AsTold);
        }
        // What comes back as less than nothing each is a sale, whichever of the two the mapping looks at; a
        // line's amount is their product, and says nothing more.
        if is_negative(QUANTITY) && is_negative(PRICE) {
            return Err(format!(
                "{QUANTITY} and {PRICE} are less than nothing at once, which would be a sale"
            ));
        }
        Ok(Sign::Refund)
    }

    /// Whether the row calls itself a refund.
    pub(crate) fn is_told_refund(&self) -> bool {
        let name = self.mapping.rule(EVENT_NAME).and_then(|rule| self.value(rule));
        name.is_some_and(|name| name == "refund")
    }

    fn is_negative(&self, rule: &Rule) -> bool {
        let Some(text) = self.value(rule).filter(|text| text.starts_with('-')) else { return false };
        value::number(&text, self.marks(rule)).is_ok_and(|value| Exact::from(value).is_negative())
    }
}

/// Whether what stands in the row for a rule is a word for none. The country NA is Namibia. An event's own id
/// is refused instead, since nothing is known by none.
fn is_none(rule: &Rule, value: &str) -> bool {
    let is_word = match rule.field.name {
        COUNTRY => value != "NA" && value::is_no_value(value),
        _ => value.split(JOINT).any(value::is_no_value),
    };
    is_word && !rule.as_written && rule.field.kind != Kind::EventId
}

/// A number without its sign, where the row is a refund of it.
pub(crate) fn unsigned(value: Decimal, sign: Sign) -> Decimal {
    match sign {
        Sign::AsTold => value,
        Sign::Refund => value.abs(),
    }
}
