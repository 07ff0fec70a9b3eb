//! Identities: UUIDv7 of an event, UUIDv5 of a user (RFC 9562).

use std::ops::Range;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The namespace of user ids: UUIDv5 of the DNS name `users.storepulse.org`.
pub const USER_NAMESPACE: Uuid = Uuid::from_u128(0x6f9d_7d0e_5a31_5c0f_9a4e_2b7c_61d3_84f2);

/// How far the time in an event id may be from `occurred_at`, in ms: partitions are ranges of the id.
pub const EVENT_ID_TOLERANCE_MS: i64 = 60_000;

/// The source of ids that all senders of a shop share. Sources that are known by name are called otherwise.
pub const SHARED: &str = "shop";

/// The shared id of a line of an order, which counts from 1: who tells the order, and how often, is of no
/// account.
#[must_use]
pub fn order_line(order_id: &str, line: i32) -> String {
    format!("order/{order_id}/{line}")
}

/// The shared id of the refund of a line of an order.
#[must_use]
pub fn refund_line(order_id: &str, line: i32) -> String {
    format!("refund/{order_id}/{line}")
}

/// The shared id of what a refund of a sum takes of a line of an order; `id` is the shop's of the refund.
#[must_use]
pub fn refund_sum(order_id: &str, id: &str, line: i32) -> String {
    format!("refund/{order_id}/sum-{id}/{line}")
}

/// The shared id of the start of a visit that nobody tells.
#[must_use]
pub fn visit_start(session_id: &Uuid) -> String {
    format!("visit/{session_id}")
}

/// The id of a user, from the API's `login.uuid`.
#[must_use]
pub fn user_id(login_uuid: &Uuid) -> Uuid {
    Uuid::new_v5(&USER_NAMESPACE, login_uuid.as_bytes())
}

/// The id of a user whom a source names in its own words, as by a number or an e-mail address: the same words
/// of another source are somebody else's.
#[must_use]
pub fn named_user(source: &str, name: &str) -> Uuid {
    named(source, "user", name)
}

/// The id of a visitor who has no account, from what the source remembers the browser or the app by.
#[must_use]
pub fn anonymous_visitor(source: &str, name: &str) -> Uuid {
    named(source, "anonymous", name)
}

/// The id of a visit that a source names in its own words, which are often the time alone: so they count for
/// one visitor.
#[must_use]
pub fn named_visit(source: &str, visitor: &Uuid, name: &str) -> Uuid {
    named(source, "visit", &format!("{visitor}\0{name}"))
}

/// The id of a visit that a shop's file names in its own words.
#[must_use]
pub fn named_visit_of_file(source: &str, name: &str) -> Uuid {
    named(source, "session", name)
}

/// A NUL parts the words, and stands in no source's name.
fn named(source: &str, what: &str, name: &str) -> Uuid {
    Uuid::new_v5(&USER_NAMESPACE, format!("{source}\0{what}\0{name}").as_bytes())
}

/// The id of a visit that nobody names: UUIDv8 of the visitor and of its start in µs. PostgreSQL's
/// `raw.visit_id` gives the same.
#[must_use]
pub fn inferred_visit(visitor: &Uuid, started_at: DateTime<Utc>) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(visitor.as_bytes());
    hasher.update(started_at.timestamp_micros().to_be_bytes());
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A UUIDv7 of an instant (ms) and 74 bits that the caller chooses.
#[must_use]
pub fn v7(at: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    let unix_ms = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid()
}

/// The ms since 1970 in a UUIDv7, or nothing where it is no v7.
#[must_use]
pub fn v7_unix_ms(id: &Uuid) -> Option<i64> {
    if id.get_version_num() != 7 {
        return None;
    }
    i64::try_from(id.as_u128() >> 80).ok()
}

/// Whether an event may keep its id: a v7 whose time is within [`EVENT_ID_TOLERANCE_MS`] of the event.
#[must_use]
pub fn fits(id: &Uuid, occurred_at: DateTime<Utc>) -> bool {
    v7_unix_ms(id).is_some_and(|unix_ms| {
        unix_ms.abs_diff(occurred_at.timestamp_millis()) <= EVENT_ID_TOLERANCE_MS.unsigned_abs()
    })
}

