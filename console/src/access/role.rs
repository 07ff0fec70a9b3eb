//! What the console may do in PostgreSQL: it takes a role that can read and write little, where set-up has
//! made it.

use std::sync::Once;

use contracts::console::ROLE;
use deadpool_postgres::{ClientWrapper, Hook, HookError, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::{Client, NoTls};

use crate::error::ServeError;
use crate::watch::Refused;

/// Said once: without the role everything works, with the owner's rights.
static MISSING: Once = Once::new();

/// A database that was set up before there was the role has granted it nothing, though the role is the whole
/// cluster's.
const MAY: &str = "
    select exists (select from pg_roles where rolname = $1 and pg_has_role(current_user, oid, 'member')
        and coalesce(has_schema_privilege(oid, to_regnamespace('ops')::oid, 'usage'), true))";

/// A connection of its own for one of the pollers, with the role's rights.
pub(crate) async fn connect(pg_url: &str) -> Result<Client, Refused> {
    let client = provision::connect(pg_url).await?;
    assume(&client).await?;
    Ok(client)
}

/// Takes the role for all that a connection does from now on.
async fn assume(client: &Client) -> Result<(), tokio_postgres::Error> {
    if client.query_one(MAY, &[&ROLE]).await?.get(0) {
        return client.batch_execute(&format!("set role {ROLE}")).await;
    }
    MISSING.call_once(|| {
        tracing::warn!(
            role = ROLE,
            "the role does not exist in postgresql or is not ours to take: the console has the rights of its own user"
        );
    });
    Ok(())
}

/// Connections that are made when they are wanted, each in the console's role.
pub(crate) fn pool(pg_url: &str, size: usize) -> Result<Pool, ServeError> {
    let config: tokio_postgres::Config = pg_url.parse().map_err(ServeError::PostgresUrl)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = deadpool_postgres::Manager::from_config(config, NoTls, recycling);
    let in_its_role = Hook::async_fn(|client: &mut ClientWrapper, _| {
        Box::pin(async move { assume(client).await.map_err(HookError::Backend) })
    });
    // Without time-outs of its own building a pool cannot fail; whoever takes a connection has one.
    Pool::builder(manager).max_size(size).post_create(in_its_role).build().map_err(ServeError::Pool)
}
