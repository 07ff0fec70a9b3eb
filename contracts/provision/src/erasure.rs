//! Erasures as they are recorded: by a keyed hash, so that whoever comes again is known without the id being kept.

use contracts::admission::user_hash;
use tokio_postgres::{Client, GenericClient};
use uuid::Uuid;

/// The hash under which a user's erasure is recorded, by the key of this database.
///
/// # Errors
/// When PostgreSQL cannot be asked, or was never set up.
pub async fn hash(client: &impl GenericClient, user_id: &Uuid) -> Result<Vec<u8>, tokio_postgres::Error> {
    let row = client.query_one("select key from ops.erasure_key", &[]).await?;
    Ok(user_hash(row.get(0), user_id))
}

/// Records an erasure and returns the fresh id that the person's events are to carry. When this returns, all that was accepted
/// of the person is committed and nothing more comes in.
///
/// # Errors
/// When PostgreSQL refuses, also where the hash is recorded already.
pub async fn record(client: &mut Client, hash: &[u8]) -> Result<Uuid, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select raw.change_admission()", &[]).await?;
    let insert =
        "insert into ops.erasure (user_hash, fresh_id) values ($1, gen_random_uuid()) returning fresh_id";
    let fresh_id = transaction.query_one(insert, &[&hash]).await?.get(0);
    transaction.commit().await?;
    Ok(fresh_id)
}
