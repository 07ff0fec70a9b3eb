//! Requests that were refused for their key, counted for `ops.collector_refusal`: what came of it is in no
//! row.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ingest::store::RefusedRequests;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How often they are written down, at most.
const EVERY: Duration = Duration::from_secs(1);

/// What was wrong with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// There was none.
    Missing,
    /// Nobody has ever heard of it.
    Unknown,
    /// It was revoked since the collector started.
    Revoked,
    /// It is a browser's, and no browser sent it: there was no `Origin`.
    NoOrigin,
    /// It is a browser's, and a page of another origin sent it.
    WrongOrigin,
    /// It is a server's, and stood in the address.
    KeyInQuery,
    /// A webhook without a signature.
    NoSignature,
    /// A webhook that its secret did not sign.
    WrongSignature,
    /// A webhook of a name without a secret.
    UnknownHook,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no_key",
            Self::Unknown => "unknown_key",
            Self::Revoked => "revoked_key",
            Self::NoOrigin => "no_origin",
            Self::WrongOrigin => "wrong_origin",
            Self::KeyInQuery => "key_in_query",
            Self::NoSignature => "no_signature",
            Self::WrongSignature => "wrong_signature",
            Self::UnknownHook => "unknown_hook",
        }
    }
}

/// How many requests, by cause and the name of the key.
type Counts = BTreeMap<(Cause, String), i64>;

/// What is counted and not written down yet.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Mutex<Counts>,
    counted: Notify,
}

impl Refusals {
    pub(crate) fn count(&self, cause: Cause, key_name: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((cause, key_name.to_owned())).or_default() += 1;
        drop(counts);
        self.counted.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Returns once there is something to write down, and it is time.
    pub(crate) async fn due(&self, last: Instant) {
        while self.is_empty() {
            self.counted.notified().await;
        }
        sleep_until(last + EVERY).await;
    }

    /// Whether it is time.
    pub(crate) fn is_due(&self, last: Instant) -> bool {
        last.elapsed() >= EVERY && !self.is_empty()
    }

    /// What was counted since this was called before.
    pub(crate) fn take(&self) -> Taken {
        Taken(std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Counts what could not be written down once more.
    pub(crate) fn put_back(&self, taken: Taken) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, requests) in taken.0 {
            *counts.entry(key).or_default() += requests;
        }
    }
}

/// What is to be written down.
#[derive(Debug)]
pub(crate) struct Taken(Counts);

impl Taken {
    pub(crate) fn requests(&self) -> Vec<RefusedRequests> {
        let refused = |((cause, key_name), requests): (&(Cause, String), &i64)| RefusedRequests {
            cause: cause.as_str(),
            key_name: key_name.clone(),
            requests: *requests,
        };
        self.0.iter().map(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_counted_is_told_once() {
        let refusals = Refusals::default();
        let long_ago = Instant::now().checked_sub(EVERY).unwrap();
        assert!(!refusals.is_due(long_ago));
        refusals.count(Cause::Unknown, "");
        refusals.count(Cause::Revoked, "web");
        refusals.count(Cause::Revoked, "web");
        refusals.due(long_ago).await;
        assert!(refusals.is_due(long_ago));
        let told = |taken: &Taken| -> Vec<_> {
            taken.requests().into_iter().map(|told| (told.cause, told.key_name, told.requests)).collect()
        };
        let taken = refusals.take();
        assert_eq!(told(&taken), [("unknown_key", String::new(), 1), ("revoked_key", "web".to_owned(), 2)]);
        assert!(refusals.take().requests().is_empty());
        // What could not be written down is told with what came since.
        refusals.count(Cause::Revoked, "web");
        refusals.put_back(taken);
        assert_eq!(
            told(&refusals.take()),
            [("unknown_key", String::new(), 1), ("revoked_key", "web".to_owned(), 3)]
        );
    }
}
