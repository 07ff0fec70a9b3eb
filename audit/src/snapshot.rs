//! What every check begins with: a snapshot of PostgreSQL, the position in its log behind it, and the topics
//! that lead on from it.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::endpoints::Endpoints;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::VerifyError;

/// Where a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Computing what the tables should hold.
    Computing,
    /// The relay is not at the snapshot yet.
    WaitingForRelay {
        /// Its position, where it has one.
        position: Option<PgLsn>,
        wanted: PgLsn,
    },
    /// Spark is not at the end of the topic yet.
    WaitingForSpark {
        /// Offsets that are not committed yet.
        behind: i64,
    },
    /// Reading a table.
    Reading { table: &'static str },
    /// Reading rows again that were in motion.
    Settling { rows: usize },
    /// Writing what was found.
    Writing {
        /// How many minutes.
        rows: usize,
    },
}

/// For a person to read.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computing => f.write_str("computing what should be there"),
            Self::WaitingForRelay { position: None, wanted } => {
                write!(f, "waiting for the relay, at nowhere yet of {wanted}")
            }
            Self::WaitingForRelay { position: Some(position), wanted } => {
                write!(f, "waiting for the relay, at {position} of {wanted}")
            }
            Self::WaitingForSpark { behind } => write!(f, "waiting for spark, {behind} offsets behind"),
            Self::Reading { table } => write!(f, "reading {table}"),
            Self::Settling { rows } => write!(f, "reading {rows} rows in motion again"),
            Self::Writing { rows } => write!(f, "writing {rows} minutes"),
        }
    }
}

/// Hears where a verification stands; called from the task that runs it.
pub type Progress<'a> = &'a (dyn Fn(Phase) + Sync);

/// How often rows in motion are looked at again.
pub(crate) const SETTLE_POLL: Duration = Duration::from_millis(500);

/// The topics that the plans in force read; without a plan, the one of the generation in force.
pub(crate) async fn events_topics(
    client: &Client,
    endpoints: &Endpoints,
) -> Result<Vec<String>, VerifyError> {
    let rows = client
        .query(
            "with planned as (select distinct topic_generation from ops.job_plan where retired_at is null) \
             select topic_generation from planned union \
             select coalesce(max(generation), 1) from ops.topic_generation having not exists (select from planned) \
             order by 1",
            &[],
        )
        .await
        .map_err(VerifyError::postgres("read the topic generations"))?;
    Ok(rows.iter().map(|row| endpoints.namespace.events_topic(row.get(0))).collect())
}

pub(crate) async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, VerifyError> {
    client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(VerifyError::postgres("take a snapshot"))
}

/// When a snapshot was taken, or shortly before, and an LSN behind everything that it sees. The record it
/// stands at is written for that: the log's own end may lie on a page boundary that no reader reports until
/// something follows.
pub(crate) async fn lsn_behind(snapshot: &Transaction<'_>) -> Result<(DateTime<Utc>, u64), VerifyError> {
    let failed = || VerifyError::postgres("mark the log");
    // The first statement takes the snapshot; the transaction began before it.
    let begun = snapshot.query_one("select transaction_timestamp()", &[]).await.map_err(failed())?;
    let row = snapshot
        .query_one("select pg_logical_emit_message(false, 'storepulse', 'verify')", &[])
        .await
        .map_err(failed())?;
    Ok((begun.get(0), row.get::<_, PgLsn>(0).into()))
}
