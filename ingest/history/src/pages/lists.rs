//! Lists within JSON records: a row for each element, and lists of pairs as objects.
//!
//! A record is unfolded in its text: where the list stands, one element takes its place, so that a column's
//! name leads into the element as into any other value, and digits stay as they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use super::records::Record;
use crate::mapping::Shape;

/// Bytes of one record's rows, together.
const MAX_UNFOLDED_BYTES: usize = 64 << 20;

/// A record, or what one element of its list makes of it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) record: Record,
    /// The element's place, from 1; 0 where there is no list.
    pub(super) part: u32,
    /// Why it could not be unfolded.
    fault: Option<String>,
}

impl Part {
    pub(super) const fn whole(record: Record) -> Self {
        Self { record, part: 0, fault: None }
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone().or_else(|| self.record.fault.map(|fault| fault.to_string()))
    }
}

/// A text in the place of another.
struct Change {
    at: Range<usize>,
    to: String,
}

impl Shape {
    pub(crate) fn is_plain(&self) -> bool {
        self.lines.is_none() && self.pairs.is_empty()
    }

    /// Unfolds records into texts of their own.
    pub(super) fn unfold(&self, bytes: &[u8], records: Vec<Record>) -> (Vec<u8>, Vec<Part>) {
        let (mut out, mut parts) = (Vec::with_capacity(bytes.len() * 2), Vec::new());
        for record in records {
            let text = &bytes[record.bytes.clone()];
            let texts = match record.fault {
                Some(_) => Ok(None),
                None => self.unfolded(text),
            };
            let mut add = |text: &[u8], part: u32, fault: Option<String>| {
                let start = out.len();
                out.extend_from_slice(text);
                let record = Record { bytes: start..out.len(), ..record.clone() };
                parts.push(Part { record, part, fault });
            };
            match texts {
                Ok(None) => add(text, 0, None),
                Err(fault) => add(text, 0, Some(fault)),
                Ok(Some(texts)) => {
                    for (part, text) in &texts {
                        add(text.as_bytes(), *part, None);
                    }
                }
            }
        }
        (out, parts)
    }

    /// The rows of a record; nothing where it stays as it is, which is also the case for what is no JSON.
    fn unfolded(&self, record: &[u8]) -> Result<Option<Vec<(u32, String)>>, String> {
        let Ok(text) = std::str::from_utf8(record) else { return Ok(None) };
        let mut changes = Vec::new();
        for (list, key) in &self.pairs {
            if let Some((at, elements)) = elements(text, list)? {
                changes.push(Change { at, to: object(list, key, &elements)? });
            }
        }
        let lines = match &self.lines {
            None => None,
            Some(list) => elements(text, list)?,
        };
        let Some((at, elements)) = lines else {
            return Ok((!changes.is_empty()).then(|| vec![(0, applied(text, changes.iter().collect()))]));
        };
        let with = |element: &str| {
            let line = Change { at: at.clone(), to: element.to_owned() };
            applied(text, changes.iter().chain([&line]).collect())
        };
        if elements.is_empty() {
            return Ok(Some(vec![(0, with("null"))]));
        }
        let around: usize = text.len() - at.len();
        if around.saturating_mul(elements.len()) > MAX_UNFOLDED_BYTES {
            return Err(format!("has {} elements in its list, too many for its length", elements.len()));
        }
        Ok(Some((1..).zip(elements).map(|(part, element)| (part, with(element))).collect()))
    }
}

