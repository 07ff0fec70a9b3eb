//! Which plan owns which checkpoint and which windows: kept in PostgreSQL.
//!
//! One plan of a query is in force, but during a [rebuild](crate::rebuild) two: the old one owns the windows
//! before a cut minute, the new one those from it on. A window is written by one of them only, so nobody
//! reads a figure of the new plan that is not complete yet.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::family::Family;
use contracts::ledger::CHECKPOINT_SUFFIX;
use contracts::query;
use contracts::record::Column;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::spark::SHUFFLE_PARTITIONS;

/// The name of the cube's query, in PostgreSQL and in Spark.
pub const CUBE_QUERY: &str = query::CUBE;

/// The windows a plan writes: from the first (inclusive) to the second (exclusive), each open where there is
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owned {
    /// The first window.
    pub from: Option<DateTime<Utc>>,
    /// The window after the last.
    pub to: Option<DateTime<Utc>>,
}

impl Owned {
    /// The condition that a column, which holds the axis, meets; nothing where all is owned.
    pub(crate) fn sql(self, column: Column) -> Option<String> {
        let bound = |operator: &str, at: Option<DateTime<Utc>>| {
            at.map(|at| format!("{column} {operator} timestamp_micros({})", at.timestamp_micros()))
        };
        let bounds: Vec<String> = bound(">=", self.from).into_iter().chain(bound("<", self.to)).collect();
        (!bounds.is_empty()).then(|| bounds.join(" and "))
    }

    /// The same bounds moved along the axis.
    pub(crate) fn moved(self, by_us: i64) -> Self {
        let moved = |at: DateTime<Utc>| at + TimeDelta::microseconds(by_us);
        Self { from: self.from.map(moved), to: self.to.map(moved) }
    }
}

/// A plan in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub query: String,
    /// The revision its rows carry.
    pub revision: i64,
    /// What its checkpoint belongs to.
    pub fingerprint: String,
    /// The generation of the events topic it reads.
    pub generation: i32,
    /// The id that records of this generation carry.
    pub generation_id: Uuid,
    /// Where Spark keeps its checkpoint, as a URI.
    pub checkpoint: String,
    /// The windows it writes.
    pub owned: Owned,
    /// Into how many tasks its streams read and shuffle.
    pub shuffle_partitions: u32,
}

impl Plan {
    /// Where the query that publishes refusals keeps its checkpoint: beside the plan's.
    #[must_use]
    pub fn refusals_checkpoint(&self) -> String {
        format!("{}-{}", self.checkpoint, query::REFUSALS)
    }

    /// Where the query of a family keeps its checkpoint.
    #[must_use]
    pub fn family_checkpoint(&self, family: &Family) -> String {
        format!("{}{}", self.checkpoint, family.checkpoint_suffix())
    }

    /// Where the ledger's query keeps its checkpoint.
    #[must_use]
    pub fn ledger_checkpoint(&self) -> String {
        format!("{}{CHECKPOINT_SUFFIX}", self.checkpoint)
    }
}

/// A plan that must not start.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// PostgreSQL refused or is gone.
    #[error("could not read or record plans in ops.job_plan: check PG_URL, then run `storepulse setup`")]
    Postgres(#[from] tokio_postgres::Error),
    /// The checkpoint belongs to another plan.
    #[error(
        "the checkpoint of {query:?} (revision {revision}) belongs to another plan: the checkpoint has fingerprint \
         {in_force}, and this program's plan has {wanted}; run `storepulse rebuild`, which keeps every figure \
         complete, or `storepulse job reset` to start the new plan at the next revision from the topic's start"
    )]
    OtherPlan {
        query: String,
        /// The revision in force.
        revision: i64,
        /// The fingerprint in force, shortened.
        in_force: String,
        /// The fingerprint of this program's plan, shortened.
        wanted: String,
    },
}

fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

/// The plans in force for a query, by revision, recording this program's where there is none. `fingerprint`
/// gives the one of this program's plan over a topic generation, in so many shuffle partitions.
///
/// # Errors
/// [`PlanError::OtherPlan`] when one of another program is in force.
pub async fn claim(
    client: &mut Client,
    endpoints: &Endpoints,
    query: &str,
    fingerprint: impl Fn(i32, u32) -> String,
    generation: i32,
) -> Result<Vec<Plan>, PlanError> {
    let plans = in_force(client, query).await?;
    for plan in &plans {
        let wanted = fingerprint(plan.generation, plan.shuffle_partitions);
        if plan.fingerprint != wanted {
            return Err(PlanError::OtherPlan {
                query: query.to_owned(),
                revision: plan.revision,
                in_force: short(&plan.fingerprint),
                wanted: short(&wanted),
            });
        }
    }
    if plans.is_empty() {
        let fingerprint = fingerprint(generation, SHUFFLE_PARTITIONS);
        let new =
            NewPlan { query, fingerprint: &fingerprint, generation, shuffle_partitions: SHUFFLE_PARTITIONS };
        renew(client, endpoints, &new).await?;
        return in_force(client, query).await;
    }
    Ok(plans)
}

/// Into how many tasks a new plan's streams read and shuffle: as many as wanted, else as those of the newest
/// plan before.
#[must_use]
pub fn shuffle_partitions(before: &[Plan], wanted: Option<u32>) -> u32 {
    wanted.unwrap_or_else(|| before.last().map_or(SHUFFLE_PARTITIONS, |plan| plan.shuffle_partitions))
}

