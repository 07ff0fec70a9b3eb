//! Who comes in: checked before anything of a request's body is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::keys::{Key, Keys};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::share::Share;

/// Lets so many requests of each name in at a time, each with a key, until the collector stops.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    keys: Arc<Keys>,
    shares: Arc<BTreeMap<String, Share>>,
    stopping: CancellationToken,
}

/// Whoever came in. The place is held as long as one of the clones lives.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<Key>,
    /// What the caller's records are called.
    pub(crate) source: Arc<str>,
    pub(crate) share: Share,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new(keys: Keys, limits: &Limits, stopping: CancellationToken) -> Self {
        let names = keys.names();
        let count = names.len();
        let shares = names.into_iter().map(|name| (name, Share::new(limits, count))).collect();
        Self { keys: Arc::new(keys), shares: Arc::new(shares), stopping }
    }

    /// Lets a request in by its headers.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let (key, share) = self.known(headers).ok_or(Refusal::Unauthenticated)?;
        let place = share.place()?;
        let source = ingest::source::collector::source(key.name()).into();
        Ok(Caller { key, source, share: share.clone(), _place: Arc::new(place) })
    }

    /// The share that the bytes of a request are to be taken from; nothing where its key is unknown.
    pub(crate) fn share(&self, headers: &HeaderMap) -> Option<Share> {
        Some(self.known(headers)?.1.clone())
    }

    fn known(&self, headers: &HeaderMap) -> Option<(Arc<Key>, &Share)> {
        let key = self.keys.find(presented(headers)?)?;
        let share = self.shares.get(key.name())?;
        Some((key, share))
    }
}

/// The key in `authorization: Bearer <key>`; the scheme's case does not matter.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
