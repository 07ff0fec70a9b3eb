//! What the console may do in PostgreSQL: it takes a role that can read and write little, where set-up has made it.

use std::sync::Once;

use contracts::console::ROLE;
use tokio_postgres::Client;

use crate::watch::Refused;

/// Said once: without the role everything works, with the owner's rights.
static MISSING: Once = Once::new();

/// A database that was set up before there was the role has granted it nothing, though the role is the whole cluster's.
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
pub(crate) async fn assume(client: &Client) -> Result<(), tokio_postgres::Error> {
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
