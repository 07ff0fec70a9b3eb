//! JSON with what `serde_json::Value` loses: every digit of a number, and names that stand twice.

use std::fmt;

use contracts::record::decimal_number;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Levels that are read; what is deeper is passed over. An event of the protocol has five.
const MAX_DEPTH: usize = 8;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(String),
    /// A text with half a character in it, as programs leave that cut a text in its middle: U+FFFD stands for
    /// it.
    Halved(String),
    List(Vec<Node<'a>>),
    /// In their order, with names that stand twice.
    Object(Vec<(String, Node<'a>)>),
    /// Deeper than anything that is read.
    Deep,
}

static NULL: Node<'static> = Node::Null;

impl<'a> Node<'a> {
    /// Reads a value.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        Self::of(serde_json::from_slice(json)?, MAX_DEPTH)
    }

    fn of(raw: &'a RawValue, levels: usize) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'"') => match serde_json::from_str(text) {
                Ok(text) => Self::Text(text),
                Err(_) => Self::Halved(halved(text)?),
            },
            Some(b'[' | b'{') if levels == 0 => Self::Deep,
            Some(b'[') => {
                let raw: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::List(raw.into_iter().map(|raw| Self::of(raw, levels - 1)).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let pairs = serde_json::Deserializer::from_str(text).deserialize_map(Pairs)?;
                let pairs = pairs.into_iter().map(|(name, raw)| Ok((name, Self::of(raw, levels - 1)?)));
                Self::Object(pairs.collect::<Result<_, serde_json::Error>>()?)
            }
            _ => Self::Number(text),
        })
    }

    /// A field of an object; null where there is none.
    pub(super) fn get(&self, name: &str) -> &Self {
        self.pairs().iter().find(|(known, _)| known == name).map_or(&NULL, |(_, value)| value)
    }

    /// The fields of an object.
    pub(super) fn pairs(&self) -> &[(String, Self)] {
        match self {
            Self::Object(pairs) => pairs,
            _ => &[],
        }
    }

    /// The values of a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A text, or a number as it is written: ids are told as either.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(digits) => Some(digits),
            _ => None,
        }
    }

    /// Whether it says nothing: null, or a text of nothing but space.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// The id of a person or a visit: an empty or blank one names nobody.
    pub(super) fn unless_blank(self) -> Self {
        match self {
            told if told.is_blank() => Self::Null,
            told => told,
        }
    }

    /// The value for a field that is a text or an id. What is neither stays of another type, so that it is
    /// refused by its name.
    pub(super) fn told(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Text(text) => text.as_str().into(),
            Self::Number(digits) => (*digits).into(),
            Self::Halved(_) | Self::List(_) | Self::Object(_) | Self::Deep => Value::Array(Vec::new()),
        }
    }

    /// The value for a field that is only shown.
    pub(super) fn label(&self) -> Value {
        match self {
            Self::Halved(text) => text.as_str().into(),
            _ => self.told(),
        }
    }

    /// The value for a sum of money, with every digit.
    pub(super) fn sum(&self) -> Value {
        match self {
            // Java writes sums of ten millions as 1.05E7.
            Self::Number(digits) if digits.contains(['e', 'E']) => {
                decimal_number(digits).map_or_else(|| (*digits).to_owned(), |sum| sum.to_string()).into()
            }
            _ => self.told(),
        }
    }

    /// The value for a whole number: `2`, `2.0` and `"2"` are the same.
    pub(super) fn whole(&self) -> Value {
        let whole = self.text().and_then(contracts::record::whole_number);
        whole.map_or_else(|| self.told(), Value::from)
    }

    /// The first name that stands twice in one object, anywhere within.
    pub(super) fn twice(&self) -> Option<&str> {
        match self {
            Self::List(list) => list.iter().find_map(Self::twice),
            Self::Object(pairs) => {
                let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let twice = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
                twice.or_else(|| pairs.iter().find_map(|(_, value)| value.twice()))
            }
            _ => None,
        }
    }
}

/// A text of which halves of characters are no UTF-8.
fn halved(json: &str) -> Result<String, serde_json::Error> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
            // A half has three bytes, none of which is UTF-8.
            Ok(String::from_utf8_lossy(bytes).replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}"))
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_bytes(Bytes)
}

/// The fields of an object in their order.
struct Pairs;

/// A name, whatever halves of characters it holds.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        serde_json::from_str(raw.get()).or_else(|_| halved(raw.get())).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            pairs.push((name, map.next_value()?));
        }
        Ok(pairs)
    }
}

/// The values of a list, each as it is written.
pub(super) fn raw_list(json: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json.get()).ok()
}

/// The fields of an object, each as it is written.
pub(super) fn raw_pairs(json: &[u8]) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let pairs = deserializer.deserialize_map(Pairs)?;
    deserializer.end()?;
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits() {
        let node =
            Node::read(br#"{"price": 19.900000000000000001, "n": [1.05E7, -2.5e-3, 12e-1, 1e2, 0e9, 1e99]}"#);
        let node = node.unwrap();
        assert_eq!(node.get("price").sum(), "19.900000000000000001");
        let sums: Vec<Value> = node.get("n").list().unwrap().iter().map(Node::sum).collect();
        assert_eq!(sums, ["10500000", "-0.0025", "1.2", "100", "0", "1e99"]);
        for (json, whole) in [("2", 2), ("2.0", 2), ("\"2\"", 2), ("2e0", 2)] {
            assert_eq!(Node::read(json.as_bytes()).unwrap().whole(), whole, "{json}");
        }
        assert_eq!(Node::read(b"2.5").unwrap().whole(), "2.5");
    }

    #[test]
    fn names_that_stand_twice_are_seen_and_halves_are_read() {
        let node = Node::read(br#"{"a": {"b": [{"c": 1, "c": 2}]}}"#).unwrap();
        assert_eq!((node.twice(), node.get("a").twice(), node.get("x")), (Some("c"), Some("c"), &Node::Null));
        let half = Node::read(br#"{"\ud83d": "Lamp \ud83d"}"#).unwrap();
        assert_eq!(half.get("\u{fffd}").label(), "Lamp \u{fffd}");
        assert_eq!(half.get("\u{fffd}").told(), Value::Array(vec![]));
    }

    #[test]
    fn what_is_deep_is_passed_over() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        let mut node = &Node::read(&deep).unwrap();
        let mut levels = 0;
        while let Some([inner]) = node.list() {
            (node, levels) = (inner, levels + 1);
        }
        assert_eq!((node, levels), (&Node::Deep, MAX_DEPTH));
        assert!(Node::read(b"{").is_err() && Node::read(b"{} x").is_err());
    }
}
