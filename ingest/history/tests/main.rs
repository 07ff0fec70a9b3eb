//! Files of past events on a real PostgreSQL, each test with one of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod interrupted;
mod replayed;
mod support;
