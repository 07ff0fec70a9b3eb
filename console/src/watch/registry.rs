//! The subjects of the Schema Registry: their versions, what they are held to, and which version is in force
//! here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::namespace::Namespace;
use contracts::topics::{EVENTS_PARTITIONS, Topic, topics};
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;

use super::{Pace, keep};
use crate::app::App;
use crate::schemas::Cache;
use crate::schemas::client::{Refusal, Registry};

/// How often subjects are looked at. A registry changes by the day; what is shown may be half a minute old.
const PACE: Pace = Pace {
    watched: Duration::from_secs(30),
    alone: Duration::from_secs(30),
    answer: Duration::from_secs(20),
};
/// How many subjects are asked about at once.
const AT_ONCE: usize = 4;

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Subjects {
    /// What a subject is held to that has no setting of its own.
    pub(crate) held_to: String,
    /// By name, the contract's first.
    pub(crate) subjects: Vec<Subject>,
}

/// One subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// Its versions, the oldest first.
    pub(crate) versions: Vec<Version>,
    /// What a new version is held to, as in `BACKWARD_TRANSITIVE`.
    pub(crate) held_to: String,
    /// Whether that is a setting of its own.
    pub(crate) held_by_itself: bool,
    /// What the contract says of it; nothing where it belongs to somebody else.
    pub(crate) contract: Option<Contract>,
}

/// A version and the id of its schema, which every record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Version {
    pub(crate) version: i32,
    pub(crate) id: u32,
}

/// A subject that the contract owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Contract {
    /// The topic whose values it describes.
    pub(crate) topic: String,
    /// What that is for.
    pub(crate) doc: String,
    /// The version that equals the contract's schema: records are written with it. None is a fault: set-up
    /// must run.
    pub(crate) in_force: Option<Version>,
    /// Whether it is held to what the contract asks for.
    pub(crate) held_as_agreed: bool,
}

impl Subject {
    /// Its newest version.
    pub(crate) fn newest(&self) -> Option<Version> {
        self.versions.last().copied()
    }

    pub(crate) fn version(&self, version: i32) -> Option<Version> {
        self.versions.iter().find(|known| known.version == version).copied()
    }

    /// The version before another one.
    pub(crate) fn before(&self, version: i32) -> Option<Version> {
        self.versions.iter().rev().find(|known| known.version < version).copied()
    }
}

impl Subjects {
    pub(crate) fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }
}

/// Looks again and again until the console stops.
pub(crate) async fn run(app: App) {
    // Schemas and topics do not change by generation or partitions: any will do.
    let contract = Arc::new(topics(&app.config.endpoints.namespace, 1, EVENTS_PARTITIONS));
    keep(&app.watch, &app.watch.registry, PACE, &app.stop, |before| {
        let (app, contract) = (app.clone(), Arc::clone(&contract));
        async move {
            let registry = Registry { http: &app.http, url: &app.config.endpoints.schema_registry_url };
            Ok(look(&registry, &app.schemas, &contract, before.as_deref()).await?)
        }
    })
    .await;
}

async fn look(
    registry: &Registry<'_>,
    cache: &Cache,
    contract: &[Topic],
    before: Option<&Subjects>,
) -> Result<Subjects, Refusal> {
    let (names, held_to) = tokio::try_join!(registry.subjects(), registry.held_to(None))?;
    // What has no level at all is held to Confluent's default.
    let held_to = held_to.unwrap_or_else(|| "BACKWARD".to_owned());
    let asked = names.into_iter().map(|name| {
        let before = before.and_then(|subjects| subjects.subject(&name)).cloned();
        subject(registry, cache, contract, &held_to, name, before).boxed()
    });
    let told: Vec<Option<Subject>> =
        futures::stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut subjects: Vec<Subject> = told.into_iter().flatten().collect();
    subjects.sort_by(|a, b| (a.contract.is_none(), &a.name).cmp(&(b.contract.is_none(), &b.name)));
    Ok(Subjects { held_to, subjects })
}

