//! The topics: where they begin and end, how large they are, how they are kept, and what their records look
//! like.
//!
//! Offsets are no counts: transaction markers take offsets too, and compaction leaves gaps. Records are
//! counted where the relay counts them, and where nobody does the offsets are told as what they are.

mod asked;
mod counts;
mod look;
pub(crate) mod reader;
mod subject;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::Namespace;
use contracts::endpoints::Endpoints;
use serde::{Serialize, Serializer};
use tokio::sync::Mutex;
use utoipa::ToSchema;

use self::asked::Asked;
use self::counts::Counts;
use self::look::Look;
use self::subject::Subjects;
use super::{Pace, Refused, keep};
use crate::app::App;

const PACE: Pace =
    Pace { watched: Duration::from_secs(2), alone: Duration::from_secs(10), answer: Duration::from_secs(8) };

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// The contract's first, then by name.
    pub(crate) topics: Vec<Topic>,
    pub(crate) brokers: usize,
    /// Partitions with fewer copies in step than they should have.
    pub(crate) under_replicated: usize,
    /// When the offsets were read.
    looked_at: Option<DateTime<Utc>>,
}

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }
}

/// A topic.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// What it is for, where the contract says so.
    pub(crate) doc: Option<&'static str>,
    /// What its keys are, likewise.
    pub(crate) key: Option<&'static str>,
    /// Of a topic of events.
    pub(crate) generation: Option<i32>,
    pub(crate) kind: Kind,
    pub(crate) records: Records,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) bytes: Option<i64>,
    /// Why the bytes are not known.
    pub(crate) bytes_why_not: Option<String>,
    /// Offsets a second, markers included; not known before the second look.
    pub(crate) offsets_per_s: Option<f64>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) subject: Option<Subject>,
    pub(crate) partitions: Vec<Partition>,
}

/// Whose a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Contract,
    Foreign,
    /// Kafka's own.
    Internal,
}

/// How many records a topic has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Records {
    /// How many the relay has written, where it counts; a string.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) count: Option<i64>,
    /// Whether all of them are still there: where retention has removed some, the count is of what was ever
    /// written.
    pub(crate) exact: bool,
    /// `relay`, or `offsets`, which are no count.
    pub(crate) by: &'static str,
    /// First and last offsets of all partitions together, markers and compacted records included; a string.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) offsets: Option<i64>,
}

/// One partition.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Partition {
    pub(crate) id: i32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) low: Option<i64>,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) last_stable: Option<i64>,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>)]
    pub(crate) bytes: Option<i64>,
    /// None where nobody leads it.
    pub(crate) leader: Option<i32>,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
}

/// How a topic forgets, as its settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleanup {
    /// After so many ms; never where there is none.
    Deleted(Option<i64>),
    /// What a later record of the same key replaces.
    Compacted,
    /// What a later record replaces, and what is older than so many ms.
    Both(Option<i64>),
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// Nothing where the broker keeps it secret.
    pub(crate) value: Option<String>,
    /// Whether it was set for this topic, and is not the broker's default.
    pub(crate) own: bool,
}

/// The schema of a topic's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TopicSubject)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) version: Option<i64>,
    pub(crate) id: Option<i64>,
    pub(crate) state: SubjectState,
}

/// How it stands to the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectState {
    /// The newest version is the contract's.
    Contract,
    /// It is another.
    Differs,
    /// There is none.
    Missing,
    /// The registry does not tell.
    Unknown,
}

#[expect(clippy::ref_option, reason = "serde hands it so")]
fn as_text<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

impl Topic {
    /// How it forgets; nothing where that is not known.
    pub(crate) fn cleanup(&self) -> Option<Cleanup> {
        let policy = self.setting("cleanup.policy")?;
        let kept_ms = self.setting("retention.ms").and_then(|ms| ms.parse().ok()).filter(|ms| *ms >= 0);
        Some(match (policy.contains("compact"), policy.contains("delete")) {
            (true, true) => Cleanup::Both(kept_ms),
            (true, false) => Cleanup::Compacted,
            (false, _) => Cleanup::Deleted(kept_ms),
        })
    }

    /// A setting's value.
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.name == name)?.value.as_deref()
    }
}

/// What is kept from one look to the next.
struct Kept {
    endpoints: Endpoints,
    http: reqwest::Client,
    look: Option<Arc<Look>>,
    counts: Option<Counts>,
    asked: Asked,
    subjects: Subjects,
}

/// Looks again and again, until the console stops.
pub(crate) async fn run(app: App) {
    let kept = Arc::new(Mutex::new(Kept {
        endpoints: app.config.endpoints.clone(),
        http: app.http.clone(),
        look: None,
        counts: None,
        asked: Asked::default(),
        subjects: Subjects::default(),
    }));
    keep(&app.watch, &app.watch.kafka, PACE, &app.stop, |before| {
        let (app, kept) = (app.clone(), Arc::clone(&kept));
        async move {
            app.own.asks_kafka(Look::REQUESTS);
            kept.lock().await.look(before).await
        }
    })
    .await;
}

