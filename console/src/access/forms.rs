//! Tokens of forms that act: each is good once, for one address and one session, for a quarter of an hour.
//!
//! Nothing is kept of a token before it is used. The key is this process's own, so that forms of an earlier
//! one are refused and none of them can be sent again after a restart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::Visitor;
use super::token::equal;

/// How long a form may lie open.
const GOOD: TimeDelta = TimeDelta::minutes(15);

/// Which forms are good.
pub(crate) struct Forms {
    key: [u8; 64],
    /// Those that were sent, until they would be too old anyway.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
}

/// Why a form is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Made for another session, another address or by another process, or by nobody.
    Foreign,
    /// Older than it may be.
    Old,
    /// Sent before.
    Used,
}

impl Unusable {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Foreign => "not a form of this session",
            Self::Old => "the form is too old",
            Self::Used => "the form was sent before",
        }
    }
}

impl Forms {
    pub(super) fn new() -> Self {
        Self { key: rand::random(), used: Mutex::default() }
    }

    /// A token for one sending to an address; nothing for programs, which send no forms.
    pub(crate) fn issue(&self, visitor: &Visitor, path: &str) -> Option<String> {
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        Some(self.signed(visitor.form_token()?, path, &nonce, (Utc::now() + GOOD).timestamp()))
    }

    fn signed(&self, session: &str, path: &str, nonce: &str, ends: i64) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(format!("{session}\n{path}\n{nonce}\n{ends}").as_bytes());
        format!("{nonce}.{ends}.{}", hex::encode(mac.finalize().into_bytes()))
    }

    /// Takes a token, which is used up by it.
    pub(super) fn take(&self, visitor: &Visitor, path: &str, sent: &str) -> Result<(), Unusable> {
        self.take_at(visitor, path, sent, Utc::now())
    }

    fn take_at(&self, visitor: &Visitor, path: &str, sent: &str, now: DateTime<Utc>) -> Result<(), Unusable> {
        let mut parts = sent.split('.');
        let (Some(nonce), Some(ends), Some(session)) = (parts.next(), parts.next(), visitor.form_token())
        else {
            return Err(Unusable::Foreign);
        };
        let ends: i64 = ends.parse().map_err(|_| Unusable::Foreign)?;
        if !equal(&self.signed(session, path, nonce, ends), sent) {
            return Err(Unusable::Foreign);
        }
        if ends <= now.timestamp() {
            return Err(Unusable::Old);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends| *ends > now);
        match used.insert(nonce.to_owned(), now + GOOD) {
            None => Ok(()),
            Some(_) => Err(Unusable::Used),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    #[test]
    fn a_form_is_good_once_for_its_address_and_not_for_ever() {
        let (forms, ana) = (Forms::new(), Visitor::of_test("ana", Role::Operator));
        let token = forms.issue(&ana, "/api/v1/jobs/wish").unwrap();
        assert_eq!(forms.take(&ana, "/api/v1/traces", &token), Err(Unusable::Foreign));
        let later = Utc::now() + GOOD;
        assert_eq!(forms.take_at(&ana, "/api/v1/jobs/wish", &token, later), Err(Unusable::Old));
        assert_eq!(forms.take(&ana, "/api/v1/jobs/wish", &token), Ok(()));
        assert_eq!(forms.take(&ana, "/api/v1/jobs/wish", &token), Err(Unusable::Used));
    }

    #[test]
    fn what_nobody_signed_and_what_another_process_signed_is_foreign() {
        let (forms, ana) = (Forms::new(), Visitor::of_test("ana", Role::Operator));
        let token = forms.issue(&ana, "/x").unwrap();
        let longer = token.replacen('.', ".9", 1);
        for sent in ["", "a.b.c", "a.1.c", &longer, &Forms::new().issue(&ana, "/x").unwrap()] {
            assert_eq!(forms.take(&ana, "/x", sent), Err(Unusable::Foreign), "{sent}");
        }
    }

    #[test]
    fn what_was_used_is_forgotten_when_it_is_too_old() {
        let (forms, ana) = (Forms::new(), Visitor::of_test("ana", Role::Operator));
        for _ in 0..10 {
            forms.take(&ana, "/x", &forms.issue(&ana, "/x").unwrap()).unwrap();
        }
        assert_eq!(forms.used.lock().unwrap().len(), 10);
        let last = forms.issue(&ana, "/x").unwrap();
        let later = Utc::now() + GOOD + TimeDelta::seconds(1);
        assert_eq!(forms.take_at(&ana, "/x", &last, later), Err(Unusable::Old));
        let fresh = forms.signed(ana.form_token().unwrap(), "/x", "n", (later + GOOD).timestamp());
        forms.take_at(&ana, "/x", &fresh, later).unwrap();
        assert_eq!(forms.used.lock().unwrap().len(), 1);
    }
}
