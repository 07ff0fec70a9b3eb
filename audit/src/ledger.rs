//! The ledger from end to end: what each stage counted, brought together and compared.
//!
//! The order is that of [`verify`](crate::verify()). A snapshot S1 of what PostgreSQL has counted, and an LSN
//! behind it; then the relay past that LSN, then both of Spark's queries past the end of the topic: from here
//! on relay and Spark have counted at least what S1 saw. Their counts are read, and a snapshot S2 is taken
//! after: they had counted at most what S2 sees. A minute that is the same in both must balance to the
//! record. A minute that is over and differs is looked at again; one that is not over is open and not judged.

mod balance;
mod counted;
pub(crate) mod counts;
mod pipeline;
pub(crate) mod report;

use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::ledger::MINUTE_US;
use contracts::query;
use scylla::client::session::Session;
use tokio_postgres::Client;

use crate::checkpoint::SparkProgress;
use crate::recorded::Verdict;
use crate::snapshot::{Phase, Progress, SETTLE_POLL, events_topics, lsn_behind, snapshot};
use crate::{VerifyError, progress};

pub use balance::{Imbalance, judge};
pub use counts::{Counts, Minute, Stage};
pub use report::{JudgedMinute, LedgerReport};

use counted::InPostgres;
use counts::Minutes;

/// Which minutes a ledger is about, by their starts; unbounded where nothing is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The first minute.
    pub from: Option<DateTime<Utc>>,
    /// The minute after the last.
    pub to: Option<DateTime<Utc>>,
}

impl Span {
    /// From the beginning of the first minute to the end of the last.
    fn whole_minutes(self) -> Self {
        let minute = TimeDelta::microseconds(MINUTE_US);
        let floor = |at: DateTime<Utc>| at.duration_trunc(minute).unwrap_or(at);
        let ceiling = |at: DateTime<Utc>| if floor(at) == at { at } else { floor(at) + minute };
        Self { from: self.from.map(floor), to: self.to.map(ceiling) }
    }

    fn contains(&self, minute: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| minute >= from) && self.to.is_none_or(|to| minute < to)
    }
}

/// What a ledger is about and how patient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerOptions {
    /// Which minutes.
    pub span: Span,
    /// Whether minutes that are not over are judged too, where nothing was added to them meanwhile: for who
    /// knows that nothing more comes.
    pub include_open: bool,
    /// How long the relay, and then Spark, may take to get to the snapshot.
    pub wait: Duration,
    /// How long minutes that are over may go on moving.
    pub settle: Duration,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        let verify = crate::Options::default();
        Self { span: Span::default(), include_open: false, wait: verify.wait, settle: verify.settle }
    }
}

/// One look at everything.
struct Look {
    before: InPostgres,
    after: InPostgres,
    minutes: Minutes,
}

/// Brings the stages' counts together, judges every closed minute and writes it to `pipeline_ledger`, and the
/// verdict to `ops.verification`. May be dropped at any time and run again.
///
/// # Errors
/// When there can be no verdict: a service does not answer, relay or Spark do not get there in time.
pub async fn ledger(
    endpoints: &Endpoints,
    spark: &dyn SparkProgress,
    options: LedgerOptions,
    progress: Progress<'_>,
) -> Result<LedgerReport, VerifyError> {
    let options = LedgerOptions { span: options.span.whole_minutes(), ..options };
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let started = Instant::now();
    let deadline = started + options.settle;
    loop {
        let look = look(&mut client, &session, endpoints, spark, &options, progress).await?;
        let moving = look.moving();
        if moving > 0 && Instant::now() < deadline {
            progress(Phase::Settling { rows: moving });
            tokio::time::sleep(SETTLE_POLL).await;
            continue;
        }
        let report = look.judge(&options);
        progress(Phase::Writing { rows: report.minutes.len() });
        pipeline::write(&session, &endpoints.namespace, options.span, &report).await?;
        Verdict::of_ledger(&report).record(&client, started.elapsed()).await;
        return Ok(report);
    }
}

async fn look(
    client: &mut Client,
    session: &Session,
    endpoints: &Endpoints,
    spark: &dyn SparkProgress,
    options: &LedgerOptions,
    progress: Progress<'_>,
) -> Result<Look, VerifyError> {
    progress(Phase::Computing);
    let topics = events_topics(client, endpoints).await?;
    let before = {
        let snapshot = snapshot(client).await?;
        let (_, lsn) = lsn_behind(&snapshot).await?;
        let wait = async {
            progress::relay_past(endpoints, lsn, options.wait, progress).await?;
            for query in [query::CUBE, query::LEDGER] {
                for topic in &topics {
                    progress::spark_past_end(endpoints, query, topic, spark, options.wait, progress).await?;
                }
            }
            Ok(())
        };
        // The snapshot stands still, so it is counted while relay and Spark come along.
        futures::try_join!(counted::in_postgres(&snapshot, options.span), wait)?.0
    };
    let mut minutes = Minutes::default();
    counted::by_relay(endpoints, before.generation, options.span, &mut minutes).await?;
    counted::by_spark(session, &endpoints.namespace, options.span, before.read_at, &mut minutes).await?;
    progress(Phase::Computing);
    let after = counted::in_postgres(&snapshot(client).await?, options.span).await?;
    before.add_to(&mut minutes);
    Ok(Look { before, after, minutes })
}

