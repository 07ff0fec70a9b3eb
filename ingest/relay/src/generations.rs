//! The generations of the events topic that are written.
//!
//! Mostly one. During a rebuild two: every event goes to both, in the same Kafka transaction, so that the old
//! stream finishes its windows while the new one begins. A session knows the generations it began with; when
//! others are in force it ends and the next one begins with these, at a position as any other.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::error::{Fault, RelayError};

/// How soon a change is noticed.
const WATCH: Duration = Duration::from_secs(1);

/// One generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation {
    /// Its number, from 1.
    pub(crate) number: i32,
    /// Its id, carried by every record.
    pub(crate) id: Uuid,
}

/// Those in force, the newest last; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generations(Vec<Generation>);

impl Generations {
    /// The newest, which positions name.
    pub(crate) fn newest(&self) -> Generation {
        self.0[self.0.len() - 1]
    }

    pub(crate) fn all(&self) -> &[Generation] {
        &self.0
    }

    pub(crate) async fn read(client: &Client) -> Result<Self, Fault> {
        let rows = client
            .query(
                "select generation, generation_id from ops.topic_generation where retired_at is null order by 1",
                &[],
            )
            .await?;
        if rows.is_empty() {
            return Err(RelayError::NotRecorded { what: "the generation of the events topic" }.into());
        }
        Ok(Self(rows.iter().map(|row| Generation { number: row.get(0), id: row.get(1) }).collect()))
    }
}

/// Notices when other generations are in force, until the guard is dropped.
pub(crate) fn watch(client: Arc<Client>, generations: Generations) -> (CancellationToken, DropGuard) {
    let (changed, done) = (CancellationToken::new(), CancellationToken::new());
    let (tell, stop) = (changed.clone(), done.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match Generations::read(&client).await {
                Ok(now) if now != generations => {
                    tell.cancel();
                    return;
                }
                // Whether the session is still there is the lock's business.
                Ok(_) | Err(_) => {}
            }
        }
    });
    (changed, done.drop_guard())
}
