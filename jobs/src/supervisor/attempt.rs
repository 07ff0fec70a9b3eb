//! One submission of the plan: from connecting to the end of its queries.

use std::time::{Duration, Instant};

use contracts::ledger::CHECKPOINT_SUFFIX;
use provision::Provisioned;
use spark_connect_rs::streaming::{StreamingQuery, Trigger};
use spark_connect_rs::{SparkError, SparkSession};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{JobConfig, Reporter};
use crate::checked::{self, Expected};
use crate::checkpoint;
use crate::lease::{Hold, Lost};
use crate::metrics;
use crate::plans::{CUBE_QUERY, Plan, REFUSALS_QUERY};
use crate::progress::{JobProgress, JobState, SparkProgress};
use crate::sink::CassandraSink;
use crate::source::KafkaSource;
use crate::spark::{self, CallError};

/// How often refusals are published: they are rare, and the cube comes first.
const REFUSALS_TRIGGER: &str = "10 seconds";
/// The name of the query that counts for the ledger.
const LEDGER_QUERY: &str = "ledger";
/// How often it counts: nobody waits for it, and it decodes every record once more.
const LEDGER_TRIGGER: &str = "10 seconds";
/// How many more records than one of the cube a micro-batch of it may read: it comes more rarely and keeps nothing.
const LEDGER_READS_MORE: u64 = 10;
/// How often the query is asked how it does.
const POLL: Duration = Duration::from_secs(1);
/// How often PostgreSQL is told.
const REPORT: Duration = Duration::from_secs(1);
/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(15);
/// How long it may take to plan and start a query.
const START: Duration = Duration::from_secs(120);
/// A cold Spark compiles every query before its first micro-batch ends: so many times the usual patience.
const COLD_PATIENCE: u32 = 3;
/// A query that ran this long before its fault was well: the next pause is short again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// How an attempt ended.
pub(super) enum Ended {
    /// It was cancelled or asked to stop, and stopped.
    OnRequest,
    /// Other plans are in force now: it stopped, so that these can be submitted.
    PlansChanged,
    /// The query, the session or the server failed.
    Fault {
        /// What happened, for a person to read.
        why: String,
        /// Whether it had been running for a while.
        ran_well: bool,
    },
    /// Another supervisor has the job.
    Lost(Lost),
}

/// Why watching ended in good order.
enum Reason {
    /// Somebody asked for it.
    Asked,
    /// Other plans are in force.
    PlansChanged,
}

/// Why watching the queries ended, for a person to read.
enum Trouble {
    /// The server does not answer.
    Silence(String),
    /// A query ended or stalled.
    Query(String),
    /// Another supervisor has the job.
    Lost(Lost),
}

/// Why nothing was submitted.
enum NotSubmitted {
    Fault(CallError),
    Lost(Lost),
}

impl From<CallError> for NotSubmitted {
    fn from(error: CallError) -> Self {
        Self::Fault(error)
    }
}

/// One submission.
pub(super) struct Attempt<'a> {
    pub(super) config: &'a JobConfig,
    /// The plans in force, by revision: the last is the one whose figures are shown.
    pub(super) plans: &'a [Plan],
    pub(super) provisioned: &'a Provisioned,
    pub(super) hold: &'a Hold,
}

/// The queries of one plan, as submitted.
#[derive(Clone)]
struct PlanQueries {
    cube: StreamingQuery,
    refusals: StreamingQuery,
    ledger: StreamingQuery,
}

/// The queries of the job, in the order of its plans.
type Queries = Vec<PlanQueries>;

/// What one round of questions found.
struct Answers {
    /// What each plan's cube reports.
    progress: Vec<Vec<String>>,
    busy: bool,
    ended: Option<String>,
}

