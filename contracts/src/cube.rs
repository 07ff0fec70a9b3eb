//! The metric cube: the same measures per minute, for several groupings at once.
//!
//! One streaming query computes every [`Grouping`]; a `route` column tells the sink which table a row belongs
//! to. This module says *what* each table holds. How it is computed stands twice, on purpose: in `jobs` as a
//! Spark plan and in `audit` as SQL over `raw.events`, so that one can check the other.

use crate::event::EVENT;
use crate::measure::{ITEM_MEASURES, Measure, VISIT_MEASURES};
use crate::record::{Column, columns};

/// What stands for an absent dimension: a null key would be refused by Cassandra for ever.
pub const NONE: &str = "(none)";

/// The relative standard deviation of the approximate distinct counts.
pub const DISTINCT_RSD: f64 = 0.02;

/// The multiplier of the revision in a row's write time: more than a window can hold events.
pub const REVISION_STEP: i64 = 1 << 32;

/// The length of a window, in µs.
pub const WINDOW_US: i64 = 60_000_000;

/// The write time of a row, in µs by name but a version by meaning: a higher revision always wins, and
/// within a revision the row that folded more events.
#[must_use]
pub const fn write_time(window_start_us: i64, revision: i64, events: i64) -> i64 {
    window_start_us + revision * REVISION_STEP + events
}

columns! {
    /// Columns of the cube that are no measures and no dimensions.
    CUBE: CubeColumns {
        /// The table a row belongs to; read by the sink, not written.
        route,
        /// The version of the row; read by the sink as write time, not written.
        write_time,
        /// The day of the window, UTC: bounds the partitions.
        day,
        /// The hour of the window, UTC, 0 to 23: bounds partitions further where a table has many rows a
        /// minute.
        hour,
        /// The window's start.
        minute,
    }
}

/// One grouping of a family of metrics, which is one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// The table, and the route of its rows.
    pub table: &'static str,
    /// The question it answers.
    pub question: &'static str,
    /// The event's columns it groups by, besides the window; also columns of the table.
    pub dimensions: &'static [Column],
    /// What it measures.
    pub measures: &'static [Measure],
    /// The column with the row's instant, the first of the clustering key: of a window its start, unless the
    /// family says otherwise.
    pub at: Column,
    /// The partition key, from day, hour and dimensions.
    pub partition_key: &'static [Column],
    /// Whether only events about a product belong to it: those with an `item_id`, whatever else of the
    /// product is absent. Its first dimension is then of products, and of no table that has other events too.
    pub only_items: bool,
}

impl Grouping {
    /// The clustering columns: the instant, then the dimensions that are not in the partition key.
    #[must_use]
    pub fn clustering_key(&self) -> Vec<Column> {
        let rest = self.dimensions.iter().filter(|column| !self.partition_key.contains(column));
        std::iter::once(self.at).chain(rest.copied()).collect()
    }

    /// All columns of the table: key, then measures.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let measures = self.measures.iter().map(|measure| measure.column());
        self.partition_key.iter().copied().chain(self.clustering_key()).chain(measures).collect()
    }
}

/// Every grouping of the cube.
pub const GROUPINGS: &[Grouping] = &[
    Grouping {
        table: "activity_by_minute",
        question: "What happens in the shop, minute by minute?",
        dimensions: &[],
        measures: VISIT_MEASURES,
        partition_key: &[CUBE.day],
        at: CUBE.minute,
        only_items: false,
    },
    Grouping {
        table: "activity_by_country",
        question: "What happens in one country, minute by minute?",
        dimensions: &[EVENT.country],
        measures: VISIT_MEASURES,
        partition_key: &[EVENT.country, CUBE.day],
        at: CUBE.minute,
        only_items: false,
    },
    Grouping {
        table: "demographics_by_minute",
        question: "Who is in the shop, by gender and age band?",
        dimensions: &[EVENT.gender, EVENT.age_band],
        measures: VISIT_MEASURES,
        partition_key: &[CUBE.day],
        at: CUBE.minute,
        only_items: false,
    },
    Grouping {
        table: "sales_by_product",
        question: "Which products are looked at and sold?",
        // The name as sold is a key, not a measure: the greatest string of a group would turn the whole query
        // from hash into sort aggregation, which took four times as long.
        dimensions: &[EVENT.item_id, EVENT.item_name],
        measures: ITEM_MEASURES,
        partition_key: &[CUBE.day, CUBE.hour],
        at: CUBE.minute,
        only_items: true,
    },
    Grouping {
        table: "sales_by_category",
        question: "Which categories are looked at and sold?",
        dimensions: &[EVENT.category],
        measures: ITEM_MEASURES,
        partition_key: &[CUBE.day],
        at: CUBE.minute,
        only_items: true,
    },
    Grouping {
        table: "engagement_by_channel",
        question: "How do visits differ by channel and device?",
        dimensions: &[EVENT.channel, EVENT.device],
        measures: VISIT_MEASURES,
        partition_key: &[CUBE.day],
        at: CUBE.minute,
        only_items: false,
    },
];

/// The grouping of a table of the cube.
#[must_use]
pub fn grouping(table: &str) -> Option<&'static Grouping> {
    GROUPINGS.iter().find(|grouping| grouping.table == table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_revision_wins_over_any_number_of_events() {
        let start = 1_800_000_000_000_000;
        assert!(write_time(start, 2, 1) > write_time(start, 1, REVISION_STEP - 1));
        assert!(write_time(start, 1, 2) > write_time(start, 1, 1));
    }

    #[test]
    fn every_partition_is_bounded_by_a_day_and_every_dimension_is_in_the_key() {
        for grouping in GROUPINGS {
            assert!(grouping.partition_key.contains(&CUBE.day), "{}", grouping.table);
            let columns = grouping.columns();
            for dimension in grouping.dimensions {
                assert!(columns.contains(dimension), "{}.{dimension}", grouping.table);
            }
        }
    }
}
