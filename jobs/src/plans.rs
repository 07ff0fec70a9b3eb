//! Which plan owns which checkpoint: kept in PostgreSQL, one in force per query.

use contracts::endpoints::Endpoints;
use tokio_postgres::Client;

/// The name of the cube's query, in PostgreSQL and in Spark.
pub const CUBE_QUERY: &str = "cube";

/// The name of the query that publishes what was refused.
pub const REFUSALS_QUERY: &str = "refusals";

/// The plan in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its query.
    pub query: String,
    /// The revision its rows carry.
    pub revision: i64,
    /// What its checkpoint belongs to.
    pub fingerprint: String,
    /// Where Spark keeps that checkpoint, as a URI.
    pub checkpoint: String,
}

impl Plan {
    /// Where the query that publishes refusals keeps its checkpoint: beside the plan's.
    #[must_use]
    pub fn refusals_checkpoint(&self) -> String {
        format!("{}-{REFUSALS_QUERY}", self.checkpoint)
    }
}

/// A plan that must not start.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// PostgreSQL refused or is gone.
    #[error("could not {action} in ops.job_plan: check PG_URL, then run `storepulse setup`")]
    Postgres {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The checkpoint belongs to another plan.
    #[error(
        "the checkpoint of {query:?} (revision {revision}) belongs to another plan: it has fingerprint {in_force}, this \
         program's plan has {wanted}; run `storepulse job reset` to start the new plan at the next revision from the topic's start"
    )]
    OtherPlan {
        /// The query.
        query: String,
        /// The revision in force.
        revision: i64,
        /// The fingerprint in force, shortened.
        in_force: String,
        /// The fingerprint of this program's plan, shortened.
        wanted: String,
    },
}

fn postgres(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> PlanError {
    move |source| PlanError::Postgres { action, source }
}

fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

/// The plan in force for a query, recording this program's where there is none.
///
/// # Errors
/// [`PlanError::OtherPlan`] when another one is in force.
pub async fn claim(
    client: &mut Client,
    endpoints: &Endpoints,
    query: &str,
    fingerprint: &str,
    generation: i32,
) -> Result<Plan, PlanError> {
    if let Some(plan) = in_force(client, query).await? {
        return if plan.fingerprint == fingerprint {
            Ok(plan)
        } else {
            Err(PlanError::OtherPlan {
                query: query.to_owned(),
                revision: plan.revision,
                in_force: short(&plan.fingerprint),
                wanted: short(fingerprint),
            })
        };
    }
    renew(client, endpoints, query, fingerprint, generation).await
}

/// The plan in force for a query, if any.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn in_force(client: &Client, query: &str) -> Result<Option<Plan>, PlanError> {
    let row = client
        .query_opt(
            "select revision, fingerprint, checkpoint from ops.job_plan where query = $1 and retired_at is null",
            &[&query],
        )
        .await
        .map_err(postgres("read the plan in force"))?;
    Ok(row.map(|row| Plan {
        query: query.to_owned(),
        revision: row.get(0),
        fingerprint: row.get(1),
        checkpoint: row.get(2),
    }))
}

/// Retires the plan in force and records this program's at the next revision, with an empty checkpoint.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn renew(
    client: &mut Client,
    endpoints: &Endpoints,
    query: &str,
    fingerprint: &str,
    generation: i32,
) -> Result<Plan, PlanError> {
    let action = "record the plan";
    let transaction = client.transaction().await.map_err(postgres(action))?;
    transaction
        .execute(
            "update ops.job_plan set retired_at = now() where query = $1 and retired_at is null",
            &[&query],
        )
        .await
        .map_err(postgres(action))?;
    let revision: i64 =
        transaction.query_one("select nextval('ops.revision')", &[]).await.map_err(postgres(action))?.get(0);
    let checkpoint = checkpoint_uri(endpoints, query, revision, fingerprint);
    transaction
        .execute(
            "insert into ops.job_plan (query, revision, fingerprint, topic_generation, checkpoint) values ($1, $2, $3, $4, $5)",
            &[&query, &revision, &fingerprint, &generation, &checkpoint],
        )
        .await
        .map_err(postgres(action))?;
    transaction.commit().await.map_err(postgres(action))?;
    Ok(Plan { query: query.to_owned(), revision, fingerprint: fingerprint.to_owned(), checkpoint })
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
