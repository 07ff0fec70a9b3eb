//! Order lines: every purchase and refund as it is stored.

use contracts::cube::{Grouping, NONE};
use contracts::event::EVENT;
use contracts::family::Family;
use contracts::measure::MeasureKind;

use super::Records;

/// The query of the table.
pub(super) fn query(family: &Family, grouping: &Grouping, records: Records, events: &str) -> String {
    let at = EVENT.occurred_at;
    let mut selected = vec![at.to_string()];
    selected.extend(grouping.dimensions.iter().map(|id| format!("{id}::text")));
    selected.extend(grouping.measures.iter().map(|measure| match measure.kind() {
        // No measure is null: what a line does not say counts as nothing.
        MeasureKind::Count | MeasureKind::Distinct => format!("coalesce({}, 0)::bigint", measure.column()),
        MeasureKind::Money => format!("coalesce({}, 0.00)", measure.column()),
        MeasureKind::Text => format!("coalesce({}, '{NONE}')", measure.column()),
        MeasureKind::Instant | MeasureKind::Flag => measure.column().to_string(),
    }));
    format!(
        "select {} from {events} where {} in ('purchase', 'refund') and {} \
         and ($1::timestamptz is null or {at} >= $1) and ($2::timestamptz is null or {at} < $2)",
        selected.join(", "),
        EVENT.event_name,
        records.sql(family, at.name()),
    )
}

#[cfg(test)]
mod tests {
    use contracts::family::ORDERS;

    use super::*;

    #[test]
    fn no_measure_is_null_where_a_line_lacks_it() {
        let table = &ORDERS.tables[0];
        let sql = query(&ORDERS, table, Records::All, "raw.events");
        for measure in table.measures {
            assert!(sql.contains(&format!("coalesce({}, ", measure.column())), "{measure:?} in {sql}");
        }
    }
}
