//! The shop's figures of a period: how they compare, how old they are, whether they are proved.

pub(crate) mod live;
pub(crate) mod view;

use contracts::endpoints::Endpoints;

pub(crate) use live::live;

/// Reads figures that the poller does not keep.
pub(crate) struct Reader {}

impl Reader {
    pub(crate) fn new(_endpoints: &Endpoints) -> Self {
        Self {}
    }
}
