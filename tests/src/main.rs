//! The whole line on the real services: what a shopper did stands in Cassandra, counted once, whatever dies
//! on the way.
//!
//! Relay, job, simulator and verification run as `storepulse` processes, as they do in use, each test in a
//! namespace of its own. The verdict is always `storepulse verify`, which shares nothing with the plans.
//! Build the command first: `make test` does.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with its place is how a test reports; clippy spares only the test functions themselves"
)]

mod airflow;
mod browser;
mod cases;
mod chaos_run;
mod control;
mod crashes;
mod doctor;
mod erasure;
mod figures;
mod history;
mod hold_and_resume;
mod hooks;
mod ledger;
mod load;
mod piped;
mod poison;
mod quarantine;
mod repair;
mod secrets;
mod state;
mod supervision;
mod upgrade;

use tests::support;

/// Whether the long tests were asked for, as `make test-all` does.
fn long_tests() -> bool {
    std::env::var_os("STOREPULSE_LONG_TESTS").is_some()
}
