//! What comes in, from the ledger's minutes: how much a second, and when something last came.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::reports::{Counts, Minute};

/// Over how long rates are taken.
const OVER_S: i64 = 10;

/// Records a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Rates {
    /// Handed in.
    pub(crate) records_in: f64,
    /// Committed to PostgreSQL.
    pub(crate) records_out: f64,
    /// Not committed, since their id was there already.
    pub(crate) repeated: f64,
    /// Set aside.
    pub(crate) quarantined: f64,
    /// Kept beside the figures: without a place in them, or of a program.
    pub(crate) other: f64,
}

/// What ingestors count, as it grows from one reading to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ingest {
    /// A second; nothing before there are two readings.
    pub(crate) rates: Option<Rates>,
    /// When it last grew, as seen here, or the end of the newest minute that anything was counted in.
    pub(crate) last_at: Option<DateTime<Utc>>,
    /// All that was counted since the console started.
    grown: Counts,
    minutes: BTreeMap<DateTime<Utc>, Counts>,
    readings: VecDeque<(DateTime<Utc>, Counts)>,
}

impl Ingest {
    /// What it is after one more reading.
    pub(crate) fn read(&self, at: DateTime<Utc>, minutes: &[Minute], newest: Option<DateTime<Utc>>) -> Self {
        let mut next = self.clone();
        next.minutes = minutes.iter().map(|minute| (minute.minute, minute.counts)).collect();
        if self.readings.is_empty() {
            next.last_at = newest.map(|minute| at.min(minute + TimeDelta::minutes(1)));
        } else {
            for (minute, counts) in &next.minutes {
                // A minute that was not in the range before is new whole.
                let before = self.minutes.get(minute).copied().unwrap_or_default();
                next.grown += counts.grown_since(&before);
            }
        }
        if next.grown != self.grown {
            next.last_at = Some(at);
        }
        next.readings.push_back((at, next.grown));
        // The one before the stretch stays: rates are of the whole of it.
        while next.readings.get(1).is_some_and(|(second, _)| at - *second >= TimeDelta::seconds(OVER_S)) {
            next.readings.pop_front();
        }
        next.rates = next.readings.front().and_then(|(first, grown)| rates(*first, at, grown, &next.grown));
        next
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are rounded where they are shown")]
fn rates(from: DateTime<Utc>, to: DateTime<Utc>, earlier: &Counts, later: &Counts) -> Option<Rates> {
    let ms = (to - from).num_milliseconds();
    // Shorter than a report of the ingestor it would jump.
    if ms < 900 {
        return None;
    }
    let grown = later.grown_since(earlier);
    let a_second = |count: i64| count as f64 * 1_000.0 / ms as f64;
    Some(Rates {
        records_in: a_second(grown.records_in),
        records_out: a_second(grown.records_out),
        repeated: a_second(grown.repeated),
        quarantined: a_second(grown.quarantined),
        other: a_second(grown.other),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn minute(number: i64, records: i64) -> Minute {
        let counts = Counts { records_in: records, records_out: records, ..Counts::default() };
        Minute { minute: at(number * 60), counts }
    }

    #[test]
    fn rates_go_on_over_the_end_of_a_minute() {
        let mut ingest = Ingest::default().read(at(50), &[minute(0, 1_000)], Some(at(0)));
        assert_eq!((ingest.rates, ingest.last_at), (None, Some(at(50))));
        ingest = ingest.read(at(55), &[minute(0, 1_150)], Some(at(0)));
        assert_eq!(ingest.rates.unwrap().records_in, 30.0);
        ingest = ingest.read(at(65), &[minute(0, 1_300), minute(1, 150)], Some(at(60)));
        assert_eq!(ingest.rates.unwrap().records_out, 30.0);
        assert_eq!(ingest.last_at, Some(at(65)));
    }

    #[test]
    fn a_quiet_shop_is_known_by_when_something_last_came() {
        let mut ingest = Ingest::default().read(at(600), &[], Some(at(0)));
        assert_eq!(ingest.last_at, Some(at(60)));
        ingest = ingest.read(at(601), &[], Some(at(0)));
        assert_eq!((ingest.last_at, ingest.rates), (Some(at(60)), Some(Rates::default())));
    }

    #[test]
    fn minutes_that_leave_the_range_do_not_count_again() {
        let mut ingest = Ingest::default().read(at(0), &[minute(-15, 500), minute(0, 0)], Some(at(0)));
        ingest = ingest.read(at(2), &[minute(0, 0)], Some(at(0)));
        assert_eq!(ingest.rates, Some(Rates::default()));
    }

    proptest! {
        #[test]
        fn what_grew_is_what_was_added(added in prop::collection::vec(0i64..1_000, 1..60)) {
            // A reading a second, over the ends of minutes.
            let mut counts = BTreeMap::<i64, i64>::new();
            let mut ingest = Ingest::default();
            for (second, added) in added.iter().enumerate() {
                let second = i64::try_from(second).unwrap() * 7;
                *counts.entry(second / 60).or_default() += added;
                let minutes: Vec<_> =
                    counts.iter().map(|(number, records)| minute(*number, *records)).collect();
                ingest = ingest.read(at(second), &minutes, None);
            }
            // The first reading tells only where it begins.
            prop_assert_eq!(ingest.grown.records_in, added[1..].iter().sum::<i64>());
            prop_assert!(ingest.readings.len() <= 3);
        }
    }
}
