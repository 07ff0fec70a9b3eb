//! Registrations: counted where PostgreSQL noted each insert, apart from the users that the stream carries.

use contracts::admission::FLOOR_SQL;
use contracts::cube::Grouping;
use contracts::user::USER;

/// The query of the table.
pub(super) fn query(grouping: &Grouping) -> String {
    let at = USER.ingested_at;
    let dimensions = grouping.dimensions.iter().map(|dimension| format!(", {dimension}")).collect::<String>();
    format!(
        "select date_trunc('minute', {at}, 'UTC'){dimensions}, count(*) from raw.registrations \
         where ($1::timestamptz is null or {at} >= $1) and ($2::timestamptz is null or {at} < $2) and {at} >= {FLOOR_SQL} \
         group by 1{dimensions}"
    )
}
