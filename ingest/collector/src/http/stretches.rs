//! The elements of a list in a body that is no JSON, as stretches of it.
//!
//! Only quotes and brackets are looked at. A body in which they do not match has no elements that anybody
//! could tell from each other, and is refused as a whole.

use crate::refusal::Refusal;

/// How deep brackets may be nested.
const MAX_DEPTH: usize = 256;

/// The elements of the list with this name in a body. `Err(None)`: nobody can tell where they begin and end.
///
/// # Errors
/// [`Refusal::TooManyEvents`].
pub(super) fn stretches<'a>(
    body: &'a [u8],
    list: &str,
    limit: usize,
) -> Result<Vec<&'a [u8]>, Option<Refusal>> {
    let mut scan = Scan { body, at: 0 };
    let mut elements = None;
    scan.expect(b'{').ok_or(None)?;
    loop {
        let name = scan.stretch(b":").ok_or(None)?;
        scan.expect(b':').ok_or(None)?;
        if name != format!("\"{list}\"").as_bytes() {
            scan.stretch(b",}").ok_or(None)?;
        } else if elements.is_some() {
            return Err(None);
        } else {
            scan.expect(b'[').ok_or(None)?;
            elements = Some(scan.elements(limit)?);
        }
        match scan.next() {
            Some(b',') => {}
            Some(b'}') => break,
            _ => return Err(None),
        }
    }
    if scan.next().is_some() {
        return Err(None);
    }
    elements.ok_or(None)
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.body.get(self.at)?;
            self.at += 1;
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// What stands before the next of some bytes that is in no text and in no bracket, without the spaces
    /// around it.
    fn stretch(&mut self, ends: &[u8]) -> Option<&'a [u8]> {
        let (start, mut open) = (self.at, Vec::new());
        loop {
            let byte = *self.body.get(self.at)?;
            match byte {
                _ if open.is_empty() && ends.contains(&byte) => break,
                b'"' => self.pass_text()?,
                b'{' | b'[' if open.len() == MAX_DEPTH => return None,
                b'{' => open.push(b'}'),
                b'[' => open.push(b']'),
                b'}' | b']' if open.pop() != Some(byte) => return None,
                _ => {}
            }
            self.at += 1;
        }
        let stretch = self.body.get(start..self.at)?.trim_ascii();
        (!stretch.is_empty()).then_some(stretch)
    }

    /// Goes to the quote that ends a text.
    fn pass_text(&mut self) -> Option<()> {
        loop {
            self.at += 1;
            match self.body.get(self.at)? {
                b'"' => return Some(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }

    fn elements(&mut self, limit: usize) -> Result<Vec<&'a [u8]>, Option<Refusal>> {
        let mut elements = Vec::new();
        let rest = self.body.get(self.at..).unwrap_or_default().trim_ascii_start();
        if rest.first() == Some(&b']') {
            self.next();
            return Ok(elements);
        }
        loop {
            let element = self.stretch(b",]").ok_or(None)?;
            if elements.len() == limit {
                return Err(Some(Refusal::TooManyEvents { limit }));
            }
            elements.push(element);
            if self.next() == Some(b']') {
                return Ok(elements);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn of(body: &str) -> Option<Vec<&str>> {
        let elements = stretches(body.as_bytes(), "events", 9).ok()?;
        Some(elements.into_iter().map(|element| std::str::from_utf8(element).unwrap()).collect())
    }

    #[test]
    fn elements_end_where_quotes_and_brackets_say() {
        assert_eq!(
            of(r#" {"a": [{"events": 1}], "events" : [ {"b": ",]\"}"} , [x, {y}],"" ] , "c": nope } "#),
            Some(vec![r#"{"b": ",]\"}"}"#, "[x, {y}]", "\"\""])
        );
        assert_eq!(of(r#"{"events": [ ]}"#), Some(vec![]));
        for unclear in [
            r#"{"events": [{"a": [1}]}"#,
            r#"{"events": [{"a": "b}]}"#,
            r#"{"events": [1,]}"#,
            r#"{"events": [1], "events": [2]}"#,
            r#"{"events": [1]} {}"#,
            r#"{"events": [1]"#,
            r#"{"events": 1}"#,
            r#"{"more": []}"#,
            "[]",
            "",
        ] {
            assert_eq!(of(unclear), None, "{unclear}");
        }
    }

    proptest! {
        #[test]
        fn of_json_they_are_its_elements(texts in prop::collection::vec(".{0,9}", 0..5), spaces in "[ \n]{0,2}") {
            let elements: Vec<Value> = texts.iter().map(|text| serde_json::json!({ text: [text, { "x": text }] })).collect();
            let told: Vec<String> = elements.iter().map(|element| format!("{spaces}{element}{spaces}")).collect();
            let body = format!("{{\"z\":{{}},{spaces}\"events\":[{}]{spaces}}}", told.join(","));
            let found: Vec<Value> = of(&body).unwrap().into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, elements);
        }

        #[test]
        fn any_bytes_are_looked_through(body: Vec<u8>) {
            let _ = stretches(&body, "events", 3);
        }
    }
}
