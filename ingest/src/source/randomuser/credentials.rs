//! Credentials in a record of the API, which are kept nowhere: neither in a profile nor in quarantine.
//!
//! They are taken out of the text, before anything reads it, so that what is left is byte for byte as it came; text that is no whole JSON is
//! read as far as it has strings.

/// Names of fields, at whatever depth they stand.
const CREDENTIALS: [&str; 5] = ["password", "salt", "md5", "sha1", "sha256"];

/// A text without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scrubbed {
    pub(super) text: String,
    /// Which ones there were, each once.
    pub(super) removed: Vec<&'static str>,
}

impl Scrubbed {
    /// What is said of a record that is kept without them; nothing where it had none.
    pub(super) fn note(&self) -> String {
        match self.removed.as_slice() {
            [] => String::new(),
            removed => format!("; kept without {}", removed.join(", ")),
        }
    }
}

/// Takes them out.
pub(super) fn without(text: &str) -> Scrubbed {
    let mut scrubbed = Scrubbed { text: String::with_capacity(text.len()), removed: Vec::new() };
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, from_quote) = rest.split_at(quote);
        scrubbed.text.push_str(before);
        let string = &from_quote[..string_length(from_quote)];
        let after = &from_quote[string.len()..];
        let value = after.trim_start().strip_prefix(':');
        rest = match (credential(string), value) {
            (Some(name), Some(value)) => {
                if !scrubbed.removed.contains(&name) {
                    scrubbed.removed.push(name);
                }
                let value = value.trim_start();
                scrubbed.join(&value[value_length(value)..])
            }
            _ => {
                scrubbed.text.push_str(string);
                after
            }
        };
    }
    scrubbed.text.push_str(rest);
    scrubbed
}

impl Scrubbed {
    /// Goes on behind a field that was taken out, with one comma less.
    fn join<'a>(&mut self, after: &'a str) -> &'a str {
        if let Some(next) = after.trim_start().strip_prefix(',') {
            return next;
        }
        let kept = self.text.trim_end();
        if let Some(kept) = kept.strip_suffix(',') {
            self.text.truncate(kept.len());
        }
        after
    }
}

/// The credential that a string names, however it is escaped.
fn credential(string: &str) -> Option<&'static str> {
    let name: String = serde_json::from_str(string).ok()?;
    CREDENTIALS.into_iter().find(|credential| name.eq_ignore_ascii_case(credential))
}

/// How long a string is that begins with its quote; one without an end goes on to the end of the text.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long the value is that a text begins with.
fn value_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(&byte) = text.as_bytes().get(index) {
        match byte {
            b'"' => {
                index += string_length(&text[index..]);
                if depth == 0 {
                    return index;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return index,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
        index += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(of: &str) -> String {
        without(of).text
    }

    #[test]
    fn what_is_left_is_as_it_came() {
        assert_eq!(
            text(r#"{"login": {"uuid" : "u", "password":"p" , "username":"x"}}"#),
            r#"{"login": {"uuid" : "u",  "username":"x"}}"#
        );
        assert_eq!(text(r#"{"a":1,"salt":"s"}"#), r#"{"a":1}"#);
        assert_eq!(text(r#"{"md5":{"x":["}","]"]},"a":1}"#), r#"{"a":1}"#);
        assert_eq!(text(r#"{"sha1":12}"#), "{}");
        assert_eq!(text(r#"{"p\u0061ssword":"x","b":"password"}"#), r#"{"b":"password"}"#);
        assert_eq!(text("no json at all"), "no json at all");
        let scrubbed = without(r#"[{"salt":"a"},{"salt":"b","sha256":null}]"#);
        assert_eq!(
            (scrubbed.text.as_str(), scrubbed.note().as_str()),
            ("[{},{}]", "; kept without salt, sha256")
        );
    }

    #[test]
    fn of_half_a_record_they_go_too() {
        assert_eq!(text(r#"{"a":1,"password":"hunt"#), r#"{"a":1"#);
        assert_eq!(text(r#"{"a":1,"password":"hunter\"2","b"#), r#"{"a":1,"b"#);
        assert_eq!(text(r#"{"a":1,"password"#), r#"{"a":1,"password"#);
        assert_eq!(text(r#"{"password": {"x": "y""#), "{");
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name =
                prop_oneof!["[a-z]{1,4}", prop::sample::select(&CREDENTIALS[..]).prop_map(str::to_owned)];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn bare(value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(bare).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()))
                    .map(|(name, value)| (name, bare(value)))
                    .collect(),
            ),
            other => other,
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_without_them(value in anything()) {
            for written in [value.to_string(), format!("{value:#}")] {
                let left: Value = serde_json::from_str(&text(&written)).unwrap();
                prop_assert_eq!(&left, &bare(value.clone()));
            }
        }

        #[test]
        fn no_part_of_one_is_left_wherever_a_record_is_cut(cut in 0_usize..90) {
            let whole = json!({"a": 1, "login": {"password": "hunter2", "salt": "qzqzqz", "uuid": "u"}}).to_string();
            let left = text(&whole[..cut.min(whole.len())]);
            prop_assert!(!left.contains("hu") && !left.contains('q'), "{}", left);
        }

        #[test]
        fn any_text_is_read(of: String) {
            let _ = without(&of);
        }
    }
}
