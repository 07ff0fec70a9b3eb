//! The queries of the job as submitted: what each reads, where it writes and how often.
//!
//! The cube comes first. The queries beside it, the other families, refusals and ledger, judge every record
//! once more and nobody waits for them: they are started once the cube's first micro-batch is through, one
//! after another, as a cold Spark compiles all that it is given at once, and run at longer intervals. The
//! intervals have no common measure, so that the queries do not all begin at the same instant.

use std::time::Duration;

use contracts::family::{FAMILIES_BESIDE, Family, Geometry, Source};
use contracts::query;
use spark_connect_rs::streaming::{StreamingQuery, Trigger};
use spark_connect_rs::{SparkError, SparkSession};

use crate::checked::{self, Expected, Judge};
use crate::metrics;
use crate::plans::{CUBE_QUERY, Plan};
use crate::registered;
use crate::sink::CassandraSink;
use crate::source::{KafkaSource, Pace};
use crate::spark::{NO_DATA_BATCHES, SHUFFLE_PARTITIONS_SETTING, STATE_IN_HEAP, STATE_ON_DISK, STATE_STORE};

/// How often refusals are published: they are rare, and the cube comes first.
const REFUSALS_EVERY_MS: u32 = 16_000;
/// How often records are counted for the ledger: it is asked about whole minutes.
const LEDGER_EVERY_MS: u32 = 21_000;
/// How often a family beside the cube is brought up to date, by name.
const FAMILIES_EVERY_MS: &[(&str, u32)] = &[
    ("orders", 7_000),
    ("live", 11_000),
    ("sessions", 13_000),
    ("hours", 17_000),
    ("products", 19_000),
    ("registrations", 23_000),
];
/// Tasks that read for a query beside the cube.
const READERS_BESIDE: u32 = 1;
/// Tasks that write what nothing is aggregated from, a row a record: with one, the stream would wait for a
/// core until all are in.
const WRITERS_OF_RECORDS: i32 = 8;

/// How long a micro-batch of the cube should take when there is more to read than it takes: long enough that
/// its fixed cost of half a second is small.
const CUBE_WANTED: Duration = Duration::from_secs(5);
/// The same of a query beside it: longer, as it has much to catch up with after it has waited.
const BESIDE_WANTED: Duration = Duration::from_secs(10);
/// How long a query beside the cube waits at most while that has fallen behind.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A query beside the cube.
#[derive(Debug, Clone, Copy)]
pub(super) enum SideQuery {
    /// Publishes what was refused.
    Refusals,
    /// Counts for the ledger.
    Ledger,
    /// A family of metrics.
    Family(&'static Family),
}

impl SideQuery {
    /// All of them, in the order in which they are started.
    pub(super) fn all() -> std::vec::IntoIter<Self> {
        let families = FAMILIES_BESIDE.iter().map(Self::Family);
        families.chain([Self::Ledger, Self::Refusals]).collect::<Vec<_>>().into_iter()
    }

    /// Its name, without the revision.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Refusals => query::REFUSALS,
            Self::Ledger => query::LEDGER,
            Self::Family(family) => family.name,
        }
    }

    /// How often it usually runs.
    fn usual_ms(self) -> u32 {
        match self {
            Self::Refusals => REFUSALS_EVERY_MS,
            Self::Ledger => LEDGER_EVERY_MS,
            Self::Family(family) => {
                let every = FAMILIES_EVERY_MS.iter().find(|(name, _)| *name == family.name);
                every.map_or(LEDGER_EVERY_MS, |(_, every_ms)| *every_ms)
            }
        }
    }

    /// How often it runs at so many percent of the usual interval.
    pub(super) fn every_ms(self, beside_pct: u32) -> u64 {
        u64::from(self.usual_ms()) * u64::from(beside_pct) / 100
    }
}

/// What the queries of every plan have in common.
#[derive(Clone)]
pub(super) struct Submission {
    pub(super) session: SparkSession,
    pub(super) brokers: String,
    pub(super) max_offsets_per_trigger: u64,
    pub(super) event_schema_id: u32,
    pub(super) refusal_schema_id: u32,
    pub(super) user_schema_id: u32,
    pub(super) users_topic: String,
    pub(super) refusals_topic: String,
    pub(super) sink: CassandraSink,
    pub(super) trigger_ms: u128,
    pub(super) beside_pct: u32,
    /// Whether the server's jar has sources that follow what micro-batches take.
    pub(super) paced: bool,
    /// What decodes and judges records there.
    pub(super) judge: Judge,
}

/// A plan to submit.
#[derive(Clone)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Where its events are.
    pub(super) topic: String,
    /// Whether it is the one whose figures are shown.
    pub(super) newest: bool,
}

impl Planned {
    /// Names are unique within a session.
    fn name(&self, query: &str) -> String {
        if self.newest { query.to_owned() } else { format!("{query}-r{}", self.plan.revision) }
    }
}

impl Submission {
    /// What is frozen into a checkpoint by its first batch: the session is one for all plans.
    fn settle(&self, planned: &Planned) -> Result<(), SparkError> {
        self.session.conf().set(SHUFFLE_PARTITIONS_SETTING, &planned.plan.shuffle_partitions.to_string())
    }

    fn pace(&self, planned: &Planned, leads: bool, wanted: Duration) -> Option<Pace> {
        let job = planned.plan.checkpoint.clone();
        self.paced.then_some(Pace { job, leads, wanted, longest_wait: LONGEST_WAIT })
    }

