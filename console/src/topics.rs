//! What is in Kafka, record by record.

use contracts::endpoints::Endpoints;

/// Reads records for whoever asks.
pub(crate) struct Browser {}

impl Browser {
    pub(crate) fn new(_endpoints: &Endpoints) -> Self {
        Self {}
    }
}
