//! Orders as they come in, straight from Kafka: not yet in the figures.

/// The newest of them.
#[derive(Debug, Default)]
pub(crate) struct Ticker {}
