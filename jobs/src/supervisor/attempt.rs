//! One submission of the plan: from connecting to the end of its queries.

use std::time::{Duration, Instant};

use provision::Provisioned;
use spark_connect_rs::SparkError;
use spark_connect_rs::streaming::StreamingQuery;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::session::{self, ANSWER};
use super::submission::{Beside, Planned, Submission};
use super::{JobConfig, Reporter};
use crate::checkpoint;
use crate::lease::{Hold, Lost};
use crate::plans::Plan;
use crate::progress::{JobProgress, JobState, SparkProgress};
use crate::sink::CassandraSink;
use crate::spark::{self, CallError};

/// How often the query is asked how it does.
const POLL: Duration = Duration::from_secs(1);
/// How often PostgreSQL is told.
const REPORT: Duration = Duration::from_secs(1);
/// How long it may take to plan and start a query.
const START: Duration = Duration::from_secs(120);
/// A cube without records for so long leaves room for the queries beside it.
const IDLE: Duration = Duration::from_secs(5);
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
    planned: Planned,
    cube: StreamingQuery,
    /// In the order of [`Beside::all`], as far as they are started.
    beside: Vec<StreamingQuery>,
}

/// The queries of the job, in the order of its plans.
#[derive(Clone)]
struct Queries {
    submission: Submission,
    plans: Vec<PlanQueries>,
}

impl Queries {
    fn into_all(self) -> impl Iterator<Item = StreamingQuery> {
        self.plans.into_iter().flat_map(|plan| std::iter::once(plan.cube).chain(plan.beside))
    }
}

