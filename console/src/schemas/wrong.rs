//! What is wrong with a pasted schema, where it stands in the text, and what to do.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Where in a JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    At(usize),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: Path,
    pub(crate) what: String,
    pub(crate) todo: String,
}

/// The same for whoever pasted the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: Option<usize>,
    /// From 1, in characters.
    pub(crate) column: Option<usize>,
    /// As in `fields[3].type`; empty for the whole.
    pub(crate) path: String,
    pub(crate) what: String,
    /// What to do.
    pub(crate) todo: String,
}

impl Path {
    pub(crate) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    pub(crate) fn at(&self, index: usize) -> Self {
        self.step(Step::At(index))
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    pub(crate) fn wrong(&self, what: impl Into<String>, todo: impl Into<String>) -> Wrong {
        Wrong { path: self.clone(), what: what.into(), todo: todo.into() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::At(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

impl Wrong {
    /// With the line and column at which it stands in the text that it was read from.
    pub(crate) fn in_text(self, text: &str) -> Fault {
        let place = place(text, &self.path);
        Fault {
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            path: self.path.to_string(),
            what: self.what,
            todo: self.todo,
        }
    }
}

/// What serde_json refused.
pub(crate) fn not_json(error: &serde_json::Error, text: &str) -> Fault {
    let whole = error.to_string();
    let what = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // serde_json counts bytes; an editor counts characters.
    let column = line.char_indices().take_while(|(at, _)| *at < error.column()).count().max(1);
    let todo = if what.starts_with("EOF") {
        "the text ends too early: close every bracket, brace and quote"
    } else if what.contains("trailing") {
        "one schema at a time, and no comma before a closing bracket"
    } else {
        "write JSON: names in double quotes, commas between members, no comments"
    };
    Fault {
        line: Some(error.line().max(1)),
        column: Some(column),
        path: String::new(),
        what: format!("this is no JSON: {what}"),
        todo: todo.to_owned(),
    }
}

/// Line and column of what stands at a path in a valid JSON text.
fn place(text: &str, path: &Path) -> Option<(usize, usize)> {
    let mut at = skip_blank(text, 0);
    for step in &path.0 {
        at = match step {
            Step::Key(key) => member(text, at, key)?,
            Step::At(index) => element(text, at, *index)?,
        };
    }
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    Some((line, column))
}

fn member(text: &str, object: usize, key: &str) -> Option<usize> {
    let mut at = skip_blank(text, after(text, object, '{')?);
    loop {
        let end = end_of_value(text, at)?;
        let name: String = serde_json::from_str(text.get(at..end)?).ok()?;
        let value = skip_blank(text, after(text, skip_blank(text, end), ':')?);
        if name == key {
            return Some(value);
        }
        at = skip_blank(text, end_of_value(text, value)?);
        at = skip_blank(text, after(text, at, ',')?);
    }
}

fn element(text: &str, list: usize, index: usize) -> Option<usize> {
    let mut at = skip_blank(text, after(text, list, '[')?);
    for _ in 0..index {
        at = skip_blank(text, end_of_value(text, at)?);
        at = skip_blank(text, after(text, at, ',')?);
    }
    Some(at)
}

fn after(text: &str, at: usize, c: char) -> Option<usize> {
    text.get(at..)?.starts_with(c).then(|| at + c.len_utf8())
}

fn skip_blank(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start().len())
}

/// Where a value ends: the parser that took the text says so.
fn end_of_value(text: &str, at: usize) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
    values.next()?.ok()?;
    Some(at + values.byte_offset())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_found_by_line_and_column() {
        let text =
            "{\n  \"type\": \"record\",\n  \"fields\": [\n    {\"näme\": \"a\", \"type\": \"strin\"}\n  ]\n}";
        let path = Path::default().key("fields").at(0).key("type");
        assert_eq!(place(text, &path), Some((4, 27)));
        assert_eq!(place(text, &Path::default().key("fields").at(1)), None);
        assert_eq!(place(text, &Path::default().key("absent")), None);
    }

    #[test]
    fn broken_json_has_its_line_and_column() {
        let text = "{\n \"ä\": }";
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        let fault = not_json(&error, text);
        assert_eq!((fault.line, fault.column), (Some(2), Some(7)));
    }

    proptest! {
        /// What stands at the place that is found is the value itself, however the document is spaced.
        #[test]
        fn the_place_of_each_element_starts_its_value(
            numbers in prop::collection::vec(any::<i32>(), 1..6),
            pick in any::<prop::sample::Index>(),
        ) {
            let document = json!({"a": {"k\"ey": [[], "]", {"x": numbers}]}});
            let index = pick.index(numbers.len());
            let path = Path::default().key("a").key("k\"ey").at(2).key("x").at(index);
            for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
                let (line, column) = place(&text, &path).unwrap();
                let rest: String = text.lines().nth(line - 1).unwrap().chars().skip(column - 1).collect();
                prop_assert!(rest.starts_with(&numbers[index].to_string()), "{}", rest);
            }
        }
    }
}
