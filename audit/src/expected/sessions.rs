//! Sessions: islands of events between gaps, by window functions. Whether a session is closed is not said
//! here.
//!
//! A visit is user, session id and the ms of the declared start. An event before its declared start belongs
//! to none, as one that comes too long after it.

use contracts::cube::{Grouping, NONE};
use contracts::event::EVENT;
use contracts::family::{Family, SESSION_GAP_US, SESSION_LONGEST_US};
use contracts::measure::{Measure, VisitMeasure};
use contracts::record::Column;

use super::Records;
use super::measures::aggregate_sql;

/// The query of the table.
pub(super) fn query(family: &Family, grouping: &Grouping, records: Records, events: &str) -> String {
    let (at, begun) = (EVENT.occurred_at, EVENT.session_started_at);
    let visit = format!("{}, {}, date_trunc('milliseconds', {begun})", EVENT.user_id, EVENT.session_id);
    let in_order = format!("over (partition by {visit} order by {at}, {})", EVENT.event_id);
    let mut selected = vec![format!("min({at})")];
    selected.extend(grouping.dimensions.iter().map(|&dimension| dimension_sql(dimension)));
    selected.extend(grouping.measures.iter().filter_map(|measure| measure_sql(*measure)));
    format!(
        "with belonging as (select * from {events} where {belongs} \
           and {at} >= {begun} and {at} < {begun} + {longest} * interval '1 microsecond' \
           and ($1::timestamptz is null or ({at} >= $1 and {begun} >= $1)) \
           and ($2::timestamptz is null or {begun} < $2)), \
         gaps as (select *, {at} - lag({at}) {in_order} > {gap} * interval '1 microsecond' as is_first from belonging), \
         parts as (select *, count(*) filter (where is_first) {in_order} as part from gaps) \
         select {selected} from parts group by {visit}, part",
        belongs = records.sql(family, begun.name()),
        longest = SESSION_LONGEST_US,
        gap = SESSION_GAP_US,
        selected = selected.join(", "),
    )
}

/// A dimension as the text of a key.
fn dimension_sql(dimension: Column) -> String {
    if dimension == EVENT.session_started_at {
        let whole_ms = format!("date_trunc('milliseconds', {dimension}) at time zone 'UTC'");
        return format!(r#"to_char({whole_ms}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#);
    }
    format!("{dimension}::text")
}

/// A measure of the session; nothing for one that no table of sessions has.
fn measure_sql(measure: Measure) -> Option<String> {
    Some(match measure {
        Measure::Of(aggregate) => aggregate_sql(aggregate, ""),
        Measure::Visit(measure) => visit_sql(measure),
        Measure::Field(column, _) => {
            format!("(array_agg({column} order by {}, {}))[1]", EVENT.occurred_at, EVENT.event_id)
        }
        Measure::Before(_) | Measure::Registrations => return None,
    })
}

fn visit_sql(measure: VisitMeasure) -> String {
    let (at, name) = (EVENT.occurred_at, EVENT.event_name);
    let any = |names: &str| format!("bool_or({name} in ({names}))");
    let unix_ms = |instant: &str| format!("floor(extract(epoch from {instant}({at})) * 1000)::bigint");
    let furthest = format!(
        "case when {} then 'purchase' when {} then 'checkout' when {} then 'cart' when {} then 'browse' else 'visit' end",
        any("'purchase'"),
        any("'begin_checkout', 'add_payment_info'"),
        any("'add_to_cart'"),
        any("'view_item', 'view_item_list'"),
    );
    let amount =
        |of: &str| format!("coalesce(sum({}) filter (where {name} = '{of}'), 0.00)", EVENT.amount_base);
    match measure {
        VisitMeasure::EndedAt => format!("max({at})"),
        VisitMeasure::DurationMs => format!("{} - {}", unix_ms("max"), unix_ms("min")),
        VisitMeasure::Bounce => format!("count(*) filter (where {name} <> 'session_start') <= 1"),
        VisitMeasure::AbandonedAt => {
            format!("case when {furthest} in ('visit', 'purchase') then '{NONE}' else {furthest} end")
        }
        VisitMeasure::FurthestStep => furthest,
        VisitMeasure::ValueAtRisk => format!(
            "case when {} then 0.00 else greatest({} - {}, 0.00) end",
            any("'purchase'"),
            amount("add_to_cart"),
            amount("remove_from_cart")
        ),
    }
}
