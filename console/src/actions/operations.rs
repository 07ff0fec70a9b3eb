//! What takes longer than a request: it goes on whoever looks, and every page that shows it is told how far
//! it is.
//!
//! What is kept here is gone with the process; the log of actions stays.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::dry_run::DryRun;

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
    pub(crate) judged: Option<DryRun>,
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
