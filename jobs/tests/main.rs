//! The plan functions, run in batch on a real Spark cluster and compared with an independent oracle.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod columns;
mod cube;
mod ledger;
mod refusals;
mod support;
