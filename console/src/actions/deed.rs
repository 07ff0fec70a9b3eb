//! One action in the log: what it is to do is written before it begins, what came of it after.
//!
//! Its connection holds a lock of its own meanwhile, so that another console can tell an action under way
//! from one whose console was killed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::access::{self, Entry, Operator, Phase, write_entry};
use crate::app::App;
use crate::problem::Problem;
use crate::watch::{Refused, words};

/// How long PostgreSQL may take to write a row.
const ANSWER: Duration = Duration::from_secs(5);
/// Held while an action is under way.
const UNDER_WAY: &str = "select pg_advisory_lock(hashtextextended($1::uuid::text, 0))";
/// Held by the one operation that may run.
const ALONE: &str = "select pg_try_advisory_lock(hashtextextended('storepulse console operation', 0))";

/// What is to be done.
pub(crate) struct Intent<'a> {
    /// As in `job-hold`.
    pub(crate) action: &'static str,
    /// To what.
    pub(crate) target: &'a str,
    pub(crate) why: &'a str,
    /// What else is to be known of it, as the numbers that were confirmed.
    pub(crate) detail: Value,
}

/// An action whose intent is written.
pub(crate) struct Deed {
    pub(crate) operation: Uuid,
    pub(crate) client: Client,
    pg_url: contracts::secret::Address,
    name: String,
    role: &'static str,
    action: &'static str,
    target: String,
    why: String,
}

impl Deed {
    /// Writes down what is to be done.
    ///
    /// # Errors
    /// Where that cannot be written: it must not begin then.
    pub(crate) async fn intend(app: &App, by: &Operator, intent: Intent<'_>) -> Result<Self, Problem> {
        let pg_url = app.config.endpoints.pg_url.clone();
        let operation = Uuid::now_v7();
        let client = within(async {
            let client = access::connect(&pg_url).await?;
            client.query_one(UNDER_WAY, &[&operation]).await?;
            Ok(client)
        })
        .await?;
        let deed = Self {
            operation,
            client,
            pg_url,
            name: by.name.clone(),
            role: by.role.word(),
            action: intent.action,
            target: intent.target.to_owned(),
            why: intent.why.to_owned(),
        };
        within(async { Ok(write_entry(&deed.client, &deed.entry(Phase::Intended, intent.detail)).await?) })
            .await?;
        Ok(deed)
    }

    /// Whether no other operation runs, here or in another console; none begins until this deed is over.
    pub(crate) async fn is_alone(&self) -> Result<bool, Problem> {
        within(async { Ok(self.client.query_one(ALONE, &[]).await?.get(0)) }).await
    }

    /// Writes down that it was done, and what came of it.
    pub(crate) async fn done(self, detail: Value) {
        self.end(Phase::Done, detail).await;
    }

    /// Writes down that it was not done, and why.
    pub(crate) async fn failed(self, why: &str) {
        self.end(Phase::Failed, json!({ "why": why })).await;
    }

    /// The outcome stands, whether it can be written or not.
    async fn end(self, phase: Phase, detail: Value) {
        let entry = self.entry(phase, detail);
        let written = within(async {
            // It may have taken minutes, in which PostgreSQL was away.
            if self.client.is_closed() {
                let client = access::connect(&self.pg_url).await?;
                return Ok(write_entry(&client, &entry).await?);
            }
            Ok(write_entry(&self.client, &entry).await?)
        });
        if let Err(problem) = written.await {
            tracing::warn!(
                action = self.action,
                target = self.target,
                why = problem.told(),
                "what came of an action is not in the log of actions; it will stand there as not known"
            );
        }
    }

    fn entry(&self, phase: Phase, detail: Value) -> Entry<'_> {
        Entry {
            name: &self.name,
            role: self.role,
            action: self.action,
            target: &self.target,
            reason: &self.why,
            phase,
            detail,
            operation: Some(self.operation),
        }
    }
}

/// What PostgreSQL does within the time that it has.
async fn within<T>(asked: impl Future<Output = Result<T, Refused>>) -> Result<T, Problem> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Problem::store_away("postgresql", words(&*error))),
        Err(_) => Err(Problem::store_away("postgresql", format!("no answer within {} s", ANSWER.as_secs()))),
    }
}
