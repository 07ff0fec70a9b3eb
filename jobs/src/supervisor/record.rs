//! The rows that are kept of the queries, and the statements that write them. Each takes all its rows at
//! once, as JSON.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Error};

use crate::plans::CUBE_QUERY;
use crate::progress::SparkProgress;

/// How many faults are kept.
const FAULTS: i64 = 1_000;

const BATCHES: &str = "
    insert into ops.job_batch (query, revision, batch_id, started_at, rows_in, duration_ms, phases_ms, state_rows, \
        dropped_rows, watermark, newest_event_at, lag_p50_ms, lag_p99_ms, end_offsets, offsets_behind)
    select query, revision, batch_id, started_at, rows_in, duration_ms, phases_ms, state_rows, \
        dropped_rows, watermark, newest_event_at, lag_p50_ms, lag_p99_ms, end_offsets, offsets_behind
    from jsonb_populate_recordset(null::ops.job_batch, $1)
    on conflict do nothing";

const QUERIES: &str = "
    insert into ops.job_query (query, revision, newest, state, trigger_ms, trigger_active, data_available, started_at)
    select query, revision, newest, state, trigger_ms, trigger_active, data_available, started_at
    from jsonb_populate_recordset(null::ops.job_query, $1)
    on conflict (query, revision) do update set newest = excluded.newest, state = excluded.state, \
        trigger_ms = excluded.trigger_ms, trigger_active = excluded.trigger_active, \
        data_available = excluded.data_available, started_at = excluded.started_at, reported_at = now()";

const OTHER_QUERIES: &str = "
    delete from ops.job_query where (query, revision) not in (
        select query, revision from jsonb_populate_recordset(null::ops.job_query, $1))";

/// A repeat is known by its time.
const FAULTS_OF: &str = "
    insert into ops.job_fault (job, query, revision, batch_id, summary, exception, occurred_at)
    select $2, query, revision, batch_id, summary, exception, occurred_at
    from jsonb_populate_recordset(null::ops.job_fault, $1) new
    where not exists (
        select from ops.job_fault f
        where f.job = $2 and f.occurred_at = new.occurred_at and f.query = new.query and f.revision = new.revision)";

const OLD_BATCHES: &str = "delete from ops.job_batch where started_at < now() - interval '48 hours'";

const OLD_FAULTS: &str = "
    delete from ops.job_fault where job = $1 and fault_id <= (
        select fault_id from ops.job_fault where job = $1 order by fault_id desc offset $2 limit 1)";

/// A query of a plan: its name without the revision, and the revision.
pub(super) type Key = (&'static str, i64);

/// A row of `ops.job_batch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Batch {
    pub(super) query: &'static str,
    pub(super) revision: i64,
    pub(super) batch_id: i64,
    pub(super) started_at: DateTime<Utc>,
    pub(super) rows_in: i64,
    pub(super) duration_ms: i64,
    pub(super) phases_ms: BTreeMap<String, i64>,
    pub(super) state_rows: i64,
    pub(super) dropped_rows: i64,
    pub(super) watermark: Option<DateTime<Utc>>,
    pub(super) newest_event_at: Option<DateTime<Utc>>,
    pub(super) lag_p50_ms: Option<i64>,
    pub(super) lag_p99_ms: Option<i64>,
    pub(super) end_offsets: serde_json::Map<String, serde_json::Value>,
    pub(super) offsets_behind: i64,
}

impl Batch {
    pub(super) fn of((query, revision): Key, spark: &SparkProgress) -> Self {
        Self {
            query,
            revision,
            batch_id: spark.batch_id,
            started_at: spark.timestamp,
            rows_in: spark.input_rows(),
            duration_ms: spark.batch_ms(),
            phases_ms: spark.phases_ms(),
            state_rows: spark.state_rows().0,
            dropped_rows: spark.rows_dropped_by_watermark(),
            watermark: spark.event_time.watermark,
            newest_event_at: spark.event_time.max,
            lag_p50_ms: spark.lag_ms().map(|(p50, _)| p50),
            lag_p99_ms: spark.lag_ms().map(|(_, p99)| p99),
            end_offsets: spark.end_offsets(),
            offsets_behind: spark.offsets_behind(),
        }
    }
}

/// How a query does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Not started yet.
    Waiting,
    Running,
    Ended,
}

/// A row of `ops.job_query`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Query {
    pub(super) query: &'static str,
    pub(super) revision: i64,
    pub(super) newest: bool,
    pub(super) state: State,
    pub(super) trigger_ms: u64,
    pub(super) trigger_active: bool,
    pub(super) data_available: bool,
    pub(super) started_at: Option<DateTime<Utc>>,
}

/// A row of `ops.job_fault`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Fault {
    pub(super) query: &'static str,
    pub(super) revision: i64,
    /// The micro-batch that was next, as far as it is known.
    pub(super) batch_id: Option<i64>,
    pub(super) summary: String,
    pub(super) exception: String,
    pub(super) occurred_at: DateTime<Utc>,
}

/// Writes micro-batches; one that is there stays as it is.
pub(super) async fn batches(client: &Client, rows: &[&Batch]) -> Result<(), Error> {
    write(client, BATCHES, rows).await
}

/// Writes how queries do.
pub(super) async fn queries(client: &Client, rows: &[&Query]) -> Result<(), Error> {
    write(client, QUERIES, rows).await
}

/// Writes how queries do, after removing every other one.
pub(super) async fn replace_queries(client: &Client, rows: &[&Query]) -> Result<(), Error> {
    write(client, OTHER_QUERIES, rows).await?;
    write(client, QUERIES, rows).await
}

/// Writes why queries ended.
pub(super) async fn faults(client: &Client, rows: &VecDeque<Fault>) -> Result<(), Error> {
    let rows = Json(rows);
    client.execute_typed(FAULTS_OF, &[(&rows, Type::JSONB), (&CUBE_QUERY, Type::TEXT)]).await.map(drop)
}

/// Removes what is older than anybody looks at.
pub(super) async fn prune(client: &Client) -> Result<(), Error> {
    client.execute_typed(OLD_BATCHES, &[]).await?;
    client.execute_typed(OLD_FAULTS, &[(&CUBE_QUERY, Type::TEXT), (&FAULTS, Type::INT8)]).await.map(drop)
}

/// One round trip: nothing is prepared.
async fn write<T: Serialize + Sync + Debug>(
    client: &Client,
    statement: &str,
    rows: &[&T],
) -> Result<(), Error> {
    client.execute_typed(statement, &[(&Json(rows), Type::JSONB)]).await.map(drop)
}
