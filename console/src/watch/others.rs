//! `raw.other_events`: how many events are kept beside the figures, by source and name. What they say is
//! never read.
//!
//! As of the quarantine, a look reads the last two minutes alone and adds them to what was counted before.

mod tally;

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
    alone: Duration::from_secs(30),
    answer: Duration::from_secs(15),
};

/// As [`Name::kind`] has it, in the order in which it is told.
pub(crate) const KINDS: [&str; 2] = ["other", "bot"];

/// What is kept beside the figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OtherEvents)]
pub(crate) struct Others {
    /// What is `recent` came since then: the last 24 hours and the one under way.
    pub(crate) since: DateTime<Utc>,
    /// By `other` and `bot`; both are there, also without any event.
    pub(crate) by_kind: BTreeMap<String, Events>,
    /// What is kept, the most frequent of the recent ones first.
    pub(crate) names: Vec<Name>,
    /// The hours since `since`, the oldest first; hours without any too.
    pub(crate) hours: Vec<Hour>,
    /// When all rows were last counted; what came since is added to that.
    pub(crate) counted_at: DateTime<Utc>,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OtherEventCounts)]
pub(crate) struct Events {
    /// Events that came since `since`.
    pub(crate) recent: i64,
    /// Events that are kept, whenever they came: neither retention nor an erasure has removed them, and no
    /// replay has found a place for them.
    pub(crate) kept: i64,
}

impl std::ops::AddAssign for Events {
    fn add_assign(&mut self, other: Self) {
        self.recent += other.recent;
        self.kept += other.kept;
    }
}

/// What events of one name come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OtherEventName)]
pub(crate) struct Name {
    pub(crate) source: String,
    /// In which words it was told: `segment`, `ga4`, `shopify`, `woocommerce`, or `storepulse` for our own.
    pub(crate) dialect: String,
    /// `other`: our vocabulary has no word for it. `bot`: the sender says of itself that it is a program.
    pub(crate) kind: String,
    /// What its sender calls it. Nothing where that may name a person, and for the rarest where there are
    /// more than 200 of them: those of a source are one row.
    pub(crate) name: Option<String>,
    #[serde(flatten)]
    pub(crate) events: Events,
    /// When the newest of them came.
    pub(crate) newest_at: DateTime<Utc>,
}

/// An hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OtherEventHour)]
pub(crate) struct Hour {
    pub(crate) from: DateTime<Utc>,
    /// Events that came in it, by `other` and `bot`.
    pub(crate) by_kind: BTreeMap<String, i64>,
}

/// Looks again and again until the console stops.
pub(crate) async fn run(app: App) {
    let counting = Arc::new(Mutex::new(Counting::default()));
    keep(&app.watch, &app.watch.others, PACE, &app.stop, |_| {
        let (app, counting) = (app.clone(), Arc::clone(&counting));
        async move {
            app.own.asks_postgres(2);
            counting.lock().await.look(&app.config.endpoints.pg_url).await
        }
    })
    .await;
}
