//! The topics, and how large they are.

pub(crate) mod reader;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Topics {}
