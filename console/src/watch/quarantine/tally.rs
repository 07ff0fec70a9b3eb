//! Counts that are kept from one look to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::{Counts, Hour, Summary};
use crate::watch::Refused;
use crate::watch::counted::{Count, Counters, SETTLES, connection, first_hour, hour_of, hours, snapshot};

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
    select quarantined_at < $2, date_trunc('hour', quarantined_at, 'UTC'), source, reason, outcome, count(*)
    from raw.quarantine where quarantined_at >= $1
    group by 1, 2, 3, 4, 5";

const TABLE: &str = "quarantine";

/// By source and reason.
type Kinds = BTreeMap<(String, String), Counts>;
/// By hour and reason.
type Hours = BTreeMap<(DateTime<Utc>, String), i64>;

/// Rows counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    kinds: Kinds,
    hours: Hours,
}

impl Counted {
    fn add(&mut self, row: &YoungRow) {
        *self.kinds.entry((row.source.clone(), row.reason.clone())).or_default() += row.counts;
        *self.hours.entry((row.hour, row.reason.clone())).or_default() += row.counts.all();
    }

    fn all(&self) -> i64 {
        self.kinds.values().map(|counts| counts.all()).sum()
    }
}

/// What is known of all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows that were set aside before `settled`.
    before: Counted,
    settled: DateTime<Utc>,
    /// When all was counted last.
    count: Count,
}

struct YoungRow {
    settles: bool,
    hour: DateTime<Utc>,
    source: String,
    reason: String,
    counts: Counts,
}

/// Counts over a connection of its own.
#[derive(Default)]
pub(crate) struct Counting {
    client: Option<Client>,
    tally: Option<Tally>,
}

impl Counting {
    /// What is in quarantine now; what was judged again or removed since the last look, within a minute.
    pub(crate) async fn look(&mut self, pg_url: &str) -> Result<Summary, Refused> {
        let mut client = connection(&mut self.client, pg_url).await?;
        let now = Utc::now();
        let told = match self.tally.take() {
            Some(tally) => add(&client, tally, now).await?,
            None => None,
        };
        let (tally, young) = match told {
            Some(told) => told,
            None => count(&mut client, now).await?,
        };
        let summary = summary(&tally, &young, now);
        self.tally = Some(tally);
        self.client = Some(client);
        Ok(summary)
    }
}

/// Adds what has come; nothing where all has to be counted anew.
async fn add(
    client: &Client,
    mut tally: Tally,
    now: DateTime<Utc>,
) -> Result<Option<(Tally, Counted)>, Refused> {
    let settles = tally.settled.max(now - SETTLES);
    let young_rows: [&(dyn ToSql + Sync); 2] = [&tally.settled, &settles];
    let (rows, counters) = tokio::try_join!(client.query(YOUNG, &young_rows), Counters::read(client, TABLE))?;
    let mut young = Counted::default();
    for row in &rows {
        let row = young_row(row)?;
        if row.settles { &mut tally.before } else { &mut young }.add(&row);
    }
    tally.settled = settles;
    let whole = tally.before.all() + young.all();
    Ok((!tally.count.outdated(whole, counters, now)).then_some((tally, young)))
}