/// The id of an event whose own id does not [fit](fits): a v7 of `occurred_at` and a hash of the source and
/// its id, so that the same record always gets the same id.
#[must_use]
pub fn rekeyed(occurred_at: DateTime<Utc>, source: &str, source_id: &str) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(source.as_bytes());
    hasher.update([0]);
    hasher.update(source_id.as_bytes());
    let digest = hasher.finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    v7(occurred_at, random)
}

/// What a [re-keyed](rekeyed) id says of the source and its id alone: the id without its time. Two records of
/// one source with one id have it in common, whatever else they say; 74 bits of a hash tell it from any
/// other.
#[must_use]
pub fn identity(event_id: &Uuid) -> Uuid {
    Uuid::from_u128(event_id.as_u128() & ((1 << 80) - 1))
}

/// The smallest UUIDv7 of a ms since 1970: the bound between two partitions.
#[must_use]
pub fn v7_lower_bound(unix_ms: i64) -> Uuid {
    let unix_ms = u128::try_from(unix_ms).unwrap_or(0);
    Uuid::from_u128(unix_ms << 80)
}

/// Ids between which those of all events of a stretch of time lie, with some room. A statement over
/// `raw.events` that names them as constants is planned over the days of that stretch alone: each day is a
/// table.
#[must_use]
pub fn bounds(stretch: &Range<DateTime<Utc>>) -> (Uuid, Uuid) {
    let room_ms = 2 * EVENT_ID_TOLERANCE_MS;
    (
        v7_lower_bound(stretch.start.timestamp_millis() - room_ms),
        v7_lower_bound(stretch.end.timestamp_millis() + room_ms),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rekeyed_id_fits_and_is_stable(
            unix_us in 0i64..4_000_000_000_000_000,
            source: String,
            id: String,
        ) {
            let at = DateTime::from_timestamp_micros(unix_us).unwrap();
            let key = rekeyed(at, &source, &id);
            prop_assert!(fits(&key, at));
            prop_assert_eq!(key, rekeyed(at, &source, &id));
            prop_assert_eq!(v7_unix_ms(&key), Some(at.timestamp_millis()));
            prop_assert!(v7_lower_bound(at.timestamp_millis()) <= key);
            prop_assert!(key < v7_lower_bound(at.timestamp_millis() + 1));
        }
    }

    proptest! {
        #[test]
        fn source_and_id_alone_are_the_identity(
            (one_us, other_us) in (0i64..7_000_000_000_000_000, 0i64..7_000_000_000_000_000),
            (source, id) in (".{0,20}", ".{0,20}"),
            (other_source, other_id) in (".{0,20}", ".{0,20}"),
        ) {
            let [one, other] = [one_us, other_us].map(|us| DateTime::from_timestamp_micros(us).unwrap());
            let key = rekeyed(one, &source, &id);
            prop_assert_eq!(identity(&key), identity(&rekeyed(other, &source, &id)));
            prop_assert_eq!(identity(&v7_lower_bound(one.timestamp_millis())), Uuid::nil());
            // A NUL parts source and id, and stands in no source's name.
            prop_assume!(!source.contains('\0') && !other_source.contains('\0'));
            prop_assert_eq!(
                identity(&key) == identity(&rekeyed(other, &other_source, &other_id)),
                (source, id) == (other_source, other_id)
            );
        }
    }

    #[test]
    fn names_are_of_a_source_and_of_a_kind() {
        let ids = [
            named_user("collector/web", "a@example.com"),
            named_user("collector/app", "a@example.com"),
            anonymous_visitor("collector/web", "a@example.com"),
            named_visit("collector/web", &Uuid::from_u128(1), "1770000000"),
            named_visit("collector/web", &Uuid::from_u128(2), "1770000000"),
        ];
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| id.get_version_num() == 5));
    }

    #[test]
    fn a_visit_that_nobody_names_has_the_id_that_postgresql_gives_it() {
        let at = DateTime::from_timestamp_micros(1_770_000_000_123_456).unwrap();
        let id = inferred_visit(&Uuid::from_u128(7), at);
        assert_eq!(id.get_version_num(), 8);
        assert_ne!(id, inferred_visit(&Uuid::from_u128(8), at));
        assert_ne!(id, inferred_visit(&Uuid::from_u128(7), at + chrono::TimeDelta::microseconds(1)));
    }

    #[test]
    fn a_random_id_does_not_fit() {
        assert!(!fits(&Uuid::from_u128(0x1234_5678_9abc_4def_8000_0000_0000_0000), Utc::now()));
    }
}
