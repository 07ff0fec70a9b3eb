//! Taking turns with repairs and verification.

use contracts::Namespace;
use contracts::namespace::REPAIR_LOCK;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::LifecycleError;

/// How long it is waited for whoever repairs or verifies.
const PATIENCE_S: u64 = 300;

/// How long anything else is waited for: all who store records wait behind whoever waits for their lock.
const LOCK_TIMEOUT: &str = "set lock_timeout = '30s'";

/// Takes the lock alone; it is let go with the connection.
pub(crate) async fn take(client: &Client, namespace: &Namespace) -> Result<(), LifecycleError> {
    let failed = LifecycleError::postgres("take turns with repairs");
    client.batch_execute(&format!("set lock_timeout = '{PATIENCE_S}s'")).await.map_err(&failed)?;
    let key = namespace.advisory_lock(REPAIR_LOCK);
    match client.execute("select pg_advisory_lock($1)", &[&key]).await {
        Ok(_) => {}
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            return Err(LifecycleError::Busy { waited_s: PATIENCE_S });
        }
        Err(error) => return Err(failed(error)),
    }
    client.batch_execute(LOCK_TIMEOUT).await.map_err(failed)
}
