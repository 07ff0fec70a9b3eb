//! Of which quarters of an hour the minutes are kept: where a stretch that is shown or compared may begin or
//! end amid one.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Kept;
use super::table::quarter;

/// Minutes of the cube are kept this long: what is compared ends within them.
const MINUTES_KEPT: TimeDelta = TimeDelta::minutes(45);

/// The quarters in which stretches end that today may be compared with: a day or a week before, give or take
/// the hour by which clocks may have been changed since.
pub(super) fn compared_ends(now: DateTime<Utc>, newest: Option<DateTime<Utc>>) -> BTreeSet<DateTime<Utc>> {
    let ends = [Some(now), Some(now + TimeDelta::minutes(2)), newest.map(|newest| newest.min(now))];
    let back = [1, 7].map(TimeDelta::days).into_iter();
    let back = back.flat_map(|days| [-1, 0, 1].map(|hours| days + TimeDelta::hours(hours)));
    back.flat_map(|back| ends.iter().flatten().map(move |end| quarter(*end - back))).collect()
}

/// Whether the minutes of a quarter are kept.
pub(super) fn keeps_minutes(
    kept: Kept,
    now: DateTime<Utc>,
    newest: Option<DateTime<Utc>>,
) -> impl Fn(DateTime<Utc>) -> bool {
    let ends = compared_ends(now, newest);
    let recent = quarter(newest.map_or(now, |newest| newest.min(now)) - MINUTES_KEPT);
    move |at| kept == Kept::Activity || at >= recent || ends.contains(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn minutes_are_kept_where_a_compared_stretch_may_end() {
        let now = at("2026-11-28T12:20:00Z");
        let keeps = keeps_minutes(Kept::Who, now, Some(at("2026-11-28T11:59:30Z")));
        for kept in [
            "2026-11-28T12:15:00Z",
            "2026-11-28T11:45:00Z",
            // A day before now and before the newest event, and where the clocks were changed since.
            "2026-11-27T12:15:00Z",
            "2026-11-27T11:45:00Z",
            "2026-11-27T13:15:00Z",
            "2026-11-21T12:15:00Z",
        ] {
            assert!(keeps(at(kept)), "{kept}");
        }
        assert!(!keeps(at("2026-11-27T20:00:00Z")));
        assert!(!keeps(at("2026-11-28T09:00:00Z")));
        assert!(keeps_minutes(Kept::Activity, now, None)(at("2026-11-25T00:00:00Z")));
    }
}
