//! What changed between two schemas, change by change, and whether readers of either survive it.
//!
//! Backward: a reader with the new schema reads what the old one wrote. Forward: a reader with the old schema
//! reads what the new one writes.

mod fields;

use std::collections::BTreeSet;

use serde::Serialize;

use super::model::{Model, Node, Shape, unqualified};
use super::resolve::{In, breaks, join, reads, same_name};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// As in `lines[].price`; empty for the whole.
    pub(crate) path: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// Whether the new schema reads what the old one wrote.
    pub(crate) backward: Verdict,
    /// Whether the old schema reads what the new one writes.
    pub(crate) forward: Verdict,
    pub(crate) why: String,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    Renamed,
    Type,
    LogicalType,
    Default,
    Symbols,
    Alias,
    Order,
    Doc,
}

impl ChangeKind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Type => "type",
            Self::LogicalType => "logical type",
            Self::Default => "default",
            Self::Symbols => "enum symbols",
            Self::Alias => "alias",
            Self::Order => "order",
            Self::Doc => "doc",
        }
    }
}

/// Whether a change may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    Breaks,
}

impl Verdict {
    pub(crate) const fn of(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Breaks }
    }

    pub(crate) const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// Everything that changed.
pub(crate) fn diff(old: &Model, new: &Model) -> Vec<Change> {
    let mut differ = Differ { seen: BTreeSet::new(), changes: Vec::new() };
    differ.compare(In::whole(old), In::whole(new), "");
    let mut changes = differ.changes;
    // The whole is judged once more: a break that no change explains must not be missing.
    let (backward, forward) = verdicts(In::whole(old), In::whole(new));
    let explained = |told: Verdict, of: fn(&Change) -> Verdict| {
        told.is_ok() || changes.iter().any(|change| !of(change).is_ok())
    };
    if !explained(backward, |change| change.backward) || !explained(forward, |change| change.forward) {
        let why = explain(In::whole(old), In::whole(new), "");
        changes.push(change(ChangeKind::Type, "", None, None, (backward, forward), why));
    }
    changes
}

/// Whether both directions hold over all changes.
pub(crate) fn verdict(changes: &[Change]) -> (Verdict, Verdict) {
    let all = |of: fn(&Change) -> Verdict| Verdict::of(changes.iter().all(|change| of(change).is_ok()));
    (all(|change| change.backward), all(|change| change.forward))
}

const FINE: (Verdict, Verdict) = (Verdict::Ok, Verdict::Ok);

fn verdicts(old: In<'_>, new: In<'_>) -> (Verdict, Verdict) {
    (Verdict::of(reads(old, new)), Verdict::of(reads(new, old)))
}

fn change(
    kind: ChangeKind,
    path: &str,
    from: Option<String>,
    to: Option<String>,
    (backward, forward): (Verdict, Verdict),
    why: impl Into<String>,
) -> Change {
    Change { kind, path: path.to_owned(), from, to, backward, forward, why: why.into() }
}

/// Why readers of either break, or that none does.
fn explain(old: In<'_>, new: In<'_>, path: &str) -> String {
    let told = |direction: &str, broken: Vec<super::resolve::Break>| {
        broken.into_iter().next().map(|broken| {
            let at = if broken.path.is_empty() {
                String::new()
            } else {
                format!(" at {}", join(path, &broken.path))
            };
            format!("{direction}{at}: {}", broken.why)
        })
    };
    let both = [told("backward", breaks(old, new)), told("forward", breaks(new, old))];
    let told: Vec<String> = both.into_iter().flatten().collect();
    if told.is_empty() { "each reads the other".to_owned() } else { told.join("; ") }
}

struct Differ {
    /// Pairs of named types that are compared already.
    seen: BTreeSet<(String, String)>,
    changes: Vec<Change>,
}

