use std::time::Duration;

use chrono::NaiveDate;
use tokio_postgres::error::SqlState;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `PG_URL` is no PostgreSQL URL. The URL holds a secret and is not shown.
    #[error("PG_URL is not a PostgreSQL URL, as in postgresql://user:password@127.0.0.1:5432/database")]
    Url(#[source] tokio_postgres::Error),
    /// PostgreSQL could not be reached, or went away and did not come back in time.
    #[error("no connection to PostgreSQL for {} s; see `storepulse stack status`", waited.as_secs())]
    Unreachable {
        /// How long it was tried.
        waited: Duration,
        /// The last failure.
        #[source]
        source: tokio_postgres::Error,
    },
    /// PostgreSQL refused a statement.
    #[error(
        "PostgreSQL refused to {what}: run `storepulse setup` if another version of the program set the database up, and \
         check the rights of the user in PG_URL"
    )]
    Refused {
        /// What was asked of it.
        what: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A transaction whose outcome PostgreSQL no longer knows: the rows may or may not be there.
    #[error(
        "PostgreSQL does not know whether transaction {xid} committed; start again: an event that was stored is not \
         stored twice"
    )]
    OutcomeUnknown { xid: String },
    /// The rows that are there are in another base currency.
    #[error(
        "the amounts in this database are in {recorded}, not {wanted}: ingest with --base-currency {recorded}, or into \
         another database and namespace"
    )]
    BaseCurrency {
        /// What the rows are in.
        recorded: String,
        /// What was asked for.
        wanted: contracts::event::Currency,
    },
    /// A file that was replayed before with other ids.
    #[error(
        "this file was replayed as {name} with a mapping that gave its rows other ids: all of its rows would count a \
         second time; do not change the fields that the ids are derived from (event_id and the time of occurred_at; \
         without event_id, name these fields in `event_id.content`)"
    )]
    OtherIds {
        /// What the file was called then.
        name: String,
    },
    /// A file that somebody else reads too.
    #[error("another replay of the same file is running: let it end, then run this command again")]
    FileElsewhere,
    /// A row of the database that breaks the contract.
    #[error("column {column} of a row of {table} breaks the contract: {detail}")]
    BadRow {
        table: &'static str,
        column: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// No partition for a day, and none could be made.
    #[error("raw.events has no partition for {day}, although it was just created; is retention running?")]
    NoPartition {
        /// The first day of the batch.
        day: NaiveDate,
    },
}

/// What a failed statement calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is gone, or the server is going: connect again.
    ConnectionLost,
    /// An id is there already: take the path that counts repeats.
    UniqueViolation,
    /// No partition takes a row: ensure them again.
    NoPartition,
    /// The records were judged by a retention floor or erasures that are not in force any more: judge again.
    Outdated,
    /// An order was paid back meanwhile: judge its refunds again.
    Outrun,
    /// Lost a race that a second try may win.
    Transient,
    /// It will not get better.
    Final,
}

/// What `raw.hold_refunds` raises.
const OUTRUN: &str = "SPREF";

pub(super) fn classify(error: &tokio_postgres::Error) -> Failure {
    let Some(code) = error.code() else {
        // No code: not an answer of the server but a failure to reach it.
        return Failure::ConnectionLost;
    };
    if code.code() == contracts::admission::OUTDATED {
        Failure::Outdated
    } else if code.code() == OUTRUN {
        Failure::Outrun
    } else if *code == SqlState::UNIQUE_VIOLATION {
        Failure::UniqueViolation
    } else if *code == SqlState::CHECK_VIOLATION {
        // raw.events has no check of its own: 23514 there is "no partition of relation found for row".
        Failure::NoPartition
    } else if [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        // Two writers meet on a new day: the one that waited may still see no partition after its wait.
        SqlState::DUPLICATE_TABLE,
    ]
    .contains(code)
    {
        Failure::Transient
    } else if code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
    {
        Failure::ConnectionLost
    } else {
        Failure::Final
    }
}
