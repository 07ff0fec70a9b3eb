//! What lies before the floor in PostgreSQL.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use contracts::ids;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::{Retained, last_day_to_drop};
use crate::LifecycleError;

/// What is deleted row by row, as the windows that it is about: the table and its condition.
const OF_WINDOWS: [(&str, &str); 8] = [
    // What Cassandra's registrations are compared with: both go together.
    ("raw.registrations", "ingested_at < $1"),
    // What the events that are gone told of visitors, and no later one has told since.
    ("raw.visit", "last_at < $1"),
    ("raw.visitor", "last_at < $1"),
    ("raw.visitor_link", "linked_at < $1"),
    // What shop systems told of orders: a line that changes later is a first one.
    ("raw.shop_order", "as_of < $1"),
    ("ops.repaired_figure", "repair_id in (select repair_id from ops.repair where to_minute <= $1)"),
    ("ops.repair", "to_minute <= $1"),
    ("ops.ledger", "minute < $1"),
];
/// What is deleted by the time at which it came in, likewise.
const AGED: [(&str, &str); 2] =
    [("raw.quarantine", "quarantined_at < $1"), ("raw.other_events", "received_at < $1")];

/// Dropping a partition stops all writers of the table: no longer than this while it waits for a reader.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '10s'";

/// Drops the partitions of days before the floor. That of the last one is only dropped where it holds nothing
/// from the floor on; otherwise the next run, with a later floor, drops it.
pub(super) async fn drop_partitions(
    client: &mut Client,
    floor: DateTime<Utc>,
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    let failed = LifecycleError::postgres("drop a partition of raw.events");
    let Some(last) = last_day_to_drop(floor) else { return Ok(()) };
    for name in partitions(client).await.map_err(&failed)? {
        let Some(day) = day_of(&name) else { continue };
        let is_before = day <= last;
        let is_last = last.checked_add_days(Days::new(1)) == Some(day);
        if !is_before && !is_last {
            continue;
        }
        let transaction = client.transaction().await.map_err(&failed)?;
        if !retained.dry_run {
            // The parent first, as writers do; with it nobody writes into the partition between the look and
            // the drop.
            let lock = format!("{LOCK_TIMEOUT}; lock table only raw.events in access exclusive mode");
            transaction.batch_execute(&lock).await.map_err(&failed)?;
        }
        let newer = format!("select exists (select from raw.{name} where occurred_at >= $1)");
        if is_last && transaction.query_one(&newer, &[&floor]).await.map_err(&failed)?.get(0) {
            let note = format!(
                "raw.{name} stays until the next run: it holds events from the floor on, whose ids are up to a minute older"
            );
            retained.notes.push(note);
            continue;
        }
        if !retained.dry_run {
            transaction.batch_execute(&format!("drop table raw.{name}")).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)?;
        retained.partitions.push(name);
    }
    Ok(())
}

/// Deletes what the events of partitions that are gone claimed; those of partitions that stay keep theirs.
pub(super) async fn delete_identities(
    client: &Client,
    floor: DateTime<Utc>,
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    let failed = LifecycleError::postgres("delete the identities of old events");
    let names = partitions(client).await.map_err(&failed)?;
    let kept =
        names.iter().filter(|name| !retained.partitions.contains(name)).filter_map(|name| day_of(name));
    let first = kept.min().unwrap_or(NaiveDate::MAX).min(floor.date_naive());
    let first = ids::v7_lower_bound(first.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    for table in ["raw.event_identity", "raw.event_told"] {
        let gone = remove(client, table, ("event_id < $1", &first), retained.dry_run).await;
        retained.rows.insert(table, gone.map_err(&failed)?);
    }
    Ok(())
}

/// Deletes the rows of a table that meet a condition on `$1`, or only counts them. Returns how many they are.
async fn remove(
    client: &Client,
    table: &str,
    (condition, than): (&str, &(dyn ToSql + Sync)),
    dry_run: bool,
) -> Result<u64, tokio_postgres::Error> {
    if dry_run {
        let count = format!("select count(*) from {table} where {condition}");
        return Ok(client.query_one(&count, &[than]).await?.get::<_, i64>(0).unsigned_abs());
    }
    client.execute(&format!("delete from {table} where {condition}"), &[than]).await
}

/// The day of a partition, by its name.
fn day_of(partition: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(partition.strip_prefix("events_")?, "%Y%m%d").ok()
}

/// When the newest event before an instant occurred.
pub(super) async fn newest_before(
    client: &Client,
    than: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, LifecycleError> {
    let failed = LifecycleError::postgres("look for old events");
    let mut newest: Option<DateTime<Utc>> = None;
    for name in partitions(client).await.map_err(&failed)?.iter().rev() {
        // An event's id is never so much newer than the event that a later day's partition could hold it.
        let Some(day) = day_of(name).filter(|day| *day <= than.date_naive()) else { continue };
        // Nor so much older that one of two days before could hold a newer one.
        if newest.is_some_and(|newest| day < newest.date_naive() - Days::new(1)) {
            break;
        }
        let sql = format!("select max(occurred_at) from raw.{name} where occurred_at < $1");
        let of_day: Option<DateTime<Utc>> = client.query_one(&sql, &[&than]).await.map_err(&failed)?.get(0);
        newest = newest.max(of_day);
    }
    Ok(newest)
}

/// The partitions of `raw.events`, the oldest first.
async fn partitions(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql = "
        select relname::text from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'raw.events'::regclass order by 1";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Deletes what is about windows from before the floor.
pub(super) async fn delete_of_windows(
    client: &Client,
    floor: DateTime<Utc>,
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    delete(&OF_WINDOWS, client, floor, retained).await
}

/// Deletes what came in before an instant, whatever it is about.
pub(super) async fn delete_aged(
    client: &Client,
    before: DateTime<Utc>,
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    delete(&AGED, client, before, retained).await
}

async fn delete(
    tables: &[(&'static str, &str)],
    client: &Client,
    before: DateTime<Utc>,
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    let failed = LifecycleError::postgres("delete old rows");
    for (table, condition) in tables.iter().copied() {
        let there =
            client.query_one("select to_regclass($1) is not null", &[&table]).await.map_err(&failed)?;
        if !there.get::<_, bool>(0) {
            continue;
        }
        let gone = remove(client, table, (condition, &before), retained.dry_run).await;
        retained.rows.insert(table, gone.map_err(&failed)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_day() {
        assert_eq!(day_of("events_20260301"), "2026-03-01".parse().ok());
        assert_eq!(day_of("events_default"), None);
        assert_eq!(day_of("users"), None);
    }
}
