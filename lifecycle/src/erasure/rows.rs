//! A person in PostgreSQL.

use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::Erased;
use crate::LifecycleError;

/// The quarantined records about a person, by what they may be known by: `$1`, text as bytes.
const ABOUT: &str = "from raw.quarantine where record_id = $2
    or exists (select from unnest($1::bytea[]) mark (bytes) where position(mark.bytes in payload) > 0
        or position(mark.bytes in convert_to(detail, 'UTF8')) > 0
        or position(mark.bytes in convert_to(coordinates, 'UTF8')) > 0)";

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

/// Whether anything is there of the user.
pub(super) async fn is_known(client: &Client, user_id: &Uuid) -> Result<bool, LifecycleError> {
    let failed = LifecycleError::postgres("look for the user");
    let known = client
        .query_one(
            "select exists (select from raw.users where user_id = $1) or exists (select from raw.events where user_id = $1)",
            &[user_id],
        )
        .await
        .map_err(&failed)?;
    if known.get(0) {
        return Ok(true);
    }
    let about = format!("select exists (select {ABOUT})");
    Ok(client.query_one(&about, &[&marks(user_id, None), user_id]).await.map_err(failed)?.get(0))
}

/// Replaces the ids in the events and deletes everything else, in one transaction.
pub(super) async fn erase(
    client: &mut Client,
    user_id: &Uuid,
    fresh_id: &Uuid,
) -> Result<Erased, LifecycleError> {
    let failed = LifecycleError::postgres("erase the user");
    let transaction = client.transaction().await.map_err(&failed)?;
    let erased = erase_within(&transaction, user_id, fresh_id).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(erased)
}

async fn erase_within(
    transaction: &Transaction<'_>,
    user_id: &Uuid,
    fresh_id: &Uuid,
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
            "update raw.events set user_id = $1, session_id = s.fresh_id
             from erased_events e join erased_sessions s using (session_id) where events.event_id = e.event_id",
            &[fresh_id],
        )
        .await?;
    let sessions: i64 = transaction.query_one("select count(*) from erased_sessions", &[]).await?.get(0);
    let profile = "select profile #>> '{login,uuid}', profile ->> 'email' from raw.users where user_id = $1";
    let profile = transaction.query_opt(profile, &[user_id]).await?.map(|row| (row.get(0), row.get(1)));
    let marks = marks(user_id, profile);
    let quarantined = transaction.execute(&format!("delete {ABOUT}"), &[&marks, user_id]).await?;
    let named = "delete from ops.repaired_figure where position($1 in row_key) > 0";
    let repaired_figures = transaction.execute(named, &[&user_id.to_string()]).await?;
    let users = transaction.execute("delete from raw.users where user_id = $1", &[user_id]).await?;
    Ok(Erased {
        events,
        sessions: sessions.unsigned_abs(),
        users,
        quarantined,
        repaired_figures,
        ..Erased::default()
    })
}

/// What a record about the person may hold, as bytes: the ids as text and as they are, and what the profile says.
fn marks(user_id: &Uuid, profile: Option<(Option<String>, Option<String>)>) -> Vec<Vec<u8>> {
    let mut marks = of_id(user_id);
    if let Some((login, email)) = profile {
        if let Some(login) = login.and_then(|login| login.parse().ok()) {
            marks.extend(of_id(&login));
        }
        // An empty one would be in every record.
        marks.extend(email.filter(|email| email.contains('@')).map(String::into_bytes));
    }
    marks
}

fn of_id(id: &Uuid) -> Vec<Vec<u8>> {
    let (hyphenated, simple) = (id.to_string(), id.simple().to_string());
    vec![
        hyphenated.to_uppercase().into_bytes(),
        hyphenated.into_bytes(),
        simple.to_uppercase().into_bytes(),
        simple.into_bytes(),
        id.as_bytes().to_vec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_known_by_ids_and_address() {
        let (user, login) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(marks(&user, None).len(), 5);
        let all = marks(&user, Some((Some(login.to_string()), Some("a@example.com".into()))));
        assert_eq!(all.len(), 11);
        assert!(all.contains(&login.as_bytes().to_vec()) && all.contains(&b"a@example.com".to_vec()));
        assert_eq!(
            marks(&user, Some((None, Some(String::new())))).len(),
            5,
            "an empty address marks nothing"
        );
    }
}