/// Counts all rows as of one moment.
async fn count(client: &mut Client, now: DateTime<Utc>) -> Result<(Tally, Counted), Refused> {
    let settled = now - SETTLES;
    let since = first_hour(now);
    let snapshot = snapshot(client).await?;
    // The counters first: what is changed while all is counted then counts as changed since.
    let counters = Counters::read(&snapshot, TABLE).await?;
    let mut before = Counted::default();
    for row in snapshot.query(KINDS, &[]).await? {
        let key = (row.try_get(0)?, row.try_get(1)?);
        *before.kinds.entry(key).or_default() += counts(row.try_get(2)?, row.try_get(3)?);
    }
    let count = Count { at: now, rows: before.all(), counters };
    let mut young = Counted::default();
    for row in &snapshot.query(YOUNG, &[&settled, &settled]).await? {
        young.add(&young_row(row)?);
    }
    for (key, counts) in &young.kinds {
        let of_kind = before.kinds.entry(key.clone()).or_default();
        of_kind.open -= counts.open;
        of_kind.accepted -= counts.accepted;
        of_kind.repeated -= counts.repeated;
    }
    let mut reasons: Vec<&str> = before.kinds.keys().map(|(_, reason)| reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for row in snapshot.query(PAST_HOURS, &[&reasons, &since, &settled]).await? {
        before.hours.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
    }
    snapshot.commit().await?;
    Ok((Tally { before, settled, count }, young))
}

fn young_row(row: &Row) -> Result<YoungRow, tokio_postgres::Error> {
    Ok(YoungRow {
        settles: row.try_get(0)?,
        hour: row.try_get(1)?,
        source: row.try_get(2)?,
        reason: row.try_get(3)?,
        counts: counts(row.try_get(4)?, row.try_get(5)?),
    })
}

fn counts(outcome: Option<&str>, count: i64) -> Counts {
    match outcome {
        Some("accepted") => Counts { accepted: count, ..Counts::default() },
        Some("repeated") => Counts { repeated: count, ..Counts::default() },
        // Never judged again, or refused again.
        _ => Counts { open: count, ..Counts::default() },
    }
}

/// What is told of it: hours without any record stand there too.
fn summary(tally: &Tally, young: &Counted, now: DateTime<Utc>) -> Summary {
    let mut told = Summary { counted_at: Some(tally.count.at), ..Summary::default() };
    let kinds = tally.before.kinds.iter().chain(&young.kinds).filter(|(_, counts)| counts.all() != 0);
    for ((source, reason), counts) in kinds {
        told.total += *counts;
        *told.by_reason.entry(reason.clone()).or_default() += *counts;
        *told.by_source.entry(source.clone()).or_default() += *counts;
    }
    told.hours = hours(now).map(|from| Hour { from, by_reason: BTreeMap::new() }).collect();
    for ((hour, reason), count) in tally.before.hours.iter().chain(&young.hours) {
        // What a sender's clock puts ahead is of the hour under way.
        let hour = (*hour).min(hour_of(now));
        if let Some(hour) = told.hours.iter_mut().find(|known| known.from == hour) {
            *hour.by_reason.entry(reason.clone()).or_default() += count;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watch::counted::tests_support::{at, counted};

    fn tally(at: DateTime<Utc>) -> Tally {
        Tally { before: Counted::default(), settled: at, count: counted(at) }
    }

    #[test]
    fn hours_without_any_and_hours_ahead_are_told_in_their_place() {
        let now = at("2026-01-02T03:59:59Z");
        let mut tally = tally(now);
        tally.before.hours.insert((at("2026-01-01T03:00:00Z"), "future".into()), 2);
        tally.before.hours.insert((at("2026-01-01T02:00:00Z"), "future".into()), 9);
        let mut young = Counted::default();
        young.hours.insert((at("2026-01-02T04:00:00Z"), "future".into()), 3);
        let summary = summary(&tally, &young, now);
        assert_eq!(summary.hours.len(), 25);
        let told: Vec<i64> = summary.hours.iter().map(Hour::all).collect();
        assert_eq!((told[0], told[24], told[1..24].iter().sum::<i64>()), (2, 3, 0));
        assert_eq!(summary.hours[0].from, at("2026-01-01T03:00:00Z"));
    }

    proptest! {
        /// Whichever of the rows have settled, all of them are told.
        #[test]
        fn the_sum_is_of_all_rows(
            rows in prop::collection::vec((any::<bool>(), 0..3_u8, 0..3_u8, 0..3_u8, 1..50_i64), 0..40),
        ) {
            let now = at("2026-01-02T03:04:05Z");
            let (mut tally, mut young) = (tally(now), Counted::default());
            let mut expected = Counts::default();
            for (settles, source, reason, outcome, count) in rows {
                let counts = counts([None, Some("accepted"), Some("refused")][usize::from(outcome)], count);
                expected += counts;
                let row = YoungRow {
                    settles,
                    hour: hour_of(now),
                    source: source.to_string(),
                    reason: reason.to_string(),
                    counts,
                };
                if settles { &mut tally.before } else { &mut young }.add(&row);
            }
            let summary = summary(&tally, &young, now);
            prop_assert_eq!(summary.total, expected);
            prop_assert_eq!(summary.by_reason.values().map(|c| c.all()).sum::<i64>(), expected.all());
            prop_assert_eq!(summary.by_source.values().map(|c| c.open).sum::<i64>(), expected.open);
            prop_assert_eq!(summary.hours[24].all(), expected.all());
        }
    }
}
