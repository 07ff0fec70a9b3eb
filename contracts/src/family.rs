//! The families of metrics: what one plan computes, over which stretches of time, into which tables.
//!
//! The [cube](crate::cube) is the first of them. Each family is one streaming query and one batch, from one plan function; what
//! its tables should hold is said again in SQL by `audit`. A family's **axis** is the time by which its rows are owned, repaired
//! and cut into pieces: the start of a window, the declared start of a visit, the time of an event.

use crate::cube::{
    CUBE, GROUPINGS, Grouping, MEASURE, Measure, MeasureKind, VISIT_MEASURES, WINDOW_US, columns, measure,
};
use crate::event::EVENT;
use crate::record::Column;

/// An hour, in µs.
pub const HOUR_US: i64 = 3_600_000_000;
/// The gap that ends a session, in µs.
pub const SESSION_GAP_US: i64 = 30 * 60 * 1_000_000;
/// How long after a visit's declared start its events still count as a session of it, in µs: bounds what has to be read to
/// compute a session again. Later ones are in every other table.
pub const SESSION_LONGEST_US: i64 = 24 * HOUR_US;

columns! {
    /// Columns of the families beside the cube.
    BESIDE: BesideColumns {
        /// The start of the hour.
        hour_start,
        /// The end of the five minutes that a row of `live_visitors` is about.
        as_of,
        /// Units of the hour before.
        previous_units,
        /// Order lines of the hour before.
        previous_order_lines,
        /// Net sales of the hour before.
        previous_net,
        /// Users stored for the first time.
        registrations,
        /// The time of a session's first event.
        started_at,
        /// The time of its last event.
        ended_at,
        /// From the first to the last event, in ms.
        duration_ms,
        /// Whether at most one event followed the start of the visit.
        bounce,
        /// How far the visitor came: one of [`STEPS`].
        furthest_step,
        /// Where a visit without a purchase ended: the furthest step from `browse` on, else `(none)`.
        abandoned_at,
        /// What was left in the cart of a visit without a purchase, in the base currency.
        value_at_risk,
    }
}

/// The steps of a visit, in order.
pub const STEPS: [&str; 5] = ["visit", "browse", "cart", "checkout", "purchase"];

/// How a family stretches over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geometry {
    /// Windows of a length, one beginning every step; the axis is their start.
    Windows {
        /// Between the starts of two windows, in µs.
        step_us: i64,
        /// From a window's start to its end, in µs.
        length_us: i64,
        /// From a window's start to the instant in a row's key, in µs.
        at_us: i64,
    },
    /// Sessions: the events of a visit without a gap of [`SESSION_GAP_US`]; the axis is the visit's declared start.
    Sessions,
    /// Each event a row of its own; the axis is its time.
    Records,
}

/// Where the records of a family come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The events that are on time.
    Events,
    /// The users that were inserted.
    Users,
}

/// A family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name: of its query, and the end of its checkpoint's path.
    pub name: &'static str,
    /// Its tables.
    pub tables: &'static [Grouping],
    /// How it stretches over time.
    pub geometry: Geometry,
    /// What it is computed from.
    pub source: Source,
    /// Whether `orders`, `units` and the like count only what lies at or after the key's instant, and their `previous_`
    /// counterparts what lies before.
    pub compares: bool,
    /// Whether its windows are put right later: late records, rebuilds. What is about the present only is not.
    pub repaired: bool,
}

impl Family {
    /// What follows the path of the cube's checkpoint in that of this family's.
    #[must_use]
    pub fn checkpoint_suffix(&self) -> String {
        if *self == CUBE_FAMILY { String::new() } else { format!("-{}", self.name) }
    }

    /// Whether its tables hold rows of single users, which go when a user is erased.
    #[must_use]
    pub fn is_by_user(&self) -> bool {
        self.tables.iter().any(|table| table.partition_key == [EVENT.user_id])
    }

    /// The step and the length of a stretch of the axis, in µs: what is read to compute the rows at `[from, to)`, which are
    /// whole steps, lies in `[from, to − step + length)`.
    #[must_use]
    pub const fn stretch_us(&self) -> (i64, i64) {
        match self.geometry {
            Geometry::Windows { step_us, length_us, .. } => (step_us, length_us),
            Geometry::Sessions => (WINDOW_US, WINDOW_US + SESSION_LONGEST_US),
            Geometry::Records => (WINDOW_US, WINDOW_US),
        }
    }