impl Attempt<'_> {
    pub(super) async fn run(
        &self,
        cancel: &CancellationToken,
        progress: &watch::Sender<JobProgress>,
        reporter: &mut Reporter<'_>,
    ) -> Ended {
        let started = Instant::now();
        if cancel.is_cancelled() {
            return Ended::OnRequest;
        }
        progress.send_modify(|job| job.state = JobState::Starting);
        let queries = tokio::select! {
            () = cancel.cancelled() => return Ended::OnRequest,
            submitted = self.submit(progress) => match submitted {
                Ok(queries) => queries,
                Err(NotSubmitted::Fault(error)) => return fault(&error, started),
                Err(NotSubmitted::Lost(lost)) => return Ended::Lost(lost),
            },
        };
        progress.send_modify(|job| {
            job.state = JobState::Running;
            job.detail = String::new();
        });
        match self.watch(&queries, cancel, progress, reporter).await {
            Ok(Reason::Asked) => {
                progress.send_modify(|job| job.state = JobState::Stopping);
                reporter.report(progress).await;
                stop(queries).await;
                Ended::OnRequest
            }
            Ok(Reason::PlansChanged) => {
                stop(queries).await;
                Ended::PlansChanged
            }
            Err(trouble) => {
                let why = match trouble {
                    // Stopping would only wait; the next submission replaces what may still run.
                    Trouble::Silence(why) => why,
                    Trouble::Query(why) => {
                        stop(queries).await;
                        why
                    }
                    // Stopping names our run of the query, so it cannot meet the other's; where that one uses another
                    // server, two runs would write to one checkpoint.
                    Trouble::Lost(lost) => {
                        stop(queries).await;
                        return Ended::Lost(lost);
                    }
                };
                Ended::Fault { why, ran_well: started.elapsed() > RAN_WELL }
            }
        }
    }

    async fn submit(&self, progress: &watch::Sender<JobProgress>) -> Result<Queries, NotSubmitted> {
        let endpoints = &self.config.endpoints;
        let session = spark::connect(&endpoints.spark_remote).await?;
        let submission = Submission {
            brokers: endpoints.kafka_brokers.clone(),
            max_offsets_per_trigger: self.config.max_offsets_per_trigger,
            event_schema_id: self.provisioned.event_schema_id,
            refusal_schema_id: self.provisioned.refusal_schema_id,
            refusals_topic: endpoints.namespace.quarantine_topic(),
            sink: CassandraSink {
                keyspace: endpoints.namespace.keyspace().to_owned(),
                retries: self.config.sink_retries,
            },
            trigger_ms: self.config.trigger.as_millis(),
        };
        let plans: Vec<(Plan, String)> = self
            .plans
            .iter()
            .map(|plan| (plan.clone(), endpoints.namespace.events_topic(plan.generation)))
            .collect();
        self.confirm_lease(progress).await.map_err(NotSubmitted::Lost)?;
        let queries = spark::call("start the job's queries", START, move || {
            let newest = plans.iter().map(|(plan, _)| plan.revision).max();
            plans
                .iter()
                .map(|(plan, topic)| submission.start(&session, plan, topic, Some(plan.revision) == newest))
                .collect()
        })
        .await?;
        Ok(queries)
    }

    /// Returns right after the lease was renewed, for which PostgreSQL is needed.
    async fn confirm_lease(&self, progress: &watch::Sender<JobProgress>) -> Result<(), Lost> {
        let confirmed = self.hold.confirm();
        tokio::pin!(confirmed);
        if let Ok(confirmed) = tokio::time::timeout(POLL, &mut confirmed).await {
            return confirmed;
        }
        progress.send_modify(|job| {
            job.detail = "waiting for postgresql to renew the lease, to submit after".into();
        });
        confirmed.await
    }

    /// Returns when the job is asked to stop; an error says what went wrong.
    async fn watch(
        &self,
        queries: &Queries,
        cancel: &CancellationToken,
        progress: &watch::Sender<JobProgress>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Reason, Trouble> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_seen = vec![None; queries.len()];
        let mut last_report: Option<Instant> = None;
        let mut last_advance = Instant::now();
        let mut warm = false;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(Reason::Asked),
                lost = self.hold.lost() => return Err(Trouble::Lost(lost)),
                _ = poll.tick() => {}
            }
            let asked = queries.clone();
            let answers = spark::call("tell how the query does", ANSWER, move || ask(&asked))
                .await
                .map_err(|error| Trouble::Silence(chain(&error)))?;
            if let Some(why) = answers.ended {
                return Err(Trouble::Query(why));
            }
            let mut advanced = false;
            for (reports, last_seen) in answers.progress.iter().zip(&mut last_seen) {
                let shown = Some(reports) == answers.progress.last();
                for json in reports {
                    tracing::trace!(json, "progress");
                    let spark = SparkProgress::parse(json).map_err(|error| {
                        Trouble::Query(format!("the query's progress is not understood: {error}"))
                    })?;
                    if shown {
                        progress.send_modify(|job| advanced |= job.absorb(&spark, last_seen));
                    } else {
                        advanced |= JobProgress::default().absorb(&spark, last_seen);
                    }
                }
            }
            if advanced {
                last_advance = Instant::now();
                warm = true;
            }
            let patience = self.config.stall_after * if warm { 1 } else { COLD_PATIENCE };
            if !answers.busy {
                last_advance = Instant::now();
            } else if last_advance.elapsed() > patience {
                return Err(Trouble::Query(format!(
                    "no micro-batch ended for {} s: check that cassandra and kafka answer (`storepulse stack status`)",
                    last_advance.elapsed().as_secs()
                )));
            }
            if last_report.is_none_or(|at| at.elapsed() >= REPORT) {
                last_report = Some(Instant::now());
                if reporter.report(progress).await {
                    return Ok(Reason::Asked);
                }
                if reporter.plans_differ(self.plans).await {
                    return Ok(Reason::PlansChanged);
                }
            }
        }
    }
}

/// What the queries of every plan have in common.
struct Submission {
    brokers: String,
    max_offsets_per_trigger: u64,
    event_schema_id: u32,
    refusal_schema_id: u32,
    refusals_topic: String,
    sink: CassandraSink,
    trigger_ms: u128,
}

