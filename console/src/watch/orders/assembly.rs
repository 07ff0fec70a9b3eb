//! Lines of orders, put together: an order of n products is n events.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::Event;
use contracts::vocabulary::EventName;
use rust_decimal::Decimal;

use super::Order;

/// How long an order's lines are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of how many told orders the ids are remembered, so that a line that comes late does not make a second one
/// of them.
const REMEMBERED: usize = 4_096;
/// As many orders can be incomplete at once; the oldest are told as they are beyond it.
const OPEN: usize = 4_096;

/// Orders that are coming in.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: HashMap<Box<str>, Open>,
    told: HashSet<Box<str>>,
    told_in_order: VecDeque<Box<str>>,
    /// The number of the next order.
    next: u64,
}

#[derive(Debug)]
struct Open {
    first_at: Instant,
    /// Whether its beginning may lie before where reading began.
    cut: bool,
    occurred_at: DateTime<Utc>,
    country: String,
    announced: u32,
    /// By number of line: the item's name and the amount.
    lines: BTreeMap<i32, (Option<String>, Decimal)>,
}

impl Assembly {
    /// Takes an event; gives an order where this was its last line. `cut` says that records before this one
    /// were not read.
    pub(super) fn take(
        &mut self,
        event: Event,
        cut: bool,
        now: Instant,
        seen_at: DateTime<Utc>,
    ) -> Option<Order> {
        if event.event_name != EventName::Purchase {
            return None;
        }
        let (id, line) = (event.order_id?, event.order_line?);
        let announced = event.order_lines.and_then(|lines| u32::try_from(lines).ok())?;
        if self.told.contains(id.as_str()) {
            return None;
        }
        let open = self.open.entry(id.as_str().into()).or_insert_with(|| Open {
            first_at: now,
            cut,
            occurred_at: event.occurred_at,
            country: event.country.as_str().to_owned(),
            announced,
            lines: BTreeMap::new(),
        });
        open.occurred_at = open.occurred_at.min(event.occurred_at);
        let amount = event.amount_base.map(contracts::event::Amount::to_decimal).unwrap_or_default();
        // The same line again, as when it is read of two generations, is the same line.
        open.lines.insert(line, (event.item_name.map(|name| name.as_str().to_owned()), amount));
        if u32::try_from(open.lines.len()).unwrap_or(u32::MAX) < announced {
            return None;
        }
        self.tell(id.as_str(), seen_at)
    }

    /// Orders whose lines were waited for long enough.
    pub(super) fn overdue(&mut self, now: Instant, seen_at: DateTime<Utc>) -> Vec<Order> {
        let mut overdue: Vec<(Instant, Box<str>)> = self
            .open
            .iter()
            .filter(|(_, open)| now.duration_since(open.first_at) >= PATIENCE)
            .map(|(id, open)| (open.first_at, id.clone()))
            .collect();
        if self.open.len() > OPEN {
            overdue = self.open.iter().map(|(id, open)| (open.first_at, id.clone())).collect();
        }
        overdue.sort();
        overdue.iter().filter_map(|(_, id)| self.tell(id, seen_at)).collect()
    }

    fn tell(&mut self, id: &str, seen_at: DateTime<Utc>) -> Option<Order> {
        let (id, open) = self.open.remove_entry(id)?;
        self.told.insert(id.clone());
        self.told_in_order.push_back(id);
        if self.told_in_order.len() > REMEMBERED
            && let Some(oldest) = self.told_in_order.pop_front()
        {
            self.told.remove(&oldest);
        }
        let lines = u32::try_from(open.lines.len()).unwrap_or(u32::MAX);
        let complete = lines >= open.announced;
        // Its first lines may lie before where reading began: its amount is not known.
        if open.cut && !complete {
            return None;
        }
        self.next += 1;
        Some(Order {
            number: self.next,
            occurred_at: open.occurred_at,
            country: open.country,
            first_item: open.lines.values().next().and_then(|(name, _)| name.clone()),
            lines: open.announced,
            complete,
            amount: open.lines.values().map(|(_, amount)| *amount).sum(),
            seen_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, order: &str, line: i32, lines: i32, amount: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "event_id": "0199c5a0-0000-7000-8000-000000000001",
            "event_name": name,
            "occurred_at": format!("2026-11-28T10:00:0{line}Z"),
            "ingested_at": "2026-11-28T10:00:09Z",
            "user_id": "6d0ac2ce-0000-5000-8000-000000000001",
            "session_id": "0199c5a0-0000-7000-8000-000000000002",
            "session_started_at": "2026-11-28T09:59:00Z",
            "returning": false, "gender": "other", "age": 30, "age_band": "25-34",
            "country": "CH", "city": "Bern", "latitude": 46.9, "longitude": 7.4,
            "device": "desktop", "channel": "direct",
            "item_id": "AUD-7", "item_name": format!("Item {line}"), "category": "Audio", "brand": null,
            "price": amount, "currency": "EUR", "quantity": 1, "amount_base": amount,
            "rate": "1", "rate_date": "2026-11-28",
            "order_id": order, "order_line": line, "order_lines": lines, "payment_type": "card",
        }))
        .unwrap()
    }

    #[test]
    fn an_order_is_told_with_its_last_line_and_once() {
        let (mut assembly, now, at) = (Assembly::default(), Instant::now(), Utc::now());
        assert!(assembly.take(event("purchase", "a", 2, 2, "0.10"), false, now, at).is_none());
        assert!(assembly.take(event("purchase", "a", 2, 2, "0.10"), false, now, at).is_none());
        let order = assembly.take(event("purchase", "a", 1, 2, "0.20"), false, now, at).unwrap();
        assert_eq!((order.lines, order.complete), (2, true));
        assert_eq!(order.first_item.as_deref(), Some("Item 1"));
        assert_eq!(order.amount.to_string(), "0.30");
        assert_eq!(order.occurred_at.to_rfc3339(), "2026-11-28T10:00:01+00:00");
        assert!(assembly.take(event("purchase", "a", 1, 2, "0.20"), false, now, at).is_none());
        assert!(assembly.overdue(now + PATIENCE, at).is_empty());
    }

    #[test]
    fn an_order_with_a_line_missing_is_told_after_a_while() {
        let (mut assembly, now, at) = (Assembly::default(), Instant::now(), Utc::now());
        assembly.take(event("purchase", "a", 1, 3, "5.00"), false, now, at);
        assert!(assembly.overdue(now + PATIENCE - Duration::from_millis(1), at).is_empty());
        let told = assembly.overdue(now + PATIENCE, at);
        assert_eq!((told.len(), told[0].lines, told[0].complete), (1, 3, false));
    }

    #[test]
    fn an_order_that_began_before_reading_is_not_told_with_a_wrong_amount() {
        let (mut assembly, now, at) = (Assembly::default(), Instant::now(), Utc::now());
        assembly.take(event("purchase", "a", 3, 3, "5.00"), true, now, at);
        assert!(assembly.overdue(now + PATIENCE, at).is_empty());
    }

    #[test]
    fn other_events_are_no_orders() {
        let (mut assembly, now, at) = (Assembly::default(), Instant::now(), Utc::now());
        assert!(assembly.take(event("refund", "a", 1, 1, "5.00"), false, now, at).is_none());
        assert!(assembly.overdue(now + PATIENCE, at).is_empty());
    }
}
