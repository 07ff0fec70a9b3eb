//! A collector on a real PostgreSQL: over both protocols, at its limits, killed, and as docs/collect.md shows
//! it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admission;
mod attacks;
mod browsers;
mod clients;
mod context;
mod crash;
mod described;
mod documented;
mod ga4;
mod hooks;
mod programs;
mod refused;
mod revoked;
mod segment;
mod segment_orders;
mod shopping_day;
mod simulate;
mod stop;
mod stream;
mod support;
mod verdicts;
mod visit_starts;
