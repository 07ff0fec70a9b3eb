//! One submission of the plan: from connecting to the end of its queries.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::cause::chain;
use provision::Provisioned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::advance::Advance;
use super::backlog::Announcement;
use super::queries::{self, Answer, PlanQueries, Queries, START, ask};
use super::session::{self, ANSWER};
use super::submission::{Planned, SideQuery, Submission};
use super::{JobConfig, Reporter};
use crate::lease::{Hold, Lost};
use crate::plans::{CUBE_QUERY, Plan};
use crate::progress::{JobProgress, JobState, SparkProgress};
use crate::sink::CassandraSink;
use crate::spark::{self, CallError};

/// How often the query is asked how it does.
const POLL: Duration = Duration::from_secs(1);
/// How often PostgreSQL is told.
const REPORT: Duration = Duration::from_secs(1);
/// A cube without records for so long leaves room for the queries beside it.
const IDLE: Duration = Duration::from_secs(5);
/// A query that ran this long before its fault was well: the next pause is short again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// How an attempt ended.
pub(super) enum Ended {
    /// It was cancelled or asked to stop, and stopped.
    OnRequest,
    /// Other plans are in force now: it stopped, so that these can be submitted.
    PlansChanged,
    /// Somebody holds the job, or wants it submitted again: it stopped.
    Wished,
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
    /// Somebody holds the job, or wants it submitted again.
    Wished,
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
    /// The wishes for a restart that this submission answers.
    pub(super) restart_no: i64,
}