/// One subject as the registry has it now; nothing where it has none of that name.
pub(crate) async fn look_at(
    registry: &Registry<'_>,
    cache: &Cache,
    namespace: &Namespace,
    name: &str,
) -> Result<Option<Subject>, Refusal> {
    let contract = topics(namespace, 1, EVENTS_PARTITIONS);
    let held_to = registry.held_to(None).await?.unwrap_or_else(|| "BACKWARD".to_owned());
    subject(registry, cache, &contract, &held_to, name.to_owned(), None).await
}

/// One subject; nothing where it has been deleted since the list was read.
async fn subject(
    registry: &Registry<'_>,
    cache: &Cache,
    contract: &[Topic],
    global: &str,
    name: String,
    before: Option<Subject>,
) -> Result<Option<Subject>, Refusal> {
    let numbers = match registry.versions(&name).await {
        Err(Refusal::Unknown) => return Ok(None),
        numbers => numbers?,
    };
    let own = registry.held_to(Some(&name)).await?;
    let known = known_ids(registry, &name, &numbers, before).await?;
    let mut versions = Vec::with_capacity(numbers.len());
    for number in numbers {
        let id = match known.get(&number) {
            Some(id) => *id,
            None => registry.version(&name, number).await?.id,
        };
        versions.push(Version { version: number, id });
    }
    versions.sort_by_key(|version| version.version);
    let contract = match contract.iter().find(|topic| topic.subject == name) {
        Some(topic) => Some(owned(registry, cache, topic, &versions, own.as_deref()).await?),
        None => None,
    };
    let held_by_itself = own.is_some();
    let held_to = own.unwrap_or_else(|| global.to_owned());
    Ok(Some(Subject { name, versions, held_to, held_by_itself, contract }))
}

/// Ids of versions that were read before. They stay as they are unless a subject was deleted and made anew,
/// which the id of its newest version tells.
async fn known_ids(
    registry: &Registry<'_>,
    name: &str,
    numbers: &[i32],
    before: Option<Subject>,
) -> Result<BTreeMap<i32, u32>, Refusal> {
    let Some(newest) = numbers.iter().max() else { return Ok(BTreeMap::new()) };
    let newest = registry.version(name, *newest).await?;
    let earlier = before.map(|before| before.versions).unwrap_or_default();
    let mut known: BTreeMap<i32, u32> =
        earlier.into_iter().map(|version| (version.version, version.id)).collect();
    if known.get(&newest.version).is_some_and(|id| *id != newest.id) {
        known.clear();
    }
    known.insert(newest.version, newest.id);
    Ok(known)
}

async fn owned(
    registry: &Registry<'_>,
    cache: &Cache,
    topic: &Topic,
    versions: &[Version],
    own: Option<&str>,
) -> Result<Contract, Refusal> {
    let mut in_force = None;
    for version in versions.iter().rev() {
        if equals(&cache.by_id(registry, version.id).await?.schema, &topic.schema) {
            in_force = Some(*version);
            break;
        }
    }
    Ok(Contract {
        topic: topic.name.clone(),
        doc: topic.doc.to_owned(),
        in_force,
        held_as_agreed: own == Some(contracts::topics::COMPATIBILITY),
    })
}

/// Whether a registered schema is the contract's: value for value, as set-up compares them.
fn equals(registered: &Value, contract: &Value) -> bool {
    registered == contract
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_before_is_the_nearest_older_one() {
        let versions = [1, 2, 5].map(|version| Version { version, id: 10 }).to_vec();
        let subject = Subject {
            name: "s".into(),
            versions,
            held_to: "NONE".into(),
            held_by_itself: false,
            contract: None,
        };
        assert_eq!(subject.before(5).map(|v| v.version), Some(2));
        assert_eq!(subject.before(1), None);
        assert_eq!(subject.newest().map(|v| v.version), Some(5));
        assert_eq!(subject.version(3), None);
    }
}
