//! The Control Center: the page that analysts and operators look at, its read API and event stream, and `/metrics`.
//!
//! Nothing is counted here that a store counts. Relay, supervisor and ingestor report to PostgreSQL, Spark writes the shop's
//! figures to Cassandra; `watch` reads both once for all viewers, and `hub` hands each of them what has changed.
//! Data flows one way: `watch` → `figures`, `line`, `topics`, `schemas` → `page` and `api` → `server`.

mod access;
mod api;
mod app;
mod assets;
mod draw;
mod figures;
mod format;
mod hub;
mod line;
pub mod metrics;
mod page;
mod problem;
mod quarantined;
mod schemas;
mod server;
mod topics;
mod visible;
mod watch;

pub use access::accounts;
pub use api::described;
pub use app::Config;
pub use server::{ServeError, Serving, serve, serve_metrics};
