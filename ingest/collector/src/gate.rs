//! Who comes in: checked before anything of a request's body is read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use contracts::event::Country;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::keys::{Key, Keys};
use crate::limits::Limits;
use crate::place;
use crate::refusal::Refusal;
use crate::refusals::{Cause, Refusals};
use crate::share::Share;

/// Lets so many requests of each name in at a time, each with a key, until the collector stops.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    known: Arc<RwLock<Known>>,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
    places: place::Country,
    stopping: CancellationToken,
}

/// Whose keys are in force, and what was.
#[derive(Debug)]
struct Known {
    keys: Keys,
    shares: BTreeMap<String, Share>,
    /// To tell who goes on with one.
    revoked: Keys,
}

/// Whoever came in. The place is held as long as one of the clones lives.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<Key>,
    /// What the caller's records are called.
    pub(crate) source: Arc<str>,
    pub(crate) share: Share,
    /// Where the request came from, as far as that is to be found out.
    pub(crate) country: Option<Country>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new(
        keys: Keys,
        limits: &Limits,
        refusals: Arc<Refusals>,
        stopping: CancellationToken,
    ) -> Self {
        let shares = shares(&keys, limits, &BTreeMap::new());
        let known = Known { keys, shares, revoked: Keys::default() };
        Self {
            known: Arc::new(RwLock::new(known)),
            limits: Arc::new(limits.clone()),
            refusals,
            places: place::Country::default(),
            stopping,
        }
    }

    /// Finds the countries of requests, too.
    pub(crate) fn locating(self, places: place::Country) -> Self {
        Self { places, ..self }
    }

    /// Whoever came in, with the country of the request.
    pub(crate) fn located(&self, caller: Caller, headers: &HeaderMap, peer: Option<IpAddr>) -> Caller {
        Caller { country: self.places.of(headers, peer), ..caller }
    }

    /// Puts other keys in force; how many there are now, and whose were revoked. Whoever came in with one of these is told.
    pub(crate) fn replace(&self, keys: Keys) -> (usize, Vec<String>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let (keys, gone) = keys.in_place_of(&known.keys);
        known.shares = shares(&keys, &self.limits, &known.shares);
        let names = gone.iter().map(|key| key.name().to_owned()).collect();
        known.revoked.add(gone);
        known.keys = keys;
        (known.keys.len(), names)
    }

    /// Lets a request in by its headers.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        self.admit_key(presented(headers))
    }

    /// Lets a request in by the key that it presents, wherever that stands.
    pub(crate) fn admit_key(&self, presented: Option<&str>) -> Result<Caller, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let Some((key, share)) = self.known(presented) else {
            self.count(presented);
            return Err(Refusal::Unauthenticated);
        };
        let place = share.place()?;
        let source = ingest::source::collector::source(key.name()).into();
        Ok(Caller { key, source, share, country: None, _place: Arc::new(place) })
    }

    /// The share that the bytes of a request are to be taken from; nothing where its key is unknown.
    pub(crate) fn share(&self, headers: &HeaderMap) -> Option<Share> {
        Some(self.known(presented(headers))?.1)
    }

    fn known(&self, presented: Option<&str>) -> Option<(Arc<Key>, Share)> {
        let presented = presented?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.keys.find(presented)?;
        let share = known.shares.get(key.name())?.clone();
        Some((key, share))
    }

    /// Counts a request that was refused for its key.
    fn count(&self, presented: Option<&str>) {
        let Some(presented) = presented else { return self.refusals.count(Cause::Missing, "") };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.revoked.find(presented) {
            Some(key) => self.refusals.count(Cause::Revoked, key.name()),
            None => self.refusals.count(Cause::Unknown, ""),
        }
    }
}

/// An equal share for each name. Those that are there already are the ones that requests hold places of.
fn shares(keys: &Keys, limits: &Limits, there: &BTreeMap<String, Share>) -> BTreeMap<String, Share> {
    let names = keys.names();
    let count = names.len();
    let share = |name: String| match there.get(&name) {
        Some(share) => {
            share.resize(limits, count);
            (name, share.clone())
        }
        None => (name, Share::new(limits, count)),
    };
    names.into_iter().map(share).collect()
}

/// The key in `authorization: Bearer <key>`; the scheme's case does not matter.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
