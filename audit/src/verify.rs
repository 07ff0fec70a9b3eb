//! Verification from end to end.
//!
//! The order is what makes it exact. A snapshot S1 and an LSN behind it; then the relay past that LSN; then
//! Spark past the end of the topic: from here on the tables hold at least what S1 saw. They are read, and a
//! snapshot S2 is taken after: they held at most what S2 sees. A row with one expectation at both must match
//! to the last digit; the others are read again until they do or time is up. A row of a window that is still
//! open may never do: it is held between the two expectations.

use std::ops::Range;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::{Grouping, WINDOW_US};
use contracts::endpoints::Endpoints;
use contracts::family::{self, CUBE_FAMILY, Family, Geometry, SESSIONS, Source};
use scylla::client::session::Session;
use tokio_postgres::Client;

use crate::checkpoint::SparkProgress;
use crate::compare::{Outcome, deviation};
use crate::excuse::{Excused, Excuses};
use crate::expected::Records;
use crate::recorded::Verdict;
use crate::report::{Report, TableReport};
use crate::row::Key;
use crate::snapshot::{Phase, Progress, SETTLE_POLL, events_topics, lsn_behind, snapshot};
use crate::{VerifyError, expected, progress, stored};

/// How patient a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long the relay, and then Spark, may take to get to the snapshot.
    pub wait: Duration,
    /// How long rows that were in motion may take to match.
    pub settle: Duration,
    /// The one family to look at; without it, all.
    pub only: Option<&'static Family>,
}

impl Options {
    /// The tables to look at.
    fn tables(&self) -> Vec<Table> {
        family::tables().filter(|(family, _)| self.only.is_none_or(|only| only == *family)).collect()
    }
}

/// A table and its family.
type Table = (&'static Family, &'static Grouping);

impl Default for Options {
    fn default() -> Self {
        // Rows move for as long as their minute lasts; a restarted job replays for less than two.
        Self { wait: Duration::from_secs(120), settle: Duration::from_secs(120), only: None }
    }
}

/// Compares every table of every family with the raw rows. Changes nothing but one empty log record, which
/// gives the relay something to pass, and leaves its verdict in `ops.verification`; may be dropped at any
/// time.
///
/// # Errors
/// When there can be no verdict: a service does not answer, relay or Spark do not get there in time.
pub async fn verify(
    endpoints: &Endpoints,
    spark: &dyn SparkProgress,
    options: Options,
    progress: Progress<'_>,
) -> Result<Report, VerifyError> {
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let topics = events_topics(&client, endpoints).await?;
    let tables = options.tables();
    // A repair writes rows and then says so; between the two nobody may judge.
    hold_repairs(&client, endpoints).await?;
    let started = Instant::now();

    // One snapshot of before the line was drained and, table by table, one of after the table was read: no
    // more than one table is held at a time.
    let mut later = provision::connect(&endpoints.pg_url).await?;
    let first = snapshot(&mut client).await?;
    let (snapshot_at, lsn) = lsn_behind(&first).await?;
    let waiting = Instant::now();
    progress::relay_past(endpoints, lsn, options.wait, progress).await?;
    for family in family::families().filter(|family| tables.iter().any(|(of, _)| of == family)) {
        let of_users = [endpoints.namespace.users_topic()];
        let topics = if family.source == Source::Users { &of_users[..] } else { &topics };
        for topic in topics {
            progress::spark_past_end(endpoints, family.name, topic, spark, options.wait, progress).await?;
        }
    }
    let mut waited = waiting.elapsed();

    // Whatever Spark closes by this watermark is in the table when it is read after.
    let closed_to = spark.watermark(SESSIONS.name)?;
    let mut excused = Excused::default();
    let mut outcomes = Vec::with_capacity(tables.len());
    for &(family, grouping) in &tables {
        progress(Phase::Reading { table: grouping.table });
        let mut before = expected::rows(&first, family, grouping, Records::Belonging, None).await?;
        let mut found = stored::all(&session, &endpoints.namespace, grouping).await?;
        progress(Phase::Computing);
        let second = snapshot(&mut later).await?;
        let mut after = expected::rows(&second, family, grouping, Records::Belonging, None).await?;
        let excuses = Excuses::read(&second, closed_to).await?;
        let taken = excuses.take_out(family, grouping, &mut before, &mut after, &mut found);
        excused.open += taken.open;
        excused.deferred += taken.deferred;
        outcomes.push(Outcome::table(grouping, &before, &after, &found));
    }
    let late_events = expected::late_events(&snapshot(&mut later).await?).await?;
    drop(first);

    let settling = Instant::now();
    let until = snapshot_at + started.elapsed() + options.settle;
    let deadline = settling + options.settle;
    while Instant::now() < deadline && can_rest(&tables, &outcomes, until) {
        progress(Phase::Settling { rows: outcomes.iter().map(|outcome| outcome.moving.len()).sum() });
        tokio::time::sleep(SETTLE_POLL).await;
        compare_again(&mut client, &session, endpoints, &tables, &mut outcomes).await?;
    }
    waited += settling.elapsed();
    let now = snapshot_at + started.elapsed();
    let moving_rows =
        tables.iter().zip(&mut outcomes).map(|((family, _), outcome)| outcome.rest(family, now)).sum();
    tracing::debug!(
        elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        "verified"
    );
    let report =
        Report { moving_rows, ..report(&tables, snapshot_at, outcomes, excused, late_events, waited) };
    Verdict::of_tables(&report, options.only.map(|only| only.name)).record(&later, started.elapsed()).await;
    Ok(report)
}

