//! What the Live page shows, from memory alone: the same snapshot gives the same view.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::family::{LIVE, PRODUCTS};

use super::NOT_LOADED;
use super::breakdown::{Groups, Slice, breakdown};
use super::compare::{self, Sides};
use super::coverage::Coverage;
use super::distinct::{self, Distinct};
use super::period::{Chosen, Compare, Period, Stretch, floor};
use super::sums::Sums;
use super::teller::{Teller, coverage};
use super::view::{Breakdown, By, Funnel, Matrix, Measure, Now, OpenMinute, Part, Series, Totals, Visitors};
use super::{funnel, label, series};
use crate::panel::Viewing;
use crate::watch::Snapshot;
use crate::watch::shop::table::Cells;
use crate::watch::shop::{Hour, Kept, Shop};

/// How long the curve of single minutes is.
const RECENT: TimeDelta = TimeDelta::hours(1);
/// The step of the curve of a day.
const DAY_STEP: TimeDelta = TimeDelta::minutes(10);
/// How many rows a breakdown of the page has.
const ROWS: usize = 250;
const PRODUCT_ROWS: usize = 20;

/// Today in the viewer's zone, against what the viewer has chosen. Each part is made when it is asked for: a
/// panel shows one.
pub(crate) struct Live<'a> {
    shop: Arc<Shop>,
    period: Period,
    told: Teller<'a>,
}

impl<'a> Live<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, viewing: &Viewing, now: DateTime<Utc>) -> Self {
        let shop = snapshot.shop.value.clone().unwrap_or_default();
        let told = Teller::of(snapshot, coverage(snapshot, &shop, now), now);
        let compare = Compare::Against(viewing.against);
        let period = Period::of(Chosen::Today, compare, viewing.zone, told.coverage.known_to(), now);
        Self { shop, period, told }
    }

    /// Of today so far, and what it is compared with.
    #[cfg(test)]
    pub(crate) fn period(&self) -> crate::api::answer::PeriodBounds {
        self.period.told()
    }

    fn sides(&self) -> Result<Sides, String> {
        sides(&self.shop, &self.told.coverage, &self.period)
    }

    fn cube<T>(&self, kept: Kept, data: Result<T, String>) -> Part<T> {
        self.told.cube(kept, &self.period, data)
    }

    /// Of the cube; visitors of five minutes are in `visitors`, with an age of their own.
    pub(crate) fn now(&self) -> Part<Now> {
        let data = self.sides().map(|sides| now(&self.shop, &self.told.coverage, &sides, self.told.now));
        self.cube(Kept::Activity, data)
    }

    /// Net sales a minute, of the last hour with the open minute.
    pub(crate) fn recent(&self) -> Part<Series> {
        let data = recent(&self.shop, &self.told.coverage, &self.period, self.told.now);
        self.cube(Kept::Activity, Ok(data))
    }

    /// Net sales of today in steps of ten minutes.
    pub(crate) fn day(&self) -> Part<Series> {
        let data = day(&self.shop, &self.told.coverage, &self.period, self.told.now);
        self.cube(Kept::Activity, Ok(data))
    }

    /// Net sales of today.
    pub(crate) fn countries(&self) -> Part<Breakdown> {
        self.cube(Kept::Countries, self.by(By::Country))
    }

    /// Age and proof of [`Self::countries`], without their figures.
    pub(crate) fn countries_told(&self) -> Part<()> {
        self.cube(Kept::Countries, Ok(()))
    }

    pub(crate) fn categories(&self) -> Part<Breakdown> {
        self.cube(Kept::Categories, self.by(By::Category))
    }

    fn by(&self, dimension: By) -> Result<Breakdown, String> {
        by(&self.shop, &self.told.coverage, &self.period, dimension, Measure::Net, ROWS)
    }

    pub(crate) fn funnel(&self) -> Part<Funnel> {
        self.cube(Kept::Activity, self.sides().map(|sides| funnel_of(&sides)))
    }

    /// Net sales of this hour; `compared` is the whole hour before, so it gives no percent.
    pub(crate) fn products(&self) -> Part<Breakdown> {
        let now = self.told.now;
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        self.told.part("products", PRODUCTS.tables[0].table, hour, None, products(&self.shop, hour))
    }

    /// Visits of today by gender and age band.
    pub(crate) fn who(&self) -> Part<Matrix> {
        self.cube(Kept::Who, self.matrix(Kept::Who))
    }

    /// Visits of today by channel and device.
    pub(crate) fn channels(&self) -> Part<Matrix> {
        self.cube(Kept::Channels, self.matrix(Kept::Channels))
    }

    fn matrix(&self, kept: Kept) -> Result<Matrix, String> {
        matrix(&self.shop, &self.told.coverage, &self.period, kept, Measure::Visits)
    }

    /// Of the last hour, with the bounds of today.
    pub(crate) fn visitors(&self) -> Part<Visitors> {
        let now = self.told.now;
        let newest = self.shop.visitors.range(..=now).next_back().map(|(at, _)| *at);
        let data = visitors(&self.shop, &self.told.coverage, &self.period, now);
        self.told.part("live", LIVE.tables[0].table, now, newest, data)
    }

    /// The newest event, where it lies ahead of the clock.
    pub(crate) fn ahead(&self) -> Option<DateTime<Utc>> {
        self.shop.ahead
    }

    /// Whether no event has come yet.
    pub(crate) fn empty(&self) -> bool {
        let coverage = &self.shop.coverage;
        self.told.snapshot.shop.value.is_some() && coverage.first_row.is_none() && coverage.as_of.is_none()
    }
}

