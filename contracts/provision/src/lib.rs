//! Applies the contract to live services: migrations, publications, the role of the Control Center, topics,
//! schemas, slot, first position, keyspace and tables.
//!
//! [`apply`] may be run at any time and as often as one likes, also after it died half-way and by several
//! processes at once (they wait for each other). It creates what is missing, puts back settings where that
//! loses nothing, and refuses with the reason and the way out where something differs in earnest: it never
//! drops, never moves a position and never creates a slot that would leave accepted rows out.

#![warn(missing_docs)]

pub mod cluster;
pub mod committed;
mod console;
pub mod erasure;
mod error;
mod generation;
mod kafka;
mod patience;
pub mod position;
mod postgres;
mod registry;
pub mod retention;
mod scratch;
mod slot;
mod tables;
mod watermarks;

pub use error::ProvisionError;
pub use generation::{NextGeneration, begin_rebuild};
pub use patience::load_when_there;
pub use postgres::{connect, open};
pub use scratch::{create_database, drop_namespace, in_scratch_namespace};
pub use tables::connect as connect_cassandra;
pub use watermarks::{Watermarks, watermarks};

use contracts::endpoints::Endpoints;
use contracts::topics::{Assigned, EVENTS_PARTITIONS, Topic, topics};
use contracts::{RelayPosition, publications};

/// What stands ready: everything that writers and readers must agree on with the live services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// The generation of the events topic in force, and the ids of the schemas.
    pub assigned: Assigned,
    /// PostgreSQL's system identifier.
    pub system_id: String,
    /// PostgreSQL's timeline.
    pub timeline: i32,
    /// The replication slot.
    pub slot: String,
    /// Where the slot began: whatever was committed after this is in its stream.
    pub slot_created_lsn: u64,
    /// See [`contracts::publications::hash`].
    pub publication_hash: String,
}

impl Provisioned {
    /// The relay's position at an LSN, with nothing out in part.
    #[must_use]
    pub fn position_at(&self, lsn: u64) -> RelayPosition {
        RelayPosition {
            system_id: self.system_id.clone(),
            timeline: self.timeline,
            slot: self.slot.clone(),
            publication_hash: self.publication_hash.clone(),
            topic_generation: self.assigned.generation,
            generation_id: self.assigned.generation_id,
            lsn,
            partial_lsn: 0,
            partial_rows: 0,
        }
    }
}

/// What became of one thing that has to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there as it should be.
    Exists,
    /// It was there and differed; put back, losing nothing.
    Restored,
    /// It is missing and this user may not make it; the rest works without.
    Refused,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Exists => "exists",
            Self::Restored => "restored",
            Self::Refused => "not allowed",
        })
    }
}

/// One step of [`apply_with`], reported when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind of thing, as in `topic`.
    pub kind: &'static str,
    /// The name of the thing, as in `shop.events.g1`.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Hears of every step; called from the task that runs [`apply_with`].
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// What may be told to a set-up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Partitions of the first generation of the events topic; [`EVENTS_PARTITIONS`] where none are named.
    pub events_partitions: Option<i32>,
    /// Whether rows may have come from another PostgreSQL cluster though the database knows this one: all of
    /// them are read.
    pub restored: bool,
}

/// Creates what is missing.
///
/// # Errors
/// When a service does not answer or something differs in a way that must not be altered silently.
pub async fn apply(endpoints: &Endpoints) -> Result<Provisioned, ProvisionError> {
    apply_with(endpoints, &Options::default(), &|step| {
        tracing::debug!(kind = step.kind, name = step.name, outcome = %step.outcome, "set up");
    })
    .await
}

