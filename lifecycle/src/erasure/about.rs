//! The quarantined records and the other events about a person: whoever looks at their bytes knows ids and
//! addresses as the door does.

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use contracts::admission::{Erased as Person, address};
use futures::TryStreamExt;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::LifecycleError;

const DOING: &str = "look for the user in raw.quarantine";

/// Records about a person.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By source and coordinates.
    pub(super) records: Vec<(String, String)>,
    /// Of `raw.other_events`, by source and id.
    pub(super) others: Vec<(String, String)>,
    /// The addresses that each of them holds.
    addresses: Vec<Vec<String>>,
}

/// Addresses that are the person's.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) addresses: BTreeSet<String>,
    pub(super) notes: Vec<String>,
}

/// Looks at every record; bytes that may be none of text are looked at as they are.
pub(super) async fn find(client: &Client, ids: &[Uuid], person: &Person) -> Result<Found, LifecycleError> {
    let failed = LifecycleError::postgres(DOING);
    let sql = "select source, coordinates, detail, payload, coalesce(record_id = any($1) or user_id = any($1), false) from raw.quarantine";
    let mut rows = pin!(client.query_raw(sql, [ids]).await.map_err(&failed)?);
    let mut found = Found::default();
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        let (detail, payload): (&str, Option<&[u8]>) = (row.get(2), row.get(3));
        let is_theirs = row.get(4)
            || payload.is_some_and(|payload| person.are_mentioned_in(payload))
            || person.are_mentioned_in(detail.as_bytes())
            || person.are_mentioned_in(row.get::<_, &str>(1).as_bytes());
        if is_theirs {
            found.records.push((row.get(0), row.get(1)));
            found.addresses.push(address::found(payload.unwrap_or_default()));
        }
    }
    find_others(client, ids, person, &mut found).await?;
    Ok(found)
}

/// The same among events without a place in the figures, which may tell a name and an address.
async fn find_others(
    client: &Client,
    ids: &[Uuid],
    person: &Person,
    found: &mut Found,
) -> Result<(), LifecycleError> {
    let failed = LifecycleError::postgres("look for the user in raw.other_events");
    let sql = "select source, id, payload, coalesce(visitor_id = any($1) or anonymous_id = any($1), false) from raw.other_events";
    let mut rows = pin!(client.query_raw(sql, [ids]).await.map_err(&failed)?);
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        let payload: &[u8] = row.get(2);
        if row.get(3) || person.are_mentioned_in(payload) {
            found.others.push((row.get(0), row.get(1)));
            found.addresses.push(address::found(payload));
        }
    }
    Ok(())
}

/// The addresses in records that are about the person by id. One that a record of somebody else has too, as a
/// shop's own would be, is nobody's.
pub(super) async fn addresses_of(
    client: &Client,
    ids: &[Uuid],
    found: Found,
) -> Result<Addresses, LifecycleError> {
    let mut told =
        Addresses { addresses: found.addresses.iter().flatten().cloned().collect(), ..Addresses::default() };
    for address in of_others(client, ids, &found, &told.addresses).await? {
        told.addresses.remove(&address);
        told.notes.push(
            "an e-mail address in the user's records is also in another person's records, so it is not used: \
             if it is the user's, pass it with --email"
                .to_owned(),
        );
    }
    told.notes.dedup();
    Ok(told)
}

/// Which of these addresses somebody else's record or profile has. Whose a record is that names nobody is
/// told by its addresses: where one of them is none of these, it is somebody else's.
async fn of_others(
    client: &Client,
    ids: &[Uuid],
    found: &Found,
    addresses: &BTreeSet<String>,
) -> Result<BTreeSet<String>, LifecycleError> {
    let mut of_others = BTreeSet::new();
    if addresses.is_empty() {
        return Ok(of_others);
    }
    let records = found.records.iter().map(|(source, id)| (false, &source[..], &id[..]));
    let others = found.others.iter().map(|(source, id)| (true, &source[..], &id[..]));
    let theirs: HashSet<(bool, &str, &str)> = records.chain(others).collect();
    let failed = LifecycleError::postgres(DOING);
    // Who is named by an id is not the person: those records are among the ones that were found.
    let sql = "select false, source, coordinates, payload, user_id is not null
               from raw.quarantine where payload is not null
               union all
               select true, source, id, payload, visitor_id is not null or anonymous_id is not null
               from raw.other_events";
    let mut rows = pin!(client.query_raw(sql, std::iter::empty::<&str>()).await.map_err(&failed)?);
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        if theirs.contains(&(row.get(0), row.get(1), row.get(2))) {
            continue;
        }
        let payload: &[u8] = row.get(3);
        let shared: BTreeSet<String> =
            address::candidates(payload).filter(|address| addresses.contains(address)).collect();
        let is_others =
            || row.get(4) || address::found(payload).iter().any(|address| !addresses.contains(address));
        if !shared.is_empty() && is_others() {
            of_others.extend(shared);
        }
    }
    let candidates: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let sql = "select lower(profile ->> 'email') from raw.users
               where user_id <> all($1) and lower(profile ->> 'email') = any($2)";
    let rows = client.query(sql, &[&ids, &candidates]).await.map_err(&failed)?;
    of_others.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    Ok(of_others)
}
