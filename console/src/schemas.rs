//! What changed between versions of a schema, and whether a change may come in.

/// Schemas by id, which never change.
#[derive(Debug, Default)]
pub(crate) struct Cache {}
