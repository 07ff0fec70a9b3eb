//! Tables over windows of time: a record is in every window that it falls into.

use contracts::cube::{Grouping, NONE};
use contracts::event::EVENT;
use contracts::family::Family;
use contracts::measure::Measure;

use super::Records;
use super::measures::aggregate_sql;

/// The query of a table; steps, lengths and the instant in the key are in µs.
pub(super) fn query(
    family: &Family,
    grouping: &Grouping,
    records: Records,
    events: &str,
    [step_us, length_us, at_us]: [i64; 3],
) -> String {
    let at = EVENT.occurred_at;
    let micros = |us: i64| format!("{us} * interval '1 microsecond'");
    let mut selected = vec![format!("begins + {}", micros(at_us))];
    selected.extend(grouping.dimensions.iter().map(|dimension| format!("coalesce({dimension}, '{NONE}')")));
    let keys = (1..=selected.len()).map(|index| index.to_string()).collect::<Vec<_>>().join(", ");
    let instant = format!("begins + {}", micros(at_us));
    for measure in grouping.measures {
        selected.push(match *measure {
            Measure::Of(aggregate) if family.compares => {
                aggregate_sql(aggregate, &format!(" and {at} >= {instant}"))
            }
            Measure::Of(aggregate) => aggregate_sql(aggregate, ""),
            Measure::Before(counterpart) => {
                aggregate_sql(counterpart.aggregate(), &format!(" and {at} < {instant}"))
            }
            // The contract lets no table over windows have them.
            Measure::Registrations | Measure::Visit(_) | Measure::Field(..) => continue,
        });
    }
    let only_items =
        if grouping.only_items { format!(" and {} is not null", EVENT.item_id) } else { String::new() };
    format!(
        "select {selected} from {events} \
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
    )
}