/// The sums of a period and of what it is compared with, where they are in memory.
pub(crate) fn sides(shop: &Shop, coverage: &Coverage, period: &Period) -> Result<Sides, String> {
    coverage.whole(period.whole)?;
    coverage.reached(period.whole)?;
    let total = |stretch| shop.total(stretch).map_err(|_| NOT_LOADED.to_owned());
    let (value, closed) = (total(period.whole)?, total(period.closed)?);
    let compared = compared(coverage, period).and_then(total);
    Ok(Sides { value, closed, compared, length: period.closed.length(), provisional: period.provisional })
}

/// The stretch that a period may be compared with, or why not.
pub(crate) fn compared(coverage: &Coverage, period: &Period) -> Result<Stretch, String> {
    let compared = period.compared.clone()?;
    coverage.comparable(compared)?;
    Ok(compared)
}

/// All measures of both sides.
pub(crate) fn totals(sides: &Sides, currency: Option<String>) -> Totals {
    let of = |measure| compare::measure(sides, measure);
    Totals {
        orders: of(Measure::Orders),
        net: of(Measure::Net),
        gross: of(Measure::Gross),
        refunds: of(Measure::Refunds),
        units: of(Measure::Units),
        visits: of(Measure::Visits),
        conversion: compare::conversion(sides),
        item_views: of(Measure::ItemViews),
        cart_adds: of(Measure::CartAdds),
        checkouts: of(Measure::Checkouts),
        events: of(Measure::Events),
        currency,
    }
}

/// The steps of both sides.
pub(crate) fn funnel_of(sides: &Sides) -> Funnel {
    funnel::funnel(&sides.value, sides.compared.as_ref())
}

fn now(shop: &Shop, coverage: &Coverage, sides: &Sides, now: DateTime<Utc>) -> Now {
    let visitors = shop.visitors.range(..=now).next_back();
    let minute = |at: DateTime<Utc>| {
        let one = Stretch { from: at, to: at + TimeDelta::minutes(1) };
        shop.total(one).ok()
    };
    let open = floor(now);
    let newest_whole = coverage.known_to().map(|to| floor(to) - TimeDelta::minutes(1));
    let events_per_s = newest_whole
        .filter(|at| coverage.knows(Stretch { from: *at, to: *at + TimeDelta::minutes(1) }))
        .and_then(minute)
        .map(|sums| sums.get(Measure::Events).drawn() / 60.0);
    let open_minute = coverage.known_to().is_some_and(|to| to >= open).then(|| minute(open)).flatten();
    Now {
        visitors_5m: visitors.map(|(at, users)| users.of_window(*at)),
        events_per_s,
        open_minute: open_minute.map(|sums| OpenMinute {
            at: open,
            events: sums.get(Measure::Events),
            orders: sums.get(Measure::Orders),
            net: sums.get(Measure::Net),
        }),
        today: totals(sides, shop.currency.clone()),
    }
}

