//! The topics, and how large they are.

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Topics {}
