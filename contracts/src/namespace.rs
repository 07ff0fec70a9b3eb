//! Names of everything one installation owns, so that several can share the same services.

use std::fmt;
use std::str::FromStr;

/// The purpose of the advisory lock that the relay at work holds, and who makes its slot anew.
pub const RELAY_LOCK: &str = "relay";
/// The purpose of the advisory lock that repairs hold alone while they write, and readers share who compare
/// the tables.
pub const REPAIR_LOCK: &str = "repair";

/// The prefix of topics, the keyspace, and the stem of the slot, publications and transactional id.
///
/// Lower-case letters, digits and underscores, starting with a letter, at most 32 characters: what Kafka,
/// Cassandra (unquoted) and PostgreSQL all accept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace(String);

/// A name that some service would refuse.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a valid namespace: use 1 to 32 lower-case letters, digits and underscores, starting with a \
     letter"
)]
pub struct NamespaceError(pub String);

impl Default for Namespace {
    fn default() -> Self {
        Self("shop".to_owned())
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let valid = (1..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if valid { Ok(Self(name.to_owned())) } else { Err(NamespaceError(name.to_owned())) }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Namespace {
    /// The topic of events, in the given generation (from 1).
    #[must_use]
    pub fn events_topic(&self, generation: i32) -> String {
        format!("{}.events.g{generation}", self.0)
    }

    /// The generation of a topic of events; nothing where the topic is another.
    #[must_use]
    pub fn generation_of(&self, topic: &str) -> Option<i32> {
        topic.strip_prefix(&format!("{}.events.g", self.0))?.parse().ok()
    }

    /// The subject of events: one for all generations.
    #[must_use]
    pub fn events_subject(&self) -> String {
        format!("{}.events-value", self.0)
    }

    /// The compacted topic of users.
    #[must_use]
    pub fn users_topic(&self) -> String {
        format!("{}.users", self.0)
    }

    /// The topic of what Spark refused.
    #[must_use]
    pub fn quarantine_topic(&self) -> String {
        format!("{}.quarantine", self.0)
    }

    /// The compacted topic of the relay's positions.
    #[must_use]
    pub fn positions_topic(&self) -> String {
        format!("{}.relay.positions", self.0)
    }

    /// The compacted topic of what the relay counted.
    #[must_use]
    pub fn ledger_topic(&self) -> String {
        format!("{}.ledger", self.0)
    }

    /// The subject of a topic that is not the events topic.
    #[must_use]
    pub fn subject(topic: &str) -> String {
        format!("{topic}-value")
    }

    /// The Cassandra keyspace.
    #[must_use]
    pub fn keyspace(&self) -> &str {
        &self.0
    }

    /// The replication slot; slots belong to the whole PostgreSQL cluster, not to a database.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("{}_relay", self.0)
    }

    /// The publication of `raw.events`.
    #[must_use]
    pub fn events_publication(&self) -> String {
        format!("{}_events", self.0)
    }

    /// The publication of `raw.users`.
    #[must_use]
    pub fn users_publication(&self) -> String {
        format!("{}_users", self.0)
    }

    /// The relay's transactional id: one writer at a time, the older one is fenced.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("{}-relay", self.0)
    }

    /// A key for PostgreSQL's advisory locks, for the given purpose.
    #[must_use]
    pub fn advisory_lock(&self, purpose: &str) -> i64 {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("{}/{purpose}", self.0));
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(key)
    }
}
