//! What changed between versions of a schema, and whether a change may come in.
//!
//! `model` reads a schema, `resolve` knows Avro's rules, `meaning` and `text` tell two schemas apart, `check`
//! judges a pasted one. `client` alone registers, for an action of an operator.

pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod meaning;
pub(crate) mod model;
pub(crate) mod resolve;
pub mod terminal;
pub(crate) mod text;
pub(crate) mod view;
pub(crate) mod wrong;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use client::{Refusal, Registry};
use model::Model;

/// A registered schema.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: u32,
    pub(crate) schema: Value,
    /// As it was written; none where it is not Avro, or of a kind that is not understood here.
    pub(crate) model: Option<Model>,
}

impl Known {
    fn read(id: u32, text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        Self { id, model: Model::read(&schema).ok(), schema }
    }
}

/// Schemas by id, which never change: each is asked for once and kept.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<u32, Arc<Known>>>);

impl Cache {
    /// A schema that was seen before.
    pub(crate) fn kept(&self, id: u32) -> Option<Arc<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// A schema, asked of the registry the first time.
    ///
    /// # Errors
    /// When the registry has none of that id, or does not answer.
    pub(crate) async fn by_id(&self, registry: &Registry<'_>, id: u32) -> Result<Arc<Known>, Refusal> {
        if let Some(known) = self.kept(id) {
            return Ok(known);
        }
        let text = registry.schema(id).await?;
        Ok(self.keep(Known::read(id, &text)))
    }

    fn keep(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(known.id).or_insert(known))
    }
}
