//! Rebuild: every figure computed again from PostgreSQL alone, while the shop goes on.
//!
//! It is the way out of a corrupt checkpoint, a changed plan, a lost slot, a wiped Kafka. The steps, each
//! recorded in PostgreSQL, so that a rebuild that died goes on where it was when it is run again:
//!
//! 1. The next generation of the events topic begins. The relay goes over to it at a position, writing both
//!    generations from there; where slot and position are not whole, the slot is made anew and only the new
//!    generation is written.
//! 2. A **cut minute** is chosen behind everything that is stored by then, so that all records of the windows
//!    from the cut on are in the new topic. The new plan takes the next revision and those windows.
//! 3. The old query, where it can go on, keeps the windows before the cut. A window has one writer at a time
//!    and the other's rows have the higher revision, so no reader sees a figure that is not complete.
//! 4. Windows before the cut are computed by the plan function in batch, once each, when they are closed:
//!    piece by piece, each from one snapshot, late records included. The last ones close eleven minutes after
//!    the cut.
//! 5. The families beside the cube follow: what is closed by then is computed in the same way. What lies
//!    astride the cut and is still open (the hour, the visits of that time) is whole in no stream;
//!    reconciliation puts it right once it is closed.
//! 6. The old plan and the old generation retire.

mod filling;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::WINDOW_US;
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::lateness::MAX_AHEAD_US;
use provision::position::{Next, PositionReader};
use provision::{NextGeneration, ProvisionError};
use tokio_postgres::{Client, Transaction};
use tokio_util::sync::CancellationToken;

use crate::batch::BatchError;
use crate::closing;
use crate::fingerprint;
use crate::plans::{self, CUBE_QUERY, NewPlan, PlanError};
use filling::Filling;

/// Longer than any window and any visit: what began before so long a time has ended, and grows no more.
pub const ROWS_END_WITHIN: TimeDelta = TimeDelta::days(2);

/// How to rebuild.
#[derive(Debug, Clone)]
pub struct RebuildConfig {
    pub endpoints: Endpoints,
    /// The time by a clock that stands still, for a shop whose ingestor's clock does (`simulate --start`);
    /// nothing may be ingested meanwhile. It lies [`ROWS_END_WITHIN`] back or more: hours and visits astride
    /// the cut are written as if they had ended. Without it the machine's clock.
    pub at: Option<DateTime<Utc>>,
    /// Whether the old query must not go on: its checkpoint is corrupt.
    pub abandon_old: bool,
    /// Partitions of the new events topic; as many as before where none are named.
    pub events_partitions: Option<i32>,
    /// Shuffle partitions of the new plan; as many as before where none are named.
    pub shuffle_partitions: Option<u32>,
}

/// Where it stands.
#[derive(Debug, Clone)]
pub enum Progress {
    /// The next generation of the events topic is there.
    Generation {
        generation: i32,
        /// Why the slot was made anew, where it was.
        slot_renewed: Option<String>,
    },
    /// Waiting for a relay to go over to it.
    WaitingForRelay,
    /// The windows are shared out.
    Cut {
        /// The new stream owns the windows from here on.
        cut: DateTime<Utc>,
        /// The revision of the new plan.
        revision: i64,
        /// Whether the old query goes on until the cut.
        old_goes_on: bool,
    },
    /// Windows are being written.
    Writing {
        /// Windows before this are written.
        done_to: DateTime<Utc>,
        /// Events of the windows written in this run.
        events: i64,
        /// Events of the windows that are closed.
        of_events: i64,
    },
    /// The cube is done, and a family beside it is being written.
    Family {
        family: &'static str,
        /// Records of what is written.
        events: i64,
        /// Records of what is closed.
        of_events: i64,
    },
    /// The last windows before the cut are not closed yet.
    Closing {
        /// When the next one is.
        until: DateTime<Utc>,
    },
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The generation of the events topic.
    pub generation: i32,
    /// The revision of all figures.
    pub revision: i64,
    /// Where the new stream took over.
    pub cut: DateTime<Utc>,
    /// Events of the windows that this run wrote in batch.
    pub events: i64,
}

/// Why it is not done; run again, it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// PostgreSQL failed.
    #[error("postgresql failed: check `storepulse stack status`, then run this again")]
    Postgres(#[from] tokio_postgres::Error),
    /// Topic, slot or position could not be made.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The plans could not be recorded.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Windows could not be written.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Another one is at it.
    #[error("another `storepulse rebuild` is running")]
    AtWork,
    /// It was asked to end.
    #[error("interrupted: run `storepulse rebuild` again, and it continues where it stopped")]
    Interrupted,
}

