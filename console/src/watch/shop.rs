//! The shop's figures, from Cassandra.

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Shop {}
