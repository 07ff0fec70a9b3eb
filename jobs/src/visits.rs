//! Closing visits early: when nothing more comes, their sessions need not wait until the watermark has passed
//! them.
//!
//! The batch side of the plan writes the sessions with the revision in force and with what the stream counts.
//! When a visit goes on after all, or the stream closes it by itself, its row has as many events or more and
//! the same or a later write time, so it stays right.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::family::SESSIONS;

use crate::batch::{self, BatchError, Piece, Records};
use crate::closing;
use crate::plans::{self, CUBE_QUERY, PlanError};

/// A visit's declared start may lie so long before the first event of a run.
const BEFORE: TimeDelta = TimeDelta::hours(1);

/// Why visits could not be closed; their sessions are written when the watermark has passed them.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// PostgreSQL failed.
    #[error("postgresql failed: check `storepulse stack status`, then run this again")]
    Postgres(#[from] tokio_postgres::Error),
    /// PostgreSQL cannot be reached.
    #[error(transparent)]
    Provision(#[from] provision::ProvisionError),
    /// The plans could not be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Spark did not write them.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Writes the sessions of the visits that began in a span and had events until now. Without a plan in force,
/// and while a rebuild has two, it writes nothing.
///
/// # Errors
/// [`CloseError`].
pub async fn close(
    endpoints: &Endpoints,
    began: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), CloseError> {
    let client = provision::connect(&endpoints.pg_url).await?;
    let plans = plans::in_force(&client, CUBE_QUERY).await?;
    let [plan] = plans.as_slice() else { return Ok(()) };
    let from = closing::minute_of(plan.owned.from.map_or(began - BEFORE, |from| from.max(began - BEFORE)));
    let range = from..closing::step_after(&SESSIONS, until);
    let snapshot = provision::cluster::snapshot(&client, &SESSIONS, &range).await?;
    let piece = Piece {
        family: &SESSIONS,
        range: &range,
        snapshot: &snapshot,
        records: Records::OnTime,
        revision: plan.revision,
    };
    Ok(batch::write(endpoints, &piece).await?)
}
