//! Metrics over windows of time: every grouping of a [`Family`] in one plan, the metric cube among them.
//!
//! The SQL is generated from the contract: a column is named only through it. Every grouping set holds the
//! window struct itself; grouping by a column made from its start would never evict state. Keys are derived
//! after the aggregation, what dimensions lack is filled in before it.

use contracts::cube::{CUBE, DISTINCT_RSD, NONE, REVISION_STEP};
use contracts::event::EVENT;
use contracts::family::{CUBE_FAMILY, Family, Geometry, Source, folded};
use contracts::lateness::WATERMARK_DELAY_MIN;
use contracts::ledger::{CUBE_COUNTS, LEDGER};
use contracts::measure::{Aggregate, Measure};
use contracts::record::Column;
use contracts::vocabulary::EventName;
use spark_connect_rs::functions::expr;
use spark_connect_rs::{DataFrame, SparkError};

use crate::plans::Owned;

/// The window column inside the plan; not part of the result.
const WINDOW: &str = "cube_window";
/// Base-2 logarithm of the buckets of a distinct count's sketch: a standard error of 1.04 / √4096 = 0.016,
/// within the contract's. `approx_count_distinct` would spread its registers over 400 columns of the
/// aggregation buffer each, and generating code for them took 70 % of a task.
const SKETCH_LG_K: u32 = 12;
const _: () = assert!(DISTINCT_RSD * DISTINCT_RSD * (1u32 << SKETCH_LG_K) as f64 >= 1.04 * 1.04);

/// The view the generated SQL reads: one a family and revision, as two plans may run in one session.
fn view(family: &Family, revision: i64) -> String {
    format!("storepulse_{}_records_r{revision}", family.name)
}

/// Aggregates records into rows of every table of a family of windows.
///
/// `records` has the event's columns and holds on-time events only, or those of the registrations. The result
/// has the columns of every table, `route` and `write_time`; columns that a route's table lacks are without
/// meaning in its rows. On a stream the watermark is set here. Rows of windows outside of `owned` are left
/// out, after the aggregation.
///
/// # Errors
/// When the server refuses the view or the query.
pub fn rows(
    records: &DataFrame,
    family: &Family,
    revision: i64,
    owned: Owned,
) -> Result<DataFrame, SparkError> {
    aggregate(records, Sets::Tables(family), revision, owned)
}

/// The [`rows`] of the cube, and in the same query what it folded in by minute of `ingested_at`, for the
/// ledger ([`CUBE_COUNTS`]).
///
/// # Errors
/// As [`rows`].
pub fn cube_and_counts(events: &DataFrame, revision: i64, owned: Owned) -> Result<DataFrame, SparkError> {
    aggregate(events, Sets::CubeAndCounts, revision, owned)
}

fn aggregate(
    records: &DataFrame,
    sets: Sets<'_>,
    revision: i64,
    owned: Owned,
) -> Result<DataFrame, SparkError> {
    let family = sets.family();
    let watermarked =
        records.with_watermark(family.records().1.name(), &format!("{WATERMARK_DELAY_MIN} minutes"));
    watermarked.create_or_replace_temp_view(&view(family, revision))?;
    let rows = records.spark_session().sql(&windowed_sql(sets, revision))?;
    // Not part of the fingerprint, for it changes nothing of what is counted.
    Ok(match owned.moved(family.at_us()).sql(key(family)) {
        Some(condition) => rows.filter(expr(&condition)),
        None => rows,
    })
}

/// The column that every table of a family has its instant in.
fn key(family: &Family) -> Column {
    family.tables.first().map_or(CUBE.minute, |table| table.at)
}

/// Which grouping sets the query has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sets<'a> {
    /// Those of a family's tables.
    Tables(&'a Family),
    /// Those of the cube, and the one of the ledger: window and minute of `ingested_at`.
    CubeAndCounts,
}

