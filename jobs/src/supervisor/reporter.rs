//! Telling PostgreSQL how the job does.

use std::time::Duration;

use contracts::cause::chain;
use contracts::endpoints::Endpoints;
use tokio::sync::watch;
use tokio_postgres::Client;
use uuid::Uuid;

use super::backlog::Backlog;
use crate::control::{self, Asked, ControlError};
use crate::plans::{self, CUBE_QUERY, Plan};
use crate::progress::JobProgress;

/// How long PostgreSQL may take: the queries are watched by the same task.
const ANSWER: Duration = Duration::from_secs(2);

/// Writes progress to PostgreSQL, over a connection that is made again when it is lost. The job goes on
/// without PostgreSQL: it is needed to see, stop and submit the job, not to run it.
pub(super) struct Reporter<'a> {
    client: Option<Client>,
    endpoints: &'a Endpoints,
    run_id: Uuid,
    silent: bool,
    /// What the job was last asked to do.
    asked: Asked,
    /// What is to be told about the queries.
    pub(super) backlog: Backlog,
    /// Whether that was refused the last time.
    unkept: bool,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(client: Client, endpoints: &'a Endpoints, run_id: Uuid) -> Self {
        let (silent, unkept, asked) = (false, false, Asked::default());
        Self { client: Some(client), endpoints, run_id, silent, asked, backlog: Backlog::default(), unkept }
    }

    /// Returns what the job is asked to do; while PostgreSQL does not say, what it was asked before.
    pub(super) async fn report(&mut self, progress: &watch::Sender<JobProgress>) -> Asked {
        // A copy: the channel's lock must not be held while waiting.
        let progress = progress.borrow().clone();
        let why = match tokio::time::timeout(ANSWER, self.write(&progress)).await {
            Ok(Ok(asked)) => {
                self.silent = false;
                self.asked = asked;
                self.record().await;
                return self.asked.clone();
            }
            Ok(Err(error)) => format!("{error}: {}", error.source),
            Err(_) => format!("postgresql did not answer within {} s", ANSWER.as_secs()),
        };
        if !std::mem::replace(&mut self.silent, true) {
            tracing::warn!(why, "progress is not recorded; the query goes on");
        }
        self.asked.clone()
    }

    /// Tells how the queries do and did. A refusal leaves the rest as it is: this is for people to look at.
    async fn record(&mut self) {
        let Some(client) = self.client.take() else { return };
        let why = match tokio::time::timeout(ANSWER, self.backlog.write(&client)).await {
            Ok(Ok(())) => {
                (self.client, self.unkept) = (Some(client), false);
                return;
            }
            Ok(Err(error)) => {
                self.client = Some(client);
                chain(&error)
            }
            // Left in the middle of an answer: not used again.
            Err(_) => format!("postgresql did not answer within {} s", ANSWER.as_secs()),
        };
        if !std::mem::replace(&mut self.unkept, true) {
            tracing::warn!(why, "how the queries do is not recorded; they go on");
        }
    }

    /// Whether other plans are in force than these. PostgreSQL being away changes nothing.
    pub(super) async fn plans_differ(&self, plans: &[Plan]) -> bool {
        let Some(client) = &self.client else { return false };
        match tokio::time::timeout(ANSWER, plans::in_force(client, CUBE_QUERY)).await {
            Ok(Ok(in_force)) => in_force != plans,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the plans in force are not known at the moment");
                false
            }
            Err(_) => false,
        }
    }

    async fn write(&mut self, progress: &JobProgress) -> Result<Asked, ControlError> {
        // Taken out: one that fails or is left in the middle of an answer is not used again.
        let client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => control::connect(&self.endpoints.pg_url).await?,
        };
        let asked = control::report(&client, self.run_id, progress).await?;
        self.client = Some(client);
        Ok(asked)
    }
}