impl Look {
    /// Whether a minute is over, by PostgreSQL's clock.
    fn is_over(&self, minute: DateTime<Utc>) -> bool {
        minute + TimeDelta::microseconds(MINUTE_US) <= self.before.read_at
    }

    fn stood_still(&self, minute: DateTime<Utc>) -> bool {
        self.before.of(minute) == self.after.of(minute)
    }

    /// Every minute that anybody has counted, S2 included.
    fn all(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let mut all: Vec<DateTime<Utc>> =
            self.minutes.keys().chain(self.after.counts.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    fn moving(&self) -> usize {
        self.all().filter(|minute| self.is_over(*minute) && !self.stood_still(*minute)).count()
    }

    fn judge(&self, options: &LedgerOptions) -> LedgerReport {
        let mut report = LedgerReport { read_at: self.before.read_at, open: 0, minutes: Vec::new() };
        for start in self.all() {
            let closed = self.is_over(start);
            if !self.stood_still(start) || !(closed || options.include_open) {
                report.open += 1;
                continue;
            }
            let counts = self.minutes.get(&start).copied().unwrap_or_default();
            // Windows of before a generation came from PostgreSQL in batch, past relay and stream.
            let streamed = self.before.streamed_since.is_none_or(|since| start >= since);
            let imbalances = balance::judge(&counts, streamed);
            report.minutes.push(JudgedMinute { start, closed, streamed, counts, imbalances });
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn records(count: i64) -> Counts {
        Counts { records_in: count, records_out: count, ..Counts::default() }
    }

    /// What PostgreSQL counted in the middle of minute 3.
    fn in_postgres(counts: &[(i64, i64)]) -> InPostgres {
        let counts = counts.iter().map(|(minute, count)| (at(*minute), (records(*count), records(*count))));
        InPostgres {
            read_at: at(3) + TimeDelta::seconds(30),
            generation: 1,
            streamed_since: None,
            counts: counts.collect(),
            repaired: [(at(1), 2)].into(),
        }
    }

    fn look(before: &[(i64, i64)], after: &[(i64, i64)]) -> Look {
        let before = in_postgres(before);
        let mut minutes = Minutes::new();
        for (minute, (ingest, _)) in &before.counts {
            let counts = minutes.entry(*minute).or_default();
            (counts.relay, counts.spark) = (*ingest, *ingest);
        }
        before.add_to(&mut minutes);
        Look { before, after: in_postgres(after), minutes }
    }

    fn judged(report: &LedgerReport) -> Vec<DateTime<Utc>> {
        report.minutes.iter().map(|minute| minute.start).collect()
    }

    #[test]
    fn only_minutes_that_are_over_and_stand_still_are_judged() {
        // Minute 2 is over and got a record meanwhile, minute 3 is not over, minute 4 appeared.
        let look = look(&[(1, 10), (2, 10), (3, 10)], &[(1, 10), (2, 11), (3, 10), (4, 1)]);
        assert_eq!(look.moving(), 1);
        let report = look.judge(&LedgerOptions::default());
        assert_eq!((judged(&report), report.open), (vec![at(1)], 3));
        assert!(report.balances(), "{report}");
        assert_eq!(report.total(Stage::Spark).repaired, 2);
        let report = look.judge(&LedgerOptions { include_open: true, ..LedgerOptions::default() });
        assert_eq!((judged(&report), report.open), (vec![at(1), at(3)], 2));
        assert!(report.minutes[0].closed && !report.minutes[1].closed);
    }

    #[test]
    fn a_span_is_of_whole_minutes() {
        let second = TimeDelta::seconds(1);
        let span = Span { from: Some(at(1) + second), to: Some(at(2) + second) }.whole_minutes();
        assert_eq!(span, Span { from: Some(at(1)), to: Some(at(3)) });
        assert_eq!(span.whole_minutes(), span);
        assert!(
            span.contains(at(1)) && span.contains(at(2)) && !span.contains(at(3)) && !span.contains(at(0))
        );
        assert!(Span::default().contains(at(-1)));
    }

    #[test]
    fn what_a_generation_did_not_stream_is_judged_up_to_the_table() {
        let mut look = look(&[(1, 10), (2, 10)], &[(1, 10), (2, 10)]);
        look.before.streamed_since = Some(at(2));
        look.minutes.get_mut(&at(1)).unwrap().relay = Counts::default();
        let report = look.judge(&LedgerOptions::default());
        assert!(report.balances(), "{report}");
        assert!(!report.minutes[0].streamed && report.minutes[1].streamed);
    }
}
