//! Keeps the main job running: submits its plan, watches it, and submits it again when it fails or stalls.
//!
//! What survives a fault is the checkpoint: a query submitted again with the same one continues where its
//! last committed micro-batch ended, and the sink's upserts make the repeated one harmless. A query that is
//! busy without finishing a micro-batch, or at least a task of one, counts as failed: it may wait for a
//! service that never answers. A restarted server hands out an empty session without an error, so a query id
//! it does not know is a fault too. Damage of the checkpoint is none that a restart mends: it ends the
//! supervisor.
//!
//! Only the holder of the job's [lease] submits. One that finds another holder ends, and leaves alone what
//! that one submitted; taking over is submitting again with the same checkpoint. While PostgreSQL is away a
//! running query goes on, and one that failed meanwhile waits for it.

mod advance;
mod attempt;
mod backlog;
mod queries;
mod record;
mod reporter;
mod session;
mod standstill;
mod submission;
mod way_out;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::backoff::Backoff;
use contracts::endpoints::Endpoints;
use provision::Provisioned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{self, Damaged};
use crate::control::{self, ControlError};
use crate::fingerprint;
use crate::lease::{self, Acquired, Hold, Lost, Patience};
use crate::plans::{self, CUBE_QUERY, Plan, PlanError};
use crate::progress::{JobProgress, JobState};
use crate::spark::CallError;
use crate::unread::{self, Unread};
use attempt::{Attempt, Ended};
use reporter::Reporter;
use standstill::Next;

/// How a job is run.
#[derive(Debug, Clone)]
pub struct JobConfig {
    /// The services; `spark_remote` is where the plan is sent.
    pub endpoints: Endpoints,
    /// How often a micro-batch may begin.
    pub trigger: Duration,
    /// How often the queries beside the cube run, in percent of their usual intervals.
    pub beside_pct: u32,
    /// The most records of one micro-batch; how many it takes follows what the ones before took.
    pub max_offsets_per_trigger: u64,
    /// How long a busy query may go without finishing a task of a micro-batch before it is restarted.
    pub stall_after: Duration,
    /// Whether to wait while another supervisor has the job, and take over when it goes.
    pub standby: bool,
}

/// Defaults, chosen on 2 cores; see docs/performance.md.
impl JobConfig {
    /// The settings that `storepulse job run` starts from.
    #[must_use]
    pub fn new(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            trigger: Duration::from_millis(500),
            beside_pct: 100,
            max_offsets_per_trigger: 200_000,
            stall_after: Duration::from_secs(60),
            standby: false,
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
    /// Kafka has lost what the job has not read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// Something the set-up makes is missing.
    #[error("the set-up is incomplete: run `storepulse setup`")]
    Provision(#[from] provision::ProvisionError),
    /// Another supervisor has the job.
    #[error(
        "job {job:?} is being run by {holder}: `storepulse job status` shows it, `storepulse job stop` stops it, and \
         `storepulse job run --standby` waits until it ends"
    )]
    AlreadyRunning {
        job: &'static str,
        /// Who has it.
        holder: String,
    },
    /// Another supervisor took the job while this one was silent.
    #[error(
        "job {job:?} was taken over by {holder} (fencing number {fencing}), because this supervisor was silent for \
         longer than its lease; {holder} continues with the same checkpoint: see `storepulse job status`"
    )]
    LeaseLost {
        job: &'static str,
        /// Who has it.
        holder: String,
        /// The number of the new holder.
        fencing: i64,
    },
}

/// The first pause before a query is submitted again; it doubles with each fault in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs the main job until it is cancelled or asked to stop.
///
/// Progress goes to the channel and, about every second, to `ops.job_run`. One that stands by ends, too, when
/// the job it waits for is stopped by `job stop`.
///
/// # Errors
/// [`JobError`], for what a restart cannot mend.
pub async fn run(
    config: &JobConfig,
    cancel: &CancellationToken,
    progress: &watch::Sender<JobProgress>,
) -> Result<(), JobError> {
    let pg_url = &config.endpoints.pg_url;
    if set_up(config, cancel, progress).await?.is_none() {
        told(progress, JobState::Stopped, String::new());
        return Ok(());
    }
    let asked_at = control::clock(&control::connect(pg_url).await?).await?;
    let patience = if config.standby { Patience::StandBy } else { Patience::UntilRenewed };
    let acquired = lease::acquire(pg_url, CUBE_QUERY, patience, cancel, |lease| {
        progress.send_if_modified(|job| {
            let detail = format!("{} has the job; it is taken over when that one is silent", lease.holder);
            let changed = job.state != JobState::Standby || job.detail != detail;
            (job.state, job.detail) = (JobState::Standby, detail);
            changed
        });
    })
    .await?;
    let hold = match acquired {
        Acquired::Held(hold) => hold,
        Acquired::Busy(lease) => {
            return Err(JobError::AlreadyRunning { job: CUBE_QUERY, holder: lease.holder });
        }
        Acquired::Cancelled => {
            told(progress, JobState::Stopped, String::new());
            return Ok(());
        }
    };
    let outcome = supervise(config, cancel, progress, &hold, asked_at).await;
    hold.release().await;
    outcome
}

/// Stops what a supervisor that was killed left running, and tells how many queries that were: for a job that
/// nobody is to take over. Not for one that runs.
///
/// # Errors
/// When the server does not answer.
pub async fn stop_remains(endpoints: &Endpoints) -> Result<usize, CallError> {
    session::clear(&session::join(endpoints).await?).await
}

