//! The metric cube: every grouping of [`contracts::cube`] in one plan.
//!
//! The SQL is generated from the contract: a column is named only through it. Every grouping set holds the
//! window struct itself; grouping by a column made from its start would never evict state. Keys are derived
//! after the aggregation, dimensions are coalesced before it.

use chrono::{DateTime, Utc};
use contracts::cube::{CUBE, DISTINCT_RSD, GROUPINGS, MEASURE, Measure, NONE, REVISION_STEP, WINDOW_US};
use contracts::event::EVENT;
use contracts::lateness::WATERMARK_DELAY_MIN;
use contracts::ledger::{CUBE_COUNTS, LEDGER};
use contracts::record::Column;
use contracts::vocabulary::EventName;
use spark_connect_rs::functions::expr;
use spark_connect_rs::{DataFrame, SparkError};

use crate::plans::Owned;

/// The window column inside the plan; not part of the result.
const WINDOW: &str = "cube_window";
/// Base-2 logarithm of the buckets of a distinct count's sketch: a standard error of 1.04 / √4096 = 0.016, within the
/// contract's. `approx_count_distinct` would spread its registers over 400 columns of the aggregation buffer each, and
/// generating code for them took 70 % of a task.
const SKETCH_LG_K: u32 = 12;
const _: () = assert!(DISTINCT_RSD * DISTINCT_RSD * (1u32 << SKETCH_LG_K) as f64 >= 1.04 * 1.04);

/// The view the generated SQL reads: one a revision, as two plans may run in one session.
fn view(revision: i64) -> String {
    format!("storepulse_cube_events_r{revision}")
}

/// Aggregates events into rows of every cube table.
///
/// `events` has the event's columns and holds on-time events only. The result has the columns of every
/// table, `route` and `write_time`; columns that a route's table lacks are without meaning in its rows.
/// On a stream the watermark is set here. Rows of windows outside of `owned` are left out, after the aggregation.
///
/// # Errors
/// When the server refuses the view or the query.
pub fn cube(events: &DataFrame, revision: i64, owned: Owned) -> Result<DataFrame, SparkError> {
    aggregate(events, revision, Sets::Tables, owned)
}

/// As [`cube`], and in the same query what it folded in by minute of `ingested_at`, for the ledger
/// ([`CUBE_COUNTS`]).
///
/// # Errors
/// As [`cube`].
pub fn cube_and_counts(events: &DataFrame, revision: i64, owned: Owned) -> Result<DataFrame, SparkError> {
    aggregate(events, revision, Sets::TablesAndCounts, owned)
}

fn aggregate(events: &DataFrame, revision: i64, sets: Sets, owned: Owned) -> Result<DataFrame, SparkError> {
    let watermarked =
        events.with_watermark(EVENT.occurred_at.name(), &format!("{WATERMARK_DELAY_MIN} minutes"));
    watermarked.create_or_replace_temp_view(&view(revision))?;
    let rows = events.spark_session().sql(&cube_sql(revision, sets))?;
    Ok(match owned_sql(owned) {
        Some(condition) => rows.filter(expr(&condition)),
        None => rows,
    })
}

/// The condition that keeps the windows a plan writes; not part of its fingerprint, for it changes nothing of what is counted.
fn owned_sql(owned: Owned) -> Option<String> {
    let bound = |operator: &str, at: Option<DateTime<Utc>>| {
        at.map(|at| format!("{} {operator} timestamp_micros({})", CUBE.minute, at.timestamp_micros()))
    };
    let bounds: Vec<String> = bound(">=", owned.from).into_iter().chain(bound("<", owned.to)).collect();
    (!bounds.is_empty()).then(|| bounds.join(" and "))
}

/// Which grouping sets the query has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sets {
    /// Those of the cube's tables.
    Tables,
    /// And the one of the ledger: window and minute of `ingested_at`.
    TablesAndCounts,
}

impl Sets {
    /// The column that only the ledger's set groups by.
    fn minute(self) -> Option<Column> {
        (self == Self::TablesAndCounts).then_some(LEDGER.ingested_minute)
    }

