//! Erasure: a person goes, what was counted stays.
//!
//! 1. **The door is closed**: the keyed hash of the id is recorded, and whatever comes of the person from then on is refused.
//! 2. **PostgreSQL, in one transaction**: the events get one fresh random id in place of the user's and one in place of each session's,
//!    so that every count stays what it was; the person's row and all quarantined records about the person go. The relay turns the deleted
//!    row into a tombstone of `shop.users`.
//! 3. **Cassandra**: the partitions of the person.
//!
//! Killed anywhere it is run again, and goes on: what is done already finds nothing. Kafka's topic of events keeps the old id until its
//! retention, seven days; what the stream still writes of it is covered by the delete in Cassandra.

mod rows;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::endpoints::Endpoints;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::cassandra::Keyspace;
use crate::{LifecycleError, repair_lock};

/// What was removed of a person. The fresh id is not told: who has both ids knows whose the events were.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// When the person was erased before, where that was finished; then this run has only looked for anything left.
    pub erased_before: Option<DateTime<Utc>>,
    /// Events that belong to nobody now.
    pub events: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Rows of `raw.users`.
    pub users: u64,
    /// Rows of `raw.quarantine`.
    pub quarantined: u64,
    /// Rows of `ops.repaired_figure` that named the person.
    pub repaired_figures: u64,
    /// Rows of Cassandra's tables by user.
    pub cassandra: BTreeMap<String, u64>,
}

/// Erases a user. `progress` hears of each step when it begins.
///
/// # Errors
/// [`LifecycleError::UnknownUser`], or where a service fails; running it again goes on.
pub async fn run(
    endpoints: &Endpoints,
    user_id: &Uuid,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Erased, LifecycleError> {
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let keyspace = Keyspace::open(&session, endpoints.namespace.keyspace()).await?;
    progress("waiting for repairs and verification to end");
    repair_lock::take(&client, &endpoints.namespace).await?;
    let hash = hash(&client, user_id).await?;
    let (fresh_id, erased_before) = match recorded(&client, &hash).await? {
        Some(recorded) => recorded,
        None => {
            progress(&format!("looking for the user in {}", rows::size(&client).await?));
            if !rows::is_known(&client, user_id).await? {
                return Err(LifecycleError::UnknownUser(*user_id));
            }
            let recorded = provision::erasure::record(&mut client, &hash).await;
            (recorded.map_err(LifecycleError::postgres("record the erasure"))?, None)
        }
    };
    progress(&format!("replacing ids in {}", rows::size(&client).await?));
    let mut erased = rows::erase(&mut client, user_id, &fresh_id).await?;
    progress("removing rows in cassandra");
    erased.cassandra = keyspace.remove_user(user_id).await?;
    erased.erased_before = erased_before;
    client
        .execute(
            "update ops.erasure set erased_at = coalesce(erased_at, now()) where user_hash = $1",
            &[&hash],
        )
        .await
        .map_err(LifecycleError::postgres("record the erasure"))?;
    Ok(erased)
}

async fn hash(client: &Client, user_id: &Uuid) -> Result<Vec<u8>, LifecycleError> {
    let failed = LifecycleError::postgres("read the key of erasures: run `storepulse setup`");
    provision::erasure::hash(client, user_id).await.map_err(failed)
}

type Recorded = (Uuid, Option<DateTime<Utc>>);

async fn recorded(client: &Client, hash: &Vec<u8>) -> Result<Option<Recorded>, LifecycleError> {
    let sql = "select fresh_id, erased_at from ops.erasure where user_hash = $1";
    let row =
        client.query_opt(sql, &[hash]).await.map_err(LifecycleError::postgres("look for the erasure"))?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
