//! Purchases that everybody knows by their place in the order.

use contracts::vocabulary::EventName;
use contracts::{Event, ids};

/// The order and the line of a purchase that stands under their shared id.
pub(super) fn shared_line(purchase: &Event) -> Option<(String, i32)> {
    if purchase.event_name != EventName::Purchase {
        return None;
    }
    let (order_id, line) = (purchase.order_id.as_deref()?, purchase.order_line?);
    let shared = ids::rekeyed(purchase.occurred_at, ids::SHARED, &ids::order_line(order_id, line));
    (ids::identity(&shared) == ids::identity(&purchase.event_id)).then(|| (order_id.to_owned(), line))
}
