//! The places of an order's lines, which they keep once something of the order is sold or set aside.

use std::collections::BTreeSet;

use contracts::validation::MAX_ORDER_LINES;

use super::super::order::Order;
use super::super::placed;
use super::Booking;
use super::line::{self, LineState};
use super::state::State;
use crate::store::quarantine::SetAside;
use crate::store::shop_order::ShopLine;

/// The next line that nobody has told of: a page may tell an order in more lines than its shop system.
/// Nothing where the order has as many lines as one may have.
pub(super) fn free(order: &Order, next: &mut i32) -> Option<i32> {
    while *next <= MAX_ORDER_LINES {
        let at = *next;
        *next += 1;
        if !order.has_line(at) {
            return Some(at);
        }
    }
    None
}

impl Booking<'_> {
    /// Gives each line that is new its place, which it keeps, and sets those that were refused aside under
    /// theirs: what stands in quarantine is sold there, whenever it is replayed. Returns the lines that are
    /// new in an order that is not.
    pub(super) fn give_places(&mut self, state: &mut State, is_first: bool) -> BTreeSet<String> {
        let place = |line: &ShopLine| line.purchase.event.order_line.unwrap_or(1);
        let lines = self.told.lines.iter().map(|line| (place(line), Some(&line.key), None::<&SetAside>));
        let refused =
            self.told.unread.iter().map(|line| (line.place, line.key.as_ref(), line.aside.as_ref()));
        let mut told: Vec<_> = lines.chain(refused).collect();
        told.sort_by_key(|(place, ..)| *place);
        let keys: Vec<&String> = told.iter().filter_map(|(_, key, _)| *key).collect();
        if is_first {
            // The places of the first time are those that a browser tells.
            state.lines.clear();
            state.next = 1 + told.last().map_or(0, |(place, ..)| *place);
        } else {
            line::renew(&mut state.lines, &keys, &mut state.next);
        }
        let mut added = BTreeSet::new();
        for (place, key, aside) in told {
            let known = match key {
                Some(key) => state.lines.get(key).and_then(|line| line.at.first()),
                None => state.keyless.get(&place),
            };
            let known = known.copied();
            if key.is_none() && aside.is_none() {
                continue;
            }
            let at = match known {
                Some(at) => Some(at),
                None if is_first => Some(place),
                None => free(self.order, &mut state.next),
            };
            match (key, at.filter(|_| known.is_none())) {
                (Some(key), Some(at)) => {
                    state.lines.insert(key.clone(), LineState::unsold(at));
                    if !is_first {
                        added.insert(key.clone());
                    }
                }
                (None, Some(at)) => _ = state.keyless.insert(place, at),
                (_, None) => {}
            }
            if let Some(aside) = aside {
                if let Some(line) = key.and_then(|key| state.lines.get_mut(key)) {
                    line.aside = true;
                    line.kept.insert((aside.source.clone(), aside.coordinates.clone()));
                }
                self.made.unread.push(placed::line(aside, &self.told.order_id, at));
            }
        }
        added
    }

    /// Lines that are told no more, and refused ones of which nothing is sold any more. Where the id of one
    /// cannot be read, it may be any of them.
    pub(super) fn gone(&self, state: &State) -> Vec<String> {
        let mut keys: BTreeSet<&String> = self.told.lines.iter().map(|line| &line.key).collect();
        for line in self.told.unread.iter().filter(|line| line.aside.is_some()) {
            let Some(key) = &line.key else { return Vec::new() };
            keys.insert(key);
        }
        state.lines.keys().filter(|key| !keys.contains(key)).cloned().collect()
    }
}
