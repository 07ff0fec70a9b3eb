//! Reads a schema from JSON, and tells what is wrong first, and where.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Field, Logical, Node, Primitive, Shape};
use crate::schemas::wrong::{Path, Wrong};

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) named: BTreeMap<String, Node>,
}

impl Reader {
    pub(super) fn node(&mut self, schema: &Value, namespace: &str, path: &Path) -> Result<Node, Wrong> {
        match schema {
            Value::String(word) => self.word(word, namespace, path),
            Value::Array(branches) => self.union(branches, namespace, path),
            Value::Object(object) => self.object(object, namespace, path),
            _ => Err(path.wrong(
                "a type is a word, a list or an object",
                "write a name as \"string\", a union as [\"null\", …], or an object with \"type\"",
            )),
        }
    }

    fn word(&self, word: &str, namespace: &str, path: &Path) -> Result<Node, Wrong> {
        if let Some(primitive) = Primitive::read(word) {
            return Ok(plain(Shape::Primitive(primitive)));
        }
        let full = qualified(word, namespace);
        let name = [full, word.to_owned()].into_iter().find(|name| self.named.contains_key(name));
        name.map(|name| plain(Shape::Named(name))).ok_or_else(|| {
            path.wrong(
                format!("there is no type {word:?}"),
                "use a primitive type (null, boolean, int, long, float, double, bytes, string), or define the \
                 type before it is used",
            )
        })
    }

    fn union(&mut self, branches: &[Value], namespace: &str, path: &Path) -> Result<Node, Wrong> {
        let mut read = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            if branch.is_array() {
                return Err(path.at(index).wrong("a union stands in a union", "list all types in one union"));
            }
            read.push(self.node(branch, namespace, &path.at(index))?);
        }
        if read.is_empty() {
            return Err(path.wrong("a union of no type", "list at least one type"));
        }
        Ok(plain(Shape::Union(read)))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str, path: &Path) -> Result<Node, Wrong> {
        let kind = match object.get("type") {
            None => return Err(path.wrong("this type says no \"type\"", "add \"type\"")),
            Some(Value::String(kind)) => kind.as_str(),
            // {"type": {"type": "string"}} is the same as the inner one.
            Some(inner) => return self.node(inner, namespace, &path.key("type")),
        };
        let shape = match kind {
            "record" | "error" => return self.record(object, namespace, path),
            "enum" => self.enumeration(object, namespace, path)?,
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64).ok_or_else(|| {
                    path.wrong("a fixed type says no \"size\"", "add \"size\": its number of bytes")
                })?;
                Shape::Fixed { name: full_name(object, namespace, path)?, size }
            }
            "array" => {
                let items = required(object, "items", "an array", path)?;
                Shape::Array(Box::new(self.node(items, namespace, &path.key("items"))?))
            }
            "map" => {
                let values = required(object, "values", "a map", path)?;
                Shape::Map(Box::new(self.node(values, namespace, &path.key("values"))?))
            }
            word => self.word(word, namespace, &path.key("type"))?.shape,
        };
        let node = Node {
            logical: logical(object, &shape),
            doc: text(object, "doc"),
            aliases: aliases(object, namespace),
            shape,
        };
        if let Some(name) = node.name().filter(|_| !matches!(node.shape, Shape::Named(_))) {
            self.define(name, &node, path)?;
        }
        Ok(node)
    }

    fn define(&mut self, name: &str, node: &Node, path: &Path) -> Result<(), Wrong> {
        if self.named.insert(name.to_owned(), node.clone()).is_some() {
            let what = format!("{name:?} is defined a second time");
            return Err(path.key("name").wrong(what, "use its name alone the second time"));
        }
        Ok(())
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str, path: &Path) -> Result<Node, Wrong> {
        let name = full_name(object, namespace, path)?;
        let inner = namespace_of(&name).to_owned();
        let mut node = Node {
            shape: Shape::Record { name: name.clone(), fields: Vec::new() },
            logical: None,
            doc: text(object, "doc"),
            aliases: aliases(object, namespace),
        };
        // Known before its fields are read, so that they may name it.
        self.define(&name, &node, path)?;
        let list = required(object, "fields", "a record", path)?;
        let at_fields = path.key("fields");
        let Some(list) = list.as_array() else {
            return Err(at_fields.wrong("\"fields\" is no list", "write \"fields\": [ … ]"));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        for (index, field) in list.iter().enumerate() {
            let at = at_fields.at(index);
            let field = self.field(field, &inner, &at)?;
            if fields.iter().any(|earlier| earlier.name == field.name) {
                let what = format!("{name} has two fields named {:?}", field.name);
                return Err(at.key("name").wrong(what, "rename one of them"));
            }
            fields.push(field);
        }
        node.shape = Shape::Record { name: name.clone(), fields };
        self.named.insert(name, node.clone());
        Ok(node)
    }

    fn field(&mut self, field: &Value, namespace: &str, path: &Path) -> Result<Field, Wrong> {
        let Some(object) = field.as_object() else {
            return Err(
                path.wrong("a field is no object", "write {\"name\": \"city\", \"type\": \"string\"}")
            );
        };
        let name = own_name(object, "a field", path)?.to_owned();
        let kind = object.get("type").ok_or_else(|| {
            path.wrong(format!("the field {name:?} says no \"type\""), "add \"type\", as in \"string\"")
        })?;
        let node = self.node(kind, namespace, &path.key("type"))?;
        Ok(Field {
            node,
            doc: text(object, "doc"),
            default: object.get("default").cloned(),
            aliases: strings(object.get("aliases")),
            order: text(object, "order").unwrap_or_else(|| "ascending".to_owned()),
            name,
        })
    }

    fn enumeration(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        path: &Path,
    ) -> Result<Shape, Wrong> {
        let name = full_name(object, namespace, path)?;
        let list = required(object, "symbols", "an enum", path)?;
        let symbols = strings(Some(list));
        if symbols.is_empty() || list.as_array().is_none_or(|list| list.len() != symbols.len()) {
            return Err(path.key("symbols").wrong(
                format!("the symbols of {name:?} are no list of words"),
                "write \"symbols\": [\"NEW\", \"PAID\"]",
            ));
        }
        for (index, symbol) in symbols.iter().enumerate() {
            if !is_name(symbol) || symbols[..index].contains(symbol) {
                return Err(path.key("symbols").at(index).wrong(
                    format!("{symbol:?} is no symbol, or stands twice"),
                    "letters, digits and underscores, each symbol once",
                ));
            }
        }
        let default = text(object, "default");
        if let Some(default) = default.as_ref().filter(|default| !symbols.contains(*default)) {
            let what = format!("the default {default:?} is none of the symbols of {name:?}");
            return Err(path.key("default").wrong(what, "take one of the symbols"));
        }
        Ok(Shape::Enum { name, symbols, default })
    }
}

