//! The leading figures of the families beside the cube.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Namespace;
use contracts::cube::Grouping;
use contracts::event::EVENT;
use contracts::family::{FAMILIES_BESIDE, Family, LIVE, ORDERS, PRODUCTS, REGISTRATIONS, SESSIONS};
use contracts::measure::{COUNTERPART, MEASURE, USER_MEASURE, VISIT};
use contracts::record::Column;
use rust_decimal::Decimal;
use scylla::client::session::Session;

use crate::row::{Figure, Key, Rows, figure};
use crate::{VerifyError, stored};

/// Figures that no table of the cube has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FamilyFigures {
    /// Closed visits of the span, by the furthest step they came to.
    pub visits: BTreeMap<String, Visits>,
    /// Of the windows of the span, the most users that were in the shop within five minutes, estimated.
    pub live: Option<i64>,
    /// Users ever stored.
    pub registrations: i64,
    /// Order lines of the span.
    pub order_lines: usize,
    /// Products of the last hour of the span, by id.
    products: BTreeMap<String, ProductHour>,
}

/// Closed visits that ended at one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visits {
    pub visits: i64,
    /// What was left in their carts, in the base currency.
    pub value_at_risk: Decimal,
}

/// A product in an hour and in the one before, in the base currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductHour {
    /// Net sales of the hour.
    pub net: Decimal,
    /// Net sales of the hour before.
    pub previous_net: Decimal,
}

impl FamilyFigures {
    /// A product in the last hour; nothing sold where it has no row.
    #[must_use]
    pub fn hour_of(&self, item_id: &str) -> ProductHour {
        self.products.get(item_id).copied().unwrap_or_default()
    }
}

/// Reads them.
pub(super) async fn read(
    session: &Session,
    namespace: &Namespace,
    span: &Range<DateTime<Utc>>,
) -> Result<FamilyFigures, VerifyError> {
    let mut beside = FamilyFigures::default();
    for family in FAMILIES_BESIDE {
        let Some(table) = family.tables.first() else { continue };
        let rows = stored::within(session, namespace, family, table, &range(family, span)).await?;
        absorb(&mut beside, family, table, &rows);
    }
    Ok(beside)
}

/// The stretch of a family's axis whose rows are about a span.
fn range(family: &Family, span: &Range<DateTime<Utc>>) -> Range<DateTime<Utc>> {
    match *family {
        REGISTRATIONS => DateTime::UNIX_EPOCH..span.end,
        SESSIONS | ORDERS => span.clone(),
        // Windows that began before: the hour, the five minutes.
        _ => span.start - TimeDelta::hours(2)..span.end,
    }
}

fn absorb(beside: &mut FamilyFigures, family: &Family, table: &Grouping, rows: &Rows) {
    match *family {
        SESSIONS => {
            for row in rows.values() {
                let Some(Figure::Text(step)) = figure(table, row, VISIT.furthest_step) else { continue };
                let visits = beside.visits.entry(step.clone()).or_default();
                visits.visits += 1;
                visits.value_at_risk += money(table, row, VISIT.value_at_risk);
            }
        }
        LIVE => beside.live = rows.values().map(|row| count(table, row, MEASURE.users)).max(),
        REGISTRATIONS => {
            beside.registrations =
                rows.values().map(|row| count(table, row, USER_MEASURE.registrations)).sum();
        }
        ORDERS => beside.order_lines = rows.len(),
        PRODUCTS => beside.products = last_hour(table, rows),
        _ => {}
    }
}

/// The products of the last hour that is begun; an hour still to come has only what came before it.
fn last_hour(table: &Grouping, rows: &Rows) -> BTreeMap<String, ProductHour> {
    let now = Utc::now();
    let Some(last) = rows.keys().map(|key| key.at).filter(|at| *at <= now).max() else {
        return BTreeMap::new();
    };
    let mut products = BTreeMap::<String, ProductHour>::new();
    for (key, row) in rows.iter().filter(|(key, _)| key.at == last) {
        let product = products.entry(item(table, key)).or_default();
        product.net += money(table, row, MEASURE.net);
        product.previous_net += money(table, row, COUNTERPART.previous_net);
    }
    products
}

fn item(table: &Grouping, key: &Key) -> String {
    key.dimension(table, EVENT.item_id).unwrap_or_default().to_owned()
}

fn count(table: &Grouping, row: &[Figure], column: Column) -> i64 {
    match figure(table, row, column) {
        Some(Figure::Count(count) | Figure::Distinct(count)) => *count,
        _ => 0,
    }
}

fn money(table: &Grouping, row: &[Figure], column: Column) -> Decimal {
    match figure(table, row, column) {
        Some(Figure::Money(amount)) => *amount,
        _ => Decimal::ZERO,
    }
}