impl Attempt<'_> {
    pub(super) async fn run(
        &self,
        cancel: &CancellationToken,
        progress: &watch::Sender<JobProgress>,
        reporter: &mut Reporter<'_>,
    ) -> Ended {
        reporter.backlog.announce(self.announced());
        let ended = self.submit_and_watch(cancel, progress, reporter).await;
        match ended {
            Ended::Lost(_) => reporter.backlog.leave_to_another(),
            _ => reporter.backlog.ended(),
        }
        ended
    }

    /// The queries of every plan, in the order in which they are started.
    fn announced(&self) -> impl Iterator<Item = Announcement> {
        let newest = self.newest();
        self.plans.iter().flat_map(move |plan| {
            let announced = move |name, trigger_ms| Announcement {
                key: (name, plan.revision),
                newest: Some(plan.revision) == newest,
                trigger_ms,
            };
            let cube_ms = u64::try_from(self.config.trigger.as_millis()).unwrap_or(u64::MAX);
            let beside = SideQuery::all()
                .map(move |which| announced(which.name(), which.every_ms(self.config.beside_pct)));
            std::iter::once(announced(CUBE_QUERY, cube_ms)).chain(beside)
        })
    }

    fn newest(&self) -> Option<i64> {
        self.plans.iter().map(|plan| plan.revision).max()
    }

    async fn submit_and_watch(
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
            Ok(reason @ (Reason::Asked | Reason::Wished)) => {
                progress.send_modify(|job| job.state = JobState::Stopping);
                reporter.report(progress).await;
                session::stop(queries.into_all()).await;
                if matches!(reason, Reason::Asked) { Ended::OnRequest } else { Ended::Wished }
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
                    // Stopping names our run of the query, so it cannot meet the other's; where that one uses
                    // another server, two runs would write to one checkpoint.
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
        let paced = queries::is_paced(&session).await?;
        let judge = queries::judge(&session).await?;
        let submission = Submission {
            session,
            brokers: endpoints.kafka_brokers.clone(),
            max_offsets_per_trigger: self.config.max_offsets_per_trigger,
            event_schema_id: self.provisioned.assigned.event_schema_id,
            refusal_schema_id: self.provisioned.assigned.refusal_schema_id,
            user_schema_id: self.provisioned.assigned.user_schema_id,
            users_topic: endpoints.namespace.users_topic(),
            refusals_topic: endpoints.namespace.quarantine_topic(),
            sink: CassandraSink { keyspace: endpoints.namespace.keyspace().to_owned() },
            trigger_ms: self.config.trigger.as_millis(),
            beside_pct: self.config.beside_pct,
            paced,
            judge,
        };
        let newest = self.newest();
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
        queries.keys().for_each(|key| reporter.backlog.started(key));
        let newest = self.newest();
        let mut last_seen = BTreeMap::new();
        let mut last_report: Option<Instant> = None;
        let watched = Instant::now();
        let mut advance = Advance::new(self.config.stall_after, watched);
        let mut to_start = SideQuery::all();
        let mut round = 0_usize;
        loop {
            round = round.wrapping_add(1);
            tokio::select! {
                () = cancel.cancelled() => return Ok(Reason::Asked),
                lost = self.hold.lost() => return Err(Trouble::Lost(lost)),
                _ = poll.tick() => {}
            }
            let asked = queries.clone();
            let asked_at = Instant::now();
            let answers = spark::call("tell how the query does", ANSWER, move || ask(&asked, round))
                .await
                .map_err(|error| Trouble::Silence(chain(&error)))?;
            tracing::trace!(
                elapsed_us = u64::try_from(asked_at.elapsed().as_micros()).unwrap_or(u64::MAX),
                "asked how the queries do"
            );
            let mut advanced = false;
            for answer in &answers.given {
                let Answer { key, trigger_active, data_available, .. } = *answer;
                reporter.backlog.asked(key, trigger_active, data_available);
                let (name, revision) = key;
                let last_seen = last_seen.entry(key).or_default();
                for json in &answer.progress {
                    tracing::trace!(json, "progress");
                    let spark = match SparkProgress::parse(json) {
                        Ok(spark) => spark,
                        Err(error) if name == CUBE_QUERY => {
                            let why = format!("the query's progress is not understood: {error}");
                            return Err(Trouble::Query(why));
                        }
                        Err(error) => {
                            tracing::debug!(%error, query = name, "its progress is not understood");
                            continue;
                        }
                    };
                    let mut new = false;
                    progress.send_if_modified(|job| {
                        new = if name == CUBE_QUERY && Some(revision) == newest {
                            job.absorb(&spark, last_seen)
                        } else {
                            job.absorb_beside(&spark, last_seen)
                        };
                        new
                    });
                    if new {
                        reporter.backlog.reported(key, &spark);
                    }
                    // Only the cubes tell whether the job gets on: the others may have nothing to do for a
                    // while.
                    advanced |= new && name == CUBE_QUERY;
                }
            }
            if let Some(ended) = answers.ended {
                if let Some(exception) = ended.exception {
                    reporter.backlog.failed(ended.key, ended.why.clone(), &exception);
                }
                return Err(Trouble::Query(ended.why));
            }
            if advanced {
                advance.batch_ended(Instant::now());
            }
            if !answers.busy {
                advance.idle(Instant::now());
            } else if queries.submission.paced && advance.wants_a_look(Instant::now()) {
                let finished = queries::finished_tasks(queries).await;
                advance.looked(finished, Instant::now());
            }
            if let Some(silent) = advance.stalled(Instant::now()) {
                return Err(Trouble::Query(format!(
                    "no task of a micro-batch ended for {} s: check that cassandra and kafka answer (`storepulse stack status`)",
                    silent.as_secs()
                )));
            }
            // One a round, when the one before has nothing to do: they share the cluster with the cube.
            if answers.beside_idle
                && (advance.is_warm() || (!answers.busy && watched.elapsed() > IDLE))
                && to_start.len() > 0
            {
                // As for the cube, right after the lease was renewed; without PostgreSQL, in a later round.
                if let Ok(confirmed) = tokio::time::timeout(POLL, self.hold.confirm()).await {
                    confirmed.map_err(Trouble::Lost)?;
                    if let Some(which) = to_start.next() {
                        queries::start_beside(queries, which)
                            .await
                            .map_err(|error| Trouble::Query(chain(&error)))?;
                        queries.keys().filter(|(name, _)| *name == which.name()).for_each(|key| {
                            reporter.backlog.started(key);
                        });
                    }
                }
            }
            if last_report.is_none_or(|at| at.elapsed() >= REPORT) {
                last_report = Some(Instant::now());
                let asked = reporter.report(progress).await;
                if asked.stop {
                    return Ok(Reason::Asked);
                }
                if asked.held.is_some() || asked.restart_no != self.restart_no {
                    return Ok(Reason::Wished);
                }
                if reporter.plans_differ(self.plans).await {
                    return Ok(Reason::PlansChanged);
                }
            }
        }
    }
}

fn fault(error: &CallError, started: Instant) -> Ended {
    Ended::Fault { why: chain(error), ran_well: started.elapsed() > RAN_WELL }
}
