//! Keeps the main job running: submits its plan, watches it, and submits it again when it fails or stalls.
//!
//! What survives a fault is the checkpoint: a query submitted again with the same one continues where its
//! last committed micro-batch ended, and the sink's upserts make the repeated one harmless. The connector
//! retries for ever while Cassandra is down, so a query that is busy without finishing a micro-batch counts as
//! failed. A restarted server hands out an empty session without an error, so a query id it does not know is
//! a fault too. Damage of the checkpoint is none that a restart mends: it ends the supervisor.

mod attempt;

use std::time::Duration;

use contracts::endpoints::Endpoints;
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checkpoint::{self, Damaged};
use crate::control::{self, ControlError};
use crate::fingerprint;
use crate::plans::{self, CUBE_QUERY, PlanError};
use crate::progress::{JobProgress, JobState};
use attempt::{Attempt, Ended};

/// How a job is run.
#[derive(Debug, Clone)]
pub struct JobConfig {
    /// The services; `spark_remote` is where the plan is sent.
    pub endpoints: Endpoints,
    /// How often a micro-batch may begin.
    pub trigger: Duration,
    /// The most records of one micro-batch.
    pub max_offsets_per_trigger: u64,
    /// How often a Cassandra write that timed out is tried again before its task fails.
    pub sink_retries: u32,
    /// How long a busy query may go without finishing a micro-batch before it is restarted.
    pub stall_after: Duration,
}

/// Defaults, chosen on 2 cores; see docs/performance.md.
impl JobConfig {
    /// The settings that `storepulse job run` starts from.
    #[must_use]
    pub fn new(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            trigger: Duration::from_millis(500),
            max_offsets_per_trigger: 200_000,
            sink_retries: 10,
            stall_after: Duration::from_secs(60),
        }
    }
}

/// Why a supervisor gave up. Faults of the query are not among them: those are restarted.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// PostgreSQL cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The plan must not start on the checkpoint.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The checkpoint must not be continued.
    #[error(transparent)]
    Checkpoint(#[from] Damaged),
    /// Something the set-up makes is missing.
    #[error("the set-up is incomplete: run `storepulse setup`")]
    Provision(#[from] provision::ProvisionError),
    /// Another supervisor has the job.
    #[error(
        "job {job:?} is being run by {holder}: stop it with `storepulse job stop`, or look with `storepulse job status`"
    )]
    AlreadyRunning {
        /// The job.
        job: &'static str,
        /// Who has it.
        holder: String,
    },
}

/// The first pause before a query is submitted again; it doubles with each fault in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Runs the main job until it is cancelled or asked to stop.
///
/// Progress goes to the channel and, about every second, to `ops.job_run`.
///
/// # Errors
/// [`JobError`], for what a restart cannot mend.
pub async fn run(
    config: &JobConfig,
    cancel: &CancellationToken,
    progress: &watch::Sender<JobProgress>,
) -> Result<(), JobError> {
    let endpoints = &config.endpoints;
    let mut client = control::connect(&endpoints.pg_url).await?;
    if !control::try_lock(&client, endpoints, CUBE_QUERY).await? {
        let holder = control::latest(&client, CUBE_QUERY)
            .await?
            .map_or_else(|| "another process".into(), |run| run.holder);
        return Err(JobError::AlreadyRunning { job: CUBE_QUERY, holder });
    }
    let provisioned = provision::load(endpoints).await?;
    let fingerprint = fingerprint::cube(provisioned.generation);
    let plan = plans::claim(&mut client, endpoints, CUBE_QUERY, &fingerprint, provisioned.generation).await?;
    checkpoint::inspect(&plan)?;
    let run_id = control::begin(&client, CUBE_QUERY).await?;
    tracing::info!(revision = plan.revision, checkpoint = %plan.checkpoint, "job starts");

    let mut reporter = Reporter { client, endpoints, run_id };
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt = Attempt { config, plan: &plan, provisioned: &provisioned };
        match attempt.run(cancel, progress, &mut reporter).await {
            Ended::OnRequest => {
                progress.send_modify(|job| {
                    job.state = JobState::Stopped;
                    job.detail = String::new();
                });
                reporter.report(progress).await;
                return Ok(());
            }
            Ended::Fault { why, ran_well } => {
                let damaged = Damaged::told_by(&why, &plan).map_or_else(|| checkpoint::inspect(&plan), Err);
                if let Err(damaged) = damaged {
                    progress.send_modify(|job| {
                        job.state = JobState::Stopped;
                        job.detail = damaged.to_string();
                    });
                    reporter.report(progress).await;
                    return Err(damaged.into());
                }
                tracing::warn!(%why, "query ended, it will be submitted again");
                pause = if ran_well { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                progress.send_modify(|job| {
                    job.state = JobState::Restarting;
                    job.restarts += 1;
                    job.detail = why;
                });
                let stop = reporter.report(progress).await;
                if stop {
                    cancel.cancel();
                }
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Writes progress to PostgreSQL, over a connection that is made again when it is lost. The job goes on
/// without PostgreSQL: it is needed to see and stop the job, not to run it.
struct Reporter<'a> {
    client: Client,
    endpoints: &'a Endpoints,
    run_id: Uuid,
}

impl Reporter<'_> {
    /// Returns whether the job has been asked to stop.
    async fn report(&mut self, progress: &watch::Sender<JobProgress>) -> bool {
        // A copy: the channel's lock must not be held while waiting.
        let progress = progress.borrow().clone();
        if self.client.is_closed() {
            match self.reconnect().await {
                Ok(true) => {}
                // Someone else took the job while PostgreSQL was away: leave it to them.
                Ok(false) => return true,
                Err(error) => {
                    tracing::warn!(%error, "postgresql is away, progress is not recorded");
                    return false;
                }
            }
        }
        match control::report(&self.client, self.run_id, &progress).await {
            Ok(stop) => stop,
            Err(error) => {
                tracing::warn!(%error, "progress is not recorded");
                false
            }
        }
    }

    async fn reconnect(&mut self) -> Result<bool, ControlError> {
        let client = control::connect(&self.endpoints.pg_url).await?;
        let locked = control::try_lock(&client, self.endpoints, CUBE_QUERY).await?;
        self.client = client;
        Ok(locked)
    }
}
