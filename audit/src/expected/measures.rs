//! Aggregates as SQL over records.

use contracts::event::EVENT;
use contracts::measure::Aggregate;

/// The SQL of an aggregate over the records that meet a further condition, which begins with ` and` where
/// there is one.
pub(super) fn aggregate_sql(aggregate: Aggregate, only: &str) -> String {
    let event_name = EVENT.event_name;
    let lines = |name: &str| format!("count(*) filter (where {event_name} = '{name}'{only})");
    let amount = |name: &str| {
        format!("coalesce(sum({}) filter (where {event_name} = '{name}'{only}), 0.00)", EVENT.amount_base)
    };
    match aggregate {
        Aggregate::Events => "count(*)".to_owned(),
        Aggregate::SessionStarts => lines("session_start"),
        Aggregate::Sessions => format!("count(distinct {})", EVENT.session_id),
        Aggregate::Users => format!("count(distinct {})", EVENT.user_id),
        Aggregate::ItemViews => lines("view_item"),
        Aggregate::CartAdds => lines("add_to_cart"),
        Aggregate::Checkouts => lines("begin_checkout"),
        Aggregate::Orders => {
            format!("count(*) filter (where {event_name} = 'purchase' and {} = 1)", EVENT.order_line)
        }
        Aggregate::OrderLines => lines("purchase"),
        Aggregate::Units => {
            format!("coalesce(sum({}) filter (where {event_name} = 'purchase'{only}), 0)", EVENT.quantity)
        }
        Aggregate::Gross => amount("purchase"),
        Aggregate::Refunds => amount("refund"),
        Aggregate::Net => format!("{} - {}", amount("purchase"), amount("refund")),
        Aggregate::LastOccurredAt => format!("max({})", EVENT.occurred_at),
    }
}
