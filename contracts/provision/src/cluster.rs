//! Rows that came from another PostgreSQL cluster, by a dump or a logical copy, and cuts by snapshot over
//! them.
//!
//! Column `tx` has the transaction id that a row was stored with, and a cut counts the rows that its snapshot
//! sees. Another cluster's ids may lie ahead of this one's, so that snapshots would not see rows that are
//! there. `ensure` shifts the ids of this cluster above all that is stored (`ops.adopt_rows`); [`snapshot`]
//! refuses to cut where that was not done. Nor do all copies bring `raw.event_identity`, by which an event is
//! known that is sent again with another time: `ensure` fills it again (`raw.carry_identities`).

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::event::EVENT;
use contracts::family::{Family, Source};
use contracts::ids;
use tokio_postgres::{Client, GenericClient};

use crate::{Outcome, Progress, ProvisionError, Step, postgres};

/// Adopts rows where this is another cluster than the one that is recorded, or where `restored` says that
/// rows came from one.
pub(crate) async fn ensure(
    client: &Client,
    restored: bool,
    progress: Progress<'_>,
) -> Result<(), ProvisionError> {
    let identity = postgres::identity(client).await?;
    let recorded = client
        .query_opt("select system_id from ops.cluster", &[])
        .await
        .map_err(ProvisionError::postgres("read which cluster the rows are of"))?;
    let known = recorded.as_ref().is_some_and(|row| row.get::<_, &str>(0) == identity.system_id);
    let outcome = if known && !restored {
        Outcome::Exists
    } else {
        let shifted: bool = client
            .query_one("select ops.adopt_rows($1)", &[&identity.system_id])
            .await
            .map_err(ProvisionError::postgres("adopt rows of another cluster"))?
            .get(0);
        let carried: i64 = client
            .query_one("select raw.carry_identities()", &[])
            .await
            .map_err(ProvisionError::postgres("fill raw.event_identity from raw.events"))?
            .get(0);
        if carried > 0 {
            let name = format!("raw.event_identity, {carried} events");
            progress(Step { kind: "identities", name, outcome: Outcome::Restored });
        }
        match (shifted, recorded) {
            (true, _) => Outcome::Restored,
            (false, None) => Outcome::Created,
            (false, Some(_)) => Outcome::Exists,
        }
    };
    progress(Step { kind: "transaction ids", name: format!("of cluster {}", identity.system_id), outcome });
    Ok(())
}

/// The snapshot of the statement or, in a transaction that repeats its reads, of the transaction, as text of
/// `pg_snapshot`: a cut through the records that rows in a range of a family's axis are computed from.
///
/// # Errors
/// When PostgreSQL does not answer, and where it would not see records that are there.
pub async fn snapshot(
    client: &impl GenericClient,
    family: &Family,
    range: &Range<DateTime<Utc>>,
) -> Result<String, ProvisionError> {
    let (step_us, length_us) = family.stretch_us();
    let to = range.end + TimeDelta::microseconds(length_us - step_us);
    let (table, axis) = family.records();
    let by_id = match family.source {
        Source::Users => String::new(),
        // Each day of events is a table: bounds on the id spare the planner all other days.
        Source::Events => {
            let (first, behind) = ids::bounds(&(range.start..to));
            format!(" and {id} >= '{first}' and {id} < '{behind}'", id = EVENT.event_id)
        }
    };
    // A row that can be read was committed, so its id lies before the end of the reader's snapshot: unless it
    // is not this cluster's.
    let sql = format!(
        "select raw.current_snapshot()::text, exists (
             select from {table} where {axis} >= $1 and {axis} < $2{by_id} and tx >= (select pg_snapshot_xmax(raw.current_snapshot())))"
    );
    let row = client
        .query_one(&sql, &[&range.start, &to])
        .await
        .map_err(ProvisionError::postgres("take a snapshot"))?;
    if row.get(1) { Err(ProvisionError::RowsOfAnotherCluster { table }) } else { Ok(row.get(0)) }
}
