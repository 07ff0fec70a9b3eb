//! Runs operations: one at a time, over all consoles of a database, and each tells how far it is.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::Utc;
use serde_json::json;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::Deed;
use super::deed::Intent;
use super::dry_run::DryRun;
use super::operations::{Kind, Line, Operation, Stage};
use crate::access::Operator;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::Seen;

/// How many are kept.
const KEPT: usize = 20;

/// What came of an operation.
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    pub(crate) told: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) judged: Option<DryRun>,
}

/// Tells how far an operation is.
#[derive(Clone)]
pub(crate) struct Teller {
    app: App,
    id: Uuid,
}

impl Teller {
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Operation)) {
        change_list(&self.app, |list| {
            if let Some(operation) = list.iter_mut().find(|operation| operation.id == self.id) {
                change(operation);
            }
        });
    }
}

fn change_list(app: &App, change: impl FnOnce(&mut VecDeque<Operation>)) {
    app.watch.operations.send_modify(|seen| {
        let mut operations = seen.value.as_deref().cloned().unwrap_or_default();
        change(&mut operations.list);
        *seen = Seen { value: Some(Arc::new(operations)), read_at: Some(Utc::now()), away: None };
    });
}

/// Begins an operation, which goes on after the request.
///
/// # Errors
/// Where another one runs, or its intent cannot be written.
pub(crate) async fn start<F: Future<Output = Result<Outcome, String>>>(
    app: &App,
    by: &Operator,
    kind: Kind,
    intent: Intent<'_>,
    work: impl FnOnce(Teller) -> F + Send + 'static,
) -> Result<Uuid, Problem> {
    let target = intent.target.to_owned();
    let deed = Deed::intend(app, by, intent).await?;
    if !deed.is_alone().await? {
        let why = "another operation runs; one at a time does";
        deed.failed(why).await;
        return Err(Problem::busy(
            "Another operation runs: /actions shows it. Begin this one when it has ended.",
        ));
    }
    let id = deed.operation;
    change_list(app, |list| {
        list.push_front(Operation {
            id,
            action: kind.action().to_owned(),
            target,
            by: by.name.clone(),
            stage: Stage::Running,
            started_at: Utc::now(),
            ended_at: None,
            told: "begins".to_owned(),
            done: 0,
            of: None,
            lines: Vec::new(),
            kind: Some(kind),
            judged: None,
        });
        list.truncate(KEPT);
    });
    let (app, teller) = (app.clone(), Teller { app: app.clone(), id });
    // A thread of its own: what audits hold while they wait is not made to change threads.
    tokio::task::spawn_blocking(move || {
        Handle::current().block_on(async move {
            let outcome = tokio::select! {
                // Nothing is written then: the next console says that nobody knows.
                () = app.stop.cancelled() => return,
                outcome = work(teller.clone()) => outcome,
            };
            end(&teller, deed, outcome).await;
        });
    });
    Ok(id)
}

async fn end(teller: &Teller, deed: Deed, outcome: Result<Outcome, String>) {
    // The log first: who sees that it has ended finds it there.
    match &outcome {
        Ok(outcome) => deed.done(json!({ "passed": outcome.passed, "told": outcome.told })).await,
        Err(why) => deed.failed(why).await,
    }
    teller.tell(|operation| {
        operation.ended_at = Some(Utc::now());
        match outcome {
            Ok(outcome) => {
                operation.stage = if outcome.passed { Stage::Passed } else { Stage::Found };
                operation.told = outcome.told;
                operation.lines = outcome.lines;
                operation.judged = outcome.judged;
            }
            Err(why) => (operation.stage, operation.told) = (Stage::Failed, why),
        }
    });
}
