//! What may come in: nothing from before the retention floor, and nothing of an erased person.
//!
//! Persons are known by ids and by e-mail addresses ([`address`]), of which keyed hashes are kept and nothing
//! else.
//!
//! The rules stand in PostgreSQL. Whoever stores records reads them ([`READ`]), judges by them, and hands
//! their version to `raw.admit` in the transaction that stores: where others are in force by then it fails
//! with [`OUTDATED`].

pub mod address;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::cube::REVISION_STEP;
use crate::ids;
use crate::lateness::LATEST_US;

/// The name of the retention floor in `ops.setting`; its value is RFC 3339.
pub const FLOOR_SETTING: &str = "retention_floor";

/// The name of what goes up in `ops.setting` whenever somebody is erased.
pub const ERASURES_SETTING: &str = "erasures";

/// Reads the rules in force: their version, the floor, the hashes of who was erased, and the key where there
/// are any.
pub const READ: &str = "select raw.admission_rules(),
    (select value::timestamptz from ops.setting where name = 'retention_floor'),
    coalesce((select array_agg(hash) from ops.erasure), '{}'),
    (select key from ops.erasure_key where exists (select from ops.erasure))";

/// The code of the error by which `raw.admit` refuses rules that are no longer in force.
pub const OUTDATED: &str = "SPADM";

/// A condition on `raw.events` that holds where a row belongs to nobody any more: its user was erased, and
/// the id is one of `raw.nobody()`. Per-user tables have no rows for it.
pub const BELONGS_TO_NOBODY: &str = "events.user_id between '6e6f626f-6479-8000-8000-000000000000' \
    and '6e6f626f-6479-8fff-8fff-ffffffffffff'";

/// For the constants below, which are one text.
macro_rules! floor_sql {
    () => {
        "coalesce((select value::timestamptz from ops.setting where name = 'retention_floor'), '-infinity'::timestamptz)"
    };
}

/// The retention floor as SQL: the beginning of all time where there is none.
pub const FLOOR_SQL: &str = floor_sql!();

/// A condition on `raw.events` that holds from the retention floor on, or where there is none. What lies
/// before it may still be there, when retention was interrupted or its partition holds newer rows too, and is
/// of no account.
pub const SINCE_FLOOR: &str = concat!("events.occurred_at >= ", floor_sql!());

/// The write time of a delete that holds for ever: above that of any revision of any window.
pub const FOR_EVER_US: i64 = LATEST_US + ((1 << 20) + 1) * REVISION_STEP;

/// The rules, and the version that names them.
#[derive(Clone)]
pub struct Admission {
    /// What `raw.admit` is told.
    pub rules: String,
    /// Nothing that occurred before this comes in.
    pub floor: Option<DateTime<Utc>>,
    /// Who was erased, where anybody was.
    pub erased: Option<Erased>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Admission {
    /// Takes the columns of [`READ`].
    #[must_use]
    pub fn new(
        rules: String,
        floor: Option<DateTime<Utc>>,
        hashes: Vec<Vec<u8>>,
        key: Option<Vec<u8>>,
    ) -> Self {
        let erased = key.map(|key| Erased::new(key, hashes));
        Self { rules, floor, erased }
    }

    /// Whether a user was erased.
    #[must_use]
    pub fn is_erased(&self, user_id: &Uuid) -> bool {
        self.erased.as_ref().is_some_and(|erased| erased.contains(user_id))
    }

    /// Whether a record's bytes are about a person who was erased.
    #[must_use]
    pub fn is_about_erased(&self, bytes: &[u8]) -> bool {
        self.erased.as_ref().is_some_and(|erased| erased.are_mentioned_in(bytes))
    }
}

/// Who was erased: ids and addresses can be looked for here, and not be read out.
#[derive(Clone)]
pub struct Erased {
    key: Vec<u8>,
    hashes: HashSet<Vec<u8>>,
}

impl Erased {
    /// Those of whom these are the hashes, by the key that made them.
    #[must_use]
    pub fn new(key: Vec<u8>, hashes: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { key, hashes: hashes.into_iter().collect() }
    }

    /// Whether a user was erased.
    #[must_use]
    pub fn contains(&self, user_id: &Uuid) -> bool {
        self.hashes.contains(&user_hash(&self.key, user_id))
    }

    /// Names a user without telling who it is: the keyed hash, hex.
    #[must_use]
    pub fn alias(&self, user_id: &Uuid) -> String {
        hex::encode(user_hash(&self.key, user_id))
    }

