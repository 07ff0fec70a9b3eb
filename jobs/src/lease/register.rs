//! The row in PostgreSQL: read, and replaced if nobody else was faster.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use super::Lease;
use crate::control::{ControlError, failed};

/// A lease and PostgreSQL's time when it was read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Seen {
    /// As it stood.
    pub lease: Lease,
    /// By PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

impl Seen {
    /// Whether somebody holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.lease.is_free(self.now)
    }
}

/// The lease of a job as it stands; nothing before the first one.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn current(client: &Client, job: &str) -> Result<Option<Seen>, ControlError> {
    let row = client
        .query_opt(
            "select holder, fencing, renewed_at, expires_at, clock_timestamp() from ops.job_lease where job = $1",
            &[&job],
        )
        .await
        .map_err(failed("read the job's lease"))?;
    Ok(row.map(|row| Seen {
        lease: Lease {
            holder: row.get(0),
            fencing: row.get(1),
            renewed_at: row.get(2),
            expires_at: row.get(3),
        },
        now: row.get(4),
    }))
}

/// As [`current`], making the row where there is none.
pub(super) async fn ensured(client: &Client, job: &str) -> Result<Seen, ControlError> {
    loop {
        if let Some(seen) = current(client, job).await? {
            return Ok(seen);
        }
        client
            .execute(
                "insert into ops.job_lease (job, holder, fencing, renewed_at, expires_at) \
                 values ($1, '', 0, clock_timestamp(), clock_timestamp()) on conflict do nothing",
                &[&job],
            )
            .await
            .map_err(failed("make the job's lease"))?;
    }
}

/// Writes a lease over the one that was read; tells whether that one still stood there.
pub(super) async fn replace(
    client: &Client,
    job: &str,
    read: &Lease,
    new: &Lease,
) -> Result<bool, ControlError> {
    let replaced = client
        .execute(
            "update ops.job_lease set holder = $2, fencing = $3, renewed_at = $4, expires_at = $5 \
             where job = $1 and fencing = $6 and renewed_at = $7 and expires_at = $8",
            &[
                &job,
                &new.holder,
                &new.fencing,
                &new.renewed_at,
                &new.expires_at,
                &read.fencing,
                &read.renewed_at,
                &read.expires_at,
            ],
        )
        .await
        .map_err(failed("write the job's lease"))?;
    Ok(replaced == 1)
}
