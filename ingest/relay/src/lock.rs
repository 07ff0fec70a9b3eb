//! The session that holds the relay's lock.
//!
//! A PostgreSQL session of its own takes an advisory lock and keeps it as long as it lives; a second relay
//! waits for it. It is what keeps two relays apart in the ordinary case. What keeps them apart when the
//! session is cut and its relay does not know yet is Kafka's fencing.

use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::sync::CancellationToken;

use crate::error::Fault;
use crate::progress::{RelayState, Reporter};

/// The lock; dropping it lets the next relay in.
pub(crate) struct Lock {
    client: Arc<Client>,
    lost: CancellationToken,
}

impl Lock {
    /// Waits for the lock. Nothing means that the end was asked for first.
    pub(crate) async fn acquire(
        pg: &Config,
        key: i64,
        cancel: &CancellationToken,
        reporter: &Reporter,
    ) -> Result<Option<Self>, Fault> {
        let (client, connection) = pg.connect(NoTls).await?;
        let lost = CancellationToken::new();
        let gone = lost.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "lock session ended");
            }
            gone.cancel();
        });
        // Otherwise a backend that waits for the lock outlives a client that has gone.
        client.batch_execute("set client_connection_check_interval = '1s'").await?;
        let got: bool = client.query_one("select pg_try_advisory_lock($1)", &[&key]).await?.get(0);
        if !got {
            tracing::info!("another relay is running; standing by");
            reporter.state(RelayState::Standby);
            let cancel_query = client.cancel_token();
            let parameters: [&(dyn ToSql + Sync); 1] = [&key];
            tokio::select! {
                granted = client.execute("select pg_advisory_lock($1)", &parameters) => { granted?; }
                () = cancel.cancelled() => {
                    if let Err(error) = cancel_query.cancel_query(NoTls).await {
                        tracing::debug!(%error, "waiting for the lock not cancelled; the session ends by itself");
                    }
                    return Ok(None);
                }
            }
            reporter.state(RelayState::Starting);
        }
        Ok(Some(Self { client: Arc::new(client), lost }))
    }

    /// The session, for checks and for quarantine.
    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Cancelled when the session is gone, and the lock with it.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}
