//! A batch in JSON, whose events are counted before any is kept.
//!
//! Four million zeros fit into a body of 8 MB; as values they would take hundreds. So reading ends with the
//! first event too many, and an event is a stretch of the body.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// Reads a body; fields beside `events` are passed over, as in its events.
pub(super) fn read(body: &[u8], limit: usize) -> Result<Vec<&RawValue>, Refusal> {
    let too_many = Cell::new(false);
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Batch { limit, too_many: &too_many }.deserialize(&mut json);
    read.and_then(|events| json.end().map(|()| events)).map_err(|error| match too_many.get() {
        true => Refusal::TooManyEvents { limit },
        false => Refusal::Malformed(error.to_string()),
    })
}

/// The elements of a list that stands in a body; reading ends with the first too many.
pub(super) fn list(list: &RawValue, limit: usize) -> Result<Vec<&RawValue>, Refusal> {
    let too_many = Cell::new(false);
    let mut json = serde_json::Deserializer::from_str(list.get());
    Events(Batch { limit, too_many: &too_many }).deserialize(&mut json).map_err(|error| {
        match too_many.get() {
            true => Refusal::TooManyEvents { limit },
            false => Refusal::Malformed(error.to_string()),
        }
    })
}

/// The object around the events.
struct Batch<'a> {
    limit: usize,
    too_many: &'a Cell<bool>,
}

/// The list of them.
struct Events<'a>(Batch<'a>);

impl<'de> DeserializeSeed<'de> for Batch<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the list `events`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut events = None;
        while let Some(field) = map.next_key::<&RawValue>()? {
            if field.get() != r#""events""# {
                map.next_value::<IgnoredAny>()?;
            } else if events.is_some() {
                return Err(A::Error::duplicate_field("events"));
            } else {
                let of = Batch { limit: self.limit, too_many: self.too_many };
                events = Some(map.next_value_seed(Events(of))?);
            }
        }
        events.ok_or_else(|| A::Error::missing_field("events"))
    }
}

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element::<&RawValue>()? {
            if events.len() == self.0.limit {
                self.0.too_many.set(true);
                return Err(A::Error::custom("too many events"));
            }
            events.push(event);
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_stretches_of_the_body() {
        let body = br#" {"sent": [1, {"events": 2}], "events": [ {"a": 1} , 7,"x"], "more": null} "#;
        let events: Vec<&str> = read(body, 3).unwrap().into_iter().map(RawValue::get).collect();
        assert_eq!(events, [r#"{"a": 1}"#, "7", r#""x""#]);
        assert!(read(br#"{"events":[]}"#, 0).unwrap().is_empty());
    }

    #[test]
    fn reading_ends_with_the_first_event_too_many() {
        assert_eq!(read(br#"{"events":[0,0,0]}"#, 2).unwrap_err(), Refusal::TooManyEvents { limit: 2 });
        // What follows is not read: it is no JSON.
        assert_eq!(read(br#"{"events":[0,0,0,}"#, 2).unwrap_err(), Refusal::TooManyEvents { limit: 2 });
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"events":{}}"#,
            r#"{"events":[}"#,
            r#"{"events":[],"events":[]}"#,
            r#"{"events":[]}x"#,
        ] {
            assert!(matches!(read(body.as_bytes(), 9), Err(Refusal::Malformed(_))), "{body}");
        }
    }
}