fn told(progress: &watch::Sender<JobProgress>, state: JobState, detail: String) {
    progress.send_modify(|job| (job.state, job.detail) = (state, detail));
}

/// What the set-up made, once the services that know it answer; nothing where the end was asked for first.
async fn set_up(
    config: &JobConfig,
    cancel: &CancellationToken,
    progress: &watch::Sender<JobProgress>,
) -> Result<Option<Provisioned>, JobError> {
    let loaded = provision::load_when_there(&config.endpoints, cancel, |outage| {
        told(progress, JobState::Starting, format!("waiting: {outage}"));
    });
    Ok(loaded.await?)
}

/// The life of the job under the lease.
async fn supervise(
    config: &JobConfig,
    cancel: &CancellationToken,
    progress: &watch::Sender<JobProgress>,
    hold: &Hold,
    asked_at: DateTime<Utc>,
) -> Result<(), JobError> {
    let endpoints = &config.endpoints;
    let mut client = control::connect(&endpoints.pg_url).await?;
    if config.standby && control::was_asked_to_stop(&client, CUBE_QUERY, asked_at).await? {
        told(progress, JobState::Stopped, String::new());
        return Ok(());
    }
    told(progress, JobState::Starting, String::new());
    let Some(provisioned) = set_up(config, cancel, progress).await? else {
        told(progress, JobState::Stopped, String::new());
        return Ok(());
    };
    let generation = provisioned.assigned.generation;
    let mut plans = plans::claim(&mut client, endpoints, CUBE_QUERY, fingerprint::cube, generation).await?;
    plans.iter().try_for_each(checkpoint::inspect)?;
    let run_id = control::begin(&client, CUBE_QUERY).await?;
    for plan in &plans {
        tracing::info!(
            revision = plan.revision,
            checkpoint = %plan.checkpoint,
            fencing = hold.fencing(),
            "job starts"
        );
    }

    let mut reporter = Reporter::new(client, endpoints, run_id);
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let restart_no = match standstill::until_wanted(cancel, progress, &mut reporter, hold).await {
            Next::Run { restart_no, was_held } => {
                if was_held {
                    // A rebuild may have ended meanwhile.
                    let mut client = control::connect(&endpoints.pg_url).await?;
                    plans = plans::claim(&mut client, endpoints, CUBE_QUERY, fingerprint::cube, generation)
                        .await?;
                }
                restart_no
            }
            Next::End => {
                told(progress, JobState::Stopped, String::new());
                reporter.report(progress).await;
                return Ok(());
            }
            Next::Lost(lost) => return Err(taken_over(progress, &mut reporter, lost).await),
        };
        let attempt = Attempt { config, plans: &plans, provisioned: &provisioned, hold, restart_no };
        match attempt.run(cancel, progress, &mut reporter).await {
            Ended::OnRequest => {
                told(progress, JobState::Stopped, String::new());
                reporter.report(progress).await;
                return Ok(());
            }
            Ended::PlansChanged => {
                tracing::info!("other plans are in force: submitting them");
                let mut client = control::connect(&endpoints.pg_url).await?;
                plans =
                    plans::claim(&mut client, endpoints, CUBE_QUERY, fingerprint::cube, generation).await?;
            }
            Ended::Wished => tracing::info!("the queries were stopped because somebody wants it so"),
            Ended::Lost(lost) => return Err(taken_over(progress, &mut reporter, lost).await),
            Ended::Fault { why, ran_well } => {
                if let Some(error) = beyond_restart(endpoints, &plans, &why).await {
                    told(progress, JobState::Stopped, error.to_string());
                    reporter.report(progress).await;
                    return Err(error);
                }
                let why = way_out::with_way_out(why);
                tracing::warn!(%why, "query ended, it will be submitted again");
                if ran_well {
                    backoff.reset();
                }
                progress.send_modify(|job| {
                    job.state = JobState::Restarting;
                    job.restarts += 1;
                    job.detail = why;
                });
                if reporter.report(progress).await.stop {
                    cancel.cancel();
                }
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(backoff.pause()) => {}
                }
            }
        }
    }
}

/// Says that another supervisor has the job, which ends this one.
async fn taken_over(
    progress: &watch::Sender<JobProgress>,
    reporter: &mut Reporter<'_>,
    Lost { holder, fencing }: Lost,
) -> JobError {
    told(progress, JobState::Stopped, format!("taken over by {holder}"));
    reporter.report(progress).await;
    JobError::LeaseLost { job: CUBE_QUERY, holder, fencing }
}

/// What a fault comes from, where the plans would fail again and again.
async fn beyond_restart(endpoints: &Endpoints, plans: &[Plan], why: &str) -> Option<JobError> {
    let damaged = plans.iter().find_map(|plan| Damaged::told_by(why, plan));
    if let Some(damaged) = damaged.or_else(|| plans.iter().try_for_each(checkpoint::inspect).err()) {
        return Some(damaged.into());
    }
    let (endpoints, plans) = (endpoints.clone(), plans.to_vec());
    // A check that panicked has found nothing.
    let checked = tokio::task::spawn_blocking(move || unread::check(&endpoints, &plans)).await.ok()?;
    checked.err().map(JobError::from)
}
