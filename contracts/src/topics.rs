//! The topic table: every Kafka topic, what it holds and how it is kept.

use serde_json::Value;
use uuid::Uuid;

use crate::ledger::RelayCount;
use crate::namespace::Namespace;
use crate::position::RelayPosition;
use crate::quarantine::Refusal;
use crate::{Event, User, avro};

/// How many days events stay in Kafka; PostgreSQL keeps them all.
pub const EVENTS_RETENTION_DAYS: u32 = 7;
/// How many days a user's earlier states stay in Kafka: longer than any record of a topic that
/// [`EVENTS_RETENTION_DAYS`] has not cut yet, segments of a week included, so that a job which may begin at
/// the topics' start still finds every insert.
pub const USERS_COMPACTION_LAG_DAYS: u32 = 4 * EVENTS_RETENTION_DAYS;
/// How many days pass at most until they are gone, and all states of a user who was erased: Kafka gives no
/// such promise by itself. Counted from when a later record comes into the same partition, since it closes no
/// segment that nobody writes to.
pub const USERS_COMPACTED_WITHIN_DAYS: u32 = USERS_COMPACTION_LAG_DAYS + 1;
/// Partitions of the events topic, unless set-up or a rebuild is told otherwise: how many tasks can read it
/// at a time.
pub const EVENTS_PARTITIONS: i32 = 4;
/// The largest record batch a broker takes, in bytes.
pub const MAX_MESSAGE_BYTES: u32 = 1_048_576;

/// How a topic forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// After this many days.
    DeleteAfterDays(u32),
    /// Only what a later record of the same key replaces, and no sooner than after this many days.
    CompactAfterDays(u32),
    /// The same, and no later than after this many: a record may be of a person who has to be forgotten.
    CompactBetweenDays(u32, u32),
}

/// One topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Its full name.
    pub name: String,
    /// The registry's subject of its values.
    pub subject: String,
    /// The Avro schema of its values.
    pub schema: Value,
    /// What its keys are.
    pub key: &'static str,
    /// How many partitions it is created with.
    pub partitions: i32,
    /// How it forgets.
    pub cleanup: Cleanup,
    /// What it is for.
    pub doc: &'static str,
}

impl Topic {
    /// The broker settings that differ from its defaults.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("max.message.bytes", MAX_MESSAGE_BYTES.to_string())];
        match self.cleanup {
            Cleanup::DeleteAfterDays(days) => {
                settings.push(("cleanup.policy", "delete".into()));
                settings.push(("retention.ms", days_ms(days).to_string()));
            }
            Cleanup::CompactAfterDays(days) => {
                settings.push(("cleanup.policy", "compact".into()));
                settings.push(("min.compaction.lag.ms", days_ms(days).to_string()));
            }
            Cleanup::CompactBetweenDays(least, most) => {
                settings.push(("cleanup.policy", "compact".into()));
                settings.push(("min.compaction.lag.ms", days_ms(least).to_string()));
                settings.push(("max.compaction.lag.ms", days_ms(most).to_string()));
            }
        }
        settings
    }
}

fn days_ms(days: u32) -> u64 {
    u64::from(days) * 86_400_000
}

/// What set-up decided of the topics: the generation of the events' in force, and the registry's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The generation of the events topic.
    pub generation: i32,
    /// Its id, as every record's header carries it.
    pub generation_id: Uuid,
    /// The id of the schema of events.
    pub event_schema_id: u32,
    /// The id of the schema of users.
    pub user_schema_id: u32,
    /// The id of the schema of refusals.
    pub refusal_schema_id: u32,
    /// The id of the schema of positions.
    pub position_schema_id: u32,
    /// The id of the schema of the relay's counts.
    pub ledger_schema_id: u32,
}

/// The compatibility every subject is held to.
pub const COMPATIBILITY: &str = "BACKWARD_TRANSITIVE";

/// The schema of events.
#[must_use]
pub fn event_schema() -> Value {
    avro::schema("Event", "One line of a shopper's behaviour.", Event::FIELDS)
}

/// The schema of users.
#[must_use]
pub fn user_schema() -> Value {
    avro::schema("User", "What is published of a user; no personal data.", User::FIELDS)
}

/// The schema of refusals.
#[must_use]
pub fn refusal_schema() -> Value {
    avro::schema("Refusal", "A record that Spark refused, without its bytes.", Refusal::FIELDS)
}

/// The topics of a namespace whose events are in the given generation, in so many partitions.
#[must_use]
pub fn topics(namespace: &Namespace, generation: i32, events_partitions: i32) -> Vec<Topic> {
    let users = namespace.users_topic();
    let quarantine = namespace.quarantine_topic();
    let positions = namespace.positions_topic();
    let ledger = namespace.ledger_topic();
    vec![
        Topic {
            name: namespace.events_topic(generation),
            subject: namespace.events_subject(),
            schema: event_schema(),
            key: "user_id, as text",
            partitions: events_partitions,
            cleanup: Cleanup::DeleteAfterDays(EVENTS_RETENTION_DAYS),
            doc: "every accepted event, once, in the order PostgreSQL committed it per user",
        },
        Topic {
            subject: Namespace::subject(&users),
            name: users,
            schema: user_schema(),
            key: "user_id, as text",
            partitions: 2,
            cleanup: Cleanup::CompactBetweenDays(USERS_COMPACTION_LAG_DAYS, USERS_COMPACTED_WITHIN_DAYS),
            doc: "the latest state of each user; a null value says that the user was erased",
        },
        Topic {
            subject: Namespace::subject(&quarantine),
            name: quarantine,
            schema: refusal_schema(),
            key: "topic/partition/offset of the refused record",
            partitions: 1,
            cleanup: Cleanup::DeleteAfterDays(28),
            doc: "what Spark refused: reason and coordinates, no bytes",
        },
        Topic {
            subject: Namespace::subject(&positions),
            name: positions,
            schema: RelayPosition::schema(),
            key: "the replication slot's name",
            partitions: 1,
            cleanup: Cleanup::CompactAfterDays(0),
            doc: "the relay's position, written in the same transaction as what it covers",
        },
        Topic {
            subject: Namespace::subject(&ledger),
            name: ledger,
            schema: RelayCount::schema(),
            key: "slot/generation/minute",
            partitions: 1,
            cleanup: Cleanup::CompactAfterDays(0),
            doc: "what the relay counted for each minute, written in the same transaction as what it counts",
        },
    ]
}