    /// What each set groups by besides the window, and the route of its rows.
    fn all(self) -> Vec<(Vec<Column>, &'static str)> {
        let tables = GROUPINGS.iter().map(|grouping| (grouping.dimensions.to_vec(), grouping.table));
        tables.chain(self.minute().map(|minute| (vec![minute], CUBE_COUNTS.name))).collect()
    }

    /// Every column that some set groups by besides the window.
    fn keys(self) -> Vec<Column> {
        dimensions().into_iter().chain(self.minute()).collect()
    }
}

/// The dimensions of all groupings, each once, in contract order.
fn dimensions() -> Vec<Column> {
    let mut all = Vec::new();
    for &dimension in GROUPINGS.iter().flat_map(|grouping| grouping.dimensions) {
        if !all.contains(&dimension) {
            all.push(dimension);
        }
    }
    all
}

/// The generated query; also what the plan's fingerprint covers.
pub(crate) fn cube_sql(revision: i64, sets: Sets) -> String {
    format!(
        "select {outputs} from (select {aggregates} from (select {inputs} from {view}) group by {by} grouping sets ({groups})) where {wanted}",
        view = view(revision),
        outputs = outputs(sets, revision),
        aggregates = aggregates(sets),
        inputs = inputs(sets),
        by = group_keys(sets).join(", "),
        groups = sets.all().iter().map(|(keys, _)| grouping_set(keys)).collect::<Vec<_>>().join(", "),
        wanted = wanted_sql(),
    )
}

