//! What pages and API tell of schemas: the same structs for both, read from the snapshot and the schemas that
//! are kept.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::check::{Checked, judge};
use super::client::{Refusal, Registry};
use super::meaning::{Change, Verdict, diff, verdict};
use super::model::{Model, Node, Shape};
use super::text::{self, Line};
use super::{Known, resolve};
use crate::app::App;
use crate::problem::Problem;
use crate::watch::registry::{Subject, Subjects, Version};

/// A version's schema.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct SchemaView {
    pub(crate) subject: String,
    pub(crate) version: i32,
    pub(crate) id: u32,
    /// What its values are for, by the schema itself.
    pub(crate) doc: Option<String>,
    #[schema(value_type = Object)]
    pub(crate) schema: Value,
    /// Every field, those of nested records too.
    pub(crate) fields: Vec<FieldView>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct FieldView {
    /// As in `lines[].price`.
    pub(crate) path: String,
    /// As in `decimal(14,2) as bytes`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// In JSON; nothing where it has none.
    pub(crate) default: Option<String>,
    pub(crate) doc: Option<String>,
    pub(crate) aliases: Vec<String>,
}

/// Two versions of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct DiffView {
    pub(crate) subject: String,
    pub(crate) from: i32,
    pub(crate) to: i32,
    /// Whether the later one reads what the earlier one wrote; nothing where either is not understood.
    pub(crate) backward: Option<Verdict>,
    /// Whether the earlier one reads what the later one writes.
    pub(crate) forward: Option<Verdict>,
    pub(crate) changes: Vec<Change>,
    /// A unified diff of both, keys in one order.
    pub(crate) text: Vec<Line>,
}

/// The subjects as last seen.
///
/// # Errors
/// While the registry has never answered.
pub(crate) fn subjects(app: &App) -> Result<Arc<Subjects>, Problem> {
    let seen = app.watch.registry.borrow().clone();
    seen.value.ok_or_else(|| {
        let why = seen.away.map_or_else(|| "it has not been asked yet".to_owned(), |away| away.why);
        Problem::store_away("the schema registry", why)
    })
}

/// A subject of a name.
///
/// # Errors
/// Where there is none.
pub(crate) fn subject<'a>(subjects: &'a Subjects, name: &str) -> Result<&'a Subject, Problem> {
    subjects.subject(name).ok_or_else(|| {
        Problem::not_found(format!(
            "the registry has no subject {name:?}; /schemas lists those that there are"
        ))
    })
}

/// A version of a subject; the newest where none is asked for.
///
/// # Errors
/// Where it has none of that number.
pub(crate) fn version(subject: &Subject, number: Option<i32>) -> Result<Version, Problem> {
    let found = number.map_or_else(|| subject.newest(), |number| subject.version(number));
    found.ok_or_else(|| {
        let known: Vec<String> = subject.versions.iter().map(|version| version.version.to_string()).collect();
        let asked = number.map(|number| number.to_string()).unwrap_or_default();
        Problem::not_found(format!("{} has no version {asked}; it has {}", subject.name, known.join(", ")))
    })
}

/// A schema by its id.
///
/// # Errors
/// When the registry has to be asked and does not answer.
pub(crate) async fn known(app: &App, id: u32) -> Result<Arc<Known>, Problem> {
    app.schemas.by_id(&registry(app), id).await.map_err(|refusal| match refusal {
        Refusal::Unknown => Problem::not_found(format!("the registry has no schema of id {id}")),
        refusal => Problem::store_away("the schema registry", crate::watch::words(&refusal)),
    })
}

pub(crate) fn registry(app: &App) -> Registry<'_> {
    Registry { http: &app.http, url: &app.config.endpoints.schema_registry_url }
}

/// One version with its fields.
pub(crate) fn schema(subject: &str, version: Version, known: &Known) -> SchemaView {
    let model = known.model.as_ref();
    SchemaView {
        subject: subject.to_owned(),
        version: version.version,
        id: version.id,
        doc: model.and_then(|model| model.root.doc.clone()),
        schema: known.schema.clone(),
        fields: model.map(fields).unwrap_or_default(),
    }
}

/// How deep nested records are listed.
const DEPTH: usize = 12;

fn fields(model: &Model) -> Vec<FieldView> {
    let mut listed = Vec::new();
    list(model, &model.root, "", DEPTH, &mut listed);
    listed
}

/// References are not followed: what they name is listed where it is defined.
fn list(model: &Model, node: &Node, path: &str, depth: usize, listed: &mut Vec<FieldView>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match &node.shape {
        Shape::Record { fields, .. } => {
            for field in fields {
                let path = resolve::join(path, &field.name);
                listed.push(FieldView {
                    path: path.clone(),
                    kind: model.title(&field.node),
                    default: field.default.as_ref().map(ToString::to_string),
                    doc: field.doc.clone(),
                    aliases: field.aliases.clone(),
                });
                list(model, &field.node, &path, depth, listed);
            }
        }
        Shape::Array(items) => list(model, items, &format!("{path}[]"), depth, listed),
        Shape::Map(values) => list(model, values, &format!("{path}{{}}"), depth, listed),
        Shape::Union(branches) => {
            for branch in branches {
                list(model, branch, path, depth, listed);
            }
        }
        _ => {}
    }
}

/// What changed from one version to another.
pub(crate) fn compared(subject: &str, from: (Version, &Known), to: (Version, &Known)) -> DiffView {
    let changes = match (&from.1.model, &to.1.model) {
        (Some(old), Some(new)) => Some(diff(old, new)),
        _ => None,
    };
    let verdicts = changes.as_deref().map(verdict);
    DiffView {
        subject: subject.to_owned(),
        from: from.0.version,
        to: to.0.version,
        backward: verdicts.map(|(backward, _)| backward),
        forward: verdicts.map(|(_, forward)| forward),
        changes: changes.unwrap_or_default(),
        text: text::diff(&from.1.schema, &to.1.schema),
    }
}

/// A pasted schema against a subject that is known here.
///
/// # Errors
/// Where there is no such subject, or a registered schema cannot be had.
pub(crate) async fn check(app: &App, name: &str, text: &str) -> Result<Checked, Problem> {
    let subjects = subjects(app)?;
    let subject = subject(&subjects, name)?;
    judge(&registry(app), &app.schemas, subject, text)
        .await
        .map_err(|refusal| Problem::store_away("the schema registry", crate::watch::words(&refusal)))
}
