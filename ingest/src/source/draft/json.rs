//! The fields of one JSON object.

use std::borrow::Cow;
use std::fmt;

use contracts::Reason;
use contracts::validation::Rejection;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::field::place;
use super::{FIELDS, Fields, rejected};

/// The fields that are known, in their places in [`FIELDS`], as they are written.
pub(super) struct Json<'a>([Option<&'a RawValue>; FIELDS.len()]);

/// The name of a field, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Json<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = [None; FIELDS.len()];
                while let Some(Name(name)) = map.next_key()? {
                    let Some(field) = place(&name).and_then(|place| fields.get_mut(place)) else {
                        // Passed over, if it is text: other bytes are refused wherever they stand.
                        map.next_value::<&RawValue>()?;
                        continue;
                    };
                    // Which of the two is meant nobody can tell.
                    if field.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom(format_args!("{name} is there twice")));
                    }
                }
                Ok(Json(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Json<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<Self, Rejection> {
        serde_json::from_slice(json).map_err(|error| rejected(Reason::Malformed, "record", error.to_string()))
    }

    /// The text of a value; null counts as absent.
    fn raw(&self, field: &str) -> Option<&str> {
        let raw = self.0.get(place(field)?)?.map(RawValue::get)?;
        (raw != "null").then_some(raw)
    }
}

impl Fields for Json<'_> {
    fn has(&self, field: &'static str) -> bool {
        self.raw(field).is_some()
    }

    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        serde_json::from_str(raw)
            .map(Some)
            .map_err(|error| rejected(Reason::InvalidField, field, error.to_string()))
    }

    /// Half a character (`"\ud83d"`) is left by programs that cut a text in its middle: U+FFFD stands for it.
    /// A number is what is written.
    fn label(&self, field: &'static str) -> Option<String> {
        let raw = self.raw(field)?;
        if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Some(raw.to_owned());
        }
        let text: Result<String, _> = serde_json::from_str(raw);
        text.or_else(|_| serde_json::from_str(raw).map(|Halved(text)| text)).ok()
    }

    /// JSON has one kind of number: `1`, `1.0` and `1e0` are the same.
    fn whole(&self, field: &'static str) -> Result<Option<i32>, Rejection> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        if let Ok(whole) = raw.parse() {
            return Ok(Some(whole));
        }
        let invalid = |detail: String| rejected(Reason::InvalidField, field, detail);
        if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(invalid(format!("{raw} is no number")));
        }
        match contracts::record::whole_number(raw) {
            Some(whole) => {
                i32::try_from(whole).map(Some).map_err(|_| invalid(format!("{raw} does not fit 32 bits")))
            }
            None => Err(invalid(format!("{raw} is no whole number of 32 bits"))),
        }
    }

    /// Read by Rust: `serde_json` may miss the nearest double by one.
    fn degrees(&self, field: &'static str) -> Result<Option<f64>, Rejection> {
        // Refuses what is no JSON number, such as a string or `inf`.
        let Some(_) = self.optional::<f64>(field)? else { return Ok(None) };
        let raw = self.raw(field).unwrap_or_default();
        raw.parse().map(Some).map_err(|_| rejected(Reason::InvalidField, field, "is no number".to_owned()))
    }
}

/// A text that may hold halves of characters.
struct Halved(String);

impl<'de> Deserialize<'de> for Halved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Halved;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Halved, E> {
                // A half has three bytes, none of which is UTF-8.
                Ok(Halved(String::from_utf8_lossy(bytes).replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}")))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
