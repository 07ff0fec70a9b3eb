//! The event that is sent.

use chrono::{DateTime, Utc};
use contracts::ids;
use contracts::record::{Code, Text};
use contracts::validation::{Draft, Shopper, SourceId, Visit};
use contracts::visitor::SenderId;
use contracts::vocabulary::{Channel, Device, EventName, Gender};
use uuid::Uuid;

/// User-assigned in ISO 3166, so that no shop has it.
pub const DOCTOR_COUNTRY: &str = "XD";
/// What the source of these events is called.
pub const SOURCE: &str = "doctor";

/// What user and session ids are made in: UUIDv5 of the DNS name `doctor.storepulse.org`.
const NAMESPACE: Uuid = Uuid::from_u128(0x2c1b_7a54_93de_5f08_8a6d_41f0_9be3_5c77);

/// A `view_item_list` of this moment by the doctor's own shopper, in a visit of its own.
#[must_use]
pub fn draft(now: DateTime<Utc>) -> Option<Draft> {
    // The last ten bytes of a v7 are its random ones.
    let event_id = ids::v7(now, Uuid::now_v7().as_bytes()[6..].try_into().ok()?);
    let shopper = Shopper {
        user_id: Some(SenderId::Uuid(Uuid::new_v5(&NAMESPACE, b"shopper"))),
        anonymous_id: None,
        gender: Some(Gender::Other),
        age: Some(0),
        country: Some(Code::new(DOCTOR_COUNTRY).ok()?),
        city: Some(Text::new("doctor").ok()?),
        latitude: Some(0.0),
        longitude: Some(0.0),
    };
    let visit = Visit {
        session_id: Some(SenderId::Uuid(Uuid::new_v5(&NAMESPACE, event_id.as_bytes()))),
        session_started_at: Some(now),
        returning: Some(true),
        device: Some(Device::Other),
        channel: Some(Channel::Other),
        infer_start: false,
    };
    let source_id = Some(SourceId::Uuid(event_id));
    Some(Draft { source_id, ..Draft::new(EventName::ViewItemList, now, shopper, visit) })
}

#[cfg(test)]
mod tests {
    use contracts::money::Rates;
    use contracts::validation;

    use super::*;

    #[test]
    fn it_is_accepted_as_any_event_and_keeps_its_id() {
        let now = Utc::now();
        let (first, second) = (draft(now).unwrap(), draft(now).unwrap());
        let rates = Rates::parse(Code::new("EUR").unwrap(), 1, "").unwrap();
        let accepted = validation::accept(first.clone(), SOURCE, now, &rates).unwrap();
        // It tells everything: nobody has to be asked.
        assert_eq!(accepted.open, None);
        let event = accepted.event;
        assert_eq!(Some(SourceId::Uuid(event.event_id)), first.source_id);
        assert_ne!(first.source_id, second.source_id);
        assert_eq!(first.shopper, second.shopper);
        assert_ne!(first.visit.session_id, second.visit.session_id);
    }
}
