//! What holds between several rules, and what a mapping says of whole records.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::checker::Checker;
use super::field::{OCCURRED_AT, ORDER_ID, ORDER_LINE, ORDER_LINES};
use super::written::{Scalar, WrittenOrders, WrittenSkip};
use super::{Identity, MappingError, Orders, Origin, Rule, Shape, Skip};

/// A part's fields mean nothing without its key.
pub(super) fn check_parts(rules: &[Rule]) -> Result<(), MappingError> {
    for rule in rules {
        let Some(key) = rule.field.part.key() else { continue };
        if !rules.iter().any(|rule| rule.field.name == key) {
            let what = format!("takes part only in rows with an {key}, which no column is named for");
            return Err(MappingError::Rule { field: rule.field.name, what });
        }
    }
    Ok(())
}

pub(super) fn orders(
    written: WrittenOrders,
    rules: &[Rule],
    checker: &mut Checker,
) -> Result<Orders, MappingError> {
    let WrittenOrders { carry, number } = written;
    let bad = |what: &str| MappingError::Whole { key: "orders", what: what.to_owned() };
    let orders = Orders { carry: carry.into_iter().map(|name| checker.column(name)).collect(), number };
    if !orders.is_used() {
        return Ok(orders);
    }
    let of_order = rules.iter().find(|rule| rule.field.name == ORDER_ID);
    if !matches!(of_order.map(|rule| &rule.from), Some(Origin::Columns(_))) {
        return Err(bad("the lines of an order are told by `order_id`, which no column is named for"));
    }
    if number && rules.iter().any(|rule| [ORDER_LINE, ORDER_LINES].contains(&rule.field.name)) {
        return Err(bad("`number` gives order_line and order_lines, which the fields name too"));
    }
    Ok(orders)
}

pub(super) fn shape(lines: Option<String>, pairs: BTreeMap<String, String>) -> Result<Shape, MappingError> {
    let shape = Shape { lines, pairs: pairs.into_iter().collect() };
    let names: Vec<&String> = shape.lines.iter().chain(shape.pairs.iter().map(|(list, _)| list)).collect();
    for (at, name) in names.iter().enumerate() {
        let overlaps = |other: &&&String| {
            let (short, long) = if name.len() <= other.len() { (name, *other) } else { (*other, name) };
            long.strip_prefix(short.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some(other) = names[at + 1..].iter().find(overlaps) {
            let what = format!("{name:?} and {other:?} are one within the other");
            return Err(MappingError::Whole { key: "lines", what });
        }
    }
    Ok(shape)
}

pub(super) fn skips(written: Vec<WrittenSkip>, checker: &mut Checker) -> Vec<Skip> {
    let values =
        |values: Vec<Scalar>| values.into_iter().map(|Scalar(value)| value.trim().to_owned()).collect();
    let skip = |WrittenSkip { column, values: written }| Skip {
        column: checker.column(column),
        values: values(written),
    };
    written.into_iter().map(skip).collect()
}

/// What ids follow from besides the rules: nothing for a mapping that uses none of this.
pub(super) fn unfolded_identity_text(
    rules: &[Rule],
    identity: &Identity,
    columns: &[String],
    shape: &Shape,
    orders: &Orders,
) -> String {
    let mut text = String::new();
    if *shape != Shape::default() {
        let _ = writeln!(text, "{shape:?}");
    }
    // A value that is carried is part of the content of its row, and may decide its time where there is a
    // default.
    let is_of_ids = |column: &usize| {
        rules.iter().enumerate().any(|(index, rule)| {
            let Origin::Columns(of) = &rule.from else { return false };
            let of_content = matches!(identity, Identity::Content(indexes) if indexes.contains(&index));
            let of_time = rule.field.name == OCCURRED_AT && rule.default.is_some();
            (of_content || of_time) && of.contains(column)
        })
    };
    let carried: Vec<&String> =
        orders.carry.iter().filter(|at| is_of_ids(at)).map(|at| &columns[*at]).collect();
    if !carried.is_empty() {
        let _ = writeln!(text, "carried {carried:?}");
    }
    text
}
