//! Erasure: a person goes, what was counted stays.
//!
//! A person may be known by several ids: the user's, and those of browsers and apps that were told together
//! with it. Any of them leads to all of them.
//!
//! 1. **The door is closed**: keyed hashes of the ids and of the e-mail addresses are recorded, and whatever
//!    comes of the person from then on is refused.
//! 2. **PostgreSQL, in one transaction**: the events get one id of nobody in place of each of the ids and one
//!    random one in place of each session's, so that every count stays what it was; the person's row, facts
//!    and visits go, and so do all quarantined records and other events about the person. The relay turns the
//!    deleted row into a tombstone of `shop.users`. Which id took the place of which is written down nowhere.
//! 3. **Cassandra**: the partitions of the person. **Checkpoints** of plans that are not in force.
//! 4. **Last, what links the ids**: until then, who runs this again finds all of them.
//! 5. What stays for a while is told, with the time until it goes.
//!
//! Killed anywhere it is run again, and goes on: what is done already finds nothing. What the stream still
//! writes of the old id is covered by the delete in Cassandra.

mod about;
mod links;
mod remains;
mod rows;

pub use remains::Remains;

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use contracts::admission::{Erased as Person, address_hash, user_hash};
use contracts::endpoints::Endpoints;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::cassandra::Keyspace;
use crate::{LifecycleError, checkpoints, repair_lock};

/// What was removed of a person. The id of nobody is not told: who has both ids knows whose the events were.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// Whether the person was erased before, and that was finished; then this run has only looked for
    /// anything left.
    pub erased_before: bool,
    /// Events that belong to nobody now.
    pub events: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Rows of `raw.users`.
    pub users: u64,
    /// Ids that the person was known by, the given one among them.
    pub ids: u64,
    /// Visits that were remembered.
    pub visits: u64,
    /// Rows of `raw.quarantine`.
    pub quarantined: u64,
    /// Rows of `raw.other_events`.
    pub others: u64,
    /// Rows of `raw.user_facts`.
    pub facts: u64,
    /// E-mail addresses by which the person is recognised from now on.
    pub addresses: u64,
    /// Rows of `ops.repaired_figure` that named the person.
    pub repaired_figures: u64,
    /// Differences that `verify` had noted, and faults of jobs, in which the id was replaced.
    pub noted: u64,
    /// Rows of Cassandra's tables by user.
    pub cassandra: BTreeMap<String, u64>,
    /// Folders of checkpoints of plans that are not in force.
    pub checkpoints: u64,
    /// What stays for now.
    pub remains: Vec<Remains>,
    /// What somebody has to look at.
    pub notes: Vec<String>,
}

/// Whom to erase.
#[derive(Debug, Clone)]
pub struct Request {
    /// The id in `raw.users` and `raw.events`, or that of a browser or an app.
    pub user_id: Uuid,
    /// E-mail addresses, beside those that the person's records tell.
    pub addresses: Vec<String>,
}

/// Erases a user. `progress` hears of each step when it begins.
///
/// # Errors
/// [`LifecycleError::UnknownUser`], or where a service fails; running it again goes on.
pub async fn run(
    endpoints: &Endpoints,
    request: &Request,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Erased, LifecycleError> {
    let user_id = &request.user_id;
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let keyspace = Keyspace::open(&session, endpoints.namespace.keyspace()).await?;
    progress("waiting for repairs and verification to end");
    repair_lock::take(&client, &endpoints.namespace).await?;
    let key = provision::erasure::key(&client)
        .await
        .map_err(LifecycleError::postgres("read the key of erasures: run `storepulse setup`"))?;
    let hash = user_hash(&key, user_id);
    let recorded = provision::erasure::recorded(&client, &hash)
        .await
        .map_err(LifecycleError::postgres("look for the erasure"))?;

    progress(&format!("looking for the user in {}", rows::size(&client).await?));
    let mut addresses: BTreeSet<String> = request.addresses.iter().cloned().collect();
    let ids = links::ids(&client, user_id).await?;
    addresses.extend(rows::profile_addresses(&client, &ids).await?);
    let by_id = Person::new(key.clone(), ids.iter().map(|id| user_hash(&key, id)));
    let found = about::find(&client, &ids, &by_id).await?;
    if recorded.is_none()
        && found.records.is_empty()
        && found.others.is_empty()
        && !rows::are_known(&client, &ids).await?
    {
        return Err(LifecycleError::UnknownUser(*user_id));
    }
    let told = about::addresses_of(&client, &ids, found).await?;
    addresses.extend(told.addresses);

    let hashes = |ids: &[Uuid]| -> Vec<Vec<u8>> {
        let addresses = addresses.iter().map(|address| address_hash(&key, address));
        ids.iter().map(|id| user_hash(&key, id)).chain(addresses).collect()
    };
    record(&mut client, &hashes(&ids)).await?;
    // Of links that came in meanwhile; now the person's ids are refused, so that no more come.
    let ids = links::ids(&client, user_id).await?;
    let known_by = hashes(&ids);
    record(&mut client, &known_by).await?;

    let person = Person::new(key.clone(), known_by.clone());
    progress("looking for the user in raw.quarantine and raw.other_events");
    let about = about::find(&client, &ids, &person).await?;
    progress(&format!("replacing ids in {}", rows::size(&client).await?));
    let mut erased = rows::erase(&mut client, &ids, &about).await?;
    progress("removing rows in cassandra");
    for id in &ids {
        for (table, rows) in keyspace.remove_user(id).await? {
            *erased.cassandra.entry(table).or_default() += rows;
        }
    }
    progress("removing checkpoints of plans that are not in force");
    let removed = checkpoints::remove_retired(&client, false).await?;
    erased.checkpoints = removed.folders;
    links::remove(&client, &ids).await?;
    erased.erased_before = recorded == Some(true);
    erased.ids = ids.len() as u64;
    erased.addresses = addresses.len() as u64;
    erased.remains = remains::told(Utc::now(), &endpoints.namespace);
    erased.notes = told.notes.into_iter().chain(removed.notes).collect();
    finish(&mut client, &known_by).await?;
    Ok(erased)
}

async fn record(client: &mut Client, hashes: &[Vec<u8>]) -> Result<(), LifecycleError> {
    provision::erasure::record(client, hashes).await.map_err(LifecycleError::postgres("record the erasure"))
}

async fn finish(client: &mut Client, hashes: &[Vec<u8>]) -> Result<(), LifecycleError> {
    provision::erasure::finish(client, hashes).await.map_err(LifecycleError::postgres("record the erasure"))
}