/// Keeps repairs out for as long as this session lives, waiting for one that is under way.
async fn hold_repairs(client: &Client, endpoints: &Endpoints) -> Result<(), VerifyError> {
    let key = endpoints.namespace.advisory_lock(contracts::namespace::REPAIR_LOCK);
    client
        .execute("select pg_advisory_lock_shared($1)", &[&key])
        .await
        .map_err(VerifyError::postgres("wait for repairs under way"))?;
    Ok(())
}

/// Whether a row in motion comes to rest by an instant.
fn can_rest(tables: &[Table], outcomes: &[Outcome], by: DateTime<Utc>) -> bool {
    tables.iter().zip(outcomes).any(|((family, _), outcome)| outcome.can_rest_by(family, by))
}

/// Compares the rows in motion again.
async fn compare_again(
    client: &mut Client,
    session: &Session,
    endpoints: &Endpoints,
    tables: &[Table],
    outcomes: &mut [Outcome],
) -> Result<(), VerifyError> {
    let snapshot = snapshot(client).await?;
    for (&(family, grouping), outcome) in tables.iter().zip(outcomes.iter_mut()) {
        let keys = outcome.moving_keys();
        let Some(instants) = instants(&keys) else { continue };
        let axis = axis(family, &instants);
        let expected = expected::rows(&snapshot, family, grouping, Records::Belonging, Some(&axis)).await?;
        let found = stored::partitions_of(session, &endpoints.namespace, grouping, &keys, &instants).await?;
        outcome.again(grouping, &expected, &found);
    }
    Ok(())
}

/// The instants from the first to the last of some keys.
fn instants<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Option<Range<DateTime<Utc>>> {
    let mut instants = keys.into_iter().map(|key| key.at);
    let first = instants.next()?;
    let (start, end) = instants.fold((first, first), |(start, end), at| (start.min(at), end.max(at)));
    Some(start..end + TimeDelta::microseconds(WINDOW_US))
}

/// The stretch of a family's axis that rows with these instants may lie in.
fn axis(family: &Family, instants: &Range<DateTime<Utc>>) -> Range<DateTime<Utc>> {
    let (step_us, length_us) = family.stretch_us();
    // A session's first event may be long after the declared start of its visit.
    let back_us = if family.geometry == Geometry::Sessions { length_us } else { family.at_us() };
    let back = TimeDelta::microseconds(back_us);
    instants.start - back
        ..instants.end - TimeDelta::microseconds(family.at_us()) + TimeDelta::microseconds(step_us)
}

fn report(
    tables: &[Table],
    snapshot_at: DateTime<Utc>,
    outcomes: Vec<Outcome>,
    excused: Excused,
    late_events: i64,
    waited: Duration,
) -> Report {
    let mut report = Report {
        snapshot_at,
        tables: Vec::with_capacity(outcomes.len()),
        events_verified: 0,
        rows_verified: 0,
        late_events,
        open_sessions: excused.open,
        moving_rows: 0,
        deferred_rows: excused.deferred,
        deviations: Vec::new(),
        differences: Vec::new(),
        waited,
    };
    for (&(family, grouping), outcome) in tables.iter().zip(outcomes) {
        if is_total(family, grouping) {
            report.events_verified = outcome.events_verified;
        }
        report.rows_verified += outcome.rows_verified;
        for table in &outcome.deviations {
            deviation(&mut report.deviations, table.measure).merge(table);
        }
        let mut differences = outcome.differences;
        differences.sort_by(|a, b| a.key.cmp(&b.key));
        let mut rows_differing: Vec<&Key> = differences.iter().map(|difference| &difference.key).collect();
        rows_differing.dedup();
        report.tables.push(TableReport {
            table: grouping.table,
            rows_verified: outcome.rows_verified,
            rows_differing: rows_differing.len(),
        });
        report.differences.extend(differences);
    }
    report
}

/// The cube's table without dimensions has every record once.
fn is_total(family: &Family, grouping: &Grouping) -> bool {
    *family == CUBE_FAMILY && grouping.dimensions.is_empty()
}

#[cfg(test)]
mod tests {
    use contracts::family::PRODUCTS;

    use super::*;

    #[test]
    fn one_table_has_every_record_once() {
        assert_eq!(family::tables().filter(|(family, table)| is_total(family, table)).count(), 1);
    }

    #[test]
    fn instants_reach_to_the_end_of_the_last_window() {
        let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
        let key = |minute| Key::of(&CUBE_FAMILY.tables[0], at(minute), Vec::new());
        assert_eq!(instants(&[key(3), key(1), key(2)]), Some(at(1)..at(4)));
        assert_eq!(instants(&[]), None);
        assert_eq!(axis(&CUBE_FAMILY, &(at(1)..at(4))), at(1)..at(5));
        assert_eq!(axis(&PRODUCTS, &(at(60)..at(61))), at(0)..at(61));
        assert!(axis(&SESSIONS, &(at(0)..at(1))).start <= at(-24 * 60));
    }
}