impl<'a> Sets<'a> {
    fn family(self) -> &'a Family {
        match self {
            Self::Tables(family) => family,
            Self::CubeAndCounts => &CUBE_FAMILY,
        }
    }

    /// The column that only the ledger's set groups by.
    fn minute(self) -> Option<Column> {
        (self == Self::CubeAndCounts).then_some(LEDGER.ingested_minute)
    }

    /// What each set groups by besides the window, and the route of its rows.
    fn all(self) -> Vec<(Vec<Column>, &'static str)> {
        let tables =
            self.family().tables.iter().map(|grouping| (grouping.dimensions.to_vec(), grouping.table));
        tables.chain(self.minute().map(|minute| (vec![minute], CUBE_COUNTS.name))).collect()
    }

    /// Every column that some set groups by besides the window.
    fn keys(self) -> Vec<Column> {
        dimensions(self.family()).into_iter().chain(self.minute()).collect()
    }
}

/// The dimensions of all groupings, each once, in contract order.
fn dimensions(family: &Family) -> Vec<Column> {
    let mut all = Vec::new();
    for &dimension in family.tables.iter().flat_map(|grouping| grouping.dimensions) {
        if !all.contains(&dimension) {
            all.push(dimension);
        }
    }
    all
}

/// The generated query; also what the plan's fingerprint covers.
pub(crate) fn windowed_sql(sets: Sets<'_>, revision: i64) -> String {
    let family = sets.family();
    format!(
        "select {outputs} from (select {aggregates} from (select {inputs} from {view}) group by {by} grouping sets ({groups})){wanted}",
        view = view(family, revision),
        outputs = outputs(sets, revision),
        aggregates = aggregates(sets),
        inputs = inputs(sets),
        by = group_keys(sets).join(", "),
        groups = sets.all().iter().map(|(keys, _)| grouping_set(keys)).collect::<Vec<_>>().join(", "),
        wanted = wanted_sql(family),
    )
}

/// The window of a record; where windows overlap, a row for each that holds it.
fn window_sql(family: &Family) -> String {
    let (_, time) = family.records();
    match family.geometry {
        Geometry::Windows { step_us, length_us, .. } if step_us < length_us => {
            format!("window({time}, '{} seconds', '{} seconds')", length_us / 1_000_000, step_us / 1_000_000)
        }
        _ => format!("window({time}, '{} seconds')", family.stretch_us().1 / 1_000_000),
    }
}

