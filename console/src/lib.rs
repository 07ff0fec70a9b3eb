//! What the system tells of itself to those who watch it: so far [`metrics`], for Prometheus.
//!
//! Nothing here is counted anew. Relay, supervisor and ingestor report to PostgreSQL; what they say is read there when it is
//! asked for, beside what Kafka, Cassandra, the registry and Spark Connect say themselves. So one process answers for all hops,
//! and goes on answering while any of them is away: what it cannot learn is left out, and `storepulse_up` says of which.

pub mod metrics;
mod server;

pub use server::{ServeError, Serving, serve};
