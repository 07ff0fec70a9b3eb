//! The message of a request, whose events are read one by one.
//!
//! An empty event takes two bytes in a message and some hundred as a value: 8 MB, of which gzip makes 8 KB,
//! would become gigabytes. So a message's events are counted before they are cut out, each is a stretch of
//! the message, and no more than one is a value at a time.

use ingest::store::MAX_ROWS_PER_COMMIT;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use super::proto::Event;
use crate::record::Sent;
use crate::refusal::Refusal;

/// The field of the list, in requests and in answers.
const LIST: u32 = 1;

/// Events to be stored together: `CollectRequest` of the published definition, which it equals on the wire.
#[derive(Clone, PartialEq, Message)]
pub struct CollectRequest {
    /// Each an [`Event`] as it is sent.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
}

impl FromIterator<Event> for CollectRequest {
    fn from_iter<T: IntoIterator<Item = Event>>(events: T) -> Self {
        Self { events: events.into_iter().map(|event| event.encode_to_vec().into()).collect() }
    }
}

/// An event of a message, or bytes that are none.
pub(super) fn event(bytes: Bytes) -> Sent<Event, Bytes> {
    match Event::decode(bytes.clone()) {
        Ok(event) => Sent::Record(event),
        Err(error) => Sent::Broken { why: error.to_string(), bytes },
    }
}

pub(super) fn malformed(error: &prost::DecodeError) -> Refusal {
    Refusal::Malformed(error.to_string())
}

/// Refuses a message with more entries in its list than a commit has rows. What else is wrong with it,
/// decoding says.
pub(super) fn refuse_too_many(mut message: &[u8]) -> Result<(), Refusal> {
    let mut entries = 0;
    while message.has_remaining() {
        let Ok((field, wire_type)) = decode_key(&mut message) else { return Ok(()) };
        if skip_field(wire_type, field, &mut message, DecodeContext::default()).is_err() {
            return Ok(());
        }
        if field == LIST && wire_type == WireType::LengthDelimited {
            entries += 1;
            if entries > MAX_ROWS_PER_COMMIT {
                return Err(Refusal::TooManyEvents { limit: MAX_ROWS_PER_COMMIT });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_on_the_wire_what_the_definition_says() {
        let event = Event { city: Some("Zürich".into()), age: Some(33), ..Event::default() };
        let request: CollectRequest = [event.clone(), Event::default()].into_iter().collect();
        // Field 1, of bytes: the length and the event; then field 1 with nothing.
        let bytes = event.encode_to_vec();
        let mut wire = vec![0x0a, u8::try_from(bytes.len()).unwrap()];
        wire.extend(bytes);
        wire.extend([0x0a, 0]);
        assert_eq!(request.encode_to_vec(), wire);
        let read = CollectRequest::decode(wire.as_slice()).unwrap();
        assert!(matches!(super::event(read.events[0].clone()), Sent::Record(read) if read == event));
    }

    #[test]
    fn a_commits_worth_of_events_is_taken_and_one_more_is_not() {
        let mut wire = [0x0a, 0].repeat(MAX_ROWS_PER_COMMIT);
        refuse_too_many(&wire).unwrap();
        // Another field does not count.
        wire.extend([0x12, 0]);
        refuse_too_many(&wire).unwrap();
        wire.extend([0x0a, 0]);
        let limit = MAX_ROWS_PER_COMMIT;
        assert_eq!(refuse_too_many(&wire).unwrap_err(), Refusal::TooManyEvents { limit });
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through_without_a_panic(bytes: Vec<u8>) {
            let _ = refuse_too_many(&bytes);
        }
    }
}