impl Submission {
    fn start(
        &self,
        session: &SparkSession,
        plan: &Plan,
        topic: &str,
        newest: bool,
    ) -> Result<PlanQueries, SparkError> {
        let source = KafkaSource {
            brokers: self.brokers.clone(),
            topic: topic.to_owned(),
            max_offsets_per_trigger: self.max_offsets_per_trigger,
        };
        let expected = Expected { event_schema_id: self.event_schema_id, generation_id: plan.generation_id };
        // Names are unique within a session.
        let name =
            |query: &str| if newest { query.to_owned() } else { format!("{query}-r{}", plan.revision) };
        let cube = self.start_cube(session, &source, &expected, plan, &name(CUBE_QUERY))?;
        let refusals = self.start_refusals(session, &source, &expected, plan, &name(REFUSALS_QUERY))?;
        let ledger = self.start_ledger(session, &source, &expected, plan, &name(LEDGER_QUERY))?;
        Ok(PlanQueries { cube, refusals, ledger })
    }

    fn start_cube(
        &self,
        session: &SparkSession,
        source: &KafkaSource,
        expected: &Expected,
        plan: &Plan,
        name: &str,
    ) -> Result<StreamingQuery, SparkError> {
        let records = source.stream(session, CUBE_QUERY);
        let events = checked::on_time(&checked::events(&records, expected));
        let rows = metrics::cube::cube_and_counts(&events, plan.revision, plan.owned)?;
        self.sink
            .stream(rows.write_stream())
            .output_mode("update")
            .query_name(name)
            .option("checkpointLocation", &plan.checkpoint)
            .trigger(Trigger::ProcessingTime(format!("{} milliseconds", self.trigger_ms)))
            .start("")
    }

    fn start_refusals(
        &self,
        session: &SparkSession,
        source: &KafkaSource,
        expected: &Expected,
        plan: &Plan,
        name: &str,
    ) -> Result<StreamingQuery, SparkError> {
        let records = source.stream(session, REFUSALS_QUERY);
        checked::refusals(&records, expected, self.refusal_schema_id)
            .write_stream()
            .format("kafka")
            .option("kafka.bootstrap.servers", &self.brokers)
            .option("topic", &self.refusals_topic)
            .output_mode("append")
            .query_name(name)
            .option("checkpointLocation", &plan.refusals_checkpoint())
            .trigger(Trigger::ProcessingTime(REFUSALS_TRIGGER.to_owned()))
            .start("")
    }

    fn start_ledger(
        &self,
        session: &SparkSession,
        source: &KafkaSource,
        expected: &Expected,
        plan: &Plan,
        name: &str,
    ) -> Result<StreamingQuery, SparkError> {
        let max_offsets_per_trigger = source.max_offsets_per_trigger.saturating_mul(LEDGER_READS_MORE);
        let records = KafkaSource { max_offsets_per_trigger, ..source.clone() }.stream(session, LEDGER_QUERY);
        let counts = metrics::ledger::counts(&records, expected, plan.revision)?;
        self.sink
            .stream_of_ledger(counts.write_stream())
            .output_mode("update")
            .query_name(name)
            .option("checkpointLocation", &format!("{}{CHECKPOINT_SUFFIX}", plan.checkpoint))
            .trigger(Trigger::ProcessingTime(LEDGER_TRIGGER.to_owned()))
            .start("")
    }
}

fn ask(queries: &Queries) -> Result<Answers, SparkError> {
    for query in queries.iter().flat_map(|plan| [&plan.cube, &plan.refusals, &plan.ledger]) {
        if !query.is_active()? {
            let name = query.name().unwrap_or("query");
            let why = query.exception()?.map_or_else(
                || format!("{name} is not active and left no error: it was stopped or replaced"),
                |exception| {
                    let telling = checkpoint::telling_line(&exception.message);
                    format!("{name} failed: {}", telling.unwrap_or_else(|| first_line(&exception.message)))
                },
            );
            return Ok(Answers { progress: Vec::new(), busy: false, ended: Some(why) });
        }
    }
    let (mut progress, mut busy) = (Vec::with_capacity(queries.len()), false);
    for plan in queries {
        let status = plan.cube.status()?;
        busy |= status.is_trigger_active && status.is_data_available;
        // Not only the last: several micro-batches may have ended since the question before.
        progress.push(plan.cube.recent_progress()?);
    }
    Ok(Answers { progress, busy, ended: None })
}

/// Stops the queries; one that does not answer is left to the next submission, which replaces it.
async fn stop(queries: Queries) {
    for query in queries.into_iter().flat_map(|plan| [plan.cube, plan.refusals, plan.ledger]) {
        if let Err(error) = spark::call("stop a query", ANSWER, move || query.stop()).await {
            tracing::warn!(error = %chain(&error), "a query did not stop");
        }
    }
}

fn fault(error: &CallError, started: Instant) -> Ended {
    Ended::Fault { why: chain(error), ran_well: started.elapsed() > RAN_WELL }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(first_line(&cause.to_string()));
        source = cause.source();
    }
    text
}

/// Server errors carry a stack trace; its first line says what happened.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
