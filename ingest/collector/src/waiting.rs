//! What waits in the queue between intake and writer.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::judged::Judged;
use crate::refusal::Refusal;
use crate::verdict::Verdict;

/// Room in the queue for the events of a request.
#[derive(Debug)]
pub(crate) struct Room {
    _permits: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) const fn of(permits: OwnedSemaphorePermit) -> Self {
        Self { _permits: permits }
    }
}

/// A request's events on their way to the store.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) judged: Judged,
    pub(crate) answer: oneshot::Sender<Result<Vec<Verdict>, Refusal>>,
    /// Free again once the events are committed.
    pub(crate) _room: Room,
}
