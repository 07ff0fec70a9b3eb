//! The plan functions, run in batch on a real Spark cluster and compared with an independent oracle, and on a
//! stream with SQL; the lease on a real PostgreSQL; what a restarted Spark server says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod agreement;
mod columns;
mod cube;
mod families;
mod lease;
mod ledger;
mod mutated;
mod refusals;
mod rendered;
mod session;
mod support;
mod unread;
