//! Schemas by their id. What an id stands for never changes, so it is asked for once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::schema::{Name, NamespaceRef, Schema};
use contracts::avro::NAMESPACE;
use serde::Deserialize;

use crate::watch::words;

/// How long it is believed that the registry has no such schema, or does not answer.
const BELIEVED: Duration = Duration::from_secs(10);
/// How many schemas are kept: a record can name any id, and each is asked for.
const KEPT: usize = 1_024;
/// How long a schema may take to come.
const ANSWER: Duration = Duration::from_secs(3);

/// What asking for a schema gave: the schema, or the registry's words.
pub(crate) type Looked = Result<Arc<Known>, Arc<str>>;

/// A schema, ready to decode with.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: u32,
    pub(crate) schema: Schema,
    /// What it defines by name, for what refers to it.
    pub(crate) names: HashMap<Name, Schema>,
    /// Whether its fields have the classes of the contract: of any other schema nothing is known.
    pub(crate) of_the_contract: bool,
}

impl Known {
    pub(crate) fn parse(id: u32, text: &str) -> Result<Self, apache_avro::Error> {
        let schema = Schema::parse_str(text)?;
        let mut names = HashMap::new();
        define(&schema, None, &mut names);
        let of_the_contract = match &schema {
            Schema::Record(record) => record.name.namespace() == Some(NAMESPACE),
            _ => false,
        };
        Ok(Self { id, schema, names, of_the_contract })
    }
}

/// Gathers what a schema defines, so that references are resolved by their full name.
fn define(schema: &Schema, namespace: NamespaceRef<'_>, names: &mut HashMap<Name, Schema>) {
    match schema {
        Schema::Record(record) => {
            let name = record.name.fully_qualified_name(namespace).into_owned();
            let inner = name.namespace().map(str::to_owned);
            names.insert(name, schema.clone());
            for field in &record.fields {
                define(&field.schema, inner.as_deref(), names);
            }
        }
        Schema::Enum(words) => {
            names.insert(words.name.fully_qualified_name(namespace).into_owned(), schema.clone());
        }
        Schema::Fixed(fixed) | Schema::Duration(fixed) => {
            names.insert(fixed.name.fully_qualified_name(namespace).into_owned(), schema.clone());
        }
        Schema::Array(array) => define(&array.items, namespace, names),
        Schema::Map(map) => define(&map.types, namespace, names),
        Schema::Union(union) => {
            for branch in union.variants() {
                define(branch, namespace, names);
            }
        }
        _ => {}
    }
}

/// What is known of an id.
#[derive(Debug, Clone)]
enum Kept {
    Known(Arc<Known>),
    Not(Arc<str>, Instant),
}

/// All schemas that records have named so far.
pub(crate) struct Schemas {
    http: reqwest::Client,
    url: String,
    kept: Mutex<HashMap<u32, Kept>>,
}

#[derive(Deserialize)]
struct Answer {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
}

impl Schemas {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned(), kept: Mutex::default() }
    }

    /// The schema of an id, or why there is none. Blocks where it is not known yet: not for the runtime's own
    /// threads.
    pub(crate) fn get(&self, id: u32, runtime: &tokio::runtime::Handle) -> Looked {
        match self.lock().get(&id) {
            Some(Kept::Known(known)) => return Ok(Arc::clone(known)),
            Some(Kept::Not(why, at)) if at.elapsed() < BELIEVED => return Err(Arc::clone(why)),
            _ => {}
        }
        let asked = runtime.block_on(async {
            tokio::time::timeout(ANSWER, self.ask(id))
                .await
                .unwrap_or_else(|_| Err("the registry does not answer within 3 s".into()))
        });
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.retain(|_, kept| matches!(kept, Kept::Known(_)));
        }
        match asked {
            Ok(known) => {
                let known = Arc::new(known);
                kept.insert(id, Kept::Known(Arc::clone(&known)));
                Ok(known)
            }
            Err(why) => {
                kept.insert(id, Kept::Not(Arc::clone(&why), Instant::now()));
                Err(why)
            }
        }
    }

    async fn ask(&self, id: u32) -> Result<Known, Arc<str>> {
        let failed = |error: reqwest::Error| Arc::<str>::from(format!("the registry: {}", words(&error)));
        let response =
            self.http.get(format!("{}/schemas/ids/{id}", self.url)).send().await.map_err(failed)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Err(format!("the registry has no schema of id {id}").into());
        }
        let told: Answer = response.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
        if let Some(kind) = told.kind.filter(|kind| kind != "AVRO") {
            return Err(format!("schema {id} is {kind}, and only Avro is decoded here").into());
        }
        Known::parse(id, &told.schema)
            .map_err(|error| format!("schema {id} is not understood: {}", words(&error)).into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_calls_itself_ours_elsewhere_is_not_ours() {
        let named = |namespace: &str| {
            let text = format!(r#"{{"type":"record","name":"Event","namespace":"{namespace}","fields":[]}}"#);
            Known::parse(1, &text).unwrap().of_the_contract
        };
        assert!(named("org.storepulse"));
        assert!(!named("org.elsewhere"));
    }
}
