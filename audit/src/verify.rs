//! Verification from end to end.
//!
//! The order is what makes it exact. A snapshot S1 and an LSN behind it; then the relay past that LSN; then
//! Spark past the end of the topic: from here on the tables hold at least what S1 saw. They are read, and a
//! snapshot S2 is taken after: they held at most what S2 sees. A row with one expectation at both must match
//! to the last digit; the others are read again until they do or time is up.

use std::ops::Range;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::{CUBE, GROUPINGS, Grouping, WINDOW_US};
use contracts::endpoints::Endpoints;
use scylla::client::session::Session;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::checkpoint::SparkProgress;
use crate::compare::{Outcome, deviation};
use crate::expected::Records;
use crate::report::{Report, TableReport};
use crate::row::{Key, Rows};
use crate::{VerifyError, expected, progress, stored};

/// How patient a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long the relay, and then Spark, may take to get to the snapshot.
    pub wait: Duration,
    /// How long rows that were in motion may take to match.
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        // Rows move for as long as their minute lasts; a restarted job replays for less than two.
        Self { wait: Duration::from_secs(120), settle: Duration::from_secs(120) }
    }
}

/// Where a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Computing what the tables should hold.
    Computing,
    /// The relay is not at the snapshot yet.
    WaitingForRelay {
        /// Its position, where it has one.
        position: Option<PgLsn>,
        /// The snapshot's.
        wanted: PgLsn,
    },
    /// Spark is not at the end of the topic yet.
    WaitingForSpark {
        /// Offsets that are not committed yet.
        behind: i64,
    },
    /// Reading a table.
    Reading {
        /// The table.
        table: &'static str,
    },
    /// Reading rows again that were in motion.
    Settling {
        /// How many.
        rows: usize,
    },
    /// Writing what was found.
    Writing {
        /// How many minutes.
        rows: usize,
    },
}

/// Hears where a verification stands; called from the task that runs it.
pub type Progress<'a> = &'a (dyn Fn(Phase) + Sync);

/// How often rows in motion are looked at again.
pub(crate) const SETTLE_POLL: Duration = Duration::from_millis(500);

/// Compares every table of the cube with `raw.events`. Changes nothing but one empty log record, which gives
/// the relay something to pass; may be dropped at any time.
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
    // A repair writes rows and then says so; between the two nobody may judge.
    hold_repairs(&client, endpoints).await?;
    let started = Instant::now();

    progress(Phase::Computing);
    let (before, mut waited) = {
        let snapshot = snapshot(&mut client).await?;
        let lsn = lsn_behind(&snapshot).await?;
        let wait = async {
            let waiting = Instant::now();
            progress::relay_past(endpoints, lsn, options.wait, progress).await?;
            for topic in &topics {
                progress::spark_past_end(endpoints, topic, spark, options.wait, progress).await?;
            }
            Ok(waiting.elapsed())
        };
        // The snapshot stands still, so what it saw is computed while relay and Spark come along.
        futures::try_join!(all_expected(&snapshot), wait)?
    };

    let mut found = Vec::with_capacity(GROUPINGS.len());
    for grouping in GROUPINGS {
        progress(Phase::Reading { table: grouping.table });
        found.push(stored::all(&session, &endpoints.namespace, grouping).await?);
    }
    progress(Phase::Computing);
    let (after, late_events) = {
        let snapshot = snapshot(&mut client).await?;
        (all_expected(&snapshot).await?, expected::late_events(&snapshot).await?)
    };
    let mut outcomes: Vec<Outcome> = GROUPINGS
        .iter()
        .enumerate()
        .map(|(index, grouping)| Outcome::table(grouping, &before[index], &after[index], &found[index]))
        .collect();
    drop((before, after, found));

    let settling = Instant::now();
    settle(&mut client, &session, endpoints, &mut outcomes, options.settle, progress).await?;
    waited += settling.elapsed();
    tracing::debug!(
        elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        "verified"
    );
    Ok(report(outcomes, late_events, waited))
}

