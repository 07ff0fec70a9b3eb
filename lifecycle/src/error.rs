//! Why it stops. What was done until then stays done: run it again once the cause is gone.

use chrono::NaiveDate;
use uuid::Uuid;

/// A retention or an erasure that stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// A service does not answer.
    #[error("a service cannot be reached")]
    Provision(#[from] provision::ProvisionError),
    /// PostgreSQL refused.
    #[error("postgresql refused to {doing}; the steps before it are done: run this command again")]
    Postgres {
        /// What was tried.
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Others write or compare tables.
    #[error(
        "a reconciliation, rebuild or verification is still running after a wait of {waited_s} s: let it end, then \
         run this command again"
    )]
    Busy {
        /// How long it was waited for.
        waited_s: u64,
    },
    /// Cassandra refused.
    #[error(
        "cassandra refused to {doing} {table}; check `storepulse stack status`, then run this command again"
    )]
    Cassandra {
        /// What was tried.
        doing: &'static str,
        /// Which table.
        table: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Kafka refused.
    #[error("kafka refused to {doing} {topic}; check `storepulse stack status`, then run this command again")]
    Kafka {
        /// What was tried.
        doing: &'static str,
        /// Which topic.
        topic: String,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Nothing is known of the user.
    #[error(
        "no user, event or quarantined record has the id {0}, and nobody with it was erased: \
         `psql \"$PG_URL\" -c 'select user_id from raw.users'` lists the ids there are"
    )]
    UnknownUser(Uuid),
    /// Too few days.
    #[error("--keep-days must be from 1 to {longest}, and is {asked}")]
    KeepDays {
        /// What was asked for.
        asked: u32,
        /// The most.
        longest: u32,
    },
    /// A day that no calendar has.
    #[error("{0} has no day before it")]
    Calendar(NaiveDate),
}

impl LifecycleError {
    pub(crate) fn postgres(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { doing, source }
    }

    pub(crate) fn cassandra<E: std::error::Error + Send + Sync + 'static>(
        doing: &'static str,
        table: &str,
    ) -> impl Fn(E) -> Self {
        move |source| Self::Cassandra { doing, table: table.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn kafka(doing: &'static str, topic: &str) -> impl Fn(rdkafka::error::KafkaError) -> Self {
        move |source| Self::Kafka { doing, topic: topic.to_owned(), source }
    }
}
