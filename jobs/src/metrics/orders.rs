//! Order lines as they happened, by user: every purchase and refund is a row of its own. There is nothing to
//! aggregate, so no state and no window: a row that is written again is the same row.

use contracts::cube::{CUBE, NONE, REVISION_STEP};
use contracts::event::EVENT;
use contracts::family::ORDERS;
use contracts::measure::MeasureKind;
use contracts::vocabulary::EventName;
use spark_connect_rs::DataFrame;
use spark_connect_rs::functions::expr;

use crate::plans::Owned;

/// The order lines among events, as rows of the family's table with `route` and `write_time`.
#[must_use]
pub fn rows(events: &DataFrame, revision: i64, owned: Owned) -> DataFrame {
    let lines = format!("{} in ('{}', '{}')", EVENT.event_name, EventName::Purchase, EventName::Refund);
    let lines = events.filter(expr(&lines));
    let owned = owned.sql(EVENT.occurred_at).map(|condition| lines.filter(expr(&condition))).unwrap_or(lines);
    owned.select(columns_sql(revision).iter().map(|column| expr(column)).collect::<Vec<_>>())
}

/// The columns of a row; the fingerprint covers them.
pub(crate) fn columns_sql(revision: i64) -> Vec<String> {
    let at = EVENT.occurred_at;
    let version = format!("unix_micros({at}) + {}L + 1L as {}", revision * REVISION_STEP, CUBE.write_time);
    let tables = ORDERS.tables.iter().flat_map(|table| {
        let keys = table.dimensions.iter().map(ToString::to_string);
        // Ingest lets no order line pass that lacks its product; a null would keep the column as it was.
        let measures = table.measures.iter().map(|measure| {
            let column = measure.column();
            let value = match measure.kind() {
                MeasureKind::Count | MeasureKind::Distinct => {
                    format!("cast(coalesce({column}, 0) as bigint)")
                }
                MeasureKind::Money => format!("coalesce({column}, 0BD)"),
                MeasureKind::Text => format!("coalesce({column}, '{NONE}')"),
                MeasureKind::Instant | MeasureKind::Flag => column.to_string(),
            };
            format!("{value} as {column}")
        });
        std::iter::once(format!("'{}' as {}", table.table, CUBE.route)).chain(keys).chain(measures)
    });
    tables.chain([at.to_string(), version]).collect()
}
