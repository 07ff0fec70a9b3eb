//! What relay, supervisor and ingestor report to PostgreSQL.

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Ops {}
