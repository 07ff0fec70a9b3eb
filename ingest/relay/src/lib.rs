//! The relay: PostgreSQL's log to Kafka, exactly once.
//!
//! Logical replication delivers every committed row of the two publications again from wherever it is asked
//! to start. The relay writes rows and its [position](contracts::RelayPosition) in the same Kafka
//! transaction, and confirms to PostgreSQL only what such a transaction holds. Whatever dies, the next start
//! reads the last committed position and goes on exactly there:
//!
//! - died before the Kafka commit: the transaction is aborted, its rows are delivered again;
//! - died between the Kafka commit and its confirmation: the position says that the rows are out, PostgreSQL
//!   delivers from the position on.
//!
//! Start order, the same on every (re)start: advisory lock → `init_transactions`, which fences an older relay
//! → read the positions topic and the ledger's to their ends → [checks] → `START_REPLICATION` at the
//! position. Readers must read committed records only. Order holds per key: one producer, idempotent, one
//! partition per key.
//!
//! The session that holds the lock also watches the slot ([guard]) and reports to `ops.relay_status`
//! ([status]).
//!
//! Beside it, [quarantine] keeps the bytes of what Spark refuses.
//!
//! Crash tests make the process abort at chosen places, see [failpoint].

mod backoff;
mod batch;
pub mod checks;
pub mod config;
mod counts;
pub mod error;
pub mod failpoint;
mod generations;
pub mod guard;
mod kafka;
pub mod latency;
mod lock;
mod log;
mod output;
mod pace;
pub mod pgoutput;
pub mod position;
pub mod progress;
pub mod quarantine;
mod readback;
mod relay;
mod slot_watch;
pub mod status;
mod stream;
mod tracker;
pub mod transcode;

pub use config::{Limits, RelayConfig};
pub use error::RelayError;
pub use progress::{RelayProgress, RelayState};
pub use relay::run;
