//! What a store refuses when it commits: events from before the retention floor, and all that is about an
//! erased person.
//!
//! The rules are read once and named to PostgreSQL in every transaction, which refuses those that are not in
//! force any more; then they are read again. Where there is no floor that matters and nobody was erased, rows
//! are not looked at.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::admission::{Admission, READ};
use contracts::validation::Rejection;
use contracts::{Event, Reason};
use tokio_postgres::Client;
use uuid::Uuid;

use super::connection::Store;
use super::error::{Failure, StoreError, classify};

/// Whose events were refused in a commit, by their ids, and why.
pub type Refused = HashMap<Uuid, Rejection>;

impl Store {
    /// The rules, read where they are not known.
    pub(super) async fn admission(
        &mut self,
        client: &Client,
    ) -> Result<Arc<Admission>, tokio_postgres::Error> {
        if let Some(admission) = &self.admission {
            return Ok(Arc::clone(admission));
        }
        let row = client.query_one(READ, &[]).await?;
        let admission =
            Arc::new(Admission::new(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        self.admission = Some(Arc::clone(&admission));
        Ok(admission)
    }

    /// Runs statements that may be run twice and that name the rules to PostgreSQL, again with newer ones
    /// where it refuses these.
    pub(super) async fn admitted<T>(
        &mut self,
        what: &'static str,
        statements: impl AsyncFn(&mut Client, &Admission) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let mut wait = self.wait();
        loop {
            let mut session = self.take_session(&mut wait).await?;
            let done = match self.admission(&session.client).await {
                Ok(admission) => statements(&mut session.client, &admission).await,
                Err(source) => Err(source),
            };
            match done {
                Ok(value) => {
                    self.session = Some(session);
                    return Ok(value);
                }
                Err(source) => match classify(&source) {
                    Failure::Outdated => self.admission = None,
                    Failure::ConnectionLost | Failure::Transient => wait.after(source).await?,
                    _ => return Err(StoreError::Refused { what, source }),
                },
            }
        }
    }
}

/// Judges an event by the rules.
pub(super) fn judge(admission: &Admission, event: &Event) -> Result<(), Rejection> {
    if admission.is_erased(&event.user_id) {
        return Err(erased());
    }
    before_floor(admission, event.occurred_at)
}

/// Refuses what occurred before the floor.
pub(super) fn before_floor(admission: &Admission, occurred_at: DateTime<Utc>) -> Result<(), Rejection> {
    match admission.floor {
        Some(floor) if occurred_at < floor => Err(Rejection {
            reason: Reason::BeforeFloor,
            field: "occurred_at",
            detail: format!(
                "{occurred_at} is before the retention floor, {floor}: what is that old is not kept"
            ),
        }),
        _ => Ok(()),
    }
}

/// Says so, and not who.
pub(super) fn erased() -> Rejection {
    Rejection {
        reason: Reason::Erased,
        field: "user_id",
        detail: "this person was erased, and stays so".to_owned(),
    }
}
