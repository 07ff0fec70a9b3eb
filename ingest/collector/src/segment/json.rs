//! JSON that is read no deeper than it is asked for, with numbers as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use contracts::record::decimal_number;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep a message may be nested: what reads it goes down level by level.
const MAX_DEPTH: usize = 32;

/// An object, by its fields as they are written. One that is there twice is refused: which of the two is
/// meant nobody can tell.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// The name of a field, borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("{name} is there twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'a> Object<'a> {
    /// Reads an object.
    pub(crate) fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Reads a value that may be one.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        Self::read(raw.get().as_bytes()).ok()
    }

    /// A field; null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// A field that is an object itself; an empty one where it is none.
    pub(super) fn object(&self, name: &str) -> Self {
        self.get(name).and_then(Self::of).unwrap_or_default()
    }

    /// A field that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(self.get(name)?)
    }

    /// The fields with their names.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_ref(), *raw))
    }
}

/// A text.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether a value begins as a number does.
fn is_number(raw: &RawValue) -> bool {
    raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// An id, which may be written as a number: its digits are the text. Anything else is given back as it is, to
/// be refused by its name.
pub(super) fn id(raw: &RawValue) -> Value {
    if is_number(raw) { raw.get().into() } else { any(raw) }
}

/// The id of a person or a visit. An empty or blank one names nobody: SDKs send `""` before a sign-in.
pub(super) fn name(raw: &RawValue) -> Value {
    match id(raw) {
        Value::String(id) if id.trim().is_empty() => Value::Null,
        id => id,
    }
}

/// A sum of money, as a number or as a text with nothing but the number: its digits as they are written.
pub(super) fn sum(raw: &RawValue) -> Value {
    let digits = if is_number(raw) { Some(raw.get().to_owned()) } else { text(raw) };
    match digits.as_deref().map(str::trim).and_then(decimal_number) {
        Some(sum) => sum.to_string().into(),
        None => any(raw),
    }
}

/// A whole number of 32 bits, however it is written.
pub(super) fn whole(raw: &RawValue) -> Value {
    let whole = if is_number(raw) { contracts::record::whole_number(raw.get()) } else { None };
    whole.and_then(|whole| i32::try_from(whole).ok()).map_or_else(|| any(raw), Value::from)
}

/// How many, as a number or as a text with nothing but the number.
pub(super) fn quantity(raw: &RawValue) -> Value {
    let told = text(raw).and_then(|text| contracts::record::whole_number(text.trim()));
    told.and_then(|told| i32::try_from(told).ok()).map_or_else(|| whole(raw), Value::from)
}

/// A value of any type, for whoever refuses it by its type. Half a character makes no text: then it is what
/// was written.
pub(super) fn any(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().into())
}

/// Whether a value is nested deeper than is read.
pub(super) fn is_too_deep(raw: &RawValue) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in raw.get().bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn digits_are_kept() {
        for (json, kept) in [
            ("18.99", "18.99"),
            ("0.1000000000000000000000001", "0.1000000000000000000000001"),
            ("1.9e1", "19"),
            ("\" 19.90 \"", "19.90"),
        ] {
            assert_eq!(sum(raw(json)), Value::from(kept), "{json}");
        }
        assert_eq!(sum(raw("\"$5\"")), Value::from("$5"));
        assert_eq!(sum(raw("true")), Value::from(true));
        assert_eq!(whole(raw("2.0")), Value::from(2));
        assert_eq!(whole(raw("2.5")), Value::from(2.5));
        for json in ["2", "2.0", "\"2\"", "\" 2.0 \""] {
            assert_eq!(quantity(raw(json)), Value::from(2), "{json}");
        }
        assert_eq!([quantity(raw("\"two\"")), quantity(raw("\"2.5\""))], ["two", "2.5"].map(Value::from));
        assert_eq!(id(raw("9714107479")), Value::from("9714107479"));
        assert_eq!(
            [name(raw("\" \"")), name(raw("7")), id(raw("\"\""))],
            [Value::Null, "7".into(), "".into()]
        );
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        assert!(Object::read(br#"{"a": 1, "\u0061": 2}"#).is_err());
        let object = Object::read(br#"{"a": null, "b": {"c": "d"}}"#).unwrap();
        assert!(object.get("a").is_none());
        assert_eq!(object.object("b").text("c").as_deref(), Some("d"));
    }

    #[test]
    fn what_is_nested_deeply_is_told() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(raw(&nested(MAX_DEPTH))));
        assert!(is_too_deep(raw(&nested(MAX_DEPTH + 1))));
        assert!(!is_too_deep(raw(&format!("\"\\\"{}\"", "[".repeat(99)))));
    }
}
