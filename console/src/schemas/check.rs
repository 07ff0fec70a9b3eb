//! Whether a pasted schema may become the next version of a subject: by the registry, and by each version
//! that there is.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::client::{Refusal, Registry, Would};
use super::meaning::{Change, Verdict, diff, verdict};
use super::model::Model;
use super::wrong::{Fault, Path, not_json};
use super::{Cache, Known};
use crate::watch::registry::Subject;

/// The largest schema that is read, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

/// The verdict on a pasted schema.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Checked {
    pub(crate) subject: String,
    /// What the subject is held to, as in `BACKWARD_TRANSITIVE`.
    pub(crate) held_to: String,
    /// Set where the text is no schema; nothing else is judged then.
    pub(crate) fault: Option<Fault>,
    /// What the registry says; nothing where it did not answer or was not asked.
    pub(crate) registry: Option<RegistrySays>,
    /// Why the registry said nothing.
    pub(crate) registry_away: Option<String>,
    /// The version that it equals already.
    pub(crate) equals: Option<i32>,
    /// The newest first.
    pub(crate) versions: Vec<Against>,
}

/// The registry's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct RegistrySays {
    pub(crate) takes: bool,
    pub(crate) words: Vec<String>,
}

/// A pasted schema against one version.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Against {
    pub(crate) version: i32,
    pub(crate) id: u32,
    /// Whether what the subject is held to asks for either direction against this version.
    pub(crate) asked: Asked,
    /// Nothing where the registered schema is not understood here.
    pub(crate) backward: Option<Verdict>,
    pub(crate) forward: Option<Verdict>,
    pub(crate) changes: Vec<Change>,
}

/// What a compatibility level asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Asked {
    pub(crate) backward: bool,
    pub(crate) forward: bool,
}

impl Against {
    /// Whether it breaks what the subject is held to.
    pub(crate) fn refused(&self) -> bool {
        let broken = |asked: bool, told: Option<Verdict>| asked && told.is_some_and(|told| !told.is_ok());
        broken(self.asked.backward, self.backward) || broken(self.asked.forward, self.forward)
    }
}

impl Checked {
    /// Whether it may be registered: nothing is against it, the registry would take it, and it is not there
    /// already.
    pub(crate) fn is_green(&self) -> bool {
        self.may_come_in()
            && self.equals.is_none()
            && self.registry.as_ref().is_some_and(|registry| registry.takes)
    }

    /// Whether it breaks no version that it must not break.
    pub(crate) fn may_come_in(&self) -> bool {
        self.fault.is_none() && !self.versions.iter().any(Against::refused)
    }
}

/// What a level asks for against a version.
pub(crate) fn asked(level: &str, newest: bool) -> Asked {
    let (base, all) = match level.strip_suffix("_TRANSITIVE") {
        Some(base) => (base, true),
        None => (level, false),
    };
    let counts = all || newest;
    Asked {
        backward: counts && matches!(base, "BACKWARD" | "FULL"),
        forward: counts && matches!(base, "FORWARD" | "FULL"),
    }
}

/// A pasted schema that was read.
#[derive(Debug)]
pub(crate) struct Pasted {
    pub(crate) schema: Value,
    pub(crate) model: Model,
}

/// Reads a pasted schema.
///
/// # Errors
/// What is wrong, where, and what to do.
pub(crate) fn read(text: &str) -> Result<Pasted, Fault> {
    if text.trim().is_empty() {
        return Err(whole("there is no schema", "paste a schema in JSON, as in {\"type\": \"record\", …}"));
    }
    if text.len() > LARGEST {
        return Err(whole("the schema is larger than 256 KiB", "check a part of it"));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| not_json(&error, text))?;
    let model = Model::read(&schema).map_err(|wrong| wrong.in_text(text))?;
    // The library that reads the records has the last word, as on defaults that do not fit their type.
    if let Err(error) = apache_avro::Schema::parse(&schema) {
        let what = error.to_string();
        return Err(library_says(&what, &schema).in_text(text));
    }
    Ok(Pasted { schema, model })
}

fn whole(what: &str, todo: &str) -> Fault {
    Fault { line: None, column: None, path: String::new(), what: what.into(), todo: todo.into() }
}

/// The library names the field that it stumbled over in quotes, and not its place: the first field of that
/// name is pointed at.
fn library_says(what: &str, schema: &Value) -> super::wrong::Wrong {
    let path = named_field(schema, what, &Path::default()).unwrap_or_default();
    let todo = if what.contains("default") {
        "give a default of the field's own type; of a union, of its first type"
    } else {
        "compare with the Avro specification, \"Complex Types\" and \"Logical Types\""
    };
    path.wrong(what, todo)
}

fn named_field(schema: &Value, what: &str, path: &Path) -> Option<Path> {
    match schema {
        Value::Object(object) => {
            let name = object.get("name").and_then(Value::as_str);
            let is_field = object.contains_key("type") && !object.contains_key("fields");
            if let Some(name) = name.filter(|_| is_field)
                && [format!("`{name}`"), format!("\"{name}\""), format!("'{name}'")]
                    .iter()
                    .any(|quoted| what.contains(quoted))
            {
                return Some(path.clone());
            }
            object.iter().find_map(|(key, value)| named_field(value, what, &path.key(key)))
        }
        Value::Array(list) => {
            list.iter().enumerate().find_map(|(index, value)| named_field(value, what, &path.at(index)))
        }
        _ => None,
    }
}

