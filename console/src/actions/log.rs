//! The log of actions, the newest first.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::operations::{Operation, Stage};
use crate::app::App;
use crate::problem::Problem;
use crate::watch::words;

/// How long PostgreSQL may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Rows of a page, usually and at most.
pub(crate) const PAGE: i64 = 50;
const MOST: i64 = 200;

const LIST: &str = "
    select audit_id, at, name, role, action, target, reason, phase, detail, operation from ops.console_audit
    where audit_id < coalesce($1, 9223372036854775807) and ($2::text is null or action = $2)
    order by audit_id desc limit $3";

const OF_OPERATION: &str = "
    select audit_id, at, name, role, action, target, reason, phase, detail, operation from ops.console_audit
    where operation = $1 order by audit_id";

/// Which rows.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Go on below this row: `next` of the answer before.
    pub(crate) after: Option<i64>,
    /// Of this action, as in `job-hold`.
    pub(crate) action: Option<String>,
    /// How many rows: 50, 200 at most.
    pub(crate) limit: Option<i64>,
}

/// A row: an action has one before it begins and one after.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditRow)]
pub(crate) struct Logged {
    pub(crate) audit_id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) reason: String,
    /// `refused`, `intended`, `done`, `failed`, or `unknown`: the console ended before it could say what came of it.
    pub(crate) phase: String,
    #[schema(value_type = Object)]
    pub(crate) detail: Value,
    /// The action that it is about.
    pub(crate) operation: Option<Uuid>,
}

/// A page of them, and where the next one begins.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Logged>,
    pub(crate) next: Option<i64>,
}

/// A page of the log.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub(crate) async fn list(app: &App, asked: &Asked) -> Result<Rows, Problem> {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MOST);
    let action = asked.action.as_deref().filter(|action| !action.is_empty() && !action.contains('\0'));
    let rows = within(async {
        let client = app.pool.get().await.map_err(|error| words(&error))?;
        let rows = client.query(LIST, &[&asked.after, &action, &(limit + 1)]).await;
        rows.and_then(|rows| rows.iter().map(read).collect()).map_err(|error| words(&error))
    });
    let mut rows: Vec<Logged> = rows.await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|last| last.audit_id);
    Ok(Rows { rows, next })
}

/// An action that this process does not know, as the log has it.
///
/// # Errors
/// Where there is none, or PostgreSQL does not answer.
pub(crate) async fn operation(app: &App, id: Uuid) -> Result<Operation, Problem> {
    let rows: Vec<Logged> = within(async {
        let client = app.pool.get().await.map_err(|error| words(&error))?;
        let rows = client.query(OF_OPERATION, &[&id]).await;
        rows.and_then(|rows| rows.iter().map(read).collect()).map_err(|error| words(&error))
    })
    .await?;
    told(id, &rows).ok_or_else(|| Problem::not_found("There is no action of that number."))
}

fn told(id: Uuid, rows: &[Logged]) -> Option<Operation> {
    let (first, last) = (rows.first()?, rows.last()?);
    let said = |name: &str| last.detail.get(name).and_then(Value::as_str).map(str::to_owned);
    let passed = last.detail.get("passed").and_then(Value::as_bool).unwrap_or(true);
    let (stage, told) = match last.phase.as_str() {
        "done" if passed => (Stage::Passed, said("told").unwrap_or_else(|| "done".to_owned())),
        "done" => (Stage::Found, said("told").unwrap_or_else(|| "done".to_owned())),
        "failed" => (Stage::Failed, said("why").unwrap_or_default()),
        "unknown" => (Stage::Unknown, said("why").unwrap_or_default()),
        _ => (Stage::Running, "under way".to_owned()),
    };
    Some(Operation {
        id,
        action: first.action.clone(),
        target: first.target.clone(),
        by: first.name.clone(),
        stage,
        started_at: first.at,
        ended_at: (rows.len() > 1).then_some(last.at),
        told,
        done: 0,
        of: None,
        lines: Vec::new(),
        kind: None,
        judged: None,
    })
}

async fn within<T>(asked: impl Future<Output = Result<T, String>>) -> Result<T, Problem> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => answer.map_err(|why| Problem::store_away("postgresql", why)),
        Err(_) => Err(Problem::store_away("postgresql", format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

fn read(row: &Row) -> Result<Logged, tokio_postgres::Error> {
    let Json(detail) = row.try_get(8)?;
    Ok(Logged {
        audit_id: row.try_get(0)?,
        at: row.try_get(1)?,
        name: row.try_get(2)?,
        role: row.try_get(3)?,
        action: row.try_get(4)?,
        target: row.try_get(5)?,
        reason: row.try_get(6)?,
        phase: row.try_get(7)?,
        detail,
        operation: row.try_get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(phase: &str, detail: Value) -> Logged {
        Logged {
            audit_id: 1,
            at: DateTime::UNIX_EPOCH,
            name: "ana".into(),
            role: "operator".into(),
            action: "verify".into(),
            target: "all tables".into(),
            reason: "monthly".into(),
            phase: phase.into(),
            detail,
            operation: None,
        }
    }

    #[test]
    fn an_action_without_an_end_is_under_way_and_one_that_was_left_is_not_known() {
        let stage = |rows: &[Logged]| told(Uuid::nil(), rows).map(|operation| operation.stage);
        let begun = row("intended", serde_json::json!({}));
        assert_eq!(stage(&[]), None);
        assert_eq!(stage(std::slice::from_ref(&begun)), Some(Stage::Running));
        let found = row("done", serde_json::json!({"passed": false, "told": "3 rows differ"}));
        assert_eq!(stage(&[begun.clone(), found]), Some(Stage::Found));
        assert_eq!(stage(&[begun.clone(), row("unknown", serde_json::json!({}))]), Some(Stage::Unknown));
        assert_eq!(stage(&[begun, row("failed", serde_json::json!({"why": "away"}))]), Some(Stage::Failed));
    }
}
