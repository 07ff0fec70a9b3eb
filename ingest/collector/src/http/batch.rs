//! A batch in JSON, whose events are counted before any is kept.
//!
//! Four million zeros fit into a body of 8 MB; as values they would take hundreds. So reading ends with the
//! first event too many, and an event is a stretch of the body.
//!
//! An event that is no JSON costs itself alone, as one with `NaN` or with bytes that are no UTF-8, where it
//! is clear how far it goes: its quotes are paired and its brackets match.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::stretches::stretches;
use crate::record::Sent;
use crate::refusal::Refusal;

/// Reads a body; fields beside `events` are passed over, as in its events.
pub(super) fn read(body: &[u8], limit: usize) -> Result<Vec<Sent<&RawValue, &[u8]>>, Refusal> {
    let events = match strictly(body, limit) {
        Ok(events) => return Ok(events.into_iter().map(Sent::Record).collect()),
        Err(Refusal::Malformed(why)) => {
            stretches(body, "events", limit).map_err(|error| error.unwrap_or(Refusal::Malformed(why)))?
        }
        Err(refusal) => return Err(refusal),
    };
    let sent = events.into_iter().map(|event| match serde_json::from_slice(event) {
        Ok(record) => Sent::Record(record),
        Err(error) => Sent::Broken { bytes: event, why: error.to_string() },
    });
    Ok(sent.collect())
}

/// A body that is no JSON, with a text in place of each element of its list that is none. Nothing where no
/// element is wrong.
pub(super) fn mended(body: &[u8], list: &str, limit: usize) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(body.len());
    let mut rest = 0;
    for element in stretches(body, list, limit).ok()? {
        let at = element.as_ptr().addr() - body.as_ptr().addr();
        if serde_json::from_slice::<&RawValue>(element).is_err() {
            mended.extend_from_slice(&body[rest..at]);
            serde_json::to_writer(&mut mended, &String::from_utf8_lossy(element)).ok()?;
            rest = at + element.len();
        }
    }
    mended.extend_from_slice(&body[rest..]);
    (rest > 0).then_some(mended)
}

fn strictly(body: &[u8], limit: usize) -> Result<Vec<&RawValue>, Refusal> {
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
        let events: Vec<&str> = strictly(body, 3).unwrap().into_iter().map(RawValue::get).collect();
        assert_eq!(events, [r#"{"a": 1}"#, "7", r#""x""#]);
        assert!(read(br#"{"events":[]}"#, 0).unwrap().is_empty());
    }

    #[test]
    fn an_event_that_is_no_json_costs_itself_alone() {
        let body = b"{\"v\": 1, \"events\": [ {\"a\": NaN}, {\"b\": 2} ,{'c': 3}, {\"d\": \"\xff\"}, {\"e\": \"x\ny\"}, {\"f\": [1,]}, 7 , {\"g\": 1}]}";
        let sent = read(body, 8).unwrap();
        let told: Vec<Result<&str, &[u8]>> = sent
            .iter()
            .map(|sent| match sent {
                Sent::Record(raw) => Ok(raw.get()),
                Sent::Broken { bytes, why } => {
                    assert!(!why.is_empty());
                    Err(*bytes)
                }
            })
            .collect();
        assert_eq!(told[0], Err(&b"{\"a\": NaN}"[..]));
        assert_eq!(told[1], Ok("{\"b\": 2}"));
        assert_eq!(told[2..6].iter().filter(|told| told.is_err()).count(), 4, "{told:?}");
        assert_eq!(told[6..], [Ok("7"), Ok("{\"g\": 1}")]);
        assert_eq!(read(body, 7).unwrap_err(), Refusal::TooManyEvents { limit: 7 });
        let mended = mended(body, "events", 8).unwrap();
        let texts = strictly(&mended, 8).unwrap();
        assert_eq!((texts.len(), texts[1].get(), texts[0].get()), (8, "{\"b\": 2}", r#""{\"a\": NaN}""#));
        assert_eq!(super::mended(br#"{"events":[1]}"#, "events", 8), None);
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