/// A pasted schema against a subject: the registry is asked once, and each version is judged here.
///
/// # Errors
/// Where a registered schema cannot be had.
pub(crate) async fn judge(
    registry: &Registry<'_>,
    cache: &Cache,
    subject: &Subject,
    text: &str,
) -> Result<Checked, Refusal> {
    let mut checked = Checked {
        subject: subject.name.clone(),
        held_to: subject.held_to.clone(),
        fault: None,
        registry: None,
        registry_away: None,
        equals: None,
        versions: Vec::new(),
    };
    let pasted = match read(text) {
        Ok(pasted) => pasted,
        Err(fault) => {
            checked.fault = Some(fault);
            return Ok(checked);
        }
    };
    let mut versions = Vec::with_capacity(subject.versions.len());
    for version in &subject.versions {
        versions.push((version.version, cache.by_id(registry, version.id).await?));
    }
    match registry.would_take(&subject.name, &pasted.schema).await {
        Ok(would) => checked.registry = Some(would.into()),
        Err(refusal) => checked.registry_away = Some(crate::watch::words(&refusal)),
    }
    let equal = versions.iter().find(|(_, known)| known.schema == pasted.schema);
    checked.equals = equal.map(|(version, _)| *version);
    checked.versions = against(&pasted, &versions, &subject.held_to);
    Ok(checked)
}

/// A pasted schema against every version, the newest first.
pub(crate) fn against(pasted: &Pasted, versions: &[(i32, Arc<Known>)], level: &str) -> Vec<Against> {
    let newest = versions.iter().map(|(version, _)| *version).max();
    let mut told: Vec<Against> = versions
        .iter()
        .map(|(version, known)| {
            let changes = known.model.as_ref().map(|model| diff(model, &pasted.model));
            let verdicts = changes.as_deref().map(verdict);
            Against {
                version: *version,
                id: known.id,
                asked: asked(level, Some(*version) == newest),
                backward: verdicts.map(|(backward, _)| backward),
                forward: verdicts.map(|(_, forward)| forward),
                changes: changes.unwrap_or_default(),
            }
        })
        .collect();
    told.sort_by_key(|against| std::cmp::Reverse(against.version));
    told
}

impl From<Would> for RegistrySays {
    fn from(would: Would) -> Self {
        match would {
            Would::Take => Self { takes: true, words: Vec::new() },
            Would::Refuse(words) => Self { takes: false, words },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_asks_for_directions_of_the_newest_or_of_all() {
        let both = |backward, forward| Asked { backward, forward };
        assert_eq!(asked("BACKWARD_TRANSITIVE", false), both(true, false));
        assert_eq!(asked("BACKWARD", false), both(false, false));
        assert_eq!(asked("FORWARD", true), both(false, true));
        assert_eq!(asked("FULL_TRANSITIVE", false), both(true, true));
        assert_eq!(asked("NONE", true), both(false, false));
    }

    #[test]
    fn a_fault_has_its_line_and_what_to_do() {
        let fault = read(
            "{\n \"type\": \"record\",\n \"name\": \"A\",\n \"fields\": [{\"name\": \"x\", \"type\": \"strin\"}]}",
        );
        let fault = fault.unwrap_err();
        assert_eq!((fault.line, fault.path.as_str()), (Some(4), "fields[0].type"));
        assert!(!fault.todo.is_empty());
        assert_eq!(read("{\"type\": \"string\"").unwrap_err().line, Some(1));
        assert!(read(" ").unwrap_err().what.contains("no schema"));
        assert!(read(&" ".repeat(LARGEST + 1).replacen(' ', "1", 1)).unwrap_err().what.contains("256 KiB"));
    }

    #[test]
    fn a_default_of_another_type_is_pointed_at() {
        let text = "{\"type\": \"record\", \"name\": \"A\", \"fields\": [\n{\"name\": \"ok\", \"type\": \"int\"},\n\
                    {\"name\": \"count\", \"type\": \"int\", \"default\": \"none\"}]}";
        let fault = read(text).unwrap_err();
        assert_eq!((fault.line, fault.path.as_str()), (Some(3), "fields[1]"), "{}", fault.what);
    }

    #[test]
    fn a_field_without_default_is_refused_with_its_name() {
        let known = Known::read(1, r#"{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]}"#);
        let versions = [(1, Arc::new(known))];
        let judge = |field: &str| {
            let text =
                format!(r#"{{"type":"record","name":"A","fields":[{{"name":"x","type":"int"}},{field}]}}"#);
            against(&read(&text).unwrap(), &versions, "BACKWARD_TRANSITIVE").remove(0)
        };
        let bad = judge(r#"{"name":"brand","type":"string"}"#);
        assert!(bad.refused());
        assert_eq!((bad.changes[0].path.as_str(), bad.changes[0].backward), ("brand", Verdict::Breaks));
        assert!(!judge(r#"{"name":"brand","type":["null","string"],"default":null}"#).refused());
    }
}
