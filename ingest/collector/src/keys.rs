//! API keys: who may send, under which name, how fast.
//!
//! A collector knows keys by their SHA-256 alone. A plain digest is enough, because keys are 256 random bits
//! that it made itself ([`new_key`]); a password would need a slow one. The text that names them has a line a
//! key,
//!
//! ```text
//! # name, SHA-256 of the key in hex, where it is limited: events a second, and for browsers: the origins of their pages
//! web 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b 5000
//! shop 7d793037a0760186574b0282f2f435e7a5a4e8a0fe8bf5a9b3eed9d9b0d9c2e1 https://shop.example http://localhost:3000
//! ```
//!
//! `shop=NAME` in a line makes the key one of that shop: its orders are told apart from those of other shops.
//!
//! A key with origins is a browser's: every visitor can read it, so it works for pages of these origins
//! alone, not over gRPC, and has a rate ([`BROWSER_EVENTS_PER_S`] unless another is told). A key without is a
//! server's. No key opens anything to be read.
//!
//! and commas may stand for line ends, as is handy in an environment variable. Two keys may have one name
//! while one is replaced by the other. A key is revoked by taking its line out ([`KeyFile`](crate::KeyFile)).
//! A name belongs to the records: it is part of the ids that are made for those without a UUIDv7.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bucket::TokenBucket;
use crate::origin::Origin;

const MAX_NAME_CHARS: usize = 32;
/// What the word of a line begins with that tells the key's shop.
const SHOP_WORD: &str = "shop=";
/// What a key begins with, so that a scanner of repositories finds one that got there.
const KEY_PREFIX: &str = "storepulse_";
/// How many events a second a browser's key may send where its line tells no rate: all visitors of a shop
/// share it, and anybody can use it up.
pub const BROWSER_EVENTS_PER_S: u32 = 500;

/// The keys of a collector.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Arc<Key>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Key {
    name: String,
    digest: [u8; 32],
    /// Whether it is a browser's; whose pages may send then is in its terms.
    is_browsers: bool,
    /// The shop that its orders are of, where that is told.
    shop: Option<String>,
    terms: Mutex<Terms>,
    revoked: CancellationToken,
}

/// What may change of a key while it is in force.
#[derive(Debug)]
struct Terms {
    rate: Rate,
    /// Of a browser's key, the origins of the pages that may send.
    origins: Vec<Origin>,
}

/// How fast a key may send: events a second, any number without.
#[derive(Debug)]
struct Rate {
    events_per_s: Option<u32>,
    bucket: Option<TokenBucket>,
}

/// A text that names no keys.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// There is none, so nobody could send.
    #[error("there is no API key: make one with `storepulse collect key <name>`")]
    None,
    /// A line that is not as it should be. It is not shown: a key may have been put there by mistake.
    #[error("line {line} of the API keys: {fault}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A name that cannot be one.
    #[error("{0:?} cannot name a key: use up to {MAX_NAME_CHARS} lower-case letters, digits, - and _")]
    Name(String),
    /// A name that no shop can have.
    #[error("{0:?} cannot name a shop: use up to {MAX_NAME_CHARS} lower-case letters, digits, - and _")]
    Shop(String),
}

/// A key, and the line by which a collector knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The key: for the sender alone, and told once.
    pub key: String,
    /// The line for the collector.
    pub line: String,
}

/// Makes a server's key.
///
/// # Errors
/// When the name cannot be one.
pub fn new_key(name: &str, events_per_s: Option<u32>) -> Result<NewKey, KeysError> {
    new_browser_key(name, events_per_s, &[])
}

/// Makes a key for pages of these origins; a server's key where there are none.
///
/// # Errors
/// When the name cannot be one.
pub fn new_browser_key(
    name: &str,
    events_per_s: Option<u32>,
    origins: &[Origin],
) -> Result<NewKey, KeysError> {
    if !is_name(name) {
        return Err(KeysError::Name(name.to_owned()));
    }
    let key = format!("{KEY_PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let rate = events_per_s.map(|rate| format!(" {rate}")).unwrap_or_default();
    let origins: String = origins.iter().map(|origin| format!(" {origin}")).collect();
    let line = format!("{name} {}{rate}{origins}", hex::encode(digest(&key)));
    Ok(NewKey { key, line })
}

impl NewKey {
    /// The same key as one of a shop, whose name stands before the ids of its orders.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn of_shop(mut self, shop: &str) -> Result<Self, KeysError> {
        if !is_name(shop) {
            return Err(KeysError::Shop(shop.to_owned()));
        }
        self.line = format!("{} {SHOP_WORD}{shop}", self.line);
        Ok(self)
    }
}

