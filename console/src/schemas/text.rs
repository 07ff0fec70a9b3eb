//! Two schemas line by line.

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// A line of a unified diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Line {
    pub(crate) kind: LineKind,
    pub(crate) text: String,
}

/// Which side a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineKind {
    /// Where the lines below stand.
    Hunk,
    Same,
    Add,
    Del,
}

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// A schema as it is shown: keys in one order, so that two versions differ only where they say something
/// else.
pub(crate) fn pretty(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default()
}

/// The lines that differ, with a few around them; nothing where none does.
pub(crate) fn diff(old: &Value, new: &Value) -> Vec<Line> {
    let (old, new) = (pretty(old), pretty(new));
    let diff = TextDiff::from_lines(&old, &new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(CONTEXT) {
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            let span = |from: usize, to: usize| format!("{},{}", from + 1, to - from);
            let text = format!(
                "@@ -{} +{} @@",
                span(first.old_range().start, last.old_range().end),
                span(first.new_range().start, last.new_range().end)
            );
            lines.push(Line { kind: LineKind::Hunk, text });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Equal => LineKind::Same,
                ChangeTag::Insert => LineKind::Add,
                ChangeTag::Delete => LineKind::Del,
            };
            lines.push(Line { kind, text: change.value().trim_end_matches('\n').to_owned() });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_schemas_have_no_lines_and_others_those_that_differ() {
        let old = json!({"b": 1, "a": [1, 2, 3, 4, 5, 6, 7, 8, 9]});
        assert_eq!(diff(&old, &json!({"a": [1, 2, 3, 4, 5, 6, 7, 8, 9], "b": 1})), []);
        let lines = diff(&old, &json!({"a": [1, 2, 3, 4, 5, 6, 7, 8], "b": 1}));
        let told =
            |kind| lines.iter().filter(|line| line.kind == kind).map(|line| line.text.trim()).collect();
        let (added, removed): (Vec<_>, Vec<_>) = (told(LineKind::Add), told(LineKind::Del));
        assert_eq!((added, removed), (vec!["8"], vec!["8,", "9"]));
        assert_eq!(lines[0].text, "@@ -7,8 +7,7 @@");
    }
}
