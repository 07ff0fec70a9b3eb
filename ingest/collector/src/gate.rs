//! Who comes in: checked before anything of a request's body is read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use contracts::event::Country;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::hooks::Hooks;
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
    /// The webhooks that come in by their signatures.
    pub(crate) hooks: Hooks,
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
    /// What the shopper's browser says of itself, where it sent the request: that of a server says nothing of
    /// the shopper.
    pub(crate) user_agent: Option<Arc<str>>,
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
            hooks: Hooks::default(),
            stopping,
        }
    }

    /// Finds the countries of requests, too.
    pub(crate) fn locating(self, places: place::Country) -> Self {
        Self { places, ..self }
    }

    /// Lets webhooks in, too.
    pub(crate) fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// Whoever came in, with the country of the request, and its browser.
    pub(crate) fn located(&self, caller: Caller, headers: &HeaderMap, peer: Option<IpAddr>) -> Caller {
        let user_agent = headers.get(USER_AGENT).filter(|_| caller.key.is_browsers());
        let user_agent = user_agent.and_then(|told| told.to_str().ok()).map(Arc::from);
        Caller { country: self.places.of(headers, peer), user_agent, ..caller }
    }

    /// Puts other keys in force; how many there are now, and whose were revoked. Whoever came in with one of
    /// these is told.
    pub(crate) fn replace(&self, keys: Keys) -> (usize, Vec<String>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let (keys, gone) = keys.in_place_of(&known.keys);
        known.shares = shares(&keys, &self.limits, &known.shares);
        let names = gone.iter().map(|key| key.name().to_owned()).collect();
        known.revoked.add(gone);
        known.keys = keys;
        (known.keys.len(), names)
    }

    /// Lets a call of gRPC in by its headers. It has no `Origin`, so that a browser's key is refused.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let (key, share) = self.key(presented(headers))?;
        self.check_origin(&key, None)?;
        self.enter(key, share)
    }

    /// A browser's key is for pages of its origins alone, by the value of `Origin`.
    pub(crate) fn check_origin(&self, key: &Key, origin: Option<&HeaderValue>) -> Result<(), Refusal> {
        let refusal = match origin {
            _ if !key.is_browsers() => return Ok(()),
            Some(origin) if key.allows(origin.as_bytes()) => return Ok(()),
            Some(_) => Refusal::WrongOrigin,
            None => Refusal::NoOrigin,
        };
        Err(self.refuse(refusal, key))
    }

    /// The key that is presented, and the share of whoever has it.
    pub(crate) fn key(&self, presented: Option<&str>) -> Result<(Arc<Key>, Share), Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        presented.and_then(|key| self.known(key)).ok_or_else(|| {
            self.count(presented);
            Refusal::Unauthenticated
        })
    }

    /// Gives a request a place.
    pub(crate) fn enter(&self, key: Arc<Key>, share: Share) -> Result<Caller, Refusal> {
        let place = share.place()?;
        let source = ingest::source::collector::source(key.name()).into();
        Ok(Caller { key, source, share, country: None, user_agent: None, _place: Arc::new(place) })
    }

    /// Counts a request that is refused for how a key that is known was used.
    pub(crate) fn refuse(&self, refusal: Refusal, key: &Key) -> Refusal {
        let cause = match refusal {
            Refusal::NoOrigin => Some(Cause::NoOrigin),
            Refusal::WrongOrigin => Some(Cause::WrongOrigin),
            Refusal::KeyInQuery => Some(Cause::KeyInQuery),
            _ => None,
        };
        if let Some(cause) = cause {
            self.refusals.count(cause, key.name());
        }
        refusal
    }

    /// Counts a webhook that is refused for its signature.
    pub(crate) fn refuse_hook(&self, refusal: Refusal, name: &str) -> Refusal {
        let cause = match refusal {
            Refusal::NoSignature => Cause::NoSignature,
            Refusal::WrongSignature => Cause::WrongSignature,
            _ => Cause::UnknownHook,
        };
        self.refusals.count(cause, name);
        refusal
    }

    /// Whether pages of an origin may send with one of the keys, by the value of `Origin`.
    pub(crate) fn any_allows(&self, origin: &[u8]) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys.any_allows(origin)
    }

    /// The share that the bytes of a request are to be taken from; nothing where its key is unknown.
    pub(crate) fn share(&self, headers: &HeaderMap) -> Option<Share> {
        Some(self.known(presented(headers)?)?.1)
    }

    fn known(&self, presented: &str) -> Option<(Arc<Key>, Share)> {
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