/// What one round of questions found.
struct Answers {
    /// What each plan's cube reports.
    progress: Vec<Vec<String>>,
    busy: bool,
    /// Whether the query beside the cubes that was started last waits for its next trigger.
    beside_idle: bool,
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
        let mut queries = queries;
        match self.watch(&mut queries, cancel, progress, reporter).await {
            Ok(Reason::Asked) => {
                progress.send_modify(|job| job.state = JobState::Stopping);
                reporter.report(progress).await;
                session::stop(queries.into_all()).await;
                Ended::OnRequest
            }
            Ok(Reason::PlansChanged) => {
                session::stop(queries.into_all()).await;
                Ended::PlansChanged
            }
            Err(trouble) => {
                let why = match trouble {
                    // Stopping would only wait; the next submission replaces what may still run.
                    Trouble::Silence(why) => why,
                    Trouble::Query(why) => {
                        session::stop(queries.into_all()).await;
                        why
                    }
                    // Stopping names our run of the query, so it cannot meet the other's; where that one uses another
                    // server, two runs would write to one checkpoint.
                    Trouble::Lost(lost) => {
                        session::stop(queries.into_all()).await;
                        return Ended::Lost(lost);
                    }
                };
                Ended::Fault { why, ran_well: started.elapsed() > RAN_WELL }
            }
        }
    }

    async fn submit(&self, progress: &watch::Sender<JobProgress>) -> Result<Queries, NotSubmitted> {
        let endpoints = &self.config.endpoints;
        let session = session::join(endpoints).await?;
        let submission = Submission {
            session,
            brokers: endpoints.kafka_brokers.clone(),
            max_offsets_per_trigger: self.config.max_offsets_per_trigger,
            event_schema_id: self.provisioned.assigned.event_schema_id,
            refusal_schema_id: self.provisioned.assigned.refusal_schema_id,
            user_schema_id: self.provisioned.assigned.user_schema_id,
            users_topic: endpoints.namespace.users_topic(),
            refusals_topic: endpoints.namespace.quarantine_topic(),
            sink: CassandraSink {
                keyspace: endpoints.namespace.keyspace().to_owned(),
                retries: self.config.sink_retries,
            },
            trigger_ms: self.config.trigger.as_millis(),
            beside_pct: self.config.beside_pct,
        };
        let newest = self.plans.iter().map(|plan| plan.revision).max();
        let planned: Vec<Planned> = self
            .plans
            .iter()
            .map(|plan| Planned {
                plan: plan.clone(),
                topic: endpoints.namespace.events_topic(plan.generation),
                newest: Some(plan.revision) == newest,
            })
            .collect();
        self.confirm_lease(progress).await.map_err(NotSubmitted::Lost)?;
        let left_behind = session::clear(&submission.session).await?;
        if left_behind > 0 {
            tracing::info!(queries = left_behind, "stopped what a supervisor before left running");
        }
        let starting = submission.clone();
        let plans = spark::call("start the job's queries", START, move || {
            planned
                .into_iter()
                .map(|planned| {
                    let cube = starting.start_cube(&planned)?;
                    Ok(PlanQueries { planned, cube, beside: Vec::new() })
                })
                .collect()
        })
        .await?;
        Ok(Queries { submission, plans })
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
        queries: &mut Queries,
        cancel: &CancellationToken,
        progress: &watch::Sender<JobProgress>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Reason, Trouble> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_seen = vec![None; queries.plans.len()];
        let mut last_report: Option<Instant> = None;
        let mut last_advance = Instant::now();
        let watched = Instant::now();
        let mut warm = false;
        let mut to_start = Beside::all();
        let mut round = 0_usize;
        loop {
            round = round.wrapping_add(1);
            tokio::select! {
                () = cancel.cancelled() => return Ok(Reason::Asked),
                lost = self.hold.lost() => return Err(Trouble::Lost(lost)),
                _ = poll.tick() => {}
            }
            let asked = queries.clone();
            let answers = spark::call("tell how the query does", ANSWER, move || ask(&asked, round))
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
            // One a round, when the one before has nothing to do: they share the cluster with the cube.
            if answers.beside_idle
                && (warm || (!answers.busy && watched.elapsed() > IDLE))
                && to_start.len() > 0
            {
                // As for the cube, right after the lease was renewed; without PostgreSQL, in a later round.
                if let Ok(confirmed) = tokio::time::timeout(POLL, self.hold.confirm()).await {
                    confirmed.map_err(Trouble::Lost)?;
                    if let Some(which) = to_start.next() {
                        start_beside(queries, which).await?;
                    }
                }
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

/// Starts a query beside the cube of each plan.
async fn start_beside(queries: &mut Queries, which: Beside) -> Result<(), Trouble> {
    let Queries { submission, plans } = queries.clone();
    let started = spark::call("start a query beside the cube", START, move || {
        plans.iter().map(|plan| submission.start_beside(&plan.planned, which)).collect::<Result<Vec<_>, _>>()
    })
    .await
    .map_err(|error| Trouble::Query(chain(&error)))?;
    for (plan, beside) in queries.plans.iter_mut().zip(started) {
        plan.beside.push(beside);
    }
    Ok(())
}

/// Asks how the queries do: those beside the cube in turns, one a round, as each question costs the server.
fn ask(queries: &Queries, round: usize) -> Result<Answers, SparkError> {
    let progress = Vec::with_capacity(queries.plans.len());
    let mut answers = Answers { progress, busy: false, beside_idle: true, ended: None };
    for plan in &queries.plans {
        let status = plan.cube.status()?;
        answers.busy |= status.is_trigger_active && status.is_data_available;
        if plan.beside.len() < Beside::all().len()
            && let Some(last) = plan.beside.last()
        {
            answers.beside_idle &= !last.status()?.is_trigger_active;
        }
        let mut ended = (!status.is_active).then_some(&plan.cube);
        if let Some(beside) = plan.beside.get(round % plan.beside.len().max(1))
            && !beside.is_active()?
        {
            ended = ended.or(Some(beside));
        }
        if let Some(query) = ended {
            answers.ended = Some(why_ended(query)?);
            return Ok(answers);
        }
        // Not only the last: several micro-batches may have ended since the question before.
        answers.progress.push(plan.cube.recent_progress()?);
    }
    Ok(answers)
}

fn why_ended(query: &StreamingQuery) -> Result<String, SparkError> {
    let name = query.name().unwrap_or("query");
    Ok(query.exception()?.map_or_else(
        || format!("{name} is not active and left no error: it was stopped or replaced"),
        |exception| {
            let telling = checkpoint::telling_line(&exception.message);
            format!("{name} failed: {}", telling.unwrap_or_else(|| first_line(&exception.message).into()))
        },
    ))
}

fn fault(error: &CallError, started: Instant) -> Ended {
    Ended::Fault { why: chain(error), ran_well: started.elapsed() > RAN_WELL }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
