//! An Avro schema as it was written: docs, aliases, defaults and order are kept, references are looked up by
//! name.

mod read;

use std::collections::BTreeMap;

use serde_json::Value;

use read::Reader;

use super::wrong::{Path, Wrong};

/// A whole schema: its outermost type and every type that it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) root: Node,
    named: BTreeMap<String, Node>,
}

/// A type where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    pub(crate) logical: Option<Logical>,
    pub(crate) doc: Option<String>,
    /// Full names that it had before.
    pub(crate) aliases: Vec<String>,
}

/// What a type is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Primitive(Primitive),
    Fixed {
        name: String,
        size: u64,
    },
    Enum {
        name: String,
        symbols: Vec<String>,
        default: Option<String>,
    },
    Array(Box<Node>),
    Map(Box<Node>),
    Record {
        name: String,
        fields: Vec<Field>,
    },
    Union(Vec<Node>),
    /// A named type that is defined elsewhere in the schema.
    Named(String),
}

/// A type without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Primitive {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Null, "null"),
        (Self::Boolean, "boolean"),
        (Self::Int, "int"),
        (Self::Long, "long"),
        (Self::Float, "float"),
        (Self::Double, "double"),
        (Self::Bytes, "bytes"),
        (Self::String, "string"),
    ];

    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(primitive, _)| *primitive)
    }

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(primitive, _)| *primitive == self).map_or("", |(_, word)| word)
    }
}

/// What a value means beyond its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logical {
    pub(crate) name: String,
    /// Precision and scale of a decimal.
    pub(crate) digits: Option<(u64, u64)>,
}

/// A record's field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) doc: Option<String>,
    pub(crate) default: Option<Value>,
    pub(crate) aliases: Vec<String>,
    /// How it sorts: `ascending` where nothing is said.
    pub(crate) order: String,
}

impl Model {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong first, and where.
    pub(crate) fn read(schema: &Value) -> Result<Self, Wrong> {
        let mut reader = Reader::default();
        let root = reader.node(schema, "", &Path::default())?;
        Ok(Self { root, named: reader.named })
    }

    /// A type itself where it stands, and the definition where only its name does.
    pub(crate) fn definition<'a>(&'a self, node: &'a Node) -> &'a Node {
        match &node.shape {
            Shape::Named(name) => self.named.get(name).unwrap_or(node),
            _ => node,
        }
    }

    /// A type's name in one line, as in `decimal(14,2)` or `null | string`.
    pub(crate) fn title(&self, node: &Node) -> String {
        let inner = match &node.shape {
            Shape::Primitive(primitive) => primitive.word().to_owned(),
            Shape::Fixed { name, size } => format!("{} fixed({size})", unqualified(name)),
            Shape::Enum { name, symbols, .. } => format!("{} enum of {}", unqualified(name), symbols.len()),
            Shape::Record { name, .. } => format!("{} record", unqualified(name)),
            Shape::Array(items) => format!("array of {}", self.title(items)),
            Shape::Map(values) => format!("map of {}", self.title(values)),
            Shape::Union(branches) => {
                branches.iter().map(|branch| self.title(branch)).collect::<Vec<_>>().join(" | ")
            }
            Shape::Named(name) => unqualified(name).to_owned(),
        };
        match &node.logical {
            Some(Logical { name, digits: Some((precision, scale)) }) => {
                format!("{name}({precision},{scale}) as {inner}")
            }
            Some(Logical { name, digits: None }) => format!("{name} as {inner}"),
            None => inner,
        }
    }

    /// The fields of the outermost record; none where it is no record.
    #[cfg(test)]
    pub(crate) fn fields(&self) -> &[Field] {
        match &self.root.shape {
            Shape::Record { fields, .. } => fields,
            _ => &[],
        }
    }
}

impl Node {
    /// A named type's full name.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.shape {
            Shape::Fixed { name, .. } | Shape::Enum { name, .. } | Shape::Record { name, .. } => Some(name),
            Shape::Named(name) => Some(name),
            _ => None,
        }
    }

    /// Precision and scale, where it is a decimal.
    pub(crate) fn digits(&self) -> Option<(u64, u64)> {
        self.logical.as_ref().and_then(|logical| logical.digits)
    }
}

/// A name without its namespace: all that resolution compares.
pub(crate) fn unqualified(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_looked_up_in_their_namespace() {
        let schema = json!({"type": "record", "name": "a.b.Order", "fields": [
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW"]}},
            {"name": "before", "type": ["null", "State"]},
            {"name": "next", "type": ["null", "a.b.Order"]},
        ]});
        let model = Model::read(&schema).unwrap();
        let Shape::Union(branches) = &model.fields()[1].node.shape else { panic!("no union") };
        assert_eq!(model.definition(&branches[1]).name(), Some("a.b.State"));
        let Shape::Union(branches) = &model.fields()[2].node.shape else { panic!("no union") };
        assert!(
            matches!(&model.definition(&branches[1]).shape, Shape::Record { fields, .. } if fields.len() == 3)
        );
        assert_eq!(model.title(&model.fields()[1].node), "null | State");
    }

    #[test]
    fn the_contracts_schemas_are_read_whole() {
        let namespace = contracts::namespace::Namespace::default();
        for topic in contracts::topics::topics(&namespace, 1, 4) {
            let model = Model::read(&topic.schema).unwrap();
            assert_eq!(model.fields().len(), topic.schema["fields"].as_array().unwrap().len());
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (schema, place) in [
            (
                json!({"type": "record", "name": "A", "fields": [{"name": "x", "type": "strin"}]}),
                "fields[0].type",
            ),
            (json!({"type": "record", "name": "A", "fields": [{"type": "string"}]}), "fields[0]"),
            (json!({"type": "record", "fields": []}), ""),
            (json!({"type": "enum", "name": "E", "symbols": ["A", "A"]}), "symbols[1]"),
            (json!({"type": "array"}), ""),
            (json!(7), ""),
        ] {
            assert_eq!(Model::read(&schema).unwrap_err().path.to_string(), place, "{schema}");
        }
    }
}