fn inputs(sets: Sets<'_>) -> String {
    let family = sets.family();
    let window = format!("{} as {WINDOW}", window_sql(family));
    let keys = dimensions(family);
    let keys = keys.iter().map(|&dimension| format!("{} as {dimension}", key_sql(family, dimension)));
    let minute =
        sets.minute().map(|minute| format!("date_trunc('minute', {}) as {minute}", EVENT.ingested_at));
    let others: &[Column] = match family.source {
        Source::Events => &[
            EVENT.event_name,
            EVENT.session_id,
            EVENT.user_id,
            EVENT.quantity,
            EVENT.amount_base,
            EVENT.order_line,
            EVENT.occurred_at,
        ],
        Source::Users => &[],
    };
    std::iter::once(window)
        .chain(keys)
        .chain(minute)
        .chain(others.iter().map(|column| column.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A dimension as it is grouped by: what is absent is [`NONE`]. That of products is null where there is no
/// product, so that those rows can be told from the ones of a product of which the dimension is absent.
fn key_sql(family: &Family, dimension: Column) -> String {
    let told = format!("coalesce({dimension}, '{NONE}')");
    if items_only(family).any(|(_, first)| first == dimension) {
        format!("case when {} is not null then {told} end", EVENT.item_id)
    } else {
        told
    }
}

/// The tables of products, each with its first dimension.
fn items_only(family: &Family) -> impl Iterator<Item = (&'static str, Column)> {
    let of_items = family.tables.iter().filter(|grouping| grouping.only_items);
    of_items.filter_map(|grouping| Some((grouping.table, *grouping.dimensions.first()?)))
}

/// What is grouped by, in the order of the bits of `grouping_id()`: the window, which every set has, is the
/// highest.
fn group_keys(sets: Sets<'_>) -> Vec<String> {
    std::iter::once(WINDOW.to_owned()).chain(sets.keys().iter().map(|key| key.to_string())).collect()
}

fn grouping_set(keys: &[Column]) -> String {
    let columns = std::iter::once(WINDOW).chain(keys.iter().map(|key| key.name()));
    format!("({})", columns.collect::<Vec<_>>().join(", "))
}

fn aggregates(sets: Sets<'_>) -> String {
    let family = sets.family();
    let keys = group_keys(sets).into_iter();
    let route = std::iter::once(format!("{} as {}", route_sql(sets), CUBE.route));
    let measures = all_measures(family)
        .into_iter()
        .filter_map(|measure| Some(format!("{} as {}", measure_sql(family, measure)?, measure.column())));
    keys.chain(route).chain(measures).collect::<Vec<_>>().join(", ")
}

/// Tells the groupings apart by `grouping_id()`: one bit a column of `group by`, the first one the highest,
/// set where the set does not group by it. One number, where `grouping()` of each column would be fifty terms
/// in every task.
fn route_sql(sets: Sets<'_>) -> String {
    let cases = sets.all().into_iter().map(|(keys, route)| {
        let id = sets.keys().into_iter().fold(0_u64, |id, key| id << 1 | u64::from(!keys.contains(&key)));
        format!("when {id} then '{route}'")
    });
    format!("case grouping_id() {} end", cases.collect::<Vec<_>>().join(" "))
}

/// Every measure of any table, each once.
fn all_measures(family: &Family) -> Vec<Measure> {
    let mut all: Vec<Measure> = Vec::new();
    for &measure in family.tables.iter().flat_map(|grouping| grouping.measures) {
        if !all.contains(&measure) {
            all.push(measure);
        }
    }
    all
}

/// The instant of a row's key.
fn at_sql(family: &Family) -> String {
    match family.at_us() {
        0 => format!("{WINDOW}.start"),
        at_us => format!("{WINDOW}.start + interval {} seconds", at_us / 1_000_000),
    }
}

/// What computes a measure; nothing for one that no table over windows has.
fn measure_sql(family: &Family, measure: Measure) -> Option<String> {
    let side = |operator: &str| format!(" and {} {operator} {}", EVENT.occurred_at, at_sql(family));
    Some(match measure {
        Measure::Of(Aggregate::Events) | Measure::Registrations => "count(1)".to_owned(),
        Measure::Of(aggregate) if family.compares => aggregate_sql(aggregate, &side(">=")),
        Measure::Of(aggregate) => aggregate_sql(aggregate, ""),
        Measure::Before(counterpart) => aggregate_sql(counterpart.aggregate(), &side("<")),
        Measure::Visit(_) | Measure::Field(..) => return None,
    })
}

/// An aggregate over the events that meet a further condition, which begins with ` and` where there is one.
fn aggregate_sql(aggregate: Aggregate, only: &str) -> String {
    let is = |name: EventName| format!("{} = '{name}'{only}", EVENT.event_name);
    let count_if = |condition: String| format!("count_if({condition})");
    let sum_if = |column: Column, name: EventName, zero: &str| {
        format!("coalesce(sum({column}) filter (where {}), {zero})", is(name))
    };
    let distinct = |column: Column| format!("hll_sketch_estimate(hll_sketch_agg({column}, {SKETCH_LG_K}))");
    let gross = || sum_if(EVENT.amount_base, EventName::Purchase, "0BD");
    let refunds = || sum_if(EVENT.amount_base, EventName::Refund, "0BD");
    match aggregate {
        Aggregate::Events => "count(1)".to_owned(),
        Aggregate::SessionStarts => count_if(is(EventName::SessionStart)),
        Aggregate::Sessions => distinct(EVENT.session_id),
        Aggregate::Users => distinct(EVENT.user_id),
        Aggregate::ItemViews => count_if(is(EventName::ViewItem)),
        Aggregate::CartAdds => count_if(is(EventName::AddToCart)),
        Aggregate::Checkouts => count_if(is(EventName::BeginCheckout)),
        Aggregate::Orders => count_if(format!("{} and {} = 1", is(EventName::Purchase), EVENT.order_line)),
        Aggregate::OrderLines => count_if(is(EventName::Purchase)),
        Aggregate::Units => sum_if(EVENT.quantity, EventName::Purchase, "0L"),
        Aggregate::Gross => gross(),
        Aggregate::Refunds => refunds(),
        Aggregate::Net => format!("{} - {}", gross(), refunds()),
        Aggregate::LastOccurredAt => format!("max({})", EVENT.occurred_at),
    }
}

/// How many records are folded into a row.
fn folded_sql(family: &Family) -> String {
    let measure = family.tables.first().and_then(folded);
    measure.map_or_else(|| "1L".to_owned(), |measure| measure.column().to_string())
}

fn outputs(sets: Sets<'_>, revision: i64) -> String {
    let family = sets.family();
    let at = at_sql(family);
    // The ledger is filed under the day of its own minute, the tables under that of their instant.
    let day = sets.minute().map_or_else(|| at.clone(), |minute| format!("coalesce({minute}, {at})"));
    let keys = [
        format!("cast({day} as date) as {}", CUBE.day),
        format!("hour({at}) as {}", CUBE.hour),
        format!("{at} as {}", key(family)),
    ];
    let version = format!(
        "unix_micros({at}) + {}L + {} as {}",
        revision * REVISION_STEP,
        folded_sql(family),
        CUBE.write_time
    );
    let measures = all_measures(family).into_iter().map(|measure| measure.column().to_string());
    std::iter::once(CUBE.route.to_string())
        .chain(keys)
        .chain(sets.keys().into_iter().map(|key| key.to_string()))
        .chain(measures)
        .chain(std::iter::once(version))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Leaves out the rows without a product from the tables of products.
fn wanted_sql(family: &Family) -> String {
    let unwanted = items_only(family)
        .map(|(table, first)| format!("({} = '{table}' and {first} is null)", CUBE.route))
        .collect::<Vec<_>>();
    if unwanted.is_empty() { String::new() } else { format!(" where not ({})", unwanted.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use contracts::family;

    use super::*;

    #[test]
    fn every_grouping_is_a_set_with_the_window_itself() {
        let windowed =
            family::families().filter(|family| matches!(family.geometry, Geometry::Windows { .. }));
        for family in windowed {
            let sql = windowed_sql(Sets::Tables(family), 1);
            assert!(!sql.contains(LEDGER.ingested_minute.name()));
            for grouping in family.tables {
                let set = grouping_set(grouping.dimensions);
                assert!(set.contains(WINDOW) && sql.contains(&set), "{}", grouping.table);
                assert!(sql.contains(&format!("then '{}'", grouping.table)));
            }
        }
    }

    #[test]
    fn what_is_null_without_a_product_is_a_key_of_tables_of_products_alone() {
        for family in family::families() {
            for (table, first) in items_only(family) {
                let with_it = family.tables.iter().filter(|grouping| grouping.dimensions.contains(&first));
                assert!(with_it.into_iter().all(|grouping| grouping.only_items), "{table} {first}");
            }
        }
    }

    #[test]
    fn the_ledger_is_a_set_of_the_cube() {
        let (tables, all) = (Sets::Tables(&CUBE_FAMILY).all(), Sets::CubeAndCounts.all());
        assert_eq!(all[..tables.len()], tables);
        assert_eq!(all[tables.len()..], [(vec![LEDGER.ingested_minute], CUBE_COUNTS.name)]);
    }
}
