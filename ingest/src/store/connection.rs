use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use contracts::admission::Admission;
use contracts::backoff::Backoff;
use tokio::time::Instant;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

use super::error::{Failure, StoreError, classify};

/// How long the store waits for PostgreSQL to come back before it gives up.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// A connection to the raw store that repairs itself. One writer each: methods take `&mut self`.
///
/// A method whose future is dropped before it ends leaves its transaction to PostgreSQL, which rolls it back
/// (or has committed it); the next call opens a fresh connection.
pub struct Store {
    config: Config,
    patience: Duration,
    pub(super) session: Option<Session>,
    /// Days whose partitions are known to exist.
    pub(super) ensured_days: HashSet<NaiveDate>,
    /// Under which its counts stand in the ledger.
    pub(super) writer: Uuid,
    /// What may come in, as it was when it was last read.
    pub(super) admission: Option<Arc<Admission>>,
    /// Batches left that take the path which counts repeats.
    pub(super) careful_batches: u32,
}

/// One live connection and what was prepared on it.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) has_incoming_table: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("connected", &self.session.is_some()).finish_non_exhaustive()
    }
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError::Url`], or [`StoreError::Unreachable`] at once when there is no connection: waiting is
    /// for a server that was there.
    pub async fn connect(pg_url: &str) -> Result<Self, StoreError> {
        let mut config: Config = pg_url.parse().map_err(StoreError::Url)?;
        config.application_name("storepulse ingest").connect_timeout(Duration::from_secs(5));
        // A dead peer is noticed in half a minute instead of hours.
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(30));
        let session = open(&config)
            .await
            .map_err(|source| StoreError::Unreachable { waited: Duration::ZERO, source })?;
        Ok(Self {
            config,
            patience: DEFAULT_PATIENCE,
            session: Some(session),
            ensured_days: HashSet::new(),
            writer: Uuid::now_v7(),
            admission: None,
            careful_batches: 0,
        })
    }

    /// Sets how long a call may wait for PostgreSQL to come back.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn wait(&self) -> Wait {
        Wait {
            started: Instant::now(),
            patience: self.patience,
            backoff: Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF),
        }
    }

    /// Takes the live session out, or opens one, within the patience. It is put back by whoever ends well.
    pub(super) async fn take_session(&mut self, wait: &mut Wait) -> Result<Session, StoreError> {
        if let Some(session) = self.session.take()
            && !session.client.is_closed()
        {
            return Ok(session);
        }
        loop {
            match open(&self.config).await {
                Ok(session) => {
                    tracing::info!("connected to postgresql again");
                    return Ok(session);
                }
                Err(source) if classify(&source) == Failure::ConnectionLost => wait.after(source).await?,
                Err(source) => return Err(StoreError::Refused { what: "open a connection", source }),
            }
        }
    }

    /// Runs statements that may be run twice, on a connection that may have to be opened again.
    pub(super) async fn repeatable<T>(
        &mut self,
        what: &'static str,
        statements: impl AsyncFn(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let mut wait = self.wait();
        loop {
            let mut session = self.take_session(&mut wait).await?;
            match statements(&mut session.client).await {
                Ok(value) => {
                    self.session = Some(session);
                    return Ok(value);
                }
                Err(source) => match classify(&source) {
                    Failure::ConnectionLost | Failure::Transient => wait.after(source).await?,
                    _ => return Err(StoreError::Refused { what, source }),
                },
            }
        }
    }
}

/// Back-off within a call's patience.
pub(super) struct Wait {
    started: Instant,
    patience: Duration,
    backoff: Backoff,
}

impl Wait {
    /// Waits before the next try, or gives up with the failure that called for it.
    pub(super) async fn after(&mut self, source: tokio_postgres::Error) -> Result<(), StoreError> {
        let waited = self.started.elapsed();
        if waited >= self.patience {
            return Err(StoreError::Unreachable { waited, source });
        }
        tracing::warn!(error = &source as &dyn std::error::Error, "postgresql failed, trying again");
        tokio::time::sleep(self.backoff.pause()).await;
        Ok(())
    }

    /// Waits before asking again; `false` when patience has run out.
    pub(super) async fn poll(&mut self) -> bool {
        if self.started.elapsed() >= self.patience {
            return false;
        }
        tokio::time::sleep(self.backoff.pause()).await;
        true
    }
}

async fn open(config: &Config) -> Result<Session, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // Ends by itself when the client is dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "postgresql connection ended");
        }
    });
    Ok(Session { client, has_incoming_table: false })
}
