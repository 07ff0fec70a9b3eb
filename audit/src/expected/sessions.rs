//! Sessions: islands of events between gaps, by window functions. Whether a session is closed is not said here.

use contracts::cube::{Grouping, MEASURE, NONE};
use contracts::event::EVENT;
use contracts::family::{BESIDE, Family, SESSION_GAP_US, SESSION_LONGEST_US};
use contracts::record::Column;

use super::Records;
use super::measures::measure_sql;
use crate::VerifyError;

/// The query of the table.
pub(super) fn query(family: &Family, grouping: &Grouping, records: Records) -> Result<String, VerifyError> {
    let (at, begun) = (EVENT.occurred_at, EVENT.session_started_at);
    let visit = [EVENT.user_id, EVENT.session_id, begun].map(|column| column.to_string()).join(", ");
    let in_order = format!("over (partition by {visit} order by {at}, {})", EVENT.event_id);
    let mut selected = vec![format!("min({at})")];
    selected.extend(grouping.dimensions.iter().map(|id| format!("{id}::text")));
    for measure in grouping.measures {
        selected.push(figure_sql(measure.column)?);
    }
    Ok(format!(
        "with belonging as (select * from raw.events where {belongs} \
           and {at} < {begun} + {longest} * interval '1 microsecond' \
           and ($1::timestamptz is null or ({at} >= $1 and {begun} >= $1)) \
           and ($2::timestamptz is null or {begun} < $2)), \
         gaps as (select *, {at} - lag({at}) {in_order} > {gap} * interval '1 microsecond' as is_first from belonging), \
         parts as (select *, count(*) filter (where is_first) {in_order} as part from gaps) \
         select {selected} from parts group by {visit}, part",
        belongs = records.sql(family, begun.name()),
        longest = SESSION_LONGEST_US,
        gap = SESSION_GAP_US,
        selected = selected.join(", "),
    ))
}

fn figure_sql(measure: Column) -> Result<String, VerifyError> {
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
    Ok(match measure {
        m if m == EVENT.session_started_at => m.to_string(),
        m if m == BESIDE.ended_at => format!("max({at})"),
        m if m == BESIDE.duration_ms => format!("{} - {}", unix_ms("max"), unix_ms("min")),
        m if m == BESIDE.bounce => format!("count(*) filter (where {name} <> 'session_start') <= 1"),
        m if m == BESIDE.furthest_step => furthest,
        m if m == BESIDE.abandoned_at => {
            format!("case when {furthest} in ('visit', 'purchase') then '{NONE}' else {furthest} end")
        }
        m if m == BESIDE.value_at_risk => format!(
            "case when {} then 0.00 else greatest({} - {}, 0.00) end",
            any("'purchase'"),
            amount("add_to_cart"),
            amount("remove_from_cart")
        ),
        m if [EVENT.country, EVENT.device, EVENT.channel].contains(&m) => {
            format!("(array_agg({m} order by {at}, {}))[1]", EVENT.event_id)
        }
        m if m == MEASURE.events => "count(*)".to_owned(),
        m => measure_sql(m, "")?,
    })
}
