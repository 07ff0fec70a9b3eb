//! `raw.quarantine`: how much is open and how much has passed, by reason, source and hour.
//!
//! Millions may be set aside, so a look reads the last two minutes alone and adds them to what was counted
//! before. All of it is counted anew, over an index, where PostgreSQL's own counters say that earlier rows
//! were changed: judged again, removed by retention, or committed after their time was passed over.

pub(crate) mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::Mutex;

use super::{Pace, keep};
use crate::app::App;
use tally::Counting;

/// How often it is looked at.
const PACE: Pace = Pace {
    watched: Duration::from_secs(10),
    alone: Duration::from_secs(10),
    answer: Duration::from_secs(15),
};

/// What is in quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Summary {
    pub(crate) total: Counts,
    pub(crate) by_reason: BTreeMap<String, Counts>,
    pub(crate) by_source: BTreeMap<String, Counts>,
    /// What was set aside in each of the last 24 hours and in the one under way, the oldest first; hours
    /// without any too.
    pub(crate) hours: Vec<Hour>,
    /// When all rows were last counted.
    pub(crate) counted_at: Option<DateTime<Utc>>,
}

/// Records by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Counts {
    /// Never judged again, or refused again.
    pub(crate) open: i64,
    /// Passed when judged again, and counted in the figures since.
    pub(crate) accepted: i64,
    /// Passed, and was there already.
    pub(crate) repeated: i64,
}

impl Counts {
    /// Those that are no longer open.
    pub(crate) const fn passed(self) -> i64 {
        self.accepted + self.repeated
    }

    pub(crate) const fn all(self) -> i64 {
        self.open + self.passed()
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.accepted += other.accepted;
        self.repeated += other.repeated;
    }
}

/// An hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = QuarantineHour)]
pub(crate) struct Hour {
    pub(crate) from: DateTime<Utc>,
    /// How many were set aside in it, by reason, whatever became of them.
    pub(crate) by_reason: BTreeMap<String, i64>,
}

impl Hour {
    pub(crate) fn all(&self) -> i64 {
        self.by_reason.values().sum()
    }
}

/// Looks again and again until the console stops.
pub(crate) async fn run(app: App) {
    let counting = Arc::new(Mutex::new(Counting::default()));
    keep(&app.watch, &app.watch.quarantine, PACE, &app.stop, |_| {
        let (app, counting) = (app.clone(), Arc::clone(&counting));
        async move {
            app.own.asks_postgres(2);
            counting.lock().await.look(&app.config.endpoints.pg_url).await
        }
    })
    .await;
}
