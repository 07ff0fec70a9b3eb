//! The store, the simulator and the users' client on a real PostgreSQL, each test in a database of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admission;
mod api;
mod events;
mod identity;
mod mutated;
mod outcome;
mod quarantine;
mod refunds;
mod simulate;
mod support;
mod users;
mod visitors;
