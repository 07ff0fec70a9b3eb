//! Counts of what is in quarantine, kept from one look to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::{Error, Row, Transaction};

use super::{Counts, Hour, Summary};
use crate::watch::counted::{self, CountedTable, hour_of, hours};

/// All rows by kind, from an index that holds nothing else.
const KINDS: &str = "
    select source, reason, outcome, count(*) from raw.quarantine group by source, reason, outcome";

/// The hours before a moment: for each reason a range of an index that holds both.
const PAST_HOURS: &str = "
    select date_trunc('hour', q.quarantined_at, 'UTC'), r.reason, count(*)
    from unnest($1::text[]) r (reason) join raw.quarantine q on q.reason = r.reason
    where q.quarantined_at >= $2 and q.quarantined_at < $3
    group by 1, 2";

/// What is young, apart by whether it may settle now.
const YOUNG: &str = "
    select quarantined_at < $2 as settles, date_trunc('hour', quarantined_at, 'UTC'), source, reason, outcome, count(*)
    from raw.quarantine where quarantined_at >= $1
    group by 1, 2, 3, 4, 5";

/// By source and reason.
type Kinds = BTreeMap<(String, String), Counts>;
/// By hour and reason.
type Hours = BTreeMap<(DateTime<Utc>, String), i64>;

/// The quarantine, counted.
pub(crate) type Counting = counted::Counting<Records>;

/// Records counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    kinds: Kinds,
    hours: Hours,
}

/// Records that are alike.
pub(crate) struct Young {
    hour: DateTime<Utc>,
    source: String,
    reason: String,
    counts: Counts,
}

impl CountedTable for Records {
    const NAME: &'static str = "quarantine";
    const YOUNG: &'static str = YOUNG;
    type Young = Young;
    type View = Summary;

    fn young(row: &Row) -> Result<Young, Error> {
        Ok(Young {
            hour: row.try_get(1)?,
            source: row.try_get(2)?,
            reason: row.try_get(3)?,
            counts: counts(row.try_get(4)?, row.try_get(5)?),
        })
    }

    fn len(young: &Young) -> i64 {
        young.counts.all()
    }

    async fn read(snapshot: &Transaction<'_>) -> Result<Self, Error> {
        let mut records = Self::default();
        for row in snapshot.query(KINDS, &[]).await? {
            let key = (row.try_get(0)?, row.try_get(1)?);
            *records.kinds.entry(key).or_default() += counts(row.try_get(2)?, row.try_get(3)?);
        }
        Ok(records)
    }

    async fn read_hours(
        &mut self,
        snapshot: &Transaction<'_>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut reasons: Vec<&str> = self.kinds.keys().map(|(_, reason)| reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for row in snapshot.query(PAST_HOURS, &[&reasons, &from, &to]).await? {
            self.hours.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        Ok(())
    }

    fn rows(&self) -> i64 {
        self.kinds.values().map(|counts| counts.all()).sum()
    }

    fn add(&mut self, young: &Young) {
        *self.kinds.entry((young.source.clone(), young.reason.clone())).or_default() += young.counts;
        *self.hours.entry((young.hour, young.reason.clone())).or_default() += young.counts.all();
    }

    fn take_out(&mut self, young: &Young) {
        let of_kind = self.kinds.entry((young.source.clone(), young.reason.clone())).or_default();
        of_kind.open -= young.counts.open;
        of_kind.accepted -= young.counts.accepted;
        of_kind.repeated -= young.counts.repeated;
    }

    /// Hours without any record stand there too.
    fn view(&self, counted_at: DateTime<Utc>, now: DateTime<Utc>) -> Summary {
        let mut told = Summary { counted_at: Some(counted_at), ..Summary::default() };
        for ((source, reason), counts) in self.kinds.iter().filter(|(_, counts)| counts.all() != 0) {
            told.total += *counts;
            *told.by_reason.entry(reason.clone()).or_default() += *counts;
            *told.by_source.entry(source.clone()).or_default() += *counts;
        }
        told.hours = hours(now).map(|from| Hour { from, by_reason: BTreeMap::new() }).collect();
        for ((hour, reason), count) in &self.hours {
            // What a sender's clock puts ahead is of the hour under way.
            let hour = (*hour).min(hour_of(now));
            if let Some(hour) = told.hours.iter_mut().find(|known| known.from == hour) {
                *hour.by_reason.entry(reason.clone()).or_default() += count;
            }
        }
        told
    }
}

fn counts(outcome: Option<&str>, count: i64) -> Counts {
    match outcome {
        Some("accepted") => Counts { accepted: count, ..Counts::default() },
        Some("repeated") => Counts { repeated: count, ..Counts::default() },
        // Never judged again, or refused again.
        _ => Counts { open: count, ..Counts::default() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watch::counted::tests_support::at;

    #[test]
    fn hours_without_any_and_hours_ahead_are_told_in_their_place() {
        let now = at("2026-01-02T03:59:59Z");
        let mut records = Records::default();
        records.hours.insert((at("2026-01-01T03:00:00Z"), "future".into()), 2);
        records.hours.insert((at("2026-01-01T02:00:00Z"), "future".into()), 9);
        records.hours.insert((at("2026-01-02T04:00:00Z"), "future".into()), 3);
        let summary = records.view(now, now);
        assert_eq!(summary.hours.len(), 25);
        let told: Vec<i64> = summary.hours.iter().map(Hour::all).collect();
        assert_eq!((told[0], told[24], told[1..24].iter().sum::<i64>()), (2, 3, 0));
        assert_eq!(summary.hours[0].from, at("2026-01-01T03:00:00Z"));
    }

    proptest! {
        /// Whichever of the rows were counted with all, they are told once.
        #[test]
        fn the_sum_is_of_all_rows(
            rows in prop::collection::vec((any::<bool>(), 0..3_u8, 0..3_u8, 0..3_u8, 1..50_i64), 0..40),
        ) {
            let now = at("2026-01-02T03:04:05Z");
            let mut records = Records::default();
            let mut expected = Counts::default();
            for (counted_before, source, reason, outcome, count) in rows {
                let counts = counts([None, Some("accepted"), Some("refused")][usize::from(outcome)], count);
                expected += counts;
                let young =
                    Young { hour: hour_of(now), source: source.to_string(), reason: reason.to_string(), counts };
                if counted_before {
                    *records.kinds.entry((young.source.clone(), young.reason.clone())).or_default() += counts;
                    records.take_out(&young);
                }
                records.add(&young);
            }
            prop_assert_eq!(records.rows(), expected.all());
            let summary = records.view(now, now);
            prop_assert_eq!(summary.total, expected);
            prop_assert_eq!(summary.by_reason.values().map(|c| c.all()).sum::<i64>(), expected.all());
            prop_assert_eq!(summary.by_source.values().map(|c| c.open).sum::<i64>(), expected.open);
            prop_assert_eq!(summary.hours[24].all(), expected.all());
        }
    }
}
