//! Why a set-up stops, and what to do about it.

use rdkafka::types::RDKafkaErrorCode;
use tokio_postgres::types::PgLsn;

/// A set-up that stopped. Nothing was taken back: run it again once the cause is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message says what a field is whose name alone would be repeated")]
pub enum ProvisionError {
    /// PostgreSQL cannot be reached.
    #[error("postgresql does not answer: check PG_URL and `storepulse stack status`")]
    PostgresConnect(#[source] tokio_postgres::Error),
    /// A statement failed.
    #[error(
        "postgresql failed to {doing}: check `storepulse stack status` and that the user in PG_URL owns the database, \
         then run this command again"
    )]
    Postgres {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A migration failed or a published one was changed.
    #[error("a migration cannot be applied: a published migration must stay as it is, add a new one instead")]
    Migration(#[source] refinery::Error),
    /// Rows that no snapshot of this cluster sees.
    #[error(
        "{table} has rows with transaction ids that this postgresql has not reached: a dump or a logical copy \
         brought the rows from another cluster, and the figures would not count them; run \
         `storepulse setup --restored`, then this command again"
    )]
    RowsOfAnotherCluster { table: &'static str },
    /// A publication publishes something else than the contract says.
    #[error(
        "publication {name} publishes {found}, but the contract says {expected}: drop the publication by hand and \
         run `storepulse setup` again; if rows were published already, a new topic generation is needed"
    )]
    PublicationDiffers {
        name: String,
        /// What it should publish.
        expected: String,
        /// What it publishes.
        found: String,
    },
    /// The server keeps too little in its log.
    #[error("wal_level is {0}, logical replication needs `wal_level = logical` and a restart of postgresql")]
    WalLevel(String),
    /// Rows were accepted before the slot existed: the stream would begin without them.
    #[error(
        "{table} has rows, but slot {slot} was never created: these rows would never be published; run \
         `storepulse setup` before anything is stored, or use another database and namespace"
    )]
    RowsBeforeSlot {
        slot: String,
        /// The table that has rows.
        table: &'static str,
    },
    /// The slot is gone though it was created once: the log since may be lost.
    #[error(
        "replication slot {slot}, created at {created_lsn}, is gone: rows committed since its last position may be \
         missing from kafka; run `storepulse rebuild`"
    )]
    SlotLost {
        slot: String,
        /// Where it began.
        created_lsn: PgLsn,
    },
    /// The slot cannot be ours.
    #[error(
        "replication slot {slot} is not usable: its {what} is {found}, not {expected}; `storepulse rebuild` makes it \
         anew and computes every figure again"
    )]
    SlotDiffers {
        slot: String,
        /// Which property.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Something confirmed the slot's log, but Kafka has no position.
    #[error(
        "replication slot {slot} was created at {created_lsn} and confirmed up to {confirmed_lsn}, but kafka has no \
         position: the rows between the two may be missing from the topics; run `storepulse rebuild`"
    )]
    SlotUsed {
        slot: String,
        /// Where it began.
        created_lsn: PgLsn,
        /// How far it was confirmed.
        confirmed_lsn: PgLsn,
    },
    /// A relay uses a slot that has to be made anew.
    #[error(
        "slot {slot} has to be created again, but a relay holds its lock: stop `storepulse relay run`, then run this \
         command again"
    )]
    RelayAtWork { slot: String },
    /// The position in Kafka belongs to something else.
    #[error(
        "the position of slot {slot} in kafka has {what} {found}, but this database has {expected}: use another \
         namespace, or delete the namespace's topics if nobody needs their records"
    )]
    ForeignPosition {
        slot: String,
        /// Which part differs.
        what: &'static str,
        /// This database's.
        expected: String,
        /// The position's.
        found: String,
    },
    /// The positions topic holds something that is no position.
    #[error(
        "the latest record of slot {slot} in {topic} is not a position: another program wrote to the topic; stop that \
         program, delete the topic, which holds positions alone, and run `storepulse rebuild`, which computes every \
         figure from postgresql"
    )]
    UnreadablePosition {
        topic: String,
        slot: String,
        /// Why it cannot be read.
        #[source]
        source: contracts::avro::ReadError,
    },
    /// Kafka did not do something.
    #[error("kafka failed to {doing}: check KAFKA_BROKERS and `storepulse stack status`")]
    Kafka {
        doing: String,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// A topic differs in a way that cannot be put back without loss.
    #[error(
        "topic {topic} has {what} {found}, but the contract says {expected}: keys would move to other partitions, or \
         records would be lost; use another namespace or a new topic generation"
    )]
    TopicDiffers {
        topic: String,
        /// Which property.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The events topic is there, with other partitions than wanted.
    #[error(
        "topic {topic} has {found} partitions, not {wanted}: a change would move keys to other partitions; \
         `storepulse rebuild --events-partitions {wanted}` begins a new topic with {wanted} partitions"
    )]
    PartitionsDiffer {
        topic: String,
        /// How many it has.
        found: i32,
        /// How many were asked for.
        wanted: i32,
    },
    /// The events topic holds records of another database.
    #[error(
        "topic {topic} holds records, but this database never began a generation: use another namespace, or delete \
         the topic if nobody needs its records"
    )]
    ForeignTopic { topic: String },
    /// The registry cannot be reached or its answer not be read.
    #[error("the schema registry does not answer: check SCHEMA_REGISTRY_URL and `storepulse stack status`")]
    Registry(#[source] reqwest::Error),
    /// The registry refused something.
    #[error(
        "the schema registry refused to {doing} with status {status}: {answer}; check \
         `storepulse stack logs schema-registry`, then run this command again"
    )]
    RegistryRefused {
        doing: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        answer: String,
    },
    /// A schema that older readers or records would not survive.
    #[error(
        "the schema of {subject} is not compatible with an earlier version: {answer}; \
         give new fields a default, and never remove, rename or retype one"
    )]
    IncompatibleSchema {
        subject: String,
        /// What the registry said.
        answer: String,
    },
    /// The registry gives back another schema than was registered.
    #[error(
        "the registry returns schema {id} of {subject} with another text than was registered: its storage is \
         damaged, or is another registry's; restore the registry's topic, or give it an empty one, then run \
         `storepulse setup` and `storepulse rebuild`"
    )]
    SchemaReadsDifferently { subject: String, id: u32 },
    /// Cassandra cannot be reached.
    #[error("cassandra does not answer: check CASSANDRA_CONTACT_POINTS and `storepulse stack status`")]
    CassandraConnect(#[source] Box<scylla::errors::NewSessionError>),
    /// A statement failed.
    #[error("cassandra failed to {doing}: check `storepulse stack status`, then run this command again")]
    Cassandra {
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table differs beyond a missing measure.
    #[error(
        "table {table} differs from the contract in column {column}: the column is {found}, not {expected}; \
         postgresql has everything that the table holds: drop the table by hand, run this command again, then \
         `storepulse rebuild`"
    )]
    TableDiffers {
        /// Keyspace and table.
        table: String,
        column: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Something that set-up creates is missing.
    #[error("{what} {name} does not exist: run `storepulse setup` first")]
    NotSetUp { what: &'static str, name: String },
    /// A URL that is none.
    #[error("PG_URL is not a URL of the form postgresql://user:password@host:port/database")]
    PgUrl,
    /// Removing a namespace left something behind.
    #[error("{left} of namespace {namespace} could not be removed")]
    Leftovers {
        namespace: String,
        /// What is left, with the reason.
        left: String,
    },
}

impl ProvisionError {
    /// Whether a service did not answer, or could not serve for the moment: the same call may go well later
    /// with nothing else done.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::PostgresConnect(source) | Self::Postgres { source, .. } => postgres_is_away(source),
            Self::Kafka { source, .. } => source.rdkafka_error_code().is_some_and(kafka_is_away),
            Self::Registry(source) => !source.is_builder() && !source.is_decode(),
            // The registry answers 5xx while its own store, PostgreSQL, is away.
            Self::RegistryRefused { status, .. } => *status >= 500 || *status == 429,
            Self::CassandraConnect(_) => true,
            _ => false,
        }
    }

    pub(crate) fn postgres(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { doing, source }
    }

    pub(crate) fn kafka(doing: impl Into<String>) -> impl FnOnce(rdkafka::error::KafkaError) -> Self {
        let doing = doing.into();
        move |source| Self::Kafka { doing, source }
    }

    pub(crate) fn cassandra<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let doing = doing.into();
        move |source| Self::Cassandra { doing, source: Box::new(source) }
    }
}

/// No answer at all, or a class of SQLSTATE that passes: 08 connection, 53 resources, 57P shutdown and start.
fn postgres_is_away(error: &tokio_postgres::Error) -> bool {
    error.code().is_none_or(|state| ["08", "53", "57P"].iter().any(|class| state.code().starts_with(class)))
}

fn kafka_is_away(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::Resolve
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NetworkException
    )
}
