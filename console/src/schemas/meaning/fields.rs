//! What changed of a record's fields: those that both have, those that one has under another name, and those
//! that one lacks.

use std::collections::BTreeSet;

use super::{ChangeKind, Differ, FINE, Verdict, change};
use crate::schemas::model::{Field, Model};
use crate::schemas::resolve::{In, join, reads, source};

impl Differ {
    pub(super) fn fields(
        &mut self,
        (old, before): (In<'_>, &[Field]),
        (new, after): (In<'_>, &[Field]),
        path: &str,
    ) {
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

fn with_default(model: &Model, field: &Field) -> String {
    let title = model.title(&field.node);
    match &field.default {
        Some(default) => format!("{title}, default {default}"),
        None => title,
    }
}
