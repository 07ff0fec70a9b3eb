//! Tables over windows of time: a record is in every window that it falls into.

use contracts::cube::{Grouping, NONE};
use contracts::event::EVENT;
use contracts::family::{Family, counterpart};

use super::Records;
use super::measures::measure_sql;
use crate::VerifyError;

/// The query of a table; steps, lengths and the instant in the key are in µs.
pub(super) fn query(
    family: &Family,
    grouping: &Grouping,
    records: Records,
    [step_us, length_us, at_us]: [i64; 3],
) -> Result<String, VerifyError> {
    let at = EVENT.occurred_at;
    let micros = |us: i64| format!("{us} * interval '1 microsecond'");
    let mut selected = vec![format!("begins + {}", micros(at_us))];
    selected.extend(grouping.dimensions.iter().map(|dimension| format!("coalesce({dimension}, '{NONE}')")));
    let keys = (1..=selected.len()).map(|index| index.to_string()).collect::<Vec<_>>().join(", ");
    for measure in grouping.measures {
        let instant = format!("begins + {}", micros(at_us));
        selected.push(match counterpart(measure.column) {
            Some(now) => measure_sql(now, &format!(" and {at} < {instant}"))?,
            None if family.compares => measure_sql(measure.column, &format!(" and {at} >= {instant}"))?,
            None => measure_sql(measure.column, "")?,
        });
    }
    let only_items =
        if grouping.only_items { format!(" and {} is not null", EVENT.item_id) } else { String::new() };
    Ok(format!(
        "select {selected} from raw.events \
         cross join lateral generate_series(0, {last}) as earlier \
         cross join lateral (select date_bin({step}, {at}, timestamptz 'epoch') - earlier * {step} as begins) as windowed \
         where {belongs}{only_items} \
         and ($1::timestamptz is null or ({at} >= $1 and begins >= $1)) \
         and ($2::timestamptz is null or ({at} < $2 + {overlap} and begins < $2)) group by {keys}",
        selected = selected.join(", "),
        last = length_us / step_us - 1,
        step = format_args!("({})", micros(step_us)),
        overlap = micros(length_us - step_us),
        belongs = records.sql(family, "begins"),
    ))
}
