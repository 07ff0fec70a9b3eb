//! What relay, supervisor, ingestors and audits report to PostgreSQL, and what PostgreSQL says of the slot.
//!
//! A tick is one statement over a connection of its own; what changes seldom is asked when a mark has moved.
//! Times are judged by PostgreSQL's clock, which the reports bear too.

pub(crate) mod history;
mod ingest;
mod known;
mod meter;
pub(crate) mod reports;
mod sql;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::family::CUBE_FAMILY;
pub(crate) use contracts::query::names as query_names;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

pub(crate) use history::Point;
pub(crate) use ingest::{Ingest, Rates};
pub(crate) use meter::Meter;
pub(crate) use reports::{
    Batch, Difference, Fault, Lease, Minute, Plan, QueryReport, Relay, Run, Slot, Standing, Verification,
};

use super::{Pace, Refused, keep};
use crate::access;
use crate::app::App;
use known::after;
use reports::Marks;

/// One that hangs counts as away.
const PACE: Pace =
    Pace { watched: Duration::from_secs(1), alone: Duration::from_secs(5), answer: Duration::from_secs(2) };
/// How many micro-batches of a query are kept.
pub(crate) const BATCHES: usize = 120;
/// What changes seldom is asked again after this at the latest.
const STANDING_S: i64 = 30;

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ops {
    /// PostgreSQL's clock when it was asked.
    pub(crate) at: DateTime<Utc>,
    pub(crate) relay: Option<Relay>,
    /// Records a second that the relay hands to Kafka.
    pub(crate) relayed: Meter,
    pub(crate) slot: Option<Slot>,
    pub(crate) run: Option<Run>,
    /// Since when the job is in its state, as seen here.
    pub(crate) run_since: Option<DateTime<Utc>>,
    /// Records a second that the cube's query reads.
    pub(crate) read: Meter,
    pub(crate) lease: Option<Lease>,
    /// By name, the revision whose figures are shown; empty where the job does not report its queries.
    pub(crate) queries: BTreeMap<String, Query>,
    /// What ingestors counted, the last 15 minutes.
    pub(crate) minutes: Vec<Minute>,
    pub(crate) ingest: Ingest,
    pub(crate) standing: Arc<Standing>,
    /// The last day, oldest first, without the step that is not over.
    pub(crate) history: Arc<VecDeque<Point>>,
    /// That one.
    pub(crate) step: Point,
    pub(crate) marks: reports::Marks,
    pub(crate) standing_at: DateTime<Utc>,
}

/// A query and its newest micro-batches, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) told: QueryReport,
    pub(crate) batches: Arc<VecDeque<Arc<Batch>>>,
}

impl Query {
    /// Its newest micro-batch.
    pub(crate) fn last(&self) -> Option<&Batch> {
        self.batches.back().map(|batch| &**batch)
    }
}

impl Ops {
    /// The newest verdict of a kind.
    pub(crate) fn verification(&self, kind: &str) -> Option<&Verification> {
        self.standing.verifications.iter().find(|verification| verification.kind == kind)
    }

    /// What every amount is in.
    pub(crate) fn base_currency(&self) -> Option<&str> {
        self.standing.base_currency.as_deref()
    }

    /// What occurred before is gone.
    pub(crate) fn retention_floor(&self) -> Option<DateTime<Utc>> {
        self.standing.retention_floor
    }

    /// The plan whose figures are shown.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.standing.plans.iter().find(|plan| plan.query == CUBE_FAMILY.name && plan.retired_at.is_none())
    }
}

/// The document of [`sql::MOVING`].
#[derive(Debug, Deserialize)]
struct Moving {
    at: DateTime<Utc>,
    relay: Option<Relay>,
    slot: Option<Slot>,
    run: Option<Run>,
    lease: Option<Lease>,
    queries: Vec<QueryReport>,
    batches: Vec<Batch>,
    minutes: Vec<Minute>,
    newest_minute: Option<DateTime<Utc>>,
    marks: Marks,
}

/// A connection with its statements.
struct Asked {
    client: Client,
    moving: Statement,
    standing: Statement,
}

impl Asked {
    async fn open(pg_url: &str) -> Result<Self, Refused> {
        let client = access::connect(pg_url).await?;
        // Times in documents are UTC; a plan made once holds, whatever the parameters.
        client
            .batch_execute("set timezone = 'UTC'; set plan_cache_mode = force_generic_plan; set jit = off")
            .await?;
        let (moving, standing) =
            tokio::try_join!(client.prepare(sql::MOVING), client.prepare(sql::STANDING))?;
        Ok(Self { client, moving, standing })
    }
}

/// Asks PostgreSQL until the console stops.
pub(crate) async fn run(app: App) {
    let kept = Arc::new(Mutex::new(None));
    keep(&app.watch, &app.watch.ops, PACE, &app.stop, |before| {
        ask(app.clone(), Arc::clone(&kept), before.unwrap_or_default())
    })
    .await;
}

async fn ask(app: App, kept: Arc<Mutex<Option<Asked>>>, before: Arc<Ops>) -> Result<Ops, Refused> {
    let endpoints = &app.config.endpoints;
    // Taken out: one that is cut off in the middle of an answer is not used again.
    let mut kept = kept.lock().await;
    let asked = match kept.take().filter(|asked| !asked.client.is_closed()) {
        Some(asked) => asked,
        None => Asked::open(&endpoints.pg_url).await?,
    };
    app.own.asks_postgres(1);
    let moving = moving(&asked, &endpoints.namespace.slot(), &before).await?;
    let standing = if is_due(&before, &moving) {
        app.own.asks_postgres(1);
        Some(standing(&asked).await?)
    } else {
        None
    };
    *kept = Some(asked);
    let ends = crate::line::kafka_ends(&app.watch.kafka.borrow());
    Ok(after(&before, moving, standing, |query| crate::line::behind(query, ends.as_ref())))
}

async fn moving(asked: &Asked, slot: &str, before: &Ops) -> Result<Moving, Refused> {
    let known: Vec<_> =
        before.queries.values().filter_map(|query| Some((&query.told, query.last()?.started_at))).collect();
    let names: Vec<&str> = known.iter().map(|(told, _)| told.query.as_str()).collect();
    let revisions: Vec<i64> = known.iter().map(|(told, _)| told.revision).collect();
    let starts: Vec<DateTime<Utc>> = known.iter().map(|(_, start)| *start).collect();
    let job = CUBE_FAMILY.name;
    let row = asked.client.query_one(&asked.moving, &[&slot, &job, &names, &revisions, &starts]).await?;
    Ok(serde_json::from_str(row.try_get(0)?)?)
}

async fn standing(asked: &Asked) -> Result<Standing, Refused> {
    let row = asked.client.query_one(&asked.standing, &[&CUBE_FAMILY.name]).await?;
    Ok(serde_json::from_str(row.try_get(0)?)?)
}

fn is_due(before: &Ops, moving: &Moving) -> bool {
    before.marks != moving.marks
        || before.run.as_ref().map(|run| &run.run_id) != moving.run.as_ref().map(|run| &run.run_id)
        || (moving.at - before.standing_at).abs() >= TimeDelta::seconds(STANDING_S)
}
