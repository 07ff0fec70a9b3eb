//! Why the relay stops for good, and why it only starts again.

use pgwire_replication::{Lsn, PgWireError};
use rdkafka::error::KafkaError;

use crate::pgoutput::Malformed;
use crate::transcode::ShapeError;

/// Why the relay stopped: going on could lose or repeat rows, or needs a decision. Everything else is
/// retried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The PostgreSQL URL cannot be used.
    #[error("the PostgreSQL URL is not usable for replication: {reason}; correct PG_URL")]
    Url {
        /// What is wrong with it, without its secrets.
        reason: &'static str,
    },
    /// PostgreSQL refuses us.
    #[error("PostgreSQL refuses the relay; check the user, its REPLICATION right and the database in PG_URL")]
    Access(#[source] tokio_postgres::Error),
    /// Tables are missing.
    #[error("the database is not set up; run `storepulse setup`")]
    NotSetUp(#[source] tokio_postgres::Error),
    /// Nothing recorded about the generation or the slot.
    #[error("{what} is not recorded in schema ops; run `storepulse setup`")]
    NotRecorded {
        /// What is missing.
        what: &'static str,
    },
    /// The slot is gone.
    #[error(
        "replication slot {slot} does not exist, and the relay may have missed rows: run `storepulse setup` on a new \
         system, `storepulse rebuild` on one with data"
    )]
    SlotMissing { slot: String },
    /// The slot is not ours.
    #[error(
        "replication slot {slot} is {actual}, not a logical slot with pgoutput in this database; drop the slot, then \
         run `storepulse setup` on a new system, `storepulse rebuild` on one with data"
    )]
    SlotForeign {
        slot: String,
        /// What it is.
        actual: String,
    },
    /// PostgreSQL has thrown away log that the slot needed.
    #[error(
        "replication slot {slot} is lost: PostgreSQL removed log that the slot still needed; run \
         `storepulse rebuild`"
    )]
    SlotLost { slot: String },
    /// The slot moved on without us.
    #[error(
        "replication slot {slot} is confirmed up to {confirmed}, beyond the position {position} in Kafka: rows between them would be missing; run `storepulse rebuild`"
    )]
    SlotAhead {
        slot: String,
        /// How far the slot is confirmed.
        confirmed: Lsn,
        /// Where the position stands.
        position: Lsn,
    },
    /// A used slot and no position.
    #[error(
        "there is no position in Kafka, but replication slot {slot} is confirmed up to {confirmed}, beyond {created} where it was created: what was published is unknown; run `storepulse rebuild`"
    )]
    PositionLost {
        slot: String,
        /// How far the slot is confirmed.
        confirmed: Lsn,
        /// Where it was created.
        created: Lsn,
    },
    /// An unused slot and no position.
    #[error("there is no first position of replication slot {slot} in Kafka; run `storepulse setup`")]
    PositionMissing { slot: String },
    /// The position cannot be read.
    #[error("the position in {topic} at offset {offset} cannot be read; run `storepulse rebuild`")]
    PositionUnreadable {
        topic: String,
        /// Where it stands.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: contracts::avro::ReadError,
    },
    /// The position is written with a schema that this version does not know.
    #[error(
        "the position in {topic} at offset {offset} has schema id {actual}, but this program expects {expected}; use \
         the version that wrote the position, or run `storepulse rebuild`"
    )]
    PositionSchema {
        topic: String,
        /// Where it stands.
        offset: i64,
        /// The id it has.
        actual: u32,
        /// The id expected.
        expected: u32,
    },
    /// The counts cannot be read.
    #[error(
        "the count in {topic} at offset {offset} cannot be read: another program or version wrote it; delete the \
         record by a null value of its key, or use the version that wrote it"
    )]
    LedgerUnreadable {
        topic: String,
        /// Where it stands.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: contracts::avro::ReadError,
    },
    /// The position is of something else.
    #[error(
        "{what} is {actual}, but {place} has {recorded}; connect to the services that belong together, or run \
         `storepulse rebuild`"
    )]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// What is found.
        actual: String,
        /// What is remembered.
        recorded: String,
        /// Where it is remembered.
        place: &'static str,
    },
    /// PostgreSQL's log ends before the position.
    #[error(
        "PostgreSQL's log ends at {end}, before the position {position}: the cluster was restored or lost its last writes; run `storepulse rebuild`"
    )]
    ServerBehind {
        /// Where the log ends.
        end: Lsn,
        /// Where the position stands.
        position: Lsn,
    },
    /// PostgreSQL was put back to an earlier state.
    #[error(
        "PostgreSQL remembers the relay's report {known}, but the position in Kafka was written after report \
         {written_after}: PostgreSQL was restored to an earlier state, and the relay could mistake new rows for \
         published ones; run `storepulse rebuild`"
    )]
    Restored {
        /// The last report that PostgreSQL knows of; 0 where it knows of none.
        known: i64,
        /// The report that the position names.
        written_after: i64,
    },
    /// Kafka has no topic of positions.
    #[error(
        "topic {topic} does not exist: Kafka was wiped or is another cluster; run `storepulse setup` on a new \
         system, `storepulse rebuild` on one with data"
    )]
    PositionsTopicMissing { topic: String },
    /// A publication is not what the contract says.
    #[error(
        "publication {publication} differs from the contract: {difference}; restore the publication; if rows were \
         published meanwhile, run `storepulse rebuild`"
    )]
    Publication {
        publication: String,
        /// What differs.
        difference: String,
    },
    /// A table's rows do not have the contract's columns.
    #[error("{table} does not have the contract's columns")]
    Shape {
        table: String,
        /// What differs.
        #[source]
        source: ShapeError,
    },
    /// A table that is published and unknown.
    #[error("{table} is published but unknown to the relay; remove it from the publication")]
    UnknownTable { table: String },
    /// Kafka cannot take rows back.
    #[error("{tables} was truncated, which cannot be carried over to Kafka; run `storepulse rebuild`")]
    Truncated { tables: String },
    /// A message that is no pgoutput of protocol 1.
    #[error("a message of the log near {near} cannot be understood; report it with PostgreSQL's version")]
    Message {
        /// Where the log stood.
        near: Lsn,
        /// What is wrong with it.
        #[source]
        source: Malformed,
    },
    /// Messages in an order that cannot be.
    #[error("the log near {near} is out of order: {detail}; report it with PostgreSQL's version")]
    Order {
        /// Where the log stood.
        near: Lsn,
        /// What was out of order.
        detail: &'static str,
    },
    /// The transaction that is out in part was not delivered again as it was.
    #[error(
        "{rows} rows of transaction {transaction} were published, but PostgreSQL did not deliver the same \
         transaction again: {detail}; run `storepulse rebuild`"
    )]
    PartialChanged {
        /// LSN of its commit record.
        transaction: Lsn,
        /// Its rows that are out.
        rows: u64,
        /// What differs.
        detail: &'static str,
    },
}

