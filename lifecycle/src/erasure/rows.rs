//! A person in PostgreSQL.

use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::Erased;
use super::about::Found;
use crate::LifecycleError;

/// How much a scan of all events reads, for a person to know how long it may take: there is no index on
/// users.
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

/// The e-mail addresses that the person's rows have.
pub(super) async fn profile_addresses(client: &Client, ids: &[Uuid]) -> Result<Vec<String>, LifecycleError> {
    let sql = "select profile ->> 'email' from raw.users where user_id = any($1)";
    let rows = client.query(sql, &[&ids]).await.map_err(LifecycleError::postgres("look for the user"))?;
    let addresses = rows.iter().filter_map(|row| row.get::<_, Option<String>>(0));
    Ok(addresses.filter(|address| address.contains('@')).collect())
}

/// Whether there is a row or an event with one of these ids, or a visit that an event was about to be stored
/// for.
pub(super) async fn are_known(client: &Client, ids: &[Uuid]) -> Result<bool, LifecycleError> {
    let known = client
        .query_one(
            "select exists (select from raw.users where user_id = any($1))
                 or exists (select from raw.user_facts where user_id = any($1))
                 or exists (select from raw.visitor where visitor_id = any($1))
                 or exists (select from raw.visitor_link where user_id = any($1) or anonymous_id = any($1))
                 or exists (select from raw.events where user_id = any($1))",
            &[&ids],
        )
        .await
        .map_err(LifecycleError::postgres("look for the user"))?;
    Ok(known.get(0))
}

/// Replaces the ids in the events and deletes everything else, in one transaction.
pub(super) async fn erase(
    client: &mut Client,
    ids: &[Uuid],
    about: &Found,
) -> Result<Erased, LifecycleError> {
    let failed = LifecycleError::postgres("erase the user");
    let transaction = client.transaction().await.map_err(&failed)?;
    let erased = erase_within(&transaction, ids, about).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(erased)
}

async fn erase_within(
    transaction: &Transaction<'_>,
    ids: &[Uuid],
    about: &Found,
) -> Result<Erased, tokio_postgres::Error> {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'::uuid")).collect();
    let all = format!("array[{}]", quoted.join(", "));
    // One scan of everything, which may run in parallel; the rows are found by their key afterwards. Each id
    // has a nobody of its own, since visitors were counted by them.
    transaction
        .batch_execute(&format!(
            "create temp table erased_events on commit drop as
                 select event_id, session_id, user_id from raw.events where user_id = any({all});
             create temp table erased_sessions on commit drop as
                 select session_id, gen_random_uuid() as fresh_id from erased_events group by 1;
             create temp table erased_visitors on commit drop as
                 select user_id, raw.nobody() as nobody from unnest({all}) given (user_id);
             analyze erased_events;
             analyze erased_sessions;
             analyze erased_visitors"
        ))
        .await?;
    let events = transaction
        .execute(
            "update raw.events set user_id = v.nobody, session_id = s.fresh_id
             from erased_events e join erased_sessions s using (session_id) join erased_visitors v on v.user_id = e.user_id
             where events.event_id = e.event_id",
            &[],
        )
        .await?;
    let sessions: i64 = transaction.query_one("select count(*) from erased_sessions", &[]).await?.get(0);
    let (sources, coordinates) = keys(&about.records);
    let delete = "delete from raw.quarantine where (source, coordinates) in (select * from unnest($1::text[], $2::text[]))";
    let quarantined = transaction.execute(delete, &[&sources, &coordinates]).await?;
    let (sources, others) = keys(&about.others);
    let delete =
        "delete from raw.other_events where (source, id) in (select * from unnest($1::text[], $2::text[]))";
    let others = transaction.execute(delete, &[&sources, &others]).await?;
    let (mut repaired_figures, mut noted) = (0, 0);
    for id in ids {
        let id = id.to_string();
        let named = "delete from ops.repaired_figure where position($1 in row_key) > 0";
        repaired_figures += transaction.execute(named, &[&id]).await?;
        noted += unname(transaction, &id).await?;
    }
    let users = transaction.execute("delete from raw.users where user_id = any($1)", &[&ids]).await?;
    let facts = transaction.execute("delete from raw.user_facts where user_id = any($1)", &[&ids]).await?;
    // Also one that went on as somebody else's: its id is made of the visitor who began it.
    let of_ids = "delete from raw.visit where visitor_id = any($1) or begun_as = any($1)";
    let visits = transaction.execute(of_ids, &[&ids]).await?;
    transaction.execute("delete from raw.visitor where visitor_id = any($1)", &[&ids]).await?;
    Ok(Erased {
        events,
        sessions: sessions.unsigned_abs(),
        users,
        visits,
        quarantined,
        others,
        facts,
        repaired_figures,
        noted,
        ..Erased::default()
    })
}

fn keys(of: &[(String, String)]) -> (Vec<&str>, Vec<&str>) {
    of.iter().map(|(source, key)| (source.as_str(), key.as_str())).unzip()
}

/// Replaces an id in what was noted of it.
async fn unname(transaction: &Transaction<'_>, id: &str) -> Result<u64, tokio_postgres::Error> {
    let mut noted = 0;
    for unname in [
        "update ops.verification set differences = replace(differences::text, $1, 'erased')::jsonb
         where position($1 in differences::text) > 0",
        "update ops.job_fault set summary = replace(summary, $1, 'erased'), exception = replace(exception, $1, 'erased')
         where position($1 in summary) > 0 or position($1 in exception) > 0",
    ] {
        noted += transaction.execute(unname, &[&id]).await?;
    }
    Ok(noted)
}
