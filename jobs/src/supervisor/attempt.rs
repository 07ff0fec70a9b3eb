//! One submission of the plan: from connecting to the end of its queries.

use std::time::{Duration, Instant};

use provision::Provisioned;
use spark_connect_rs::streaming::{StreamingQuery, Trigger};
use spark_connect_rs::{SparkError, SparkSession};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{JobConfig, Reporter};
use crate::checked::{self, Expected};
use crate::metrics;
use crate::plans::{CUBE_QUERY, Plan, REFUSALS_QUERY};
use crate::progress::{JobProgress, JobState, SparkProgress};
use crate::sink::CassandraSink;
use crate::source::KafkaSource;
use crate::spark::{self, CallError};

/// How often refusals are published: they are rare, and the cube comes first.
const REFUSALS_TRIGGER: &str = "10 seconds";
/// How often the query is asked how it does.
const POLL: Duration = Duration::from_secs(1);
/// How often PostgreSQL is told.
const REPORT: Duration = Duration::from_secs(1);
/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(15);
/// How long it may take to plan and start a query.
const START: Duration = Duration::from_secs(120);
/// A query that ran this long before its fault was well: the next pause is short again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// How an attempt ended.
pub(super) enum Ended {
    /// It was cancelled or asked to stop, and stopped.
    OnRequest,
    /// The query, the session or the server failed.
    Fault {
        /// What happened, for a person to read.
        why: String,
        /// Whether it had been running for a while.
        ran_well: bool,
    },
}

/// Why watching the queries ended, for a person to read.
enum Trouble {
    /// The server does not answer.
    Silence(String),
    /// A query ended or stalled.
    Query(String),
}

/// One submission.
pub(super) struct Attempt<'a> {
    pub(super) config: &'a JobConfig,
    pub(super) plan: &'a Plan,
    pub(super) provisioned: &'a Provisioned,
}

/// The queries of the job, as submitted.
#[derive(Clone)]
struct Queries {
    cube: StreamingQuery,
    refusals: StreamingQuery,
}

/// What one round of questions found.
struct Answers {
    progress: Vec<String>,
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
            submitted = self.submit() => match submitted {
                Ok(queries) => queries,
                Err(error) => return fault(&error, started),
            },
        };
        progress.send_modify(|job| {
            job.state = JobState::Running;
            job.detail = String::new();
        });
        match self.watch(&queries, cancel, progress, reporter).await {
            Ok(()) => {
                progress.send_modify(|job| job.state = JobState::Stopping);
                reporter.report(progress).await;
                stop(queries).await;
                Ended::OnRequest
            }
            Err(trouble) => {
                let why = match trouble {
                    // Stopping would only wait; the next submission replaces what may still run.
                    Trouble::Silence(why) => why,
                    Trouble::Query(why) => {
                        stop(queries).await;
                        why
                    }
                };
                Ended::Fault { why, ran_well: started.elapsed() > RAN_WELL }
            }
        }
    }

    async fn submit(&self) -> Result<Queries, CallError> {
        let endpoints = &self.config.endpoints;
        let session = spark::connect(&endpoints.spark_remote).await?;
        let source = KafkaSource {
            brokers: endpoints.kafka_brokers.clone(),
            topic: endpoints.namespace.events_topic(self.provisioned.generation),
            max_offsets_per_trigger: self.config.max_offsets_per_trigger,
        };
        let expected = Expected {
            event_schema_id: self.provisioned.event_schema_id,
            generation_id: self.provisioned.generation_id,
        };
        let sink = CassandraSink {
            keyspace: endpoints.namespace.keyspace().to_owned(),
            retries: self.config.sink_retries,
        };
        let plan = self.plan.clone();
        let trigger_ms = self.config.trigger.as_millis();
        let refusal_schema_id = self.provisioned.refusal_schema_id;
        let refusals_topic = endpoints.namespace.quarantine_topic();
        spark::call("start the job's queries", START, move || {
            let cube = start_cube(&session, &source, &expected, &sink, &plan, trigger_ms)?;
            let refusals =
                start_refusals(&session, &source, &expected, refusal_schema_id, &refusals_topic, &plan)?;
            Ok(Queries { cube, refusals })
        })
        .await
    }

    /// Returns when the job is asked to stop; an error says what went wrong.
    async fn watch(
        &self,
        queries: &Queries,
        cancel: &CancellationToken,
        progress: &watch::Sender<JobProgress>,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), Trouble> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_seen = None;
        let mut last_report: Option<Instant> = None;
        let mut last_advance = Instant::now();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                _ = poll.tick() => {}
            }
            let asked = queries.clone();
            let answers = spark::call("tell how the query does", ANSWER, move || ask(&asked))
                .await
                .map_err(|error| Trouble::Silence(chain(&error)))?;
            if let Some(why) = answers.ended {
                return Err(Trouble::Query(why));
            }
            for json in answers.progress {
                tracing::trace!(json, "progress");
                let spark = SparkProgress::parse(&json).map_err(|error| {
                    Trouble::Query(format!("the query's progress is not understood: {error}"))
                })?;
                let mut advanced = false;
                progress.send_modify(|job| advanced = job.absorb(&spark, &mut last_seen));
                if advanced {
                    last_advance = Instant::now();
                }
            }
            if !answers.busy {
                last_advance = Instant::now();
            } else if last_advance.elapsed() > self.config.stall_after {
                return Err(Trouble::Query(format!(
                    "no micro-batch ended for {} s: check that cassandra and kafka answer (`storepulse stack status`)",
                    last_advance.elapsed().as_secs()
                )));
            }
            if last_report.is_none_or(|at| at.elapsed() >= REPORT) {
                last_report = Some(Instant::now());
                if reporter.report(progress).await {
                    return Ok(());
                }
            }
        }
    }
}

