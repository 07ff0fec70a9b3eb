//! What takes longer than a request: it goes on whoever looks, and every page that shows it is told how far it is.
//!
//! One runs at a time, over all consoles of a database. What is kept here is gone with the process; the log of actions stays.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::Deed;
use super::deed::Intent;
use crate::access::Operator;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::Seen;

/// How many are kept.
const KEPT: usize = 20;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Figures are computed again and compared.
    Verify,
    /// One event is followed through the line.
    Trace,
    /// Records in quarantine are judged again, and nothing is changed.
    DryRun,
    /// The same, and what passes is taken in.
    Replay,
}

impl Kind {
    /// As the log has it.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Trace => "trace",
            Self::DryRun => "quarantine-dry-run",
            Self::Replay => "quarantine-replay",
        }
    }

    /// For people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Verify => "Verification",
            Self::Trace => "Trace of one event",
            Self::DryRun => "Dry run of a replay",
            Self::Replay => "Replay from quarantine",
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    Running,
    /// It has ended, and all is as it should be.
    Passed,
    /// It has ended, and found something.
    Found,
    /// It could not be done.
    Failed,
    /// The console ended before it did.
    Unknown,
}

/// A line of what it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OperationLine)]
pub(crate) struct Line {
    /// Whether it is as it should be.
    pub(crate) ok: bool,
    pub(crate) text: String,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Operation {
    pub(crate) id: Uuid,
    /// As in the log: `verify`, `trace`, `quarantine-dry-run`, `quarantine-replay`, or that of a shorter action.
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) by: String,
    pub(crate) stage: Stage,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// What it does at the moment, or what came of it.
    pub(crate) told: String,
    pub(crate) done: u64,
    /// Of how many, where that is known.
    pub(crate) of: Option<u64>,
    pub(crate) lines: Vec<Line>,
    #[serde(skip)]
    pub(crate) kind: Option<Kind>,
    /// Of a dry run: what it judged, for the replay that may follow.
    #[serde(skip)]
    pub(crate) judged: Option<super::replay::Judged>,
}

/// Those of this process, the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations {
    pub(crate) list: VecDeque<Operation>,
}

impl Operations {
    pub(crate) fn of_id(&self, id: Uuid) -> Option<&Operation> {
        self.list.iter().find(|operation| operation.id == id)
    }
}

/// What came of an operation.
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    pub(crate) told: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) judged: Option<super::replay::Judged>,
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