/// As [`apply`] with options, reporting each step.
///
/// # Errors
/// As [`apply`], and where the events topic is there with another number of partitions.
pub async fn apply_with(
    endpoints: &Endpoints,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Provisioned, ProvisionError> {
    let (provisioned, ()) = futures::future::try_join(
        Box::pin(apply_stream(endpoints, options, progress)),
        Box::pin(tables::ensure(&endpoints.cassandra_contact_points, &endpoints.namespace, progress)),
    )
    .await?;
    Ok(provisioned)
}

/// Everything that lies between PostgreSQL and Kafka, in the one order in which a crash leaves nothing
/// half-known: the position comes last and closes the set-up.
async fn apply_stream(
    endpoints: &Endpoints,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Provisioned, ProvisionError> {
    let namespace = &endpoints.namespace;
    let mut client = postgres::connect(&endpoints.pg_url).await?;
    // Held until the connection closes, so that a second set-up finds everything done.
    postgres::lock(&client, namespace).await?;
    postgres::migrate(&mut client, progress).await?;
    postgres::ensure_publications(&client, namespace, progress).await?;
    console::ensure_role(&mut client, progress).await?;
    cluster::ensure(&client, options.restored, progress).await?;

    let known = postgres::generation(&client).await?;
    let Options { events_partitions, .. } = *options;
    if let (Some(known), Some(wanted)) = (known, events_partitions)
        && known.partitions != wanted
    {
        return Err(ProvisionError::PartitionsDiffer {
            topic: namespace.events_topic(known.number),
            found: known.partitions,
            wanted,
        });
    }
    let number = known.map_or(1, |known| known.number);
    let partitions = known.map_or(events_partitions.unwrap_or(EVENTS_PARTITIONS), |known| known.partitions);
    let topics = topics(namespace, number, partitions);
    kafka::ensure_topics(&endpoints.kafka_brokers, &topics, progress).await?;
    let registry = registry::Registry::new(&endpoints.schema_registry_url)?;
    let mut schema_ids = Vec::with_capacity(topics.len());
    for topic in &topics {
        schema_ids.push(registry.ensure(&topic.subject, &topic.schema, progress).await?);
    }

    let generation = match known {
        Some(known) => known,
        None => {
            let events = &topics[0].name;
            kafka::refuse_records(&endpoints.kafka_brokers, events).await?;
            postgres::begin_generation(&client, number, partitions).await?
        }
    };
    let outcome = if known.is_some() { Outcome::Exists } else { Outcome::Created };
    progress(Step { kind: "topic generation", name: number.to_string(), outcome });

    let identity = postgres::identity(&client).await?;
    let publication_hash = publications::hash(namespace);
    let slot = slot::ensure(&client, namespace, &identity, &publication_hash, progress).await?;
    let provisioned = provisioned(
        generation,
        &topics,
        &schema_ids,
        identity,
        slot.created_lsn,
        publication_hash,
        namespace.slot(),
    );
    ensure_first_position(&client, endpoints, &provisioned, &slot, progress).await?;
    Ok(provisioned)
}

async fn ensure_first_position(
    client: &tokio_postgres::Client,
    endpoints: &Endpoints,
    provisioned: &Provisioned,
    slot: &slot::Slot,
    progress: Progress<'_>,
) -> Result<(), ProvisionError> {
    let topic = endpoints.namespace.positions_topic();
    let name = format!("{} in {topic}", provisioned.slot);
    let first = provisioned.position_at(provisioned.slot_created_lsn);
    match position::read(&endpoints.kafka_brokers, &topic, &provisioned.slot).await? {
        Some(found) => {
            // During a rebuild the relay may not have gone over to the newest generation yet.
            let first = match postgres::generation_id(client, found.topic_generation).await? {
                Some(generation_id) => RelayPosition { generation_id, ..first },
                None => first,
            };
            slot::check_position(&found, &first)?;
            progress(Step { kind: "position", name, outcome: Outcome::Exists });
        }
        None => {
            slot.refuse_if_used()?;
            position::write(
                &endpoints.kafka_brokers,
                &topic,
                provisioned.assigned.position_schema_id,
                &first,
            )
            .await?;
            progress(Step { kind: "position", name, outcome: Outcome::Created });
        }
    }
    Ok(())
}

/// Reads what [`apply`] left, changing nothing. Cassandra is not asked, and neither is the position, which
/// the relay judges itself.
///
/// # Errors
/// When a service does not answer or something is missing, which names `storepulse setup`.
pub async fn load(endpoints: &Endpoints) -> Result<Provisioned, ProvisionError> {
    let namespace = &endpoints.namespace;
    let client = postgres::connect(&endpoints.pg_url).await?;
    let missing = |what: &'static str, name: String| ProvisionError::NotSetUp { what, name };
    let generation = postgres::generation(&client)
        .await?
        .ok_or_else(|| missing("topic generation", namespace.events_topic(1)))?;
    let slot = slot::recorded(&client, &namespace.slot())
        .await?
        .ok_or_else(|| missing("replication slot", namespace.slot()))?;
    let identity = postgres::identity(&client).await?;
    let topics = topics(namespace, generation.number, generation.partitions);
    if let Some(topic) = kafka::first_missing(&endpoints.kafka_brokers, &topics).await? {
        return Err(missing("topic", topic));
    }
    let registry = registry::Registry::new(&endpoints.schema_registry_url)?;
    let mut schema_ids = Vec::with_capacity(topics.len());
    for topic in &topics {
        let id = registry.look_up(&topic.subject, &topic.schema).await?;
        schema_ids.push(id.ok_or_else(|| missing("schema", topic.subject.clone()))?);
    }
    Ok(provisioned(
        generation,
        &topics,
        &schema_ids,
        identity,
        slot.created_lsn,
        publications::hash(namespace),
        namespace.slot(),
    ))
}

fn provisioned(
    generation: postgres::Generation,
    topics: &[Topic],
    schema_ids: &[u32],
    identity: postgres::Identity,
    slot_created_lsn: u64,
    publication_hash: String,
    slot: String,
) -> Provisioned {
    // The order of the topic table: events, users, quarantine, positions, ledger.
    debug_assert_eq!(topics.len(), 5);
    Provisioned {
        assigned: Assigned {
            generation: generation.number,
            generation_id: generation.id,
            event_schema_id: schema_ids[0],
            user_schema_id: schema_ids[1],
            refusal_schema_id: schema_ids[2],
            position_schema_id: schema_ids[3],
            ledger_schema_id: schema_ids[4],
        },
        system_id: identity.system_id,
        timeline: identity.timeline,
        slot,
        slot_created_lsn,
        publication_hash,
    }
}
