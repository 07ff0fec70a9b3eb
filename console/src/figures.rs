//! The shop's figures of a period: how they compare, how old they are, whether they are proved.

use contracts::endpoints::Endpoints;

/// Reads figures that the poller does not keep.
pub(crate) struct Reader {}

impl Reader {
    pub(crate) fn new(_endpoints: &Endpoints) -> Self {
        Self {}
    }
}
