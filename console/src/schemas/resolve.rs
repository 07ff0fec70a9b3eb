//! Whether what one schema wrote another can read, by Avro's rules of resolution.

use std::collections::BTreeSet;

use super::model::{Field, Model, Node, Primitive, Shape, unqualified};

/// Something that a reader cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Break {
    /// The field, as in `lines[].price`.
    pub(crate) path: String,
    pub(crate) why: String,
}

/// A type within its schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct In<'a> {
    pub(crate) model: &'a Model,
    pub(crate) node: &'a Node,
}

impl<'a> In<'a> {
    pub(crate) fn whole(model: &'a Model) -> Self {
        Self { model, node: &model.root }
    }

    /// Another type of the same schema.
    pub(crate) fn to(self, node: &'a Node) -> Self {
        Self { model: self.model, node }
    }

    /// The definition of what stands here.
    pub(crate) fn defined(self) -> Self {
        self.to(self.model.definition(self.node))
    }

    pub(crate) fn title(self) -> String {
        self.model.title(self.node)
    }
}

/// What a reader cannot read of what a writer may write; nothing where it can read all.
pub(crate) fn breaks(writer: In<'_>, reader: In<'_>) -> Vec<Break> {
    let mut found = Vec::new();
    Resolver::default().resolve(writer, reader, "", &mut found);
    found
}

/// Whether a reader can read all that a writer may write.
pub(crate) fn reads(writer: In<'_>, reader: In<'_>) -> bool {
    breaks(writer, reader).is_empty()
}

#[derive(Default)]
struct Resolver {
    /// Pairs of named types that are compared already: those that name themselves would never end.
    seen: BTreeSet<(String, String)>,
}

impl Resolver {
    fn resolve(&mut self, writer: In<'_>, reader: In<'_>, path: &str, found: &mut Vec<Break>) {
        let (writer, reader) = (writer.defined(), reader.defined());
        let mut broken = |why: String| found.push(Break { path: path.to_owned(), why });
        match (&writer.node.shape, &reader.node.shape) {
            (Shape::Union(branches), _) => {
                for branch in branches {
                    if !self.reads(writer.to(branch), reader) {
                        broken(format!(
                            "a value of type {} may come, and {} takes none",
                            writer.model.title(branch),
                            reader.title()
                        ));
                    }
                }
                return;
            }
            (_, Shape::Union(branches)) => {
                if !branches.iter().any(|branch| self.reads(writer, reader.to(branch))) {
                    broken(format!("{} is none of {}", writer.title(), reader.title()));
                }
                return;
            }
            _ => {}
        }
        if let (Some(wrote), Some(reads)) = (writer.node.name(), reader.node.name()) {
            if !self.seen.insert((wrote.to_owned(), reads.to_owned())) {
                return;
            }
            if !same_name(writer.node, reader.node) {
                broken(format!(
                    "a type named {wrote} is read as {reads}: names must be the same, or the reader names it as an alias"
                ));
                return;
            }
        }
        match (&writer.node.shape, &reader.node.shape) {
            (Shape::Primitive(wrote), Shape::Primitive(reads)) => {
                if let Some(why) = digits_differ(writer, reader) {
                    broken(why);
                } else if !promotes(*wrote, *reads) {
                    broken(format!("{} cannot be read as {}", wrote.word(), reads.word()));
                }
            }
            (Shape::Fixed { size: wrote, .. }, Shape::Fixed { size: reads, .. }) => {
                if let Some(why) = digits_differ(writer, reader) {
                    broken(why);
                } else if wrote != reads {
                    broken(format!("{wrote} bytes cannot be read as {reads}"));
                }
            }
            (Shape::Enum { symbols: wrote, .. }, Shape::Enum { symbols: known, default, .. }) => {
                let unknown: Vec<&str> =
                    wrote.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
                if default.is_none() && !unknown.is_empty() {
                    broken(format!("the reader does not know {} and has no default", unknown.join(", ")));
                }
            }
            (Shape::Array(wrote), Shape::Array(reads)) => {
                self.resolve(writer.to(wrote), reader.to(reads), &format!("{path}[]"), found);
            }
            (Shape::Map(wrote), Shape::Map(reads)) => {
                self.resolve(writer.to(wrote), reader.to(reads), &format!("{path}{{}}"), found);
            }
            (Shape::Record { fields: wrote, .. }, Shape::Record { fields: reads, .. }) => {
                for field in reads {
                    let path = join(path, &field.name);
                    match source(field, wrote) {
                        Some(from) => {
                            self.resolve(writer.to(&from.node), reader.to(&field.node), &path, found);
                        }
                        None if field.default.is_none() => found.push(Break {
                            why: format!(
                                "the reader's field {:?} needs a default: nobody wrote it",
                                field.name
                            ),
                            path,
                        }),
                        None => {}
                    }
                }
            }
            _ => broken(format!("{} cannot be read as {}", writer.title(), reader.title())),
        }
    }

