//! What the ids of a file's rows follow from.

use std::fmt::Write as _;

use super::field::{EVENT_ID, Kind, OCCURRED_AT};
use super::{MappingError, Marks, Origin, Rule};

/// What a row's id follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The file's own id.
    Own,
    /// What stands in the row, for these of the rules.
    Content(Vec<usize>),
}

impl Identity {
    /// The file's own id where a column is named for it, else the columns that `content` names, or all of
    /// them.
    pub(super) fn of(rules: &[Rule], content: Option<Vec<String>>) -> Result<Self, MappingError> {
        let has_column = |rule: &Rule| matches!(rule.from, Origin::Columns(_));
        if rules.iter().any(|rule| rule.field.kind == Kind::EventId) {
            return Ok(Self::Own);
        }
        let Some(names) = content else {
            let all = rules.iter().enumerate().filter(|(_, rule)| has_column(rule));
            return Ok(Self::Content(all.map(|(index, _)| index).collect()));
        };
        let bad = |what: String| MappingError::Rule { field: EVENT_ID, what };
        let mut indexes = Vec::new();
        for name in &names {
            let index = rules.iter().position(|rule| rule.field.name == name && has_column(rule));
            indexes.push(
                index.ok_or_else(|| bad(format!("`content` names {name}, which no column is named for")))?,
            );
        }
        if !names.iter().any(|name| name == OCCURRED_AT) {
            return Err(bad("`content` must name occurred_at, which every id follows from".to_owned()));
        }
        // In the order of the fields, whatever the order they are named in.
        indexes.sort_unstable();
        indexes.dedup();
        Ok(Self::Content(indexes))
    }

    /// What ids follow from: how the time is read, and which columns hold the id or the content.
    pub(super) fn text(&self, rules: &[Rule], columns: &[String]) -> String {
        let mut text = String::new();
        for (index, rule) in rules.iter().enumerate() {
            let own = *self == Self::Own && rule.field.kind == Kind::EventId;
            let of_content = matches!(self, Self::Content(indexes) if indexes.contains(&index));
            let is_time = rule.field.name == OCCURRED_AT;
            if !(own || of_content || is_time) {
                continue;
            }
            let from = match &rule.from {
                Origin::Constant(value) => format!("={value:?}"),
                Origin::Columns(indexes) => {
                    format!("{:?}", indexes.iter().map(|at| &columns[*at]).collect::<Vec<_>>())
                }
            };
            let time = rule.time.as_ref().map(|time| format!("{:?} in {}", time.name(), time.zone));
            // Other values than the file's decide the time, but not the content, which is what stands in the
            // file.
            let changed = is_time.then_some((&rule.values, &rule.default));
            let _ = writeln!(
                text,
                "{} {from} {time:?} {} {changed:?}",
                rule.field.name,
                if rule.marks == Marks::Comma { "comma" } else { "point" }
            );
        }
        text
    }
}
