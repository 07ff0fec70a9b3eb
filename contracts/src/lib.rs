//! What every part of Storepulse agrees on.
//!
//! Each record's fields are written once, in [`record!`](macro@crate::record) definitions. The Rust type, the
//! Avro schema, the binary COPY row and the column names used by plans come from that one place; the
//! committed Avro, CQL and SQL files are held to it by tests that fail on drift. This crate knows no other
//! member of the workspace. It does no I/O but for the name of the machine ([`process_name`]), the
//! environment, and the file of `SPARK_REMOTE_FILE` ([`endpoints`]).

#![warn(missing_docs)]

pub mod admission;
pub mod avro;
pub mod backoff;
pub mod cassandra;
pub mod cause;
pub mod console;
pub mod cube;
pub mod endpoints;
pub mod event;
pub mod family;
pub mod ids;
pub mod lateness;
pub mod ledger;
pub mod measure;
pub mod migrations;
pub mod money;
pub mod namespace;
pub mod personal;
pub mod pg_binary;
pub mod position;
pub mod printable;
pub mod process_name;
pub mod publications;
pub mod quarantine;
pub mod query;
pub mod record;
pub mod reported;
pub mod secret;
pub mod silence;
pub mod slot;
pub mod topics;
pub mod user;
pub mod validation;
pub mod visitor;
pub mod vocabulary;
pub mod wire;
pub mod wish;

pub use event::Event;
pub use namespace::Namespace;
pub use position::RelayPosition;
pub use quarantine::Reason;
pub use user::User;
