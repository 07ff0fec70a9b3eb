//! The retention floor: a UTC midnight before which nothing is ingested, repaired, verified or rebuilt.

use chrono::{DateTime, Utc};
use contracts::admission::FLOOR_SETTING;
use tokio_postgres::{Client, GenericClient};

/// The floor in force, where one was ever set.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn floor(client: &impl GenericClient) -> Result<Option<DateTime<Utc>>, tokio_postgres::Error> {
    let sql = "select value::timestamptz from ops.setting where name = $1";
    Ok(client.query_opt(sql, &[&FLOOR_SETTING]).await?.map(|row| row.get(0)))
}

/// Moves the floor up to an instant, never back, and returns the one in force. When this returns, nothing
/// from before it comes in any more, and what was accepted before is committed.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn raise_floor(
    client: &mut Client,
    to: DateTime<Utc>,
) -> Result<DateTime<Utc>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select raw.change_admission()", &[]).await?;
    let value = to.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    transaction
        .execute(
            "insert into ops.setting as stored (name, value) values ($1, $2)
             on conflict (name) do update set value = excluded.value, set_at = now()
             where stored.value::timestamptz < excluded.value::timestamptz",
            &[&FLOOR_SETTING, &value],
        )
        .await?;
    let in_force = floor(&transaction).await?.unwrap_or(to);
    transaction.commit().await?;
    Ok(in_force)
}
