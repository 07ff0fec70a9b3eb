//! Distinct counts: estimates of one window each. They do not add up, so the type has no addition.

use chrono::{DateTime, Utc};

use super::view::Estimate;

/// A stored estimate lies within this part of the truth, 95 times of 100.
pub(crate) const REL_ERROR: f64 = 0.033;

/// An estimated distinct count of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Distinct(i64);

impl Distinct {
    pub(crate) const fn new(estimate: i64) -> Self {
        Self(estimate)
    }

    /// For showing.
    pub(crate) const fn of_window(self, window_end: DateTime<Utc>) -> Estimate {
        Estimate { estimate: self.0, rel_error: REL_ERROR, window_end }
    }
}

/// What is known of the distinct count of several windows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) at_least: i64,
    pub(crate) at_most: i64,
}

/// Whoever was there in one window was there; nobody is counted who was in none. `inside` are the windows
/// that lie whole in the stretch, `touching` those that lie in it in part as well.
pub(crate) fn bounds(inside: &[Distinct], touching: &[Distinct]) -> Option<Bounds> {
    if touching.is_empty() {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "estimates to three digits"
    )]
    let scaled = |count: i64, by: f64, round: fn(f64) -> f64| round(count as f64 * by) as i64;
    let largest = inside.iter().map(|count| count.0).max().unwrap_or_default();
    // The one place where they are added: an upper bound, and called so.
    let together = touching.iter().fold(0_i64, |sum, count| sum.saturating_add(count.0));
    Some(Bounds {
        at_least: scaled(largest, 1.0 - REL_ERROR, f64::floor),
        at_most: scaled(together, 1.0 + REL_ERROR, f64::ceil),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn one_hour_bounds_itself_and_none_bounds_nothing() {
        let hour = [Distinct::new(1_000)];
        assert_eq!(bounds(&hour, &hour), Some(Bounds { at_least: 967, at_most: 1_033 }));
        assert_eq!(bounds(&[], &[]), None);
        assert_eq!(bounds(&[], &hour), Some(Bounds { at_least: 0, at_most: 1_033 }));
    }

    proptest! {
        #[test]
        fn the_truth_lies_between(
            hours in proptest::collection::vec(proptest::collection::btree_set(0_u16..500, 0..200), 1..24),
        ) {
            let counts: Vec<_> =
                hours.iter().map(|users| Distinct::new(i64::try_from(users.len()).unwrap())).collect();
            let truth = i64::try_from(hours.iter().flatten().collect::<BTreeSet<_>>().len()).unwrap();
            let bounds = bounds(&counts, &counts).unwrap();
            prop_assert!(bounds.at_least <= truth && truth <= bounds.at_most, "{bounds:?} {truth}");
        }
    }
}
