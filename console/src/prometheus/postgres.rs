//! What relay, supervisor and ingestor report to PostgreSQL, and what PostgreSQL says of the slot.

use contracts::endpoints::Endpoints;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Row};

use super::names::{
    COLLECTOR_REFUSED, INGESTED, JOB_BATCH, JOB_BATCHES, JOB_BEHIND, JOB_DROPPED, JOB_LAG, JOB_RECORDS,
    JOB_REPORT_AGE, JOB_RESTARTS, JOB_RUNNING, JOB_STATE_ROWS, JOB_WATERMARK, QUARANTINE_OPEN, REBUILD_OPEN,
    RELAY_BEHIND, RELAY_RECORDS, RELAY_REPORT_AGE, RELAY_RESTARTS, RELAY_STREAMING, RELAY_UNACKNOWLEDGED,
    REPAIRED, SLOT_ACTIVE, SLOT_RETAINED, SLOT_SAFE,
};
use super::page::Page;
use super::{Metric, Refused};
use crate::access;
use crate::watch::quarantine::tally::Counting;

const RELAY: &str = "
    select (state = 'streaming')::int::float8, extract(epoch from clock_timestamp() - reported_at)::float8,
           restarts::float8, coalesce(unacknowledged_ms, 0) / 1000.0::float8,
           case when committed_lsn is not null then greatest(pg_current_wal_lsn() - committed_lsn, 0)::float8 end,
           events_out::float8, users_out::float8
    from ops.relay_status where slot = $1";

const SLOT: &str = "
    select (pg_current_wal_lsn() - restart_lsn)::float8, safe_wal_size::float8, active::int::float8
    from pg_replication_slots where slot_name = $1";

/// The newest run of each job; its figures are the supervisor's JSON, as `storepulse job status --json`
/// prints it.
const JOBS: &str = "
    select distinct on (job) job, (state = 'running')::int::float8,
           extract(epoch from clock_timestamp() - reported_at)::float8, restarts::float8,
           (progress->>'input_rows')::float8, (progress->>'batches')::float8, (progress->>'batch_ms')::float8 / 1000,
           (progress->>'offsets_behind')::float8, (progress->>'state_rows')::float8,
           (progress->>'rows_dropped_by_watermark')::float8,
           extract(epoch from (progress->>'watermark')::timestamptz)::float8,
           (progress->>'lag_p50_ms')::float8 / 1000, (progress->>'lag_p99_ms')::float8 / 1000
    from ops.job_run order by job, started_at desc";

const LEDGER: &str = "
    select stage, sum(records_in)::float8, sum(records_out)::float8, sum(repeated)::float8, sum(quarantined)::float8
    from ops.ledger group by stage";

const COLLECTOR: &str = "select cause, key_name, requests::float8 from ops.collector_refusal";

const REPAIRS: &str =
    "select kind, extract(epoch from max(repaired_at))::float8 from ops.repair group by kind";

const REBUILD: &str = "select count(*)::float8 from ops.rebuild where ended_at is null";

/// What is kept from one scrape to the next.
#[derive(Default)]
pub(super) struct Kept {
    client: Option<Client>,
    /// Millions may be set aside: a scrape reads what is new.
    quarantine: Counting,
}

/// Asks over a connection that is kept while it answers.
pub(super) async fn ask(kept: &Mutex<Kept>, endpoints: &Endpoints, page: &Page) -> Result<(), Refused> {
    let mut kept = kept.lock().await;
    // Taken out: whoever is cut off in the middle of an answer leaves no connection behind that still owes
    // it.
    let client = match kept.client.take().filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => access::connect(&endpoints.pg_url).await?,
    };
    let slot = endpoints.namespace.slot();
    let reading = async { Ok(read(&client, &slot, page).await?) };
    let ((), quarantine) = tokio::try_join!(reading, kept.quarantine.look(&endpoints.pg_url))?;
    for (reason, counts) in quarantine.by_reason.iter().filter(|(_, counts)| counts.open > 0) {
        page.set(&QUARANTINE_OPEN, &[("reason", reason.as_str())], counts.open as f64);
    }
    kept.client = Some(client);
    Ok(())
}

async fn read(client: &Client, slot: &str, page: &Page) -> Result<(), tokio_postgres::Error> {
    // The queries go out together, and the answers come in one after another.
    let of_slot: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&slot];
    let (relay, slots, jobs, ledger, collector, repairs, rebuild) = tokio::try_join!(
        client.query(RELAY, &of_slot),
        client.query(SLOT, &of_slot),
        client.query(JOBS, &[]),
        client.query(LEDGER, &[]),
        client.query(COLLECTOR, &[]),
        client.query(REPAIRS, &[]),
        client.query(REBUILD, &[]),
    )?;
    for row in &relay {
        let figures = [RELAY_STREAMING, RELAY_REPORT_AGE, RELAY_RESTARTS, RELAY_UNACKNOWLEDGED, RELAY_BEHIND];
        set_all(page, row, 0, &figures, &[])?;
        for (column, topic) in [(5, "events"), (6, "users")] {
            page.set_some(&RELAY_RECORDS, &[("topic", topic)], row.try_get(column)?);
        }
    }
    for row in &slots {
        set_all(page, row, 0, &[SLOT_RETAINED, SLOT_SAFE, SLOT_ACTIVE], &[])?;
    }
    for row in &jobs {
        let query = [("query", row.try_get(0)?)];
        let figures = [
            JOB_RUNNING,
            JOB_REPORT_AGE,
            JOB_RESTARTS,
            JOB_RECORDS,
            JOB_BATCHES,
            JOB_BATCH,
            JOB_BEHIND,
            JOB_STATE_ROWS,
            JOB_DROPPED,
            JOB_WATERMARK,
        ];
        set_all(page, row, 1, &figures, &query)?;
        for (column, percentile) in [(11, "50"), (12, "99")] {
            page.set_some(&JOB_LAG, &[query[0], ("percentile", percentile)], row.try_get(column)?);
        }
    }
    for row in &ledger {
        let stage: &str = row.try_get(0)?;
        for (column, became) in [(1, "in"), (2, "out"), (3, "repeated"), (4, "quarantined")] {
            page.set_some(&INGESTED, &[("stage", stage), ("became", became)], row.try_get(column)?);
        }
    }
    for row in &collector {
        let labels = [("cause", row.try_get(0)?), ("key", row.try_get(1)?)];
        set_all(page, row, 2, &[COLLECTOR_REFUSED], &labels)?;
    }
    for row in &repairs {
        set_all(page, row, 1, &[REPAIRED], &[("kind", row.try_get(0)?)])?;
    }
    for row in &rebuild {
        set_all(page, row, 0, &[REBUILD_OPEN], &[])?;
    }
    Ok(())
}

/// A column a metric, from the first one on; null is no figure.
fn set_all(
    page: &Page,
    row: &Row,
    first: usize,
    metrics: &[Metric],
    labels: &[(&'static str, &str)],
) -> Result<(), tokio_postgres::Error> {
    for (column, metric) in metrics.iter().enumerate() {
        page.set_some(metric, labels, row.try_get(first + column)?);
    }
    Ok(())
}