impl Keys {
    /// Reads keys; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is wrong, or that there is none.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let keys = Self::parse_any(text)?;
        if keys.0.is_empty() { Err(KeysError::None) } else { Ok(keys) }
    }

    /// The same, where none is an answer, too: the last one was revoked.
    pub(crate) fn parse_any(text: &str) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.split(['\n', ',']).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = read_key(line).map_err(|fault| KeysError::Line { line: index + 1, fault })?;
            keys.push(Arc::new(key));
        }
        Ok(Self(keys))
    }

    /// These keys in place of the ones in force. A key that stays is the same one, with the rate and the
    /// origins that it has now; one that is gone is revoked, and returned. A server's key that becomes a
    /// browser's is another one, and so is one of another shop: its streams end.
    pub(crate) fn in_place_of(self, in_force: &Self) -> (Self, Vec<Arc<Key>>) {
        let is_same = |one: &Key, other: &Key| {
            one.digest == other.digest
                && one.name == other.name
                && one.is_browsers == other.is_browsers
                && one.shop == other.shop
        };
        let keys = self.0.into_iter().map(|key| {
            let Some(stays) = in_force.0.iter().find(|stays| is_same(stays, &key)) else { return key };
            stays.set_terms(&key);
            Arc::clone(stays)
        });
        let keys: Vec<_> = keys.collect();
        let gone = in_force.0.iter().filter(|old| !keys.iter().any(|key| Arc::ptr_eq(old, key)));
        let gone: Vec<_> = gone.cloned().collect();
        for key in &gone {
            key.revoked.cancel();
        }
        (Self(keys), gone)
    }

    /// Adds to them.
    pub(crate) fn add(&mut self, keys: Vec<Arc<Key>>) {
        self.0.extend(keys);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whose keys there are, each once.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.iter().map(|key| key.name.clone()).collect()
    }

    /// Whether pages of an origin may send with one of them. A preflight names no key.
    pub(crate) fn any_allows(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|key| key.allows(origin))
    }

    /// The key that was presented. Every key is looked at, and how alike two digests are does not show in the
    /// time.
    pub(crate) fn find(&self, presented: &str) -> Option<Arc<Key>> {
        let presented = digest(presented);
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.digest.ct_eq(&presented)) {
                found = Some(Arc::clone(key));
            }
        }
        found
    }
}

impl Key {
    /// What stands for the key of a webhook's sender, who has a secret instead.
    pub(crate) fn of_hook(name: &str) -> Result<Self, KeysError> {
        if !is_name(name) {
            return Err(KeysError::Name(name.to_owned()));
        }
        let terms = Mutex::new(Terms { rate: Rate::new(None), origins: Vec::new() });
        let revoked = CancellationToken::new();
        let (name, digest) = (name.to_owned(), rand::random());
        Ok(Self { name, digest, is_browsers: false, shop: None, terms, revoked })
    }

    /// Whose key it is.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts events against the key's rate, or says when to come again.
    pub(crate) fn take(&self, events: u32) -> Result<(), Duration> {
        self.terms().rate.bucket.as_mut().map_or(Ok(()), |bucket| bucket.take(events, Instant::now()))
    }

    /// Whether it is a browser's, and so no secret.
    pub(crate) const fn is_browsers(&self) -> bool {
        self.is_browsers
    }

    /// The shop that its orders are of, where that is told.
    pub(crate) fn shop(&self) -> Option<&str> {
        self.shop.as_deref()
    }

    /// Whether pages of an origin may send with it, by the value of `Origin`.
    pub(crate) fn allows(&self, origin: &[u8]) -> bool {
        self.terms().origins.iter().any(|allowed| allowed.is(origin))
    }

    /// Whether its line was taken out.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// Returns once its line was taken out.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the terms of another one, which nobody has used.
    fn set_terms(&self, other: &Self) {
        let (mut terms, other) = (self.terms(), other.terms());
        terms.origins.clone_from(&other.origins);
        if terms.rate.events_per_s != other.rate.events_per_s {
            terms.rate = Rate::new(other.rate.events_per_s);
        }
    }
}

impl Rate {
    fn new(events_per_s: Option<u32>) -> Self {
        Self { events_per_s, bucket: events_per_s.map(|per_s| TokenBucket::new(per_s, Instant::now())) }
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn is_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(allowed)
}

fn read_key(line: &str) -> Result<Key, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|name| is_name(name)).ok_or("it begins with no name")?;
    let hex_digest = words.next().ok_or("the SHA-256 of a key follows the name")?;
    let mut digest = [0; 32];
    hex::decode_to_slice(hex_digest, &mut digest)
        .map_err(|_| "what follows the name is no SHA-256 in hex; is it the key itself?")?;
    let (of_shop, words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with(SHOP_WORD));
    let shop = match of_shop[..] {
        [] => None,
        [word] => Some(&word[SHOP_WORD.len()..]),
        _ => return Err("a key is of one shop"),
    };
    if shop.is_some_and(|shop| !is_name(shop)) {
        return Err("what follows shop= cannot name a shop");
    }
    let shop = shop.map(str::to_owned);
    let mut words = words.into_iter().peekable();
    let events_per_s = match words.next_if(|word| !word.contains("://")).map(str::parse::<u32>) {
        None => None,
        Some(Ok(per_s @ 1..)) => Some(per_s),
        Some(_) => return Err("the third word is neither a number of events a second nor an origin"),
    };
    let origins = words.map(str::parse::<Origin>).collect::<Result<Vec<_>, _>>();
    let origins = origins
        .map_err(|_| "what follows name, SHA-256 and rate is no origin such as https://shop.example")?;
    let is_browsers = !origins.is_empty();
    let events_per_s = events_per_s.or(is_browsers.then_some(BROWSER_EVENTS_PER_S));
    let terms = Mutex::new(Terms { rate: Rate::new(events_per_s), origins });
    Ok(Key { name: name.to_owned(), digest, is_browsers, shop, terms, revoked: CancellationToken::new() })
}

#[cfg(test)]
mod tests;