/// The plans in force for a query, by revision.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn in_force(client: &Client, query: &str) -> Result<Vec<Plan>, PlanError> {
    let rows = client
        .query(
            "select revision, fingerprint, topic_generation, generation_id, checkpoint, owned_from, owned_to, \
                    shuffle_partitions \
             from ops.job_plan join ops.topic_generation on generation = topic_generation \
             where query = $1 and job_plan.retired_at is null order by revision",
            &[&query],
        )
        .await?;
    let plans = rows.into_iter().map(|row| Plan {
        query: query.to_owned(),
        revision: row.get(0),
        fingerprint: row.get(1),
        generation: row.get(2),
        generation_id: row.get(3),
        checkpoint: row.get(4),
        owned: Owned { from: row.get(5), to: row.get(6) },
        shuffle_partitions: row.get::<_, i32>(7).unsigned_abs(),
    });
    Ok(plans.collect())
}

/// A plan to record.
#[derive(Debug, Clone, Copy)]
pub struct NewPlan<'a> {
    pub query: &'a str,
    /// What its checkpoint will belong to.
    pub fingerprint: &'a str,
    /// The generation of the events topic it reads.
    pub generation: i32,
    /// Into how many tasks its streams read and shuffle.
    pub shuffle_partitions: u32,
}

/// Retires the plans in force and records this program's at the next revision, with an empty checkpoint, for
/// the windows of the newest of them.
///
/// It counts the topic from its start, without late records: repairs of its windows no longer hold.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn renew(client: &mut Client, endpoints: &Endpoints, new: &NewPlan<'_>) -> Result<i64, PlanError> {
    let transaction = client.transaction().await?;
    let row = transaction
        .query_opt(
            "select owned_from from ops.job_plan where query = $1 and retired_at is null order by revision desc limit 1",
            &[&new.query],
        )
        .await?;
    let from: Option<DateTime<Utc>> = row.and_then(|row| row.get(0));
    // What lies before the floor is gone: the topic must not bring it back.
    let from = from.max(provision::retention::floor(&transaction).await?);
    retire(&transaction, new.query, i64::MAX).await?;
    transaction
        .execute(
            "update ops.repair set to_minute = greatest(from_minute, coalesce($1::timestamptz, from_minute)) \
             where $1::timestamptz is null or to_minute > $1",
            &[&from],
        )
        .await?;
    let revision = next_revision(&transaction).await?;
    record(&transaction, endpoints, new, revision, from).await?;
    transaction.commit().await?;
    Ok(revision)
}

/// Records this program's plan at the next revision for the windows from `cut` on. The plans before keep
/// those before the cut, or are retired at once where they cannot go on.
///
/// # Errors
/// When PostgreSQL refuses.
pub(crate) async fn hand_over(
    transaction: &Transaction<'_>,
    endpoints: &Endpoints,
    new: &NewPlan<'_>,
    cut: DateTime<Utc>,
    old_goes_on: bool,
) -> Result<i64, PlanError> {
    if old_goes_on {
        transaction
            .execute(
                "update ops.job_plan set owned_to = $2 where query = $1 and retired_at is null",
                &[&new.query, &cut],
            )
            .await?;
    } else {
        retire(transaction, new.query, i64::MAX).await?;
    }
    let revision = next_revision(transaction).await?;
    record(transaction, endpoints, new, revision, Some(cut)).await?;
    Ok(revision)
}

/// Retires the plans of a query below a revision.
pub(crate) async fn retire(
    transaction: &Transaction<'_>,
    query: &str,
    below: i64,
) -> Result<(), tokio_postgres::Error> {
    transaction
        .execute(
            "update ops.job_plan set retired_at = now() where query = $1 and revision < $2 and retired_at is null",
            &[&query, &below],
        )
        .await?;
    Ok(())
}

/// Takes the next revision: what is written with it wins over everything before.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn next_revision(
    client: &impl tokio_postgres::GenericClient,
) -> Result<i64, tokio_postgres::Error> {
    Ok(client.query_one("select nextval('ops.revision')", &[]).await?.get(0))
}

async fn record(
    transaction: &Transaction<'_>,
    endpoints: &Endpoints,
    new: &NewPlan<'_>,
    revision: i64,
    from: Option<DateTime<Utc>>,
) -> Result<(), tokio_postgres::Error> {
    let NewPlan { query, fingerprint, generation, shuffle_partitions } = new;
    let checkpoint = checkpoint_uri(endpoints, query, revision, fingerprint);
    let shuffle_partitions = i32::try_from(*shuffle_partitions).unwrap_or(i32::MAX);
    let values: [&(dyn ToSql + Sync); 7] =
        [query, &revision, fingerprint, generation, &checkpoint, &from, &shuffle_partitions];
    transaction
        .execute(
            "insert into ops.job_plan (query, revision, fingerprint, topic_generation, checkpoint, owned_from, \
                 shuffle_partitions) \
             values ($1, $2, $3, $4, $5, $6, $7)",
            &values,
        )
        .await?;
    Ok(())
}

/// Where a checkpoint lies: the path names its plan.
fn checkpoint_uri(endpoints: &Endpoints, query: &str, revision: i64, fingerprint: &str) -> String {
    format!(
        "{}/{}/{query}/r{revision}-{}",
        endpoints.checkpoint_root.trim_end_matches('/'),
        endpoints.namespace,
        short(fingerprint)
    )
}