impl Kept {
    async fn look(&mut self, before: Option<Arc<Topics>>) -> Result<Topics, Refused> {
        // Taken out: a look that is given up leaves no client behind that hangs.
        let look = match self.look.take() {
            Some(look) => look,
            None => Arc::new(Look::open(&self.endpoints)?),
        };
        let mut counts = self.counts.take().unwrap_or_else(|| Counts::new(&self.endpoints));
        let looking = Arc::clone(&look);
        let (seen, counts) = tokio::task::spawn_blocking(move || {
            let seen = looking.now();
            if seen.is_ok() {
                counts.follow();
            }
            (seen, counts)
        })
        .await?;
        let seen = seen?;
        let produced = counts.produced();
        (self.look, self.counts) = (Some(look), Some(counts));
        self.asked.ask(&seen).await;
        self.subjects.ask(&self.http, &self.endpoints).await;
        Ok(put_together(&self.endpoints, seen, &self.asked, &self.subjects, &produced, before.as_deref()))
    }
}

fn put_together(
    endpoints: &Endpoints,
    seen: look::Seen,
    asked: &Asked,
    subjects: &Subjects,
    counted: &BTreeMap<i32, i64>,
    before: Option<&Topics>,
) -> Topics {
    let now = Utc::now();
    let mut topics = Vec::new();
    let mut under_replicated = 0;
    for (name, mut partitions) in seen.topics {
        under_replicated += partitions.iter().filter(|of| of.in_sync.len() < of.replicas.len()).count();
        for partition in &mut partitions {
            partition.bytes = asked.bytes(&name, partition.id);
        }
        let earlier = before.and_then(|before| Some((before.get(&name)?, before.looked_at?)));
        let generation = endpoints.namespace.generation_of(&name);
        let described = described(&endpoints.namespace, &name, generation);
        topics.push(Topic {
            doc: described.as_ref().map(|(doc, _)| *doc),
            key: described.as_ref().map(|(_, key)| *key),
            generation,
            kind: match (&described, name.starts_with("__")) {
                (Some(_), _) => Kind::Contract,
                (None, true) => Kind::Internal,
                (None, false) => Kind::Foreign,
            },
            records: records(
                &partitions,
                generation.and_then(|generation| counted.get(&generation).copied()),
            ),
            bytes: partitions.iter().map(|partition| partition.bytes).sum(),
            bytes_why_not: asked.bytes_why_not().map(str::to_owned),
            offsets_per_s: earlier.and_then(|(earlier, at)| rate(&earlier.partitions, &partitions, now - at)),
            settings: asked.settings(&name),
            subject: subjects.of(&name, generation),
            partitions,
            name,
        });
    }
    topics.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Topics { topics, brokers: seen.brokers.len(), under_replicated, looked_at: Some(now) }
}

/// What the contract says of a topic: what it is for, and what its keys are.
fn described(
    namespace: &Namespace,
    name: &str,
    generation: Option<i32>,
) -> Option<(&'static str, &'static str)> {
    let topics = contracts::topics::topics(namespace, generation.unwrap_or(1), 1);
    let topic = topics.into_iter().find(|topic| topic.name == name)?;
    Some((topic.doc, topic.key))
}

fn records(partitions: &[Partition], counted: Option<i64>) -> Records {
    let offsets = partitions.iter().map(|of| Some(of.last_stable? - of.low?)).sum();
    let whole = partitions.iter().all(|partition| partition.low == Some(0));
    let by = if counted.is_some() { "relay" } else { "offsets" };
    Records { count: counted, exact: counted.is_some() && whole, by, offsets }
}

/// Offsets a second between two looks; nothing where one of them is not known, or a topic was made anew.
fn rate(before: &[Partition], now: &[Partition], between: chrono::TimeDelta) -> Option<f64> {
    let end = |partitions: &[Partition]| partitions.iter().map(|of| of.last_stable).sum::<Option<i64>>();
    let (before, now) = (end(before)?, end(now)?);
    let ms = u32::try_from(between.num_milliseconds()).ok().filter(|ms| *ms > 0)?;
    let moved = u32::try_from(now.checked_sub(before)?).ok()?;
    Some(f64::from(moved) * 1_000.0 / f64::from(ms))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn partition(low: Option<i64>, last_stable: Option<i64>) -> Partition {
        let replicas = vec![1];
        Partition {
            id: 0,
            low,
            last_stable,
            bytes: None,
            leader: Some(1),
            in_sync: replicas.clone(),
            replicas,
        }
    }

    #[test]
    fn offsets_are_no_count() {
        let partitions = [partition(Some(0), Some(10)), partition(Some(5), Some(10))];
        let told = records(&partitions, None);
        assert_eq!((told.count, told.exact, told.by, told.offsets), (None, false, "offsets", Some(15)));
        let told = records(&partitions, Some(7));
        assert_eq!((told.count, told.exact), (Some(7), false), "retention has removed some");
        assert!(records(&partitions[..1], Some(7)).exact);
        assert_eq!(records(&[partition(None, Some(1))], None).offsets, None);
    }

    #[test]
    fn a_rate_needs_two_looks_at_the_same_topic() {
        let at = |end| [partition(Some(0), Some(end))];
        assert_eq!(rate(&at(10), &at(30), TimeDelta::seconds(2)), Some(10.0));
        assert_eq!(rate(&at(10), &at(10), TimeDelta::seconds(2)), Some(0.0));
        assert_eq!(rate(&at(10), &at(3), TimeDelta::seconds(2)), None, "made anew");
        assert_eq!(rate(&at(10), &[partition(Some(0), None)], TimeDelta::seconds(2)), None);
        assert_eq!(rate(&at(10), &at(30), TimeDelta::zero()), None);
    }

    #[test]
    fn the_contract_describes_each_generation_of_events() {
        let namespace = Namespace::default();
        let topic = namespace.events_topic(7);
        assert!(described(&namespace, &topic, namespace.generation_of(&topic)).is_some());
        assert!(described(&namespace, "kafka_try.x", None).is_none());
    }
}