impl Differ {
    fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn compare(&mut self, old: In<'_>, new: In<'_>, path: &str) {
        let (old, new) = (old.defined(), new.defined());
        if let (Some(before), Some(after)) = (old.node.name(), new.node.name()) {
            if !self.seen.insert((before.to_owned(), after.to_owned())) {
                return;
            }
            if same_kind(old.node, new.node) {
                self.names(old.node, new.node, before, after, path);
            }
        }
        match (&old.node.shape, &new.node.shape) {
            (Shape::Record { fields: before, .. }, Shape::Record { fields: after, .. }) => {
                self.fields((old, before), (new, after), path);
            }
            (Shape::Array(before), Shape::Array(after)) => {
                self.compare(old.to(before), new.to(after), &format!("{path}[]"));
            }
            (Shape::Map(before), Shape::Map(after)) => {
                self.compare(old.to(before), new.to(after), &format!("{path}{{}}"));
            }
            (Shape::Union(before), Shape::Union(after)) => self.union((old, before), (new, after), path),
            (Shape::Enum { .. }, Shape::Enum { .. }) => self.symbols(old.node, new.node, path),
            (Shape::Fixed { size: before, .. }, Shape::Fixed { size: after, .. }) if before == after => {
                self.logical(old, new, path);
            }
            (Shape::Primitive(before), Shape::Primitive(after)) if before == after => {
                self.logical(old, new, path);
            }
            _ => {
                let (from, to) = (old.title(), new.title());
                let why = explain(old, new, path);
                self.push(change(ChangeKind::Type, path, Some(from), Some(to), verdicts(old, new), why));
            }
        }
    }

    fn names(&mut self, old: &Node, new: &Node, before: &str, after: &str, path: &str) {
        if before != after {
            let told = (Verdict::of(same_name(old, new)), Verdict::of(same_name(new, old)));
            let why = if unqualified(before) == unqualified(after) {
                "readers do not compare namespaces"
            } else {
                "a named type is read under its own name or an alias of the reader"
            };
            self.push(change(ChangeKind::Renamed, path, Some(before.into()), Some(after.into()), told, why));
        }
        self.doc(old.doc.as_ref(), new.doc.as_ref(), path);
        self.aliases(&old.aliases, &new.aliases, path);
    }

    fn doc(&mut self, old: Option<&String>, new: Option<&String>, path: &str) {
        if old != new {
            let why = "docs are for people";
            self.push(change(ChangeKind::Doc, path, old.cloned(), new.cloned(), FINE, why));
        }
    }

    fn aliases(&mut self, old: &[String], new: &[String], path: &str) {
        if old != new {
            let text = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
            let why = "an alias lets a reader find what was written under another name";
            self.push(change(ChangeKind::Alias, path, text(old), text(new), FINE, why));
        }
    }

    fn logical(&mut self, old: In<'_>, new: In<'_>, path: &str) {
        if old.node.logical == new.node.logical {
            return;
        }
        let told = verdicts(old, new);
        let why = if told == FINE {
            "the bytes are read as before, but they mean something else: the values are not converted"
                .to_owned()
        } else {
            explain(old, new, path)
        };
        self.push(change(ChangeKind::LogicalType, path, Some(old.title()), Some(new.title()), told, why));
    }

