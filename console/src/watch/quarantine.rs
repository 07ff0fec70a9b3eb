//! How much was set aside, and why.

/// Counts by reason and hour.
#[derive(Debug, Default)]
pub(crate) struct Summary {}
