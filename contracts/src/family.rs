//! The families of metrics: what one plan computes, over which stretches of time, into which tables.
//!
//! The [cube](crate::cube) is the first of them. Each family is one streaming query and one batch, from one
//! plan function; what its tables should hold is said again in SQL by `audit`. A family's **axis** is the
//! time by which its rows are owned, repaired and cut into pieces: the start of a window, the list start of a
//! visit, the time of an event.

mod list;

use crate::cube::{Grouping, WINDOW_US};
use crate::event::EVENT;
use crate::measure::{Aggregate, Counterpart, Measure};
use crate::record::{Column, columns};
use crate::user::USER;

pub use list::{CUBE_FAMILY, FAMILIES_BESIDE, HOURS, LIVE, ORDERS, PRODUCTS, REGISTRATIONS, SESSIONS};

/// An hour, in µs.
pub const HOUR_US: i64 = 3_600_000_000;
/// The gap that ends a session, in µs.
pub const SESSION_GAP_US: i64 = 30 * 60 * 1_000_000;
/// How long after a visit's list start its events still count as a session of it, in µs: bounds what has to
/// be read to compute a session again. Later ones are in every other table.
pub const SESSION_LONGEST_US: i64 = 24 * HOUR_US;

columns! {
    /// The instants of rows beside the cube's.
    INSTANT: InstantColumns {
        /// The start of the hour.
        hour_start,
        /// The end of the five minutes that a row of `live_visitors` is about.
        as_of,
        /// The time of a session's first event.
        started_at,
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
    /// Sessions: the events of a visit without a gap of [`SESSION_GAP_US`]; the axis is the visit's list
    /// start. A visit is user, session id and list start in whole ms, which is what a row's key can hold.
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
    /// The tables that its query writes.
    pub tables: &'static [Grouping],
    /// How it stretches over time.
    pub geometry: Geometry,
    /// What it is computed from.
    pub source: Source,
    /// Whether `orders`, `units` and the like count only what lies at or after the key's instant, and their
    /// `previous_` counterparts what lies before.
    pub compares: bool,
    /// Whether its windows are put right later: late records, rebuilds. What is about the present only is
    /// not.
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

    /// The step and the length of a stretch of the axis, in µs: what is read to compute the rows at
    /// `[from, to)`, which are whole steps, lies in `[from, to − step + length)`.
    #[must_use]
    pub const fn stretch_us(&self) -> (i64, i64) {
        match self.geometry {
            Geometry::Windows { step_us, length_us, .. } => (step_us, length_us),
            Geometry::Sessions => (WINDOW_US, WINDOW_US + SESSION_LONGEST_US),
            Geometry::Records => (WINDOW_US, WINDOW_US),
        }
    }

    /// The table of its records, and the column with their place on the axis.
    #[must_use]
    pub const fn records(&self) -> (&'static str, Column) {
        match (self.source, self.geometry) {
            (Source::Users, _) => ("raw.registrations", USER.ingested_at),
            (Source::Events, Geometry::Sessions) => ("raw.events", EVENT.session_started_at),
            (Source::Events, Geometry::Windows { .. } | Geometry::Records) => {
                ("raw.events", EVENT.occurred_at)
            }
        }
    }

    /// Whether every measure of its tables is one that its geometry and source give.
    const fn gives_its_measures(&self) -> bool {
        let mut table = 0;
        while table < self.tables.len() {
            let measures = self.tables[table].measures;
            let mut at = 0;
            while at < measures.len() {
                if !self.gives(measures[at]) {
                    return false;
                }
                at += 1;
            }
            table += 1;
        }
        true
    }

    const fn gives(&self, measure: Measure) -> bool {
        match (self.geometry, self.source) {
            (Geometry::Windows { .. }, Source::Users) => matches!(measure, Measure::Registrations),
            (Geometry::Windows { .. }, Source::Events) => match measure {
                Measure::Of(_) => true,
                Measure::Before(_) => self.compares,
                Measure::Registrations | Measure::Visit(_) | Measure::Field(..) => false,
            },
            (Geometry::Sessions, Source::Events) => {
                matches!(measure, Measure::Of(_) | Measure::Visit(_) | Measure::Field(..))
            }
            (Geometry::Records, Source::Events) => matches!(measure, Measure::Field(..)),
            (Geometry::Sessions | Geometry::Records, Source::Users) => false,
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

/// The column whose measure a `previous_` one is of the hour before.
#[must_use]
pub fn counterpart(column: Column) -> Option<Column> {
    let counterpart = Counterpart::ALL.iter().find(|counterpart| counterpart.column() == column);
    counterpart.map(|counterpart| counterpart.aggregate().column())
}

/// The measure of a table that says how many records are folded into a row: part of its write time. A row
/// without one is one record.
#[must_use]
pub fn folded(grouping: &Grouping) -> Option<Measure> {
    let counts =
        |measure: &Measure| matches!(measure, Measure::Of(Aggregate::Events) | Measure::Registrations);
    grouping.measures.iter().copied().find(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cube::CUBE;

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