    fn source(&self, planned: &Planned) -> KafkaSource {
        KafkaSource {
            brokers: self.brokers.clone(),
            topic: planned.topic.clone(),
            max_offsets_per_trigger: self.max_offsets_per_trigger,
            pace: self.pace(planned, true, CUBE_WANTED),
            readers: planned.plan.shuffle_partitions,
        }
    }

    fn source_beside(&self, planned: &Planned) -> KafkaSource {
        let pace = self.pace(planned, false, BESIDE_WANTED);
        KafkaSource { readers: READERS_BESIDE, pace, ..self.source(planned) }
    }

    /// The trigger of a query beside the cube.
    fn every(&self, which: SideQuery) -> Trigger {
        Trigger::ProcessingTime(format!("{} milliseconds", which.every_ms(self.beside_pct)))
    }

    fn expected(&self, plan: &Plan) -> Expected {
        Expected { event_schema_id: self.event_schema_id, generation_id: plan.generation_id }
    }

    /// Starts the query of the cube.
    pub(super) fn start_cube(&self, planned: &Planned) -> Result<StreamingQuery, SparkError> {
        let plan = &planned.plan;
        self.settle(planned)?;
        let records = self.source(planned).stream(&self.session, CUBE_QUERY);
        let events = checked::on_time(&checked::events(&records, &self.expected(plan), self.judge));
        let rows = metrics::windowed::cube_and_counts(&events, plan.revision, plan.owned)?;
        self.sink
            .stream(rows.write_stream())
            .output_mode("update")
            .query_name(&planned.name(CUBE_QUERY))
            .option("checkpointLocation", &plan.checkpoint)
            .trigger(Trigger::ProcessingTime(format!("{} milliseconds", self.trigger_ms)))
            .start("")
    }

    /// Starts a query beside the cube.
    pub(super) fn start_beside(
        &self,
        planned: &Planned,
        which: SideQuery,
    ) -> Result<StreamingQuery, SparkError> {
        self.settle(planned)?;
        match which {
            SideQuery::Refusals => self.start_refusals(planned),
            SideQuery::Ledger => self.start_ledger(planned),
            SideQuery::Family(family) => self.start_family(planned, family),
        }
    }

    fn start_family(&self, planned: &Planned, family: &'static Family) -> Result<StreamingQuery, SparkError> {
        let plan = &planned.plan;
        let records = match family.source {
            Source::Events => {
                let records = self.source_beside(planned).stream(&self.session, family.name);
                checked::on_time(&checked::events(&records, &self.expected(plan), self.judge))
            }
            Source::Users => {
                let records = KafkaSource { topic: self.users_topic.clone(), ..self.source_beside(planned) }
                    .stream(&self.session, family.name);
                registered::registrations(&records, self.user_schema_id)
            }
        };
        let mut rows = metrics::rows(&records, family, plan.revision, plan.owned)?;
        if family.geometry == Geometry::Records {
            rows = rows.repartition(WRITERS_OF_RECORDS);
        }
        let append = !matches!(family.geometry, Geometry::Windows { .. });
        if family.geometry == Geometry::Sessions {
            // Closed sessions are given out by a micro-batch without data where no other comes; elsewhere it
            // would only evict state.
            self.session.conf().set(NO_DATA_BATCHES, "true")?;
            // A row a visit: at 20,000 events/s more than a heap of a GiB holds.
            self.session.conf().set(STATE_STORE, STATE_ON_DISK)?;
        }
        let started = self
            .sink
            .stream_of(family, rows.write_stream())
            .output_mode(if append { "append" } else { "update" })
            .query_name(&planned.name(family.name))
            .option("checkpointLocation", &plan.family_checkpoint(family))
            .trigger(self.every(SideQuery::Family(family)))
            .start("");
        self.session.conf().set(NO_DATA_BATCHES, "false")?;
        self.session.conf().set(STATE_STORE, STATE_IN_HEAP)?;
        started
    }

    fn start_refusals(&self, planned: &Planned) -> Result<StreamingQuery, SparkError> {
        let records = self.source_beside(planned).stream(&self.session, query::REFUSALS);
        checked::refusals(&records, &self.expected(&planned.plan), self.judge, self.refusal_schema_id)
            .write_stream()
            .format("kafka")
            .option("kafka.bootstrap.servers", &self.brokers)
            .option("topic", &self.refusals_topic)
            .output_mode("append")
            .query_name(&planned.name(query::REFUSALS))
            .option("checkpointLocation", &planned.plan.refusals_checkpoint())
            .trigger(self.every(SideQuery::Refusals))
            .start("")
    }

    fn start_ledger(&self, planned: &Planned) -> Result<StreamingQuery, SparkError> {
        let plan = &planned.plan;
        let records = self.source_beside(planned).stream(&self.session, query::LEDGER);
        let counts = metrics::outcomes::counts(&records, &self.expected(plan), self.judge, plan.revision)?;
        self.sink
            .stream_of_ledger(counts.write_stream())
            .output_mode("update")
            .query_name(&planned.name(query::LEDGER))
            .option("checkpointLocation", &plan.ledger_checkpoint())
            .trigger(self.every(SideQuery::Ledger))
            .start("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queries_are_those_that_others_know_and_each_family_has_an_interval() {
        let mut names: Vec<&str> = SideQuery::all().map(SideQuery::name).chain([CUBE_QUERY]).collect();
        let mut known: Vec<&str> = query::names().collect();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        let timed: Vec<&str> = FAMILIES_EVERY_MS.iter().map(|(name, _)| *name).collect();
        assert_eq!(timed, FAMILIES_BESIDE.iter().map(|family| family.name).collect::<Vec<_>>());
    }
}
