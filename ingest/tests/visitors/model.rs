//! Visits as anybody would write them down, and the histories that they are compared on.

use std::collections::BTreeMap;

use contracts::ids;
use proptest::prelude::*;
use uuid::Uuid;

use super::{SOURCE, Sketch, of_browser};

/// Seconds before the first event of a visit in which an event is of it all the same.
const SHORTLY: i64 = 10;

/// The visits of one visitor under one told id: where each ends, and whether there was one before, by its
/// start.
type Visits = BTreeMap<i64, (i64, bool)>;

/// Visits one event after another, as anybody would write it down.
#[derive(Default)]
pub(super) struct Model {
    /// By visitor and told visit.
    visits: BTreeMap<(Uuid, Option<String>), Visits>,
}

impl Model {
    /// A batch, in the order of time and then of the batch.
    pub(super) fn take(&mut self, batch: &[Sketch]) -> BTreeMap<u32, (i64, bool)> {
        let mut sorted: Vec<&Sketch> = batch.iter().collect();
        sorted.sort_by_key(|told| told.seconds);
        let visitor = |told: &Sketch| ids::anonymous_visitor(SOURCE, told.browser.as_deref().unwrap());
        // The first that is known of a visitor, this batch included.
        let mut first: BTreeMap<Uuid, i64> = BTreeMap::new();
        for ((of, _), visits) in &self.visits {
            let known = first.entry(*of).or_insert(i64::MAX);
            *known = (*known).min(*visits.keys().next().unwrap());
        }
        for told in &sorted {
            let known = first.entry(visitor(told)).or_insert(i64::MAX);
            *known = (*known).min(told.seconds);
        }
        let mut found = BTreeMap::new();
        for told in sorted {
            let visits = self.visits.entry((visitor(told), told.visit.clone())).or_default();
            let goes_on = visits
                .range_mut(..=told.seconds)
                .next_back()
                .filter(|(_, (end, _))| told.visit.is_some() || told.seconds <= *end + 1_800);
            let (start, returning) = match goes_on {
                Some((start, (end, returning))) => {
                    *end = (*end).max(told.seconds);
                    (*start, *returning)
                }
                None => match visits.range(told.seconds..=told.seconds + SHORTLY).next() {
                    Some((start, (_, returning))) => (*start, *returning),
                    None => {
                        let returning = first[&visitor(told)] < told.seconds;
                        visits.insert(told.seconds, (told.seconds, returning));
                        (told.seconds, returning)
                    }
                },
            };
            found.insert(told.number, (start, returning));
        }
        found
    }
}

/// Batches of a few visitors' events in any order of time.
pub(super) fn histories() -> impl Strategy<Value = Vec<Vec<Sketch>>> {
    let seconds = (0..40i64, prop_oneof![2 => Just(0), 1 => -12..=12i64]);
    let told = (0..4u8, seconds, prop::option::weighted(0.3, 0..2u8)).prop_map(
        |(browser, (step, beside), visit)| Sketch {
            visit: visit.map(|visit| format!("v{visit}")),
            ..of_browser(&format!("b{browser}"), step * 450 + beside, 0)
        },
    );
    prop::collection::vec(prop::collection::vec(told, 1..25), 1..8).prop_map(|mut batches| {
        for (told, number) in batches.iter_mut().flatten().zip(1..) {
            told.number = number;
        }
        batches
    })
}
