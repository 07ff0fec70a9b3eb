//! Orders as they come in: straight from Kafka, before they are in any figure.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::api::answer::{Freshness, Proof};
use crate::draw::countries;
use crate::format;
use crate::page::{Viewing, states};
use crate::watch::orders::{Order, Ticker};
use crate::watch::{Seen, Snapshot};

/// How many are shown.
const SHOWN: usize = 12;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let (orders, now) = (&snapshot.orders, Utc::now());
    html! {
        section id="live.orders" .panel.span-4 .stale[orders.away.is_some() && orders.value.is_some()] {
            header {
                h2 { "Orders as they come in" }
                p .panel-note { "from Kafka, not yet in the figures" }
                @if let Some(newest) = orders.value.as_deref().and_then(|ticker| ticker.orders.front()) {
                    (states::about(&age(orders, newest, now), &Proof::NONE, viewing, now))
                }
            }
            @if let Some(away) = &orders.away { (states::unread("Orders", away, viewing, now)) }
            @match orders.value.as_deref() {
                Some(ticker) if !ticker.orders.is_empty() => (list(ticker, viewing)),
                Some(_) => (states::empty("No order among the newest events.", Some("storepulse simulate"))),
                None if orders.away.is_none() => p .note { "Reading begins when somebody looks: the first orders are here in a moment." },
                None => {},
            }
        }
    }
}

/// That of the newest order.
fn age(orders: &Seen<Ticker>, newest: &Order, now: DateTime<Utc>) -> Freshness {
    let looked = states::looked(orders, "orders cannot be read", now);
    Freshness { as_of: Some(newest.occurred_at), ..looked }
}

fn list(ticker: &Ticker, viewing: &Viewing) -> Markup {
    html! {
        ol .ticker {
            @for order in ticker.orders.iter().take(SHOWN) { (row(order, &ticker.currency, viewing)) }
        }
        @if ticker.unreadable > 0 {
            p .note { (format::count(i64::try_from(ticker.unreadable).unwrap_or(i64::MAX))) " records could not be read: look at " a href="/topics" { "Topics" } "." }
        }
    }
}

fn row(order: &Order, currency: &str, viewing: &Viewing) -> Markup {
    let at = order.occurred_at.with_timezone(&viewing.zone);
    html! {
        li data-key=(order.number) {
            time datetime=(order.occurred_at.to_rfc3339()) { (at.format("%H:%M:%S")) "." (at.timestamp_subsec_millis() / 100) }
            abbr title=(countries::name(&order.country)) { (order.country) }
            span .clip title=(order.first_item.as_deref().unwrap_or_default()) {
                (order.first_item.as_deref().unwrap_or("no name"))
                @if order.lines > 1 { span .muted { " +" (order.lines - 1) } }
                @if !order.complete { span .muted { " …" span .sr { "not all of its lines have come" } } }
            }
            span .num { (format::money(order.amount, currency)) }
        }
    }
}
