//! The subjects of the Schema Registry.

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Subjects {}
