//! A person in PostgreSQL.

use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::Erased;
use crate::LifecycleError;

/// How much a scan of all events reads, for a person to know how long it may take: there is no index on users.
pub(super) async fn size(client: &Client) -> Result<String, LifecycleError> {
    let row = client
        .query_one(
            "select count(*), pg_size_pretty(coalesce(sum(pg_table_size(inhrelid)), 0))
             from pg_inherits where inhparent = 'raw.events'::regclass",
            &[],
        )
        .await
        .map_err(LifecycleError::postgres("measure raw.events"))?;
    Ok(format!("raw.events: {} partitions, {}", row.get::<_, i64>(0), row.get::<_, String>(1)))
}

/// The e-mail address that the person's row has.
pub(super) async fn profile_address(
    client: &Client,
    user_id: &Uuid,
) -> Result<Option<String>, LifecycleError> {
    let sql = "select profile ->> 'email' from raw.users where user_id = $1";
    let row =
        client.query_opt(sql, &[user_id]).await.map_err(LifecycleError::postgres("look for the user"))?;
    let address: Option<String> = row.and_then(|row| row.get(0));
    Ok(address.filter(|address| address.contains('@')))
}

/// Whether the user has a row or events.
pub(super) async fn is_known(client: &Client, user_id: &Uuid) -> Result<bool, LifecycleError> {
    let known = client
        .query_one(
            "select exists (select from raw.users where user_id = $1) or exists (select from raw.events where user_id = $1)",
            &[user_id],
        )
        .await
        .map_err(LifecycleError::postgres("look for the user"))?;
    Ok(known.get(0))
}

/// Replaces the ids in the events and deletes everything else, in one transaction.
pub(super) async fn erase(
    client: &mut Client,
    user_id: &Uuid,
    about: &[(String, String)],
) -> Result<Erased, LifecycleError> {
    let failed = LifecycleError::postgres("erase the user");
    let transaction = client.transaction().await.map_err(&failed)?;
    let erased = erase_within(&transaction, user_id, about).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(erased)
}

async fn erase_within(
    transaction: &Transaction<'_>,
    user_id: &Uuid,
    about: &[(String, String)],
) -> Result<Erased, tokio_postgres::Error> {
    // One scan of everything, which may run in parallel; the rows are found by their key afterwards.
    transaction
        .batch_execute(&format!(
            "create temp table erased_events on commit drop as
                 select event_id, session_id from raw.events where user_id = '{user_id}';
             create temp table erased_sessions on commit drop as
                 select session_id, gen_random_uuid() as fresh_id from erased_events group by 1;
             analyze erased_events;
             analyze erased_sessions"
        ))
        .await?;
    let events = transaction
        .execute(
            "update raw.events set user_id = nobody.user_id, session_id = s.fresh_id
             from erased_events e join erased_sessions s using (session_id),
                  (select raw.nobody() as user_id offset 0) nobody
             where events.event_id = e.event_id",
            &[],
        )
        .await?;
    let sessions: i64 = transaction.query_one("select count(*) from erased_sessions", &[]).await?.get(0);
    let (sources, coordinates): (Vec<&str>, Vec<&str>) =
        about.iter().map(|(source, coordinates)| (source.as_str(), coordinates.as_str())).unzip();
    let delete = "delete from raw.quarantine where (source, coordinates) in (select * from unnest($1::text[], $2::text[]))";
    let quarantined = transaction.execute(delete, &[&sources, &coordinates]).await?;
    let id = user_id.to_string();
    let named = "delete from ops.repaired_figure where position($1 in row_key) > 0";
    let repaired_figures = transaction.execute(named, &[&id]).await?;
    let mut noted = 0;
    for unname in [
        "update ops.verification set differences = replace(differences::text, $1, 'erased')::jsonb
         where position($1 in differences::text) > 0",
        "update ops.job_fault set summary = replace(summary, $1, 'erased'), exception = replace(exception, $1, 'erased')
         where position($1 in summary) > 0 or position($1 in exception) > 0",
    ] {
        noted += transaction.execute(unname, &[&id]).await?;
    }
    let users = transaction.execute("delete from raw.users where user_id = $1", &[user_id]).await?;
    Ok(Erased {
        events,
        sessions: sessions.unsigned_abs(),
        users,
        quarantined,
        repaired_figures,
        noted,
        ..Erased::default()
    })
}
