//! `/orders/stream`: orders as they come in, before they are in any figure.

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures::Stream;
use serde::Serialize;
use tokio::sync::watch::Receiver;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::events;
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::Seen;
use crate::watch::orders::{Order, Ticker};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Orders that are newer than those that were sent before.
#[derive(Debug, Serialize, ToSchema)]
struct Orders {
    /// The currency of their amounts.
    currency: String,
    /// The oldest first.
    orders: Vec<Order>,
}

/// Orders as they come in, as events `orders`, without any id of a person, a visit or an order.
///
/// An order is sent when its last line has come, or two seconds after its first. The first event holds the newest orders.
#[utoipa::path(get, path = "/orders/stream", tag = "shop",
    responses(
        (status = 200, content_type = "text/event-stream", body = Orders), (status = 429, body = Problem)))]
async fn stream(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    events::send(&app, visitor, told(app.watch.orders.subscribe()))
}

fn told(channel: Receiver<Seen<Ticker>>) -> impl Stream<Item = Event> {
    futures::stream::unfold((channel, 0), |(mut channel, last)| async move {
        loop {
            let newer = newer(&channel.borrow_and_update(), last);
            if let Some((newest, orders)) = newer {
                let data = serde_json::to_string(&orders).unwrap_or_default();
                let event = Event::default().event("orders").id(newest.to_string()).data(data);
                return Some((event, (channel, newest)));
            }
            channel.changed().await.ok()?;
        }
    })
}

/// What came after an order, and the number of the newest.
fn newer(seen: &Seen<Ticker>, last: u64) -> Option<(u64, Orders)> {
    let ticker = seen.value.as_deref()?;
    let orders: Vec<Order> =
        ticker.orders.iter().rev().filter(|order| order.number > last).cloned().collect();
    let newest = orders.iter().map(|order| order.number).max()?;
    Some((newest, Orders { currency: ticker.currency.clone(), orders }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::Utc;

    use super::*;

    fn order(number: u64) -> Order {
        let now = Utc::now();
        Order {
            number,
            occurred_at: now,
            country: "CH".into(),
            first_item: None,
            lines: 1,
            complete: true,
            amount: rust_decimal::Decimal::ONE,
            seen_at: now,
        }
    }

    #[test]
    fn an_order_is_sent_once_and_the_oldest_first() {
        let ticker = Ticker { orders: [3, 2, 1].map(order).into(), currency: "EUR".into(), unreadable: 0 };
        let seen = Seen { value: Some(Arc::new(ticker)), ..Seen::default() };
        let numbers = |last| {
            newer(&seen, last).map(|(newest, told)| {
                (newest, told.orders.iter().map(|order| order.number).collect::<Vec<_>>())
            })
        };
        assert_eq!(numbers(0), Some((3, vec![1, 2, 3])));
        assert_eq!(numbers(2), Some((3, vec![3])));
        assert_eq!(numbers(3), None);
        assert!(newer(&Seen::default(), 0).is_none());
    }
}
