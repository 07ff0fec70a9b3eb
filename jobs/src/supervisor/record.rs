//! The statements that write what is kept of the queries. Each takes all its rows at once, as JSON.

use std::collections::VecDeque;
use std::fmt::Debug;

use serde::Serialize;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Error};

use super::kept::{Batch, Fault, Query};
use crate::plans::CUBE_QUERY;

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