    fn symbols(&mut self, old: &Node, new: &Node, path: &str) {
        let (
            Shape::Enum { symbols: before, default: old_default, .. },
            Shape::Enum { symbols: after, default: new_default, .. },
        ) = (&old.shape, &new.shape)
        else {
            return;
        };
        let missing = |from: &[String], other: &[String]| -> Vec<String> {
            from.iter().filter(|symbol| !other.contains(symbol)).cloned().collect()
        };
        let (added, removed) = (missing(after, before), missing(before, after));
        if !added.is_empty() {
            let forward = Verdict::of(old_default.is_some());
            let why = if forward.is_ok() {
                "the old reader takes its default for symbols that it does not know"
            } else {
                "the old reader does not know them and has no default"
            };
            let told = (Verdict::Ok, forward);
            self.push(change(ChangeKind::Symbols, path, None, Some(added.join(", ")), told, why));
        }
        if !removed.is_empty() {
            let backward = Verdict::of(new_default.is_some());
            let why = if backward.is_ok() {
                "the new reader takes its default for symbols that are gone"
            } else {
                "the new reader does not know what was written before and has no default"
            };
            let told = (backward, Verdict::Ok);
            self.push(change(ChangeKind::Symbols, path, Some(removed.join(", ")), None, told, why));
        }
        if added.is_empty() && removed.is_empty() && before != after {
            let (from, to) = (Some(before.join(", ")), Some(after.join(", ")));
            self.push(change(ChangeKind::Order, path, from, to, FINE, "symbols are read by name"));
        }
        if old_default != new_default {
            let (from, to) = (old_default.clone(), new_default.clone());
            let why = "the default of an enum stands for symbols that a reader does not know";
            self.push(change(ChangeKind::Default, path, from, to, FINE, why));
        }
    }

    /// A union's branches are told apart by type and name. What breaks within one may be taken by another, so
    /// the union is judged as a whole.
    fn union(&mut self, (old, before): (In<'_>, &[Node]), (new, after): (In<'_>, &[Node]), path: &str) {
        let first = self.changes.len();
        let find = |branches: &'_ [Node], within: In<'_>, wanted: &str| {
            branches.iter().position(|branch| branch_key(within.to(branch)) == wanted)
        };
        for branch in after {
            if let Some(at) = find(before, old, &branch_key(new.to(branch))) {
                self.compare(old.to(&before[at]), new.to(branch), path);
            }
        }
        let (backward, forward) = verdicts(old, new);
        for change in &mut self.changes[first..] {
            let ok = |of: &mut Verdict, union: Verdict| {
                let taken = union.is_ok() && !of.is_ok();
                if taken {
                    *of = Verdict::Ok;
                }
                taken
            };
            if ok(&mut change.backward, backward) | ok(&mut change.forward, forward) {
                change.why.push_str("; another type of the union takes it");
            }
        }
        let keys = |within: In<'_>, branches: &[Node]| -> Vec<String> {
            branches.iter().map(|branch| branch_key(within.to(branch))).collect()
        };
        let (keys_before, keys_after) = (keys(old, before), keys(new, after));
        let sets_differ = keys_before.iter().any(|key| !keys_after.contains(key))
            || keys_after.iter().any(|key| !keys_before.contains(key));
        let unexplained = |union: Verdict, of: fn(&Change) -> Verdict| {
            !union.is_ok() && self.changes[first..].iter().all(|change| of(change).is_ok())
        };
        let (from, to) = (Some(old.title()), Some(new.title()));
        if sets_differ
            || unexplained(backward, |change| change.backward)
            || unexplained(forward, |change| change.forward)
        {
            let why = explain(old, new, path);
            self.push(change(ChangeKind::Type, path, from, to, (backward, forward), why));
        } else if keys_before != keys_after {
            let why = "the types of a union are read by type; a default must fit the first";
            self.push(change(ChangeKind::Order, path, from, to, FINE, why));
        }
    }
}

fn same_kind(old: &Node, new: &Node) -> bool {
    std::mem::discriminant(&old.shape) == std::mem::discriminant(&new.shape)
}

/// What tells a union's types apart: a named type's name, or what it is made of.
fn branch_key(branch: In<'_>) -> String {
    let node = branch.defined().node;
    match (&node.shape, node.name()) {
        (_, Some(name)) => unqualified(name).to_owned(),
        (Shape::Primitive(primitive), None) => primitive.word().to_owned(),
        (Shape::Array(_), None) => "array".to_owned(),
        (Shape::Map(_), None) => "map".to_owned(),
        _ => "union".to_owned(),
    }
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;
