//! Who did what, as rows that are added and never changed.

use serde_json::Value;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use super::{Access, Visitor};
use crate::problem::Problem;

const INSERT: &str = "
    insert into ops.console_audit (name, role, action, target, reason, phase, detail, operation)
    values ($1, $2, $3, $4, $5, $6, $7, $8)";

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It was not let happen.
    Refused,
    /// It is about to happen.
    Intended,
    /// It has happened.
    Done,
    /// It was tried and has not happened.
    Failed,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    /// Who; empty for somebody unknown.
    pub(crate) name: &'a str,
    /// The role's word; `none` for somebody unknown.
    pub(crate) role: &'a str,
    /// What, as in `sign-in`, `job-stop`.
    pub(crate) action: &'a str,
    /// To what.
    pub(crate) target: &'a str,
    /// Why, in the words of who did it.
    pub(crate) reason: &'a str,
    pub(crate) phase: Phase,
    pub(crate) detail: Value,
    /// The action that the row is about, where it has a row before and one after.
    pub(crate) operation: Option<Uuid>,
}

impl<'a> Entry<'a> {
    /// What somebody who is signed in does.
    pub(crate) fn of(visitor: &'a Visitor, action: &'a str, phase: Phase) -> Self {
        Self {
            name: &visitor.name,
            role: visitor.role.word(),
            action,
            target: "",
            reason: "",
            phase,
            detail: Value::Object(serde_json::Map::new()),
            operation: None,
        }
    }

    /// What somebody does who is nobody yet. Only what can be a name is kept: a password may stand in its
    /// place.
    pub(crate) fn of_stranger(name: &'a str, action: &'a str, phase: Phase, detail: Value) -> Self {
        let name = if super::accounts::is_name(name) { name } else { "" };
        Self { name, role: "none", action, target: "", reason: "", phase, detail, operation: None }
    }
}

/// Adds a row with whatever transaction or connection is at hand.
pub(crate) async fn write(
    client: &impl tokio_postgres::GenericClient,
    entry: &Entry<'_>,
) -> Result<(), tokio_postgres::Error> {
    let Entry { name, role, action, target, reason, phase, detail, operation } = entry;
    let values: [&(dyn ToSql + Sync); 8] =
        [name, role, action, target, reason, &phase.word(), &Json(detail), operation];
    client.execute(INSERT, &values).await?;
    Ok(())
}

impl Access {
    /// Adds a row. An action begins only after its intent is written.
    pub(crate) async fn audit(&self, entry: &Entry<'_>) -> Result<(), Problem> {
        self.with_connection(async |connection| write(connection, entry).await).await
    }

    /// Adds a row about something that was not let happen. It stays refused where the row cannot be written.
    pub(crate) async fn audit_refusal(&self, entry: &Entry<'_>) {
        let stranger = entry.role == "none";
        if stranger && !self.limits.row() {
            tracing::warn!(
                action = entry.action,
                target = entry.target,
                "refused; too many were to be written down"
            );
            return;
        }
        let written = tokio::time::timeout(super::ANSWER, self.audit(entry)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(
                action = entry.action,
                target = entry.target,
                name = entry.name,
                "refused, and not written down"
            );
        }
    }
}
