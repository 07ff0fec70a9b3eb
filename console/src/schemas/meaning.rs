//! What changed between two schemas, change by change, and whether readers of either survive it.
//!
//! Backward: a reader with the new schema reads what the old one wrote. Forward: a reader with the old schema reads what the
//! new one writes.

use std::collections::BTreeSet;

use serde::Serialize;

use super::model::{Field, Model, Node, Shape, unqualified};
use super::resolve::{In, breaks, join, reads, same_name, source};

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

    /// A union's branches are told apart by type and name. What breaks within one may be taken by another, so the union is
    /// judged as a whole.
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

    fn fields(&mut self, (old, before): (In<'_>, &[Field]), (new, after): (In<'_>, &[Field]), path: &str) {
        let named = |fields: &'_ [Field], name: &str| fields.iter().any(|field| field.name == name);
        let mut renamed = BTreeSet::new();
        for field in after {
            if let Some(earlier) = before.iter().find(|earlier| earlier.name == field.name) {
                self.field(old, earlier, new, field, &join(path, &field.name));
                continue;
            }
            let from = source(field, before);
            match from.filter(|from| !named(after, &from.name) && renamed.insert(from.name.clone())) {
                Some(earlier) => self.rename((old, earlier), (new, field), after, path),
                None => self.added(from.map(|from| old.to(&from.node)), new, field, path),
            }
        }
        for field in before {
            if !named(after, &field.name) && !renamed.contains(&field.name) {
                self.removed((old, field), new, after, path);
            }
        }
        let kept = |fields: &[Field], others: &[Field]| -> Vec<String> {
            fields.iter().filter(|field| named(others, &field.name)).map(|field| field.name.clone()).collect()
        };
        let (order_before, order_after) = (kept(before, after), kept(after, before));
        if order_before != order_after {
            let (from, to) = (Some(order_before.join(", ")), Some(order_after.join(", ")));
            self.push(change(ChangeKind::Order, path, from, to, FINE, "fields are read by name"));
        }
    }

    /// A field that both have under one name.
    fn field(&mut self, old: In<'_>, before: &Field, new: In<'_>, after: &Field, path: &str) {
        self.compare(old.to(&before.node), new.to(&after.node), path);
        if before.default != after.default {
            let why = match (&before.default, &after.default) {
                (Some(_), None) => {
                    "both have the field; but the new schema can no longer read what was written without it"
                }
                _ => "a default is read only where the field was not written",
            };
            let text = |field: &Field| field.default.as_ref().map(ToString::to_string);
            self.push(change(ChangeKind::Default, path, text(before), text(after), FINE, why));
        }
        self.aliases(&before.aliases, &after.aliases, path);
        if before.order != after.order {
            let (from, to) = (Some(before.order.clone()), Some(after.order.clone()));
            let why = "how records sort, not how they are read";
            self.push(change(ChangeKind::Order, path, from, to, FINE, why));
        }
        self.doc(before.doc.as_ref(), after.doc.as_ref(), path);
    }

    fn rename(
        &mut self,
        (old, before): (In<'_>, &Field),
        (new, after): (In<'_>, &Field),
        all_after: &[Field],
        path: &str,
    ) {
        let read_from = source(before, all_after);
        let mutual = read_from.is_some_and(|field| field.name == after.name);
        let at = join(path, &after.name);
        let forward = match read_from {
            Some(_) if mutual => true,
            Some(other) => reads(new.to(&other.node), old.to(&before.node)),
            None => before.default.is_some(),
        };
        let why = if forward {
            "the new reader finds the old name by its alias"
        } else {
            "the new reader finds the old name by its alias; the old reader finds nothing and has no default"
        };
        let told = (Verdict::Ok, Verdict::of(forward));
        let (from, to) = (Some(before.name.clone()), Some(after.name.clone()));
        self.push(change(ChangeKind::Renamed, &at, from, to, told, why));
        let first = self.changes.len();
        self.compare(old.to(&before.node), new.to(&after.node), &at);
        if !mutual {
            // The old reader does not look at it.
            self.changes[first..].iter_mut().for_each(|change| change.forward = Verdict::Ok);
        }
    }

    fn added(&mut self, from: Option<In<'_>>, new: In<'_>, field: &Field, path: &str) {
        let (backward, why) = match from {
            Some(from) => (reads(from, new.to(&field.node)), "read from the field that its alias names"),
            None if field.default.is_some() => {
                (true, "the new reader takes its default; the old one passes over it")
            }
            None => (false, "the new reader needs a default: what was written before lacks the field"),
        };
        let told = (Verdict::of(backward), Verdict::Ok);
        let to = Some(with_default(new.model, field));
        self.push(change(ChangeKind::Added, &join(path, &field.name), None, to, told, why));
    }

    fn removed(&mut self, (old, field): (In<'_>, &Field), new: In<'_>, after: &[Field], path: &str) {
        let (forward, why) = match source(field, after) {
            Some(from) => (
                reads(new.to(&from.node), old.to(&field.node)),
                "the old reader reads the field that its alias names",
            ),
            None if field.default.is_some() => {
                (true, "the old reader takes its default; the new one passes over it")
            }
            None => (false, "the old reader needs it and has no default"),
        };
        let told = (Verdict::Ok, Verdict::of(forward));
        let from = Some(with_default(old.model, field));
        self.push(change(ChangeKind::Removed, &join(path, &field.name), from, None, told, why));
    }
}

fn same_kind(old: &Node, new: &Node) -> bool {
    std::mem::discriminant(&old.shape) == std::mem::discriminant(&new.shape)
}

fn with_default(model: &Model, field: &Field) -> String {
    let title = model.title(&field.node);
    match &field.default {
        Some(default) => format!("{title}, default {default}"),
        None => title,
    }
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