fn inputs(sets: Sets) -> String {
    let window = format!("window({}, '{} seconds') as {WINDOW}", EVENT.occurred_at, WINDOW_US / 1_000_000);
    let keys = dimensions();
    let keys = keys.iter().map(|dimension| format!("coalesce({dimension}, '{NONE}') as {dimension}"));
    let minute =
        sets.minute().map(|minute| format!("date_trunc('minute', {}) as {minute}", EVENT.ingested_at));
    let others = [
        EVENT.event_name,
        EVENT.session_id,
        EVENT.user_id,
        EVENT.quantity,
        EVENT.amount_base,
        EVENT.order_line,
        EVENT.occurred_at,
    ];
    std::iter::once(window)
        .chain(keys)
        .chain(minute)
        .chain(others.map(|column| column.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What is grouped by, in the order of the bits of `grouping_id()`: the window, which every set has, is the highest.
fn group_keys(sets: Sets) -> Vec<String> {
    std::iter::once(WINDOW.to_owned()).chain(sets.keys().iter().map(|key| key.to_string())).collect()
}

fn grouping_set(keys: &[Column]) -> String {
    let columns = std::iter::once(WINDOW).chain(keys.iter().map(|key| key.name()));
    format!("({})", columns.collect::<Vec<_>>().join(", "))
}

fn aggregates(sets: Sets) -> String {
    let keys = group_keys(sets).into_iter();
    let route = std::iter::once(format!("{} as {}", route_sql(sets), CUBE.route));
    let measures = all_measures()
        .into_iter()
        .map(|measure| format!("{} as {}", aggregate_sql(measure.column), measure.column));
    keys.chain(route).chain(measures).collect::<Vec<_>>().join(", ")
}

/// Tells the groupings apart by `grouping_id()`: one bit a column of `group by`, the first one the highest, set where
/// the set does not group by it. One number, where `grouping()` of each column would be fifty terms in every task.
fn route_sql(sets: Sets) -> String {
    let cases = sets.all().into_iter().map(|(keys, route)| {
        let id = sets.keys().into_iter().fold(0_u64, |id, key| id << 1 | u64::from(!keys.contains(&key)));
        format!("when {id} then '{route}'")
    });
    format!("case grouping_id() {} end", cases.collect::<Vec<_>>().join(" "))
}

/// Every measure of any table, each once.
fn all_measures() -> Vec<Measure> {
    let mut all: Vec<Measure> = Vec::new();
    for &measure in GROUPINGS.iter().flat_map(|grouping| grouping.measures) {
        if !all.contains(&measure) {
            all.push(measure);
        }
    }
    all
}

/// The aggregate that computes a measure; `net` follows from two of them.
fn aggregate_sql(measure: Column) -> String {
    let is = |name: EventName| format!("{} = '{name}'", EVENT.event_name);
    let count_if = |condition: String| format!("count_if({condition})");
    let sum_if = |column: Column, name: EventName, zero: &str| {
        format!("coalesce(sum({column}) filter (where {}), {zero})", is(name))
    };
    let distinct = |column: Column| format!("hll_sketch_estimate(hll_sketch_agg({column}, {SKETCH_LG_K}))");
    let gross = sum_if(EVENT.amount_base, EventName::Purchase, "0BD");
    let refunds = sum_if(EVENT.amount_base, EventName::Refund, "0BD");
    match measure {
        m if m == MEASURE.events => "count(1)".into(),
        m if m == MEASURE.session_starts => count_if(is(EventName::SessionStart)),
        m if m == MEASURE.sessions => distinct(EVENT.session_id),
        m if m == MEASURE.users => distinct(EVENT.user_id),
        m if m == MEASURE.item_views => count_if(is(EventName::ViewItem)),
        m if m == MEASURE.cart_adds => count_if(is(EventName::AddToCart)),
        m if m == MEASURE.checkouts => count_if(is(EventName::BeginCheckout)),
        m if m == MEASURE.orders => {
            count_if(format!("{} and {} = 1", is(EventName::Purchase), EVENT.order_line))
        }
        m if m == MEASURE.order_lines => count_if(is(EventName::Purchase)),
        m if m == MEASURE.units => sum_if(EVENT.quantity, EventName::Purchase, "0L"),
        m if m == MEASURE.gross => gross,
        m if m == MEASURE.refunds => refunds,
        m if m == MEASURE.net => format!("{gross} - {refunds}"),
        m if m == MEASURE.last_occurred_at => format!("max({})", EVENT.occurred_at),
        // A new measure of the contract shows at once, in every test that builds the plan.
        other => unreachable!("the contract's measure {other} has no aggregate here"),
    }
}

fn outputs(sets: Sets, revision: i64) -> String {
    let start = format!("{WINDOW}.start");
    // The ledger is filed under the day of its own minute, the tables under that of the window.
    let day = sets.minute().map_or_else(|| start.clone(), |minute| format!("coalesce({minute}, {start})"));
    let keys = [
        format!("cast({day} as date) as {}", CUBE.day),
        format!("hour({start}) as {}", CUBE.hour),
        format!("{start} as {}", CUBE.minute),
    ];
    let version = format!(
        "unix_micros({start}) + {}L + {} as {}",
        revision * REVISION_STEP,
        MEASURE.events,
        CUBE.write_time
    );
    let measures = all_measures().into_iter().map(|measure| measure.column.to_string());
    std::iter::once(CUBE.route.to_string())
        .chain(keys)
        .chain(sets.keys().into_iter().map(|key| key.to_string()))
        .chain(measures)
        .chain(std::iter::once(version))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Leaves out the rows without a product from the tables of products.
fn wanted_sql() -> String {
    let unwanted = GROUPINGS.iter().filter(|grouping| grouping.only_items).map(|grouping| {
        let absent = grouping.dimensions.iter().take(1).map(|dimension| format!("{dimension} = '{NONE}'"));
        format!("({} = '{}' and {})", CUBE.route, grouping.table, absent.collect::<String>())
    });
    format!("not ({})", unwanted.collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grouping_is_a_set_with_the_window_itself() {
        let (tables, all) = (cube_sql(1, Sets::Tables), cube_sql(1, Sets::TablesAndCounts));
        for grouping in GROUPINGS {
            let set = grouping_set(grouping.dimensions);
            assert!(set.contains(WINDOW));
            for sql in [&tables, &all] {
                assert!(sql.contains(&set), "{}", grouping.table);
                assert!(sql.contains(&format!("then '{}'", grouping.table)));
            }
        }
        let counts = grouping_set(&[LEDGER.ingested_minute]);
        assert!(all.contains(&counts) && all.contains(CUBE_COUNTS.name));
        assert!(!tables.contains(LEDGER.ingested_minute.name()));
    }
}