    /// Whether bytes hold the e-mail address of an erased person, the id, or the API's id that it follows
    /// from: ids as text, or as 16 bytes that have the marks of a UUID.
    #[must_use]
    pub fn are_mentioned_in(&self, bytes: &[u8]) -> bool {
        let is_erased = |id: Uuid| self.contains(&id) || self.contains(&ids::user_id(&id));
        let binary = bytes.windows(16).filter_map(|window| {
            let id = Uuid::from_slice(window).ok()?;
            (id.get_variant() == uuid::Variant::RFC4122 && (1..=8).contains(&id.get_version_num()))
                .then_some(id)
        });
        let text = [36, 32].into_iter().flat_map(|length| {
            bytes.windows(length).filter_map(|window| {
                let first = window.first().is_some_and(u8::is_ascii_hexdigit);
                if first { Uuid::try_parse_ascii(window).ok() } else { None }
            })
        });
        text.chain(binary).any(is_erased)
            || address::candidates(bytes)
                .any(|address| self.hashes.contains(&address_hash(&self.key, &address)))
    }
}

/// Whether a user id is one of those that erased persons' events have: it belongs to nobody, and nobody may
/// send it.
#[must_use]
pub fn is_nobody(user_id: &Uuid) -> bool {
    let bytes = user_id.as_bytes();
    bytes.starts_with(b"nobody") && bytes[6] >> 4 == 8 && bytes[8] >> 4 == 8
}

/// The keyed hash under which an erased user is remembered: HMAC-SHA-256 of the id's 16 bytes.
#[must_use]
pub fn user_hash(key: &[u8], user_id: &Uuid) -> Vec<u8> {
    keyed_hash(key, &[user_id.as_bytes()])
}

/// The same of an e-mail address, in whatever case it is written.
#[must_use]
pub fn address_hash(key: &[u8], address: &str) -> Vec<u8> {
    keyed_hash(key, &[b"e-mail\0", address.trim().to_lowercase().as_bytes()])
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cube::write_time;

    const KEY: [u8; 32] = [7; 32];

    fn erased(ids: &[Uuid]) -> Erased {
        Erased::new(KEY.to_vec(), ids.iter().map(|id| user_hash(&KEY, id)))
    }

    #[test]
    fn a_delete_for_ever_is_above_every_revision() {
        assert!(FOR_EVER_US > write_time(LATEST_US, 1 << 20, REVISION_STEP - 1));
    }

    #[test]
    fn a_hash_depends_on_key_and_id() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(user_hash(&KEY, &one), user_hash(&KEY, &one));
        assert_ne!(user_hash(&KEY, &one), user_hash(&KEY, &two));
        assert_ne!(user_hash(&KEY, &one), user_hash(&[8; 32], &one));
        // RFC 4231, test case 2, for the construction; its data is no id.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        assert!(hex::encode(mac.finalize().into_bytes()).starts_with("5bdcc146bf60754e"));
    }

    #[test]
    fn nobody_is_known_by_the_form_of_the_id() {
        for nobody in ["6e6f626f-6479-8000-8000-000000000000", "6e6f626f-6479-8abc-8fff-0123456789ab"] {
            assert!(is_nobody(&nobody.parse().unwrap()), "{nobody}");
        }
        for somebody in ["6e6f626f-6479-4000-8000-000000000000", "6e6f626f-6479-8000-9000-000000000000"] {
            assert!(!is_nobody(&somebody.parse().unwrap()), "{somebody}");
        }
    }

    #[test]
    fn the_erased_are_found_by_their_address() {
        let erased = Erased::new(KEY.to_vec(), [address_hash(&KEY, " K20417@Mail.example")]);
        for text in [
            "b2,K-1,k20417@mail.example\n",
            "{\"to\":\"K20417\\u0040mail.EXAMPLE\"}",
            "?m=k20417%40mail.example&",
        ] {
            assert!(erased.are_mentioned_in(text.as_bytes()), "{text}");
        }
        for text in ["k2041@mail.example", "k20417@mail.example.org", "k20417 at mail.example", "@", ""] {
            assert!(!erased.are_mentioned_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_erased_are_found_in_text_and_bytes_and_others_are_not() {
        let login: Uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().unwrap();
        let user = ids::user_id(&login);
        let other = Uuid::from_u128(0x1234_5678_9abc_4def_8000_0000_0000_0000);
        let erased = erased(&[user]);
        assert!(erased.contains(&user) && !erased.contains(&other));
        let text = |id: &Uuid| format!("{{\"user_id\": \"{id}\", \"half\"").into_bytes();
        assert!(erased.are_mentioned_in(&text(&user)));
        assert!(erased.are_mentioned_in(user.simple().to_string().to_uppercase().as_bytes()));
        assert!(erased.are_mentioned_in(&text(&login)), "the id that the API knows the person by");
        assert!(!erased.are_mentioned_in(&text(&other)));
        let mut bytes = vec![0, 0, 0, 0, 1];
        bytes.extend_from_slice(user.as_bytes());
        assert!(erased.are_mentioned_in(&bytes));
        bytes.pop();
        assert!(!erased.are_mentioned_in(&bytes));
    }
}