/// The last hour, minute by minute, beside the same minutes before.
fn recent(shop: &Shop, coverage: &Coverage, period: &Period, now: DateTime<Utc>) -> Series {
    let to = floor(now) + TimeDelta::minutes(1);
    let stretch = Stretch { from: to - RECENT, to };
    // Before midnight too: the same distance back as today's.
    let shift = period.compared.as_ref().map(|compared| period.closed.to - compared.to);
    let steps = series::steps(stretch, TimeDelta::minutes(1), period.zone);
    series::in_memory(shop, coverage, &steps, shift.map_err(Clone::clone), Measure::Net, now)
}

fn day(shop: &Shop, coverage: &Coverage, period: &Period, now: DateTime<Utc>) -> Series {
    let shift = period.compared.as_ref().map(|compared| period.closed.to - compared.to);
    let steps = series::steps(period.whole, DAY_STEP, period.zone);
    series::in_memory(shop, coverage, &steps, shift.map_err(Clone::clone), Measure::Net, now)
}

/// The table and the place of a dimension in its keys.
pub(crate) const fn kept_by(by: By) -> Option<(Kept, usize)> {
    match by {
        By::Country => Some((Kept::Countries, 0)),
        By::Category => Some((Kept::Categories, 0)),
        By::Channel => Some((Kept::Channels, 0)),
        By::Device => Some((Kept::Channels, 1)),
        By::Gender => Some((Kept::Who, 0)),
        By::AgeBand => Some((Kept::Who, 1)),
        By::Product => None,
    }
}

/// Sums of one dimension of a table's keys.
pub(crate) fn groups(cells: &Cells, place: usize) -> Groups {
    let mut groups = Groups::new();
    for (key, sums) in cells {
        let Some(word) = key.get(place) else { continue };
        match groups.get_mut(&**word) {
            Some(group) => *group += sums,
            None => {
                groups.insert(word.to_string(), *sums);
            }
        }
    }
    groups
}

fn by(
    shop: &Shop,
    coverage: &Coverage,
    period: &Period,
    by: By,
    measure: Measure,
    limit: usize,
) -> Result<Breakdown, String> {
    let (kept, place) = kept_by(by).ok_or(NOT_LOADED)?;
    coverage.whole(period.whole)?;
    coverage.reached(period.whole)?;
    let sums = |stretch| {
        let cells = shop.sums(kept, stretch).map_err(|_| NOT_LOADED.to_owned())?;
        Ok::<_, String>(groups(&cells, place))
    };
    let value = sums(period.whole)?;
    let before = compared(coverage, period).and_then(sums);
    let slice = Slice { limit, after: None };
    let mut told =
        breakdown(by, measure, &value, before.as_ref(), &slice, |key| label::of(by, key).to_owned());
    told.currency = shop.currency.clone().filter(|_| measure.is_money());
    Ok(told)
}

