//! Measures as SQL over records.

use contracts::cube::MEASURE;
use contracts::event::EVENT;
use contracts::family::BESIDE;
use contracts::record::Column;

use crate::VerifyError;

/// The SQL of a measure over the records that meet a further condition, which begins with ` and` where there is one.
pub(super) fn measure_sql(measure: Column, only: &str) -> Result<String, VerifyError> {
    let event_name = EVENT.event_name;
    let lines = |name: &str| format!("count(*) filter (where {event_name} = '{name}'{only})");
    let amount = |name: &str| {
        format!("coalesce(sum({}) filter (where {event_name} = '{name}'{only}), 0.00)", EVENT.amount_base)
    };
    let sql = [
        (MEASURE.events, "count(*)".to_owned()),
        (BESIDE.registrations, "count(*)".to_owned()),
        (MEASURE.session_starts, lines("session_start")),
        (MEASURE.sessions, format!("count(distinct {})", EVENT.session_id)),
        (MEASURE.users, format!("count(distinct {})", EVENT.user_id)),
        (MEASURE.item_views, lines("view_item")),
        (MEASURE.cart_adds, lines("add_to_cart")),
        (MEASURE.checkouts, lines("begin_checkout")),
        (
            MEASURE.orders,
            format!("count(*) filter (where {event_name} = 'purchase' and {} = 1)", EVENT.order_line),
        ),
        (MEASURE.order_lines, lines("purchase")),
        (
            MEASURE.units,
            format!("coalesce(sum({}) filter (where {event_name} = 'purchase'{only}), 0)", EVENT.quantity),
        ),
        (MEASURE.gross, amount("purchase")),
        (MEASURE.refunds, amount("refund")),
        (MEASURE.net, format!("{} - {}", amount("purchase"), amount("refund"))),
        (MEASURE.last_occurred_at, format!("max({})", EVENT.occurred_at)),
    ];
    sql.into_iter()
        .find_map(|(column, sql)| (column == measure).then_some(sql))
        .ok_or(VerifyError::UnknownMeasure(measure.name()))
}
