//! The shop's figures of a period: how they compare, how old they are, whether they are proved.

pub(crate) mod breakdown;
pub(crate) mod compare;
pub(crate) mod coverage;
pub(crate) mod distinct;
pub(crate) mod funnel;
pub(crate) mod label;
pub(crate) mod live;
pub(crate) mod period;
pub(crate) mod sums;
pub(crate) mod view;

use std::sync::Arc;

use contracts::endpoints::Endpoints;

pub(crate) use live::live;

use crate::watch::shop::store::Store;

/// Reads figures that the poller does not keep.
pub(crate) struct Reader {
    store: Arc<Store>,
}

impl Reader {
    pub(crate) fn new(endpoints: &Endpoints) -> Self {
        Self { store: Arc::new(Store::new(endpoints)) }
    }

    /// The tables, over the session that the poller uses too.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}