/// Why a session ended and is started again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error("PostgreSQL is not reachable")]
    Postgres(#[source] tokio_postgres::Error),
    #[error("the replication connection broke")]
    Replication(#[source] PgWireError),
    #[error("replication ended")]
    ReplicationEnded,
    #[error("Kafka failed to {doing}")]
    Kafka {
        doing: &'static str,
        #[source]
        source: KafkaError,
    },
    #[error("Kafka did not {doing} within {seconds} s")]
    KafkaTimeout { doing: &'static str, seconds: u64 },
    #[error(
        "topic {topic} does not exist; run `storepulse setup`, and `storepulse rebuild` afterwards if the topic had \
         records"
    )]
    TopicMissing { topic: String },
    #[error("a row of the table with oid {oid} came before the description of the table")]
    UnannouncedTable { oid: u32 },
    #[error("a row could not be put into quarantine")]
    Quarantine(#[source] tokio_postgres::Error),
    #[error("the session that holds the relay's lock is gone")]
    LockLost,
    #[error("another generation of the events topic is in force")]
    OtherGenerations,
    #[error("the replication client's runtime could not be started")]
    Runtime(#[source] std::io::Error),
    #[error("a worker thread ended unexpectedly")]
    Thread(#[source] tokio::task::JoinError),
}

/// How a session ends when it does not end by request.
#[derive(Debug)]
pub(crate) enum Fault {
    /// For good.
    Stop(RelayError),
    /// Until the next attempt.
    Retry(Interrupted),
}

impl From<RelayError> for Fault {
    fn from(error: RelayError) -> Self {
        Fault::Stop(error)
    }
}

impl From<Interrupted> for Fault {
    fn from(error: Interrupted) -> Self {
        Fault::Retry(error)
    }
}

impl From<PgWireError> for Fault {
    fn from(error: PgWireError) -> Self {
        Fault::Retry(Interrupted::Replication(error))
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        // Classes of SQLSTATE: 28 authorisation, 3D no such database, 3F and 42P01 no such schema or table.
        match error.code().map(tokio_postgres::error::SqlState::code) {
            Some(code) if code.starts_with("28") || code.starts_with("3D") || code == "42501" => {
                Fault::Stop(RelayError::Access(error))
            }
            Some("3F000" | "42P01" | "42883") => Fault::Stop(RelayError::NotSetUp(error)),
            _ => Fault::Retry(Interrupted::Postgres(error)),
        }
    }
}