/// The texts of a list's elements, and where the list stands; nothing where there is no list.
#[expect(clippy::type_complexity, reason = "read at its only two calls")]
fn elements<'a>(text: &'a str, list: &str) -> Result<Option<(Range<usize>, Vec<&'a str>)>, String> {
    let Some(raw) = find(text, list)? else { return Ok(None) };
    if !raw.starts_with('[') {
        return Ok(None);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    Ok(Some((start..start + raw.len(), elements.into_iter().map(RawValue::get).collect())))
}

/// A list of pairs as an object.
fn object(list: &str, key: &str, elements: &[&str]) -> Result<String, String> {
    let mut named = BTreeMap::new();
    for element in elements {
        let name = find(element, key)?.ok_or_else(|| format!("{list} has an element without {key:?}"))?;
        let name: String = serde_json::from_str(name)
            .map_err(|_| format!("{list} has an element whose {key:?} is no text"))?;
        if named.insert(name.clone(), *element).is_some() {
            return Err(format!("{list} has {name:?} twice"));
        }
    }
    let pairs: Vec<String> = named
        .into_iter()
        .map(|(name, element)| format!("{}:{element}", serde_json::Value::from(name)))
        .collect();
    Ok(format!("{{{}}}", pairs.join(",")))
}

fn applied(text: &str, mut changes: Vec<&Change>) -> String {
    changes.sort_by_key(|change| change.at.start);
    let (mut out, mut end) = (String::with_capacity(text.len()), 0);
    for Change { at, to } in changes {
        out.push_str(&text[end..at.start]);
        out.push_str(to);
        end = at.end;
    }
    out.push_str(&text[end..]);
    out
}

/// The text of the value that a name leads to; nothing where there is none, or the text is no object.
fn find<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>, String> {
    let mut text = text;
    for step in name.split('.') {
        let Ok(Pairs(fields)) = serde_json::from_str::<Pairs<'a>>(text) else { return Ok(None) };
        let mut found = fields.into_iter().filter(|(key, _)| key == step);
        let Some((_, value)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(format!("{step:?} is there twice"));
        }
        text = value.get();
    }
    Ok(Some(text))
}

/// Fields in their order, also of one name.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The list that a column's name leads through or to, if there is one.
pub(super) fn list_on_the_way(record: &[u8], column: &str) -> Option<String> {
    let text = std::str::from_utf8(record).ok()?;
    let ends = column.match_indices('.').map(|(at, _)| at).chain([column.len()]);
    let mut names = ends.map(|end| &column[..end]);
    let list = names.find(|name| find(text, name).ok().flatten().is_some_and(|raw| raw.starts_with('[')));
    list.map(str::to_owned)
}

/// Whether the value that a name leads to is written as a number.
pub(super) fn is_number(record: &[u8], column: &str) -> bool {
    let text = std::str::from_utf8(record).unwrap_or_default();
    let raw = find(text, column).ok().flatten();
    raw.is_some_and(|raw| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(shape: &Shape, record: &str) -> Result<Vec<(u32, String)>, String> {
        Ok(shape.unfolded(record.as_bytes())?.unwrap_or_else(|| vec![(0, record.to_owned())]))
    }

    fn shape(lines: Option<&str>, pairs: &[(&str, &str)]) -> Shape {
        let pairs = pairs.iter().map(|(list, key)| ((*list).to_owned(), (*key).to_owned())).collect();
        Shape { lines: lines.map(str::to_owned), pairs }
    }

    #[test]
    fn each_element_takes_the_place_of_its_list() {
        let shape = shape(Some("p.items"), &[]);
        for (record, expected) in [
            (
                r#"{"a":1,"p":{"items":[{"s":1.10},{"s":2}],"z":[3]}}"#,
                &[
                    (1, r#"{"a":1,"p":{"items":{"s":1.10},"z":[3]}}"#),
                    (2, r#"{"a":1,"p":{"items":{"s":2},"z":[3]}}"#),
                ][..],
            ),
            (r#"{"p":{"items":[]}}"#, &[(0, r#"{"p":{"items":null}}"#)]),
            (r#"{"p":{}}"#, &[(0, r#"{"p":{}}"#)]),
            (r#"{"p":{"items":{"s":1}}}"#, &[(0, r#"{"p":{"items":{"s":1}}}"#)]),
            (r#"{"p":{"items":[{"s":"]"}"#, &[(0, r#"{"p":{"items":[{"s":"]"}"#)]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(part, text)| (*part, (*text).to_owned())).collect();
            assert_eq!(unfolded(&shape, record), Ok(expected), "{record}");
        }
        assert!(unfolded(&shape, r#"{"p":{"items":[1],"items":[2]}}"#).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_list_of_pairs_is_an_object_by_their_keys() {
        let shape = shape(Some("items"), &[("params", "key")]);
        let record = r#"{"items":[{"s":1}],"params":[{"key":"b","value":{"i":"2"}},{"key":"a","value":3}]}"#;
        let expected =
            r#"{"items":{"s":1},"params":{"a":{"key":"a","value":3},"b":{"key":"b","value":{"i":"2"}}}}"#;
        assert_eq!(unfolded(&shape, record), Ok(vec![(1, expected.to_owned())]));
        for (record, said) in [
            (r#"{"params":[{"key":"a"},{"key":"a"}]}"#, "twice"),
            (r#"{"params":[{"k":"a"}]}"#, "without"),
            (r#"{"params":[{"key":1}]}"#, "no text"),
        ] {
            assert!(unfolded(&shape, record).unwrap_err().contains(said), "{record}");
        }
    }

    #[test]
    fn a_list_is_found_on_the_way() {
        let record = br#"{"p":{"items":[{"s":1}],"n":-1.5,"t":"1"}}"#;
        assert_eq!(list_on_the_way(record, "p.items.s").as_deref(), Some("p.items"));
        assert_eq!(list_on_the_way(record, "p.n"), None);
        assert!(is_number(record, "p.n") && !is_number(record, "p.t") && !is_number(record, "x"));
    }
}
