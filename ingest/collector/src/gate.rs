//! Who comes in: checked before anything of a request's body is read.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::keys::{Key, Keys};
use crate::refusal::Refusal;

/// Lets so many requests in at a time, each with a key, until the collector stops.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    keys: Arc<Keys>,
    requests: Arc<Semaphore>,
    stopping: CancellationToken,
}

/// Whoever came in. The place is held as long as one of the clones lives.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<Key>,
    /// What the caller's records are called.
    pub(crate) source: Arc<str>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new(keys: Keys, requests: usize, stopping: CancellationToken) -> Self {
        Self { keys: Arc::new(keys), requests: Arc::new(Semaphore::new(requests)), stopping }
    }

    /// Lets a request in by its headers.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let key = presented(headers).and_then(|key| self.keys.find(key)).ok_or(Refusal::Unauthenticated)?;
        let place = Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let source = ingest::source::collector::source(key.name()).into();
        Ok(Caller { key, source, _place: Arc::new(place) })
    }
}

/// The key in `authorization: Bearer <key>`; the scheme's case does not matter.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