fn products(shop: &Shop, hour: DateTime<Utc>) -> Result<Breakdown, String> {
    let products = shop.products.as_deref().ok_or(NOT_LOADED)?;
    if products.hour != hour {
        return Err(NOT_LOADED.to_owned());
    }
    // A product may have been renamed within the hour: the id is what it is.
    let (mut value, mut before, mut names) = (Groups::new(), Groups::new(), BTreeMap::new());
    for product in &products.rows {
        *value.entry(product.item_id.to_string()).or_default() += &product.sums;
        *before.entry(product.item_id.to_string()).or_default() += &product.before;
        names.insert(&*product.item_id, &*product.item_name);
    }
    let sold = |sums: &Sums| sums.count(Measure::OrderLines) > 0;
    before.retain(|_, sums| sold(sums));
    value.retain(|key, sums| sold(sums) || before.contains_key(key));
    let slice = Slice { limit: PRODUCT_ROWS, after: None };
    let mut told = breakdown(By::Product, Measure::Net, &value, Ok(&before), &slice, |key| {
        names.get(key).map_or_else(|| key.to_owned(), |name| (*name).to_owned())
    });
    told.currency = shop.currency.clone();
    Ok(told)
}

fn matrix(
    shop: &Shop,
    coverage: &Coverage,
    period: &Period,
    kept: Kept,
    measure: Measure,
) -> Result<Matrix, String> {
    coverage.whole(period.whole)?;
    coverage.reached(period.whole)?;
    let cells = shop.sums(kept, period.whole).map_err(|_| NOT_LOADED.to_owned())?;
    Ok(matrix_of(&cells, measure, shop.currency.clone()))
}

/// A table's two dimensions against each other.
pub(crate) fn matrix_of(cells: &Cells, measure: Measure, currency: Option<String>) -> Matrix {
    let words = |place: usize| -> Vec<String> { groups(cells, place).into_keys().collect() };
    let (rows, columns) = (words(0), words(1));
    let cell = |row: &String, column: &String| {
        cells
            .iter()
            .find(|(key, _)| *key[0] == **row && *key[1] == **column)
            .map(|(_, sums)| sums.get(measure))
    };
    let grid = rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    Matrix { measure, currency: currency.filter(|_| measure.is_money()), rows, columns, cells: grid }
}

fn visitors(
    shop: &Shop,
    coverage: &Coverage,
    period: &Period,
    now: DateTime<Utc>,
) -> Result<Visitors, String> {
    let points = shop.visitors.range(..=now).map(|(at, users)| users.of_window(*at)).collect();
    let bounds = bounds(&shop.hours, shop.hours_from, coverage, period.whole);
    Ok(visitors_of(points, bounds))
}

/// With its bounds, or why there are none.
pub(crate) fn visitors_of(
    points: Vec<super::view::Estimate>,
    bounds: Result<distinct::Bounds, String>,
) -> Visitors {
    const WHY: &str = "distinct counts of windows do not add up";
    Visitors {
        points,
        estimate: None,
        at_least: bounds.as_ref().ok().map(|bounds| bounds.at_least),
        at_most: bounds.as_ref().ok().map(|bounds| bounds.at_most),
        why: bounds.err().map_or_else(|| WHY.to_owned(), |why| format!("{WHY}; {why}")),
    }
}

/// Of the hours of a period.
pub(crate) fn bounds(
    hours: &BTreeMap<DateTime<Utc>, Hour>,
    hours_from: Option<DateTime<Utc>>,
    coverage: &Coverage,
    stretch: Stretch,
) -> Result<distinct::Bounds, String> {
    let hour = TimeDelta::hours(1);
    let first = stretch.from.duration_trunc(hour).unwrap_or(stretch.from);
    if hours_from.is_none_or(|from| first < from) {
        return Err(NOT_LOADED.to_owned());
    }
    coverage.whole(stretch)?;
    let users = |inside: bool| -> Vec<Distinct> {
        let touching = hours.range(first..stretch.to);
        let whole = |at: DateTime<Utc>| stretch.from <= at && at + hour <= stretch.to;
        // The hour that is not over counts as far as it has come: who was there was there.
        let reaches =
            |at: DateTime<Utc>| stretch.from <= at && coverage.known_to().is_some_and(|to| to <= stretch.to);
        touching
            .filter(|(at, _)| !inside || whole(**at) || reaches(**at))
            .map(|(_, hour)| hour.users)
            .collect()
    };
    distinct::bounds(&users(true), &users(false)).ok_or_else(|| "no hour of it has figures".to_owned())
}

#[cfg(test)]
mod tests;
