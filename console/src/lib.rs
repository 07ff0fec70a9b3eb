//! The Control Center: the page that analysts and operators look at, its read API and event stream, and
//! `/metrics`.
//!
//! Nothing is counted here that a store counts. Relay, supervisor and ingestor report to PostgreSQL, Spark
//! writes the shop's figures to Cassandra; `watch` reads both once for all viewers, and `hub` hands each of
//! them what has changed. Data flows one way: `watch` → `figures`, `line`, `topics`, `schemas` → `page` and
//! `api` → `server`.

mod access;
mod actions;
pub mod alerts;
mod api;
mod app;
mod assets;
mod config;
mod draw;
mod error;
mod figures;
mod format;
mod hub;
mod line;
mod page;
mod panel;
mod problem;
pub mod prometheus;
mod quarantine_records;
mod schemas;
mod self_metrics;
mod server;
mod shortened;
mod topics;
mod watch;

pub use access::accounts;
pub use actions::ThroughTheStore;
pub use api::described;
pub use config::Config;
pub use error::ServeError;
pub use schemas::terminal as subjects;
pub use server::{Serving, serve, serve_metrics};