/// Rebuilds, or goes on with a rebuild that died, and returns when it is done.
///
/// # Errors
/// [`RebuildError`].
pub async fn run(
    config: &RebuildConfig,
    cancel: &CancellationToken,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Rebuilt, RebuildError> {
    let endpoints = &config.endpoints;
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let key = endpoints.namespace.advisory_lock("rebuild");
    if !client.query_one("select pg_try_advisory_lock($1)", &[&key]).await?.get::<_, bool>(0) {
        return Err(RebuildError::AtWork);
    }
    let begun = provision::begin_rebuild(endpoints, config.events_partitions).await?;
    let generation = begun.provisioned.assigned.generation;
    progress(Progress::Generation { generation, slot_renewed: begun.slot_renewed.clone() });
    let (cut, revision) = match shared_out(&client).await? {
        Some(shared_out) => {
            if config.abandon_old {
                retire_before(&mut client, generation, shared_out.1).await?;
            }
            shared_out
        }
        None => {
            relay_at(endpoints, &begun, cancel, progress).await?;
            share_out(config, &mut client, &begun, progress).await?
        }
    };
    let mut filling = Filling { config, client: &mut client, cut, revision, cancel, progress };
    let events = filling.cube().await?;
    filling.beside().await?;
    end(&mut client, generation, revision).await?;
    Ok(Rebuilt { generation, revision, cut, events })
}

/// Cut and revision, where an earlier run chose them.
async fn shared_out(client: &Client) -> Result<Option<(DateTime<Utc>, i64)>, tokio_postgres::Error> {
    let sql =
        "select cut_minute, revision from ops.rebuild where ended_at is null and cut_minute is not null";
    Ok(client.query_opt(sql, &[]).await?.map(|row| (row.get(0), row.get(1))))
}

/// Waits until the relay's position is one of the new generation: from there on the new topic is complete.
async fn relay_at(
    endpoints: &Endpoints,
    begun: &NextGeneration,
    cancel: &CancellationToken,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(), RebuildError> {
    let namespace = &endpoints.namespace;
    let reader =
        PositionReader::open(&endpoints.kafka_brokers, &namespace.positions_topic(), &namespace.slot())
            .await?;
    loop {
        let next = tokio::select! {
            () = cancel.cancelled() => return Err(RebuildError::Interrupted),
            next = reader.next() => next?,
        };
        match next {
            Next::Position(position)
                if position.generation_id == begun.provisioned.assigned.generation_id =>
            {
                return Ok(());
            }
            Next::Position(_) => {}
            Next::End => progress(Progress::WaitingForRelay),
        }
    }
}

/// Chooses the cut and records the new plan for the windows from it on.
async fn share_out(
    config: &RebuildConfig,
    client: &mut Client,
    begun: &NextGeneration,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(DateTime<Utc>, i64), RebuildError> {
    let generation = begun.provisioned.assigned.generation;
    let plans = plans::in_force(client, CUBE_QUERY).await?;
    let shuffle_partitions = plans::shuffle_partitions(&plans, config.shuffle_partitions);
    let fingerprint = fingerprint::cube(generation, shuffle_partitions);
    let ours =
        |plan: &plans::Plan| plan.fingerprint == fingerprint::cube(plan.generation, plan.shuffle_partitions);
    let old_goes_on =
        !config.abandon_old && begun.slot_renewed.is_none() && !plans.is_empty() && plans.iter().all(ours);
    let transaction = client.transaction().await?;
    let newest = format!("select max({}) from raw.events", EVENT.occurred_at);
    let newest: Option<DateTime<Utc>> = transaction.query_one(&newest, &[]).await?.get(0);
    let cut = cut_behind(newest, config.at.unwrap_or_else(Utc::now));
    let revision = plans::hand_over(
        &transaction,
        &config.endpoints,
        &NewPlan { query: CUBE_QUERY, fingerprint: &fingerprint, generation, shuffle_partitions },
        cut,
        old_goes_on,
    )
    .await?;
    transaction
        .execute(
            "update ops.rebuild set cut_minute = $1, revision = $2 where ended_at is null",
            &[&cut, &revision],
        )
        .await?;
    if !old_goes_on {
        retire_older(&transaction, generation, revision).await?;
    }
    transaction.commit().await?;
    progress(Progress::Cut { cut, revision, old_goes_on });
    Ok((cut, revision))
}

/// A window's start such that everything stored, and everything that may be accepted in the next minute, lies
/// before it.
fn cut_behind(newest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let newest = newest.map_or(now, |newest| newest.max(now));
    let window = TimeDelta::microseconds(WINDOW_US);
    // The minute that records may be ahead, one for the plans to be submitted, one to round up.
    closing::minute_of(newest + TimeDelta::microseconds(MAX_AHEAD_US) + window) + window
}

/// The old plan has written its last window and the old generation its last record.
async fn end(client: &mut Client, generation: i32, revision: i64) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    retire_older(&transaction, generation, revision).await?;
    transaction.execute("update ops.rebuild set ended_at = now() where ended_at is null", &[]).await?;
    transaction.commit().await
}

/// The old query must not go on any more.
async fn retire_before(
    client: &mut Client,
    generation: i32,
    revision: i64,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    retire_older(&transaction, generation, revision).await?;
    transaction.commit().await
}

/// Retires plans below a revision and generations below another.
async fn retire_older(
    transaction: &Transaction<'_>,
    generation: i32,
    revision: i64,
) -> Result<(), tokio_postgres::Error> {
    plans::retire(transaction, CUBE_QUERY, revision).await?;
    let sql =
        "update ops.topic_generation set retired_at = now() where generation < $1 and retired_at is null";
    transaction.execute(sql, &[&generation]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_cut_lies_behind_all_that_may_be_stored() {
        let now = at("2026-01-01T10:00:30Z");
        assert_eq!(cut_behind(None, now), at("2026-01-01T10:03:00Z"));
        assert_eq!(cut_behind(Some(at("2026-01-01T10:01:29Z")), now), at("2026-01-01T10:04:00Z"));
        assert_eq!(cut_behind(Some(at("2025-01-01T00:00:00Z")), now), at("2026-01-01T10:03:00Z"));
    }
}