fn plain(shape: Shape) -> Node {
    Node { shape, logical: None, doc: None, aliases: Vec::new() }
}

fn required<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    of: &str,
    path: &Path,
) -> Result<&'a Value, Wrong> {
    object.get(key).ok_or_else(|| path.wrong(format!("{of} says no {key:?}"), format!("add {key:?}")))
}

fn own_name<'a>(object: &'a Map<String, Value>, of: &str, path: &Path) -> Result<&'a str, Wrong> {
    let todo = "letters, digits and underscores, not a digit first";
    let name =
        object.get("name").ok_or_else(|| path.wrong(format!("{of} has no \"name\""), "add \"name\""))?;
    let wrong = || path.key("name").wrong(format!("{name} is no name"), todo);
    let text = name.as_str().ok_or_else(wrong)?;
    text.split('.').all(is_name).then_some(text).ok_or_else(wrong)
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn full_name(object: &Map<String, Value>, namespace: &str, path: &Path) -> Result<String, Wrong> {
    let name = own_name(object, "this type", path)?;
    let own = object.get("namespace").and_then(Value::as_str);
    Ok(qualified(name, own.unwrap_or(namespace)))
}

fn aliases(object: &Map<String, Value>, namespace: &str) -> Vec<String> {
    let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    strings(object.get("aliases")).iter().map(|alias| qualified(alias, namespace)).collect()
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A logical type, where it fits the type below; the specification has readers pass over it where it does
/// not.
fn logical(object: &Map<String, Value>, shape: &Shape) -> Option<Logical> {
    let name = object.get("logicalType")?.as_str()?;
    let digits = if name == "decimal" {
        if !matches!(shape, Shape::Primitive(Primitive::Bytes) | Shape::Fixed { .. }) {
            return None;
        }
        let precision = object.get("precision").and_then(Value::as_u64).filter(|precision| *precision > 0)?;
        let scale = object.get("scale").and_then(Value::as_u64).unwrap_or(0);
        (scale <= precision).then_some((precision, scale)).map(Some)?
    } else {
        None
    };
    Some(Logical { name: name.to_owned(), digits })
}
