//! Sends one event through the live system and follows it hop by hop, or names the hop where it stopped.
//!
//! The event is a plain `view_item_list` of country XD, which ISO 3166 leaves to users and no shop has: it
//! counts as any event does, so the figures stay right. It is followed where each part really keeps it:
//! PostgreSQL's commit, the relay's position and the record in Kafka as a reader of committed records sees
//! them, Spark's checkpoint, the row in Cassandra. What to do about a hop that does not come is read from
//! `ops`.

mod advice;
mod hops;
mod probe;
mod services;

use std::fmt;
use std::time::{Duration, Instant};

use contracts::Event;
use contracts::cause::chain;
use contracts::endpoints::Endpoints;
use uuid::Uuid;

pub use probe::{DOCTOR_COUNTRY, SOURCE, draft};

/// How long a part that is not at work is waited for.
const GRACE: Duration = Duration::from_secs(3);

/// What an event passes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// Every service answers and the set-up is complete; nothing was sent before.
    Services,
    /// The event is committed in `raw.events`.
    Postgres,
    /// The relay has committed a position behind the log's end before the event.
    Relay,
    /// The event's record is committed in the events topic.
    Kafka,
    /// Spark has committed the record's offset.
    Spark,
    /// The row of its country and minute counts it.
    Cassandra,
}

impl Hop {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Postgres => "postgresql commit",
            Self::Relay => "relay position",
            Self::Kafka => "kafka record",
            Self::Spark => "spark offsets",
            Self::Cassandra => "cassandra row",
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A hop that the event has passed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Passed {
    pub hop: Hop,
    /// Where it is seen.
    pub detail: String,
    /// Since the hop before.
    pub took_ms: u64,
    /// Since the event's commit in PostgreSQL; nothing for what comes before it.
    pub since_commit_ms: Option<u64>,
}

/// Where the event, or the doctor, got no further.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stopped {
    /// Which hop did not come.
    pub hop: Hop,
    /// What is wrong.
    pub why: String,
    /// What to do next.
    pub advice: String,
}

impl Stopped {
    fn new(hop: Hop, why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { hop, why: why.into(), advice: advice.into() }
    }

    /// A service that failed at something.
    fn service(hop: Hop, service: &str, error: &dyn std::error::Error) -> Self {
        Self::new(
            hop,
            format!("{service} does not answer as it should: {}", chain(error)),
            "look with `storepulse stack status`, then `storepulse stack up`",
        )
    }
}

/// What became of one examination.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// The event that was sent, if any was.
    pub event_id: Option<Uuid>,
    /// The hops that it passed, in order.
    pub passed: Vec<Passed>,
    /// Where it stopped; nothing when it arrived.
    pub stopped: Option<Stopped>,
}

impl Diagnosis {
    /// Whether the event arrived.
    #[must_use]
    pub const fn arrived(&self) -> bool {
        self.stopped.is_none()
    }
}

/// What to examine.
#[derive(Debug, Clone, Copy)]
pub struct Examination<'a> {
    pub endpoints: &'a Endpoints,
    /// The query that fills the tables, as `ops` calls it.
    pub query: &'a str,
    /// How long the event may take from its commit to the row.
    pub timeout: Duration,
}

/// Commits an event; the error says why not.
pub trait Send {
    /// Returns after the commit.
    fn send(&mut self) -> impl Future<Output = Result<Event, Box<dyn std::error::Error>>>;
}

/// Examines: the services, then the way of one event. `heard` hears of each hop passed, when it is.
pub async fn examine(
    examination: &Examination<'_>,
    sender: &mut impl Send,
    mut heard: impl FnMut(&Passed),
) -> Diagnosis {
    let mut diagnosis = Diagnosis { event_id: None, passed: Vec::new(), stopped: None };
    let mut trail = Trail { diagnosis: &mut diagnosis, heard: &mut heard, at: Instant::now(), commit: None };
    if let Err(stopped) = follow(examination, sender, &mut trail).await {
        diagnosis.stopped = Some(stopped);
    }
    diagnosis
}

/// What was passed so far, and when.
struct Trail<'a> {
    diagnosis: &'a mut Diagnosis,
    heard: &'a mut dyn FnMut(&Passed),
    at: Instant,
    commit: Option<Instant>,
}

impl Trail<'_> {
    fn passed(&mut self, hop: Hop, detail: String) {
        let ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let passed = Passed { hop, detail, took_ms: ms(self.at), since_commit_ms: self.commit.map(ms) };
        self.at = Instant::now();
        (self.heard)(&passed);
        self.diagnosis.passed.push(passed);
    }
}

async fn follow(
    examination: &Examination<'_>,
    sender: &mut impl Send,
    trail: &mut Trail<'_>,
) -> Result<(), Stopped> {
    let ready = services::check(examination.endpoints).await?;
    trail.passed(Hop::Services, "postgresql, kafka, registry, cassandra and spark answer".into());

    // Opened before the event is sent, so that neither can be missed and their set-up costs the hops nothing.
    let watch = hops::Watch::begin(examination, ready).await?;
    let event =
        sender.send().await.map_err(|error| Stopped::service(Hop::Postgres, "postgresql", &*error))?;
    trail.diagnosis.event_id = Some(event.event_id);
    trail.passed(Hop::Postgres, format!("event {} in raw.events", event.event_id));
    trail.commit = Some(Instant::now());

    let deadline = tokio::time::Instant::now() + examination.timeout;
    trail.passed(Hop::Relay, watch.relay(deadline).await?);
    let (record, detail) = watch.kafka(&event, deadline).await?;
    trail.passed(Hop::Kafka, detail);
    trail.passed(Hop::Spark, watch.spark(record, deadline).await?);
    trail.passed(Hop::Cassandra, watch.cassandra(&event, deadline).await?);
    Ok(())
}