    /// Whether a branch of a union reads: what was seen on a way that led nowhere is not held to be compared.
    fn reads(&mut self, writer: In<'_>, reader: In<'_>) -> bool {
        let seen = self.seen.clone();
        let mut found = Vec::new();
        self.resolve(writer, reader, "", &mut found);
        if !found.is_empty() {
            self.seen = seen;
        }
        found.is_empty()
    }
}

/// The field that a reader's field is read from: its own name first, then its aliases.
pub(crate) fn source<'a>(reader: &Field, wrote: &'a [Field]) -> Option<&'a Field> {
    std::iter::once(&reader.name)
        .chain(&reader.aliases)
        .find_map(|name| wrote.iter().find(|field| field.name == *name))
}

/// Whether a named type is read as another one: by its name without the namespace, or by an alias of the
/// reader.
pub(crate) fn same_name(writer: &Node, reader: &Node) -> bool {
    let (Some(wrote), Some(reads)) = (writer.name(), reader.name()) else { return true };
    unqualified(wrote) == unqualified(reads) || reader.aliases.iter().any(|alias| alias == wrote)
}

/// A path one field further.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn digits_differ(writer: In<'_>, reader: In<'_>) -> Option<String> {
    let (wrote, reads) = (writer.node.digits()?, reader.node.digits()?);
    (wrote != reads).then(|| {
        format!(
            "decimal({},{}) cannot be read as decimal({},{}): precision and scale must be the same",
            wrote.0, wrote.1, reads.0, reads.1
        )
    })
}

/// Which primitive types are read as which.
fn promotes(wrote: Primitive, reads: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    wrote == reads
        || matches!(
            (wrote, reads),
            (Int, Long | Float | Double)
                | (Long, Float | Double)
                | (Float, Double)
                | (Bytes, String)
                | (String, Bytes)
        )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn broken(wrote: &Value, reads: &Value) -> Vec<(String, String)> {
        let (writer, reader) = (Model::read(wrote).unwrap(), Model::read(reads).unwrap());
        breaks(In::whole(&writer), In::whole(&reader)).into_iter().map(|b| (b.path, b.why)).collect()
    }

    #[test]
    fn a_type_that_names_itself_is_compared_once() {
        let list = |kind: &str| {
            json!({"type": "record", "name": "List", "fields": [
                {"name": "value", "type": kind}, {"name": "next", "type": ["null", "List"]}]})
        };
        assert!(broken(&list("int"), &list("long")).is_empty());
        assert_eq!(broken(&list("long"), &list("int"))[0].0, "value");
    }

    #[test]
    fn a_reference_is_read_as_its_definition() {
        let inline = json!({"type": "record", "name": "A", "fields": [
            {"name": "x", "type": {"type": "fixed", "name": "F", "size": 4}}, {"name": "y", "type": "F"}]});
        let turned = json!({"type": "record", "name": "A", "fields": [
            {"name": "y", "type": {"type": "fixed", "name": "F", "size": 4}}, {"name": "x", "type": "F"}]});
        assert!(broken(&inline, &turned).is_empty());
    }

    #[test]
    fn an_alias_of_the_reader_is_another_name_of_the_type() {
        let old = json!({"type": "record", "name": "Old", "fields": []});
        let new = json!({"type": "record", "name": "New", "aliases": ["Old"], "fields": []});
        assert!(broken(&old, &new).is_empty());
        assert_eq!(broken(&new, &old).len(), 1);
    }

    #[test]
    fn each_break_names_its_field() {
        let old = json!({"type": "record", "name": "A", "fields": [
            {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "L", "fields": []}}}]});
        let new = json!({"type": "record", "name": "A", "fields": [
            {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "L", "fields": [
                {"name": "brand", "type": "string"}]}}}]});
        assert_eq!(broken(&old, &new)[0].0, "lines[].brand");
    }
}