    /// From the axis to the instant of a row's key, in µs, where the one tells the other.
    #[must_use]
    pub const fn at_us(&self) -> i64 {
        match self.geometry {
            Geometry::Windows { at_us, .. } => at_us,
            Geometry::Sessions | Geometry::Records => 0,
        }
    }
}

const fn minutes(count: i64) -> i64 {
    count * WINDOW_US
}

const fn windows(step_us: i64, length_us: i64, at_us: i64) -> Geometry {
    Geometry::Windows { step_us, length_us, at_us }
}

/// The metric cube.
pub const CUBE_FAMILY: Family = Family {
    name: "cube",
    tables: GROUPINGS,
    geometry: windows(WINDOW_US, WINDOW_US, 0),
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// The daily pattern.
pub const HOURS: Family = Family {
    name: "hours",
    tables: &[Grouping {
        table: "activity_by_hour",
        question: "When in the day is the shop busy?",
        dimensions: &[],
        measures: VISIT_MEASURES,
        at: BESIDE.hour_start,
        partition_key: &[CUBE.day],
        only_items: false,
    }],
    geometry: windows(HOUR_US, HOUR_US, 0),
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// Who is in the shop at the moment.
pub const LIVE: Family = Family {
    name: "live",
    tables: &[Grouping {
        table: "live_visitors",
        question: "Who has been in the shop in the five minutes before as_of? Of now and before; late records do not come in.",
        dimensions: &[],
        measures: &[
            measure(MEASURE.events, MeasureKind::Count),
            measure(MEASURE.sessions, MeasureKind::Distinct),
            measure(MEASURE.users, MeasureKind::Distinct),
            measure(MEASURE.cart_adds, MeasureKind::Count),
            measure(MEASURE.orders, MeasureKind::Count),
            measure(MEASURE.net, MeasureKind::Money),
        ],
        at: BESIDE.as_of,
        partition_key: &[CUBE.day],
        only_items: false,
    }],
    geometry: windows(minutes(1) / 2, minutes(5), minutes(5)),
    source: Source::Events,
    compares: false,
    repaired: false,
};

/// Products of an hour beside those of the hour before.
pub const PRODUCTS: Family = Family {
    name: "products",
    tables: &[Grouping {
        table: "top_products",
        question: "Which products sell best in an hour, and how did they in the hour before? events counts lines of both hours.",
        dimensions: &[EVENT.item_id, EVENT.item_name],
        measures: &[
            measure(MEASURE.events, MeasureKind::Count),
            measure(MEASURE.order_lines, MeasureKind::Count),
            measure(MEASURE.units, MeasureKind::Count),
            measure(MEASURE.net, MeasureKind::Money),
            measure(BESIDE.previous_order_lines, MeasureKind::Count),
            measure(BESIDE.previous_units, MeasureKind::Count),
            measure(BESIDE.previous_net, MeasureKind::Money),
        ],
        at: BESIDE.hour_start,
        partition_key: &[CUBE.day],
        only_items: true,
    }],
    geometry: windows(HOUR_US, 2 * HOUR_US, HOUR_US),
    source: Source::Events,
    compares: true,
    repaired: true,
};

/// Users that came in.
pub const REGISTRATIONS: Family = Family {
    name: "registrations",
    tables: &[Grouping {
        table: "registrations_by_country",
        question: "Where do new users come from, by the minute in which they were first stored?",
        dimensions: &[EVENT.country],
        measures: &[measure(BESIDE.registrations, MeasureKind::Count)],
        at: CUBE.minute,
        partition_key: &[EVENT.country, CUBE.day],
        only_items: false,
    }],
    geometry: windows(WINDOW_US, WINDOW_US, 0),
    source: Source::Users,
    compares: false,
    repaired: true,
};

/// Visits that have ended.
pub const SESSIONS: Family = Family {
    name: "sessions",
    tables: &[Grouping {
        table: "sessions_by_user",
        question: "What did a user do, visit by visit? Written when a visit is closed: 30 minutes after its last event.",
        dimensions: &[EVENT.user_id, EVENT.session_id],
        measures: &[
            measure(MEASURE.events, MeasureKind::Count),
            measure(EVENT.session_started_at, MeasureKind::Instant),
            measure(BESIDE.ended_at, MeasureKind::Instant),
            measure(BESIDE.duration_ms, MeasureKind::Count),
            measure(MEASURE.item_views, MeasureKind::Count),
            measure(MEASURE.cart_adds, MeasureKind::Count),
            measure(MEASURE.checkouts, MeasureKind::Count),
            measure(MEASURE.orders, MeasureKind::Count),
            measure(MEASURE.net, MeasureKind::Money),
            measure(BESIDE.bounce, MeasureKind::Flag),
            measure(BESIDE.furthest_step, MeasureKind::Text),
            measure(BESIDE.abandoned_at, MeasureKind::Text),
            measure(BESIDE.value_at_risk, MeasureKind::Money),
            measure(EVENT.country, MeasureKind::Text),
            measure(EVENT.device, MeasureKind::Text),
            measure(EVENT.channel, MeasureKind::Text),
        ],
        at: BESIDE.started_at,
        partition_key: &[EVENT.user_id],
        only_items: false,
    }],
    geometry: Geometry::Sessions,
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// Order lines as they happened.
pub const ORDERS: Family = Family {
    name: "orders",
    tables: &[Grouping {
        table: "orders_by_user",
        question: "What did a user buy and give back, line by line?",
        dimensions: &[EVENT.user_id, EVENT.event_id],
        measures: &[
            measure(EVENT.event_name, MeasureKind::Text),
            measure(EVENT.order_id, MeasureKind::Text),
            measure(EVENT.order_line, MeasureKind::Count),
            measure(EVENT.order_lines, MeasureKind::Count),
            measure(EVENT.item_id, MeasureKind::Text),
            measure(EVENT.item_name, MeasureKind::Text),
            measure(EVENT.category, MeasureKind::Text),
            measure(EVENT.quantity, MeasureKind::Count),
            measure(EVENT.price, MeasureKind::Money),
            measure(EVENT.currency, MeasureKind::Text),
            measure(EVENT.amount_base, MeasureKind::Money),
            measure(EVENT.payment_type, MeasureKind::Text),
        ],
        at: EVENT.occurred_at,
        partition_key: &[EVENT.user_id],
        only_items: false,
    }],
    geometry: Geometry::Records,
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// The families beside the cube, in the order in which their queries are started.
pub const FAMILIES_BESIDE: &[Family] = &[ORDERS, LIVE, SESSIONS, HOURS, PRODUCTS, REGISTRATIONS];

/// Every family, the cube first.
pub fn families() -> impl Iterator<Item = &'static Family> {
    std::iter::once(&CUBE_FAMILY).chain(FAMILIES_BESIDE)
}

/// Every table, with its family.
pub fn tables() -> impl Iterator<Item = (&'static Family, &'static Grouping)> {
    families().flat_map(|family| family.tables.iter().map(move |table| (family, table)))
}

/// The family and grouping of a table.
#[must_use]
pub fn table(name: &str) -> Option<(&'static Family, &'static Grouping)> {
    tables().find(|(_, table)| table.table == name)
}

/// The measure that a `previous_` one is the counterpart of.
#[must_use]
pub fn counterpart(measure: Column) -> Option<Column> {
    [
        (BESIDE.previous_units, MEASURE.units),
        (BESIDE.previous_order_lines, MEASURE.order_lines),
        (BESIDE.previous_net, MEASURE.net),
    ]
    .into_iter()
    .find_map(|(previous, now)| (previous == measure).then_some(now))
}

/// The measure of a table that says how many records are folded into a row: part of its write time. A row without one is one record.
#[must_use]
pub fn folded(grouping: &Grouping) -> Option<Measure> {
    grouping
        .measures
        .iter()
        .copied()
        .find(|measure| measure.column == MEASURE.events || measure.column == BESIDE.registrations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tables_are_there_once() {
        let mut names: Vec<&str> = families().map(|family| family.name).collect();
        names.extend(tables().map(|(_, table)| table.table));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_partition_is_bounded_by_a_day_or_one_user() {
        for (_, table) in tables() {
            let bounded = [CUBE.day, EVENT.user_id].iter().any(|column| table.partition_key.contains(column));
            assert!(bounded, "{}", table.table);
            assert!(table.dimensions.iter().all(|dimension| table.columns().contains(dimension)));
        }
    }

    #[test]
    fn windows_cover_every_instant_and_end_in_whole_steps() {
        for family in families() {
            let (step_us, length_us) = family.stretch_us();
            assert!(length_us >= step_us && length_us % step_us == 0, "{}", family.name);
            assert_eq!(family.at_us() % step_us, 0, "{}", family.name);
        }
    }
}
