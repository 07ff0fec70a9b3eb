//! Why a verification cannot be brought to a verdict. What differs is no error but the verdict itself.

/// A verification without a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Connecting, or reading the relay's position, failed.
    #[error(transparent)]
    Provision(#[from] provision::ProvisionError),
    /// PostgreSQL failed at something.
    #[error("postgresql failed to {doing}: check `storepulse stack status`")]
    Postgres {
        /// What was tried.
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Cassandra failed at something.
    #[error("cassandra failed to {doing}: check `storepulse stack status`")]
    Cassandra {
        /// What was tried.
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Kafka failed at something.
    #[error("kafka failed to {doing}: check `storepulse stack status`")]
    Kafka {
        /// What was tried.
        doing: &'static str,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// The topic of the relay's counts does not come to its end.
    #[error("{topic} could not be read to its end: check `storepulse stack status`")]
    NoAnswer { topic: String },
    /// Something that is no count of the relay.
    #[error(
        "a record in {topic} is not a count written by the relay: another program wrote to the topic; \
         stop that program, delete the topic, then run `storepulse setup` and `storepulse rebuild`, \
         after which the new events topic is counted from its start"
    )]
    UnreadableCount {
        topic: String,
        /// What is wrong with it.
        #[source]
        source: contracts::avro::ReadError,
    },
    /// No job has a checkpoint.
    #[error(
        "query {query:?} has no plan in force, so its tables cannot have rows: start `storepulse job run`"
    )]
    NoPlan { query: String },
    /// The checkpoint lies where this program cannot read.
    #[error("checkpoint {0} is not a file: URI, and this program reads no other URI")]
    CheckpointScheme(String),
    /// The checkpoint cannot be read.
    #[error("checkpoint file {path} cannot be read")]
    Checkpoint {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// The checkpoint holds something else than offsets.
    #[error("checkpoint file {path} does not hold kafka offsets: {reason}")]
    CheckpointShape {
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The relay did not get to the snapshot.
    #[error(
        "after {waited_s} s the relay's position is {position} and has not reached {wanted}: check that \
         `storepulse relay run` runs, or allow more time"
    )]
    RelayBehind {
        /// How long it was waited for.
        waited_s: u64,
        /// Its last position.
        position: String,
        wanted: String,
    },
    /// Spark did not get to the end of the topic.
    #[error(
        "after {waited_s} s spark's query {query:?} is still {behind} offsets before the end of {topic}: check that \
         `storepulse job run` runs, or allow more time"
    )]
    SparkBehind {
        /// How long it was waited for.
        waited_s: u64,
        /// Offsets that are not committed yet, over all partitions.
        behind: i64,
        query: String,
        topic: String,
    },
    /// A table that the contract no longer has.
    #[error("table {0} is not in the contract: its figures cannot be read")]
    UnknownTable(&'static str),
    /// A value of a type that the contract does not give the column.
    #[error("column {column} of {table} holds a value of another type: run `storepulse setup`")]
    UnexpectedType { table: &'static str, column: &'static str },
}

impl VerifyError {
    pub(crate) fn postgres(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { doing, source }
    }

    pub(crate) fn cassandra<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let doing = doing.into();
        move |source| Self::Cassandra { doing, source: Box::new(source) }
    }
}
