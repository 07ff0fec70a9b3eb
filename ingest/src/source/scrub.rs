//! Fields and texts of JSON that are kept nowhere, such as credentials and IP addresses.
//!
//! They are taken out of the text before anything reads it, so that what is left is byte for byte as it came;
//! text that is no whole JSON is read as far as it has strings.

/// What removed values without a name of their own are called.
const VALUES: &str = "values";

/// A text without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// What is left.
    pub text: String,
    /// The names of what there was, each once.
    pub removed: Vec<&'static str>,
}

impl Scrubbed {
    /// What is said of a record that is kept without them; nothing where it had none.
    #[must_use]
    pub fn note(&self) -> String {
        match self.removed.as_slice() {
            [] => String::new(),
            removed => format!("; kept without {}", removed.join(", ")),
        }
    }

    fn count(&mut self, name: &'static str) {
        if !self.removed.contains(&name) {
            self.removed.push(name);
        }
    }

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

/// Takes fields of these names out, at whatever depth they stand, and puts null in place of texts that are
/// dropped.
#[must_use]
pub fn without(text: &str, names: &[&'static str], is_dropped: impl Fn(&str) -> bool) -> Scrubbed {
    let mut scrubbed = Scrubbed { text: String::with_capacity(text.len()), removed: Vec::new() };
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, from_quote) = rest.split_at(quote);
        scrubbed.text.push_str(before);
        let string = &from_quote[..string_length(from_quote)];
        let after = &from_quote[string.len()..];
        // However it is escaped.
        let read: Option<String> = serde_json::from_str(string).ok();
        let named = |read: &String| names.iter().find(|name| read.eq_ignore_ascii_case(name)).copied();
        let value = after.trim_start().strip_prefix(':');
        rest = match (read.as_ref().and_then(named), value) {
            (Some(name), Some(value)) => {
                scrubbed.count(name);
                let value = value.trim_start();
                scrubbed.join(&value[value_length(value)..])
            }
            (_, None) if read.is_some_and(|read| is_dropped(&read)) => {
                scrubbed.count(VALUES);
                scrubbed.text.push_str("null");
                after
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
