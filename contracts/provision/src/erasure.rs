//! Erasures as they are recorded: by keyed hashes, so that whoever comes again is known without being named.
//!
//! Nothing beside a hash tells which events were the person's: the id that these get is written down nowhere,
//! and the hashes are all written anew at each change, so that no order and no transaction joins one to the
//! rows that changed with it.

use contracts::admission::ERASURES_SETTING;
use tokio_postgres::{Client, GenericClient};

/// The key of this database's hashes.
///
/// # Errors
/// When PostgreSQL cannot be asked, or was never set up.
pub async fn key(client: &impl GenericClient) -> Result<Vec<u8>, tokio_postgres::Error> {
    Ok(client.query_one("select key from ops.erasure_key", &[]).await?.get(0))
}

/// Whether an erasure is recorded under a hash, and whether it was finished.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn recorded(client: &Client, hash: &[u8]) -> Result<Option<bool>, tokio_postgres::Error> {
    let row = client.query_opt("select finished from ops.erasure where hash = $1", &[&hash]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Records hashes of a person whose erasure begins. When this returns, all that was accepted of the person is
/// committed and nothing more comes in. Those that are recorded already stay as they are.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn record(client: &mut Client, hashes: &[Vec<u8>]) -> Result<(), tokio_postgres::Error> {
    write_anew(client, hashes, false).await
}

/// Records that everything of a person is gone.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn finish(client: &mut Client, hashes: &[Vec<u8>]) -> Result<(), tokio_postgres::Error> {
    write_anew(client, hashes, true).await
}

async fn write_anew(
    client: &mut Client,
    hashes: &[Vec<u8>],
    finished: bool,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select raw.change_admission()", &[]).await?;
    transaction
        .batch_execute(
            "create temporary table erasures on commit drop as select hash, finished from ops.erasure",
        )
        .await?;
    transaction.execute("insert into erasures select unnest($1::bytea[]), $2", &[&hashes, &finished]).await?;
    transaction
        .batch_execute(
            "delete from ops.erasure;
             insert into ops.erasure select hash, bool_or(finished) from erasures group by hash order by hash",
        )
        .await?;
    let newer = "update ops.setting set value = (value::bigint + 1)::text where name = $1";
    transaction.execute(newer, &[&ERASURES_SETTING]).await?;
    transaction.commit().await
}
