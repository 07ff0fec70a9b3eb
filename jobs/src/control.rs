//! What a supervisor reports to PostgreSQL and what it is asked to do, so that other terminals can see and
//! stop it.

use chrono::{DateTime, Utc};
use contracts::silence;
pub use contracts::wish::Wish;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::progress::{JobProgress, JobState};

/// PostgreSQL could not be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not {action}: check PG_URL, that the stack is up (`storepulse stack status`) and set up (`storepulse setup`)"
)]
pub struct ControlError {
    /// What was tried.
    pub action: &'static str,
    /// Why it failed.
    #[source]
    pub source: tokio_postgres::Error,
}

pub(crate) fn failed(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> ControlError {
    move |source| ControlError { action, source }
}

/// Connects as [`provision::open`].
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn connect(pg_url: &str) -> Result<Client, ControlError> {
    provision::open(pg_url).await.map_err(failed("connect to postgresql"))
}

/// Records a new run.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn begin(client: &Client, job: &str) -> Result<Uuid, ControlError> {
    let run_id = Uuid::now_v7();
    let holder = contracts::process_name::this();
    client
        .execute(
            "insert into ops.job_run (run_id, job, holder, state) values ($1, $2, $3, 'starting')",
            &[&run_id, &job, &holder],
        )
        .await
        .map_err(failed("record the job's run"))?;
    Ok(run_id)
}

/// What a supervisor is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// To end.
    pub stop: bool,
    /// To run nothing until told otherwise: by whom, since when and why.
    pub held: Option<String>,
    /// To submit the queries again, where it is higher than when they were submitted.
    pub restart_no: i64,
}

/// Writes the run's progress and tells what it is asked to do.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn report(client: &Client, run_id: Uuid, progress: &JobProgress) -> Result<Asked, ControlError> {
    let json = serde_json::to_value(progress).unwrap_or_default();
    let restarts = i32::try_from(progress.restarts).unwrap_or(i32::MAX);
    let row = client
        .query_opt(
            "update ops.job_run set state = $2, detail = $3, restarts = $4, progress = $5, reported_at = now() \
             where run_id = $1 returning stop_requested, \
                 (select 'held by ' || by_whom || to_char(at at time zone 'UTC', '\" since \"YYYY-MM-DD HH24:MI:SS\" UTC\"') \
                      || case when reason = '' then '' else ': ' || reason end \
                  from ops.job_wish wish where wish.job = job_run.job and wanted = 'stopped'), \
                 coalesce((select restart_no from ops.job_wish wish where wish.job = job_run.job), 0)",
            &[&run_id, &progress.state.as_str(), &progress.detail, &restarts, &json],
        )
        .await
        .map_err(failed("report the job's progress"))?;
    Ok(row.map_or_else(Asked::default, |row| Asked {
        stop: row.get(0),
        held: row.get(1),
        restart_no: row.get(2),
    }))
}

/// One run of a job, as `job status` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Run {
    pub job: String,
    /// Who supervises it.
    pub holder: String,
    /// What it last said it was doing.
    pub state: String,
    /// Whether it has been asked to stop.
    pub stop_requested: bool,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last reported.
    pub reported_at: DateTime<Utc>,
    /// Whether it claims to be at work but has been silent for more than [`silence::JOB_S`].
    pub lost: bool,
    /// Its last figures.
    pub progress: Option<JobProgress>,
}

impl Run {
    /// Whether it is at work, as far as can be told.
    #[must_use]
    pub fn active(&self) -> bool {
        !self.lost && self.state != JobState::Stopped.as_str()
    }
}

/// The latest run of a job.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn latest(client: &Client, job: &str) -> Result<Option<Run>, ControlError> {
    let row = client
        .query_opt(
            "select holder, state, stop_requested, started_at, reported_at, progress, \
                    state <> 'stopped' and reported_at < now() - make_interval(secs => $2) \
             from ops.job_run where job = $1 order by started_at desc limit 1",
            &[&job, &(silence::JOB_S as f64)],
        )
        .await
        .map_err(failed("read the job's runs"))?;
    Ok(row.map(|row| Run {
        job: job.to_owned(),
        holder: row.get(0),
        state: row.get(1),
        stop_requested: row.get(2),
        started_at: row.get(3),
        reported_at: row.get(4),
        progress: row
            .get::<_, Option<serde_json::Value>>(5)
            .and_then(|json| serde_json::from_value(json).ok()),
        lost: row.get(6),
    }))
}

/// Records what is wanted of a job, by whom and why; it stays in force whoever supervises the job.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn wish(
    client: &Client,
    job: &str,
    wish: Wish,
    by: &str,
    reason: &str,
) -> Result<(), ControlError> {
    client
        .execute(contracts::wish::RECORD, &[&job, &wish.wanted(), &wish.again(), &by, &reason])
        .await
        .map(drop)
        .map_err(failed("record what is wanted of the job"))
}

/// Who holds a job and why, where somebody does.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn held_by(client: &Client, job: &str) -> Result<Option<String>, ControlError> {
    let row = client
        .query_opt(
            "select by_whom || case when reason = '' then '' else ': ' || reason end from ops.job_wish \
             where job = $1 and wanted = 'stopped'",
            &[&job],
        )
        .await
        .map_err(failed("read what is wanted of the job"))?;
    Ok(row.map(|row| row.get(0)))
}

/// Asks every run of a job that is at work to stop; returns how many were asked.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn request_stop(client: &Client, job: &str) -> Result<u64, ControlError> {
    client
        .execute(
            "update ops.job_run set stop_requested = true where job = $1 and state <> 'stopped'",
            &[&job],
        )
        .await
        .map_err(failed("ask the job to stop"))
}

/// Whether the job was stopped by `job stop` after a moment of PostgreSQL's clock: who stood by then is meant
/// too.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn was_asked_to_stop(
    client: &Client,
    job: &str,
    since: DateTime<Utc>,
) -> Result<bool, ControlError> {
    let row = client
        .query_one(
            "select exists (select from ops.job_run where job = $1 and stop_requested and state = 'stopped' \
             and reported_at >= $2)",
            &[&job, &since],
        )
        .await
        .map_err(failed("read the job's runs"))?;
    Ok(row.get(0))
}

/// PostgreSQL's time.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn clock(client: &Client) -> Result<DateTime<Utc>, ControlError> {
    let row = client
        .query_one("select clock_timestamp()", &[])
        .await
        .map_err(failed("ask postgresql for the time"))?;
    Ok(row.get(0))
}