/// The topics that the plans in force read; without a plan, the one of the generation in force.
pub(crate) async fn events_topics(
    client: &Client,
    endpoints: &Endpoints,
) -> Result<Vec<String>, VerifyError> {
    let rows = client
        .query(
            "with planned as (select distinct topic_generation from ops.job_plan where retired_at is null) \
             select topic_generation from planned union \
             select coalesce(max(generation), 1) from ops.topic_generation having not exists (select from planned) \
             order by 1",
            &[],
        )
        .await
        .map_err(VerifyError::postgres("read the topic generations"))?;
    Ok(rows.iter().map(|row| endpoints.namespace.events_topic(row.get(0))).collect())
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

pub(crate) async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, VerifyError> {
    client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(VerifyError::postgres("take a snapshot"))
}

/// An LSN behind everything the snapshot sees. The record it stands at is written for that: the log's own
/// end may lie on a page boundary that no reader reports until something follows.
pub(crate) async fn lsn_behind(snapshot: &Transaction<'_>) -> Result<u64, VerifyError> {
    let failed = || VerifyError::postgres("mark the log");
    // The first statement takes the snapshot.
    snapshot.query_one("select pg_current_snapshot()::text", &[]).await.map_err(failed())?;
    let row = snapshot
        .query_one("select pg_logical_emit_message(false, 'storepulse', 'verify')", &[])
        .await
        .map_err(failed())?;
    Ok(row.get::<_, PgLsn>(0).into())
}

async fn all_expected(snapshot: &Transaction<'_>) -> Result<Vec<Rows>, VerifyError> {
    let mut all = Vec::with_capacity(GROUPINGS.len());
    for grouping in GROUPINGS {
        all.push(expected::rows(snapshot, grouping, Records::Belonging, None).await?);
    }
    Ok(all)
}

async fn settle(
    client: &mut Client,
    session: &Session,
    endpoints: &Endpoints,
    outcomes: &mut [Outcome],
    settle: Duration,
    progress: Progress<'_>,
) -> Result<(), VerifyError> {
    let deadline = Instant::now() + settle;
    loop {
        let open = outcomes.iter().map(|outcome| outcome.open_keys().len()).sum();
        if open == 0 || Instant::now() >= deadline {
            return Ok(());
        }
        progress(Phase::Settling { rows: open });
        tokio::time::sleep(SETTLE_POLL).await;
        let snapshot = snapshot(client).await?;
        for (grouping, outcome) in GROUPINGS.iter().zip(outcomes.iter_mut()) {
            let keys = outcome.open_keys();
            let Some(windows) = windows(&keys) else { continue };
            let expected = expected::rows(&snapshot, grouping, Records::Belonging, Some(&windows)).await?;
            let found =
                stored::partitions_of(session, &endpoints.namespace, grouping, &keys, &windows).await?;
            outcome.again(grouping, &expected, &found);
        }
    }
}

/// The windows from the first to the last of some keys.
fn windows<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Option<Range<DateTime<Utc>>> {
    let mut minutes = keys.into_iter().map(|key| key.minute);
    let first = minutes.next()?;
    let (start, end) = minutes.fold((first, first), |(start, end), at| (start.min(at), end.max(at)));
    Some(start..end + TimeDelta::microseconds(WINDOW_US))
}

fn report(outcomes: Vec<Outcome>, late_events: i64, waited: Duration) -> Report {
    let mut report = Report {
        tables: Vec::with_capacity(outcomes.len()),
        events_verified: 0,
        rows_verified: 0,
        late_events,
        deviations: Vec::new(),
        differences: Vec::new(),
        waited,
    };
    for (grouping, outcome) in GROUPINGS.iter().zip(outcomes) {
        // The one table without dimensions has every record once.
        if is_total(grouping) {
            report.events_verified = outcome.events_verified;
        }
        report.rows_verified += outcome.rows_verified;
        for table in &outcome.deviations {
            deviation(&mut report.deviations, table.measure).merge(table);
        }
        let mut differences = outcome.differences;
        differences.extend(outcome.open);
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

fn is_total(grouping: &Grouping) -> bool {
    grouping.dimensions.is_empty() && grouping.partition_key == [CUBE.day]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_has_every_record_once() {
        assert_eq!(GROUPINGS.iter().filter(|grouping| is_total(grouping)).count(), 1);
    }

    #[test]
    fn windows_reach_to_the_end_of_the_last_minute() {
        let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
        let key = |minute| Key::of(&GROUPINGS[0], at(minute), Vec::new());
        assert_eq!(windows(&[key(3), key(1), key(2)]), Some(at(1)..at(4)));
        assert_eq!(windows(&[]), None);
    }
}