fn start_cube(
    session: &SparkSession,
    source: &KafkaSource,
    expected: &Expected,
    sink: &CassandraSink,
    plan: &Plan,
    trigger_ms: u128,
) -> Result<StreamingQuery, SparkError> {
    let records = source.stream(session, CUBE_QUERY);
    let events = checked::on_time(&checked::events(&records, expected));
    let rows = metrics::cube::cube(&events, plan.revision)?;
    sink.configure(rows.write_stream())
        .output_mode("update")
        .query_name(CUBE_QUERY)
        .option("checkpointLocation", &plan.checkpoint)
        .trigger(Trigger::ProcessingTime(format!("{trigger_ms} milliseconds")))
        .start("")
}

fn start_refusals(
    session: &SparkSession,
    source: &KafkaSource,
    expected: &Expected,
    refusal_schema_id: u32,
    topic: &str,
    plan: &Plan,
) -> Result<StreamingQuery, SparkError> {
    let records = source.stream(session, REFUSALS_QUERY);
    checked::refusals(&records, expected, refusal_schema_id)
        .write_stream()
        .format("kafka")
        .option("kafka.bootstrap.servers", &source.brokers)
        .option("topic", topic)
        .output_mode("append")
        .query_name(REFUSALS_QUERY)
        .option("checkpointLocation", &plan.refusals_checkpoint())
        .trigger(Trigger::ProcessingTime(REFUSALS_TRIGGER.to_owned()))
        .start("")
}

fn ask(queries: &Queries) -> Result<Answers, SparkError> {
    for query in [&queries.cube, &queries.refusals] {
        if !query.is_active()? {
            let name = query.name().unwrap_or("query");
            let why = query.exception()?.map_or_else(
                || format!("{name} is not active and left no error: it was stopped or replaced"),
                |exception| format!("{name} failed: {}", first_line(&exception.message)),
            );
            return Ok(Answers { progress: Vec::new(), busy: false, ended: Some(why) });
        }
    }
    let status = queries.cube.status()?;
    let busy = status.is_trigger_active && status.is_data_available;
    // Not only the last: several micro-batches may have ended since the question before.
    Ok(Answers { progress: queries.cube.recent_progress()?, busy, ended: None })
}

/// Stops the queries; one that does not answer is left to the next submission, which replaces it.
async fn stop(queries: Queries) {
    for query in [queries.cube, queries.refusals] {
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
