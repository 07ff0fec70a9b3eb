//! The schema registry, through Confluent's API.
//!
//! Every subject is held to one compatibility, set before a second version can be registered. The id that a
//! registration gives is read back and compared, since every record from then on depends on it.

use std::time::Duration;

use contracts::topics::COMPATIBILITY;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::{Outcome, Progress, ProvisionError, Step};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

pub(crate) struct Registry {
    client: Client,
    url: String,
}

impl Registry {
    pub(crate) fn new(url: &str) -> Result<Self, ProvisionError> {
        // The client wants a provider even for plain HTTP; where the process has one already, that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            Client::builder().timeout(Duration::from_secs(30)).build().map_err(ProvisionError::Registry)?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, ProvisionError> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).header("accept", CONTENT_TYPE);
        if let Some(body) = body {
            request = request.json(body).header("content-type", CONTENT_TYPE);
        }
        request.send().await.map_err(ProvisionError::Registry)
    }

    /// Registers a schema under its subject where it is not yet, and gives its id.
    pub(crate) async fn ensure(
        &self,
        subject: &str,
        schema: &Value,
        progress: Progress<'_>,
    ) -> Result<u32, ProvisionError> {
        let known = self.look_up(subject, schema).await?;
        let compatible = self.set_compatibility(subject).await?;
        let id = match known {
            Some(id) => id,
            None => self.register(subject, schema).await?,
        };
        if !compatible && !self.set_compatibility(subject).await? {
            return Err(ProvisionError::RegistryRefused {
                doing: format!("hold {subject} to {COMPATIBILITY}"),
                status: StatusCode::NOT_FOUND.as_u16(),
                answer: "the subject is unknown although a schema was registered".into(),
            });
        }
        self.check_reads_back(subject, id, schema).await?;
        let outcome = if known.is_some() { Outcome::Exists } else { Outcome::Created };
        progress(Step { kind: "schema", name: format!("{subject} as {id}"), outcome });
        Ok(id)
    }

    /// The id of a schema under its subject, or nothing where it is not registered.
    pub(crate) async fn look_up(&self, subject: &str, schema: &Value) -> Result<Option<u32>, ProvisionError> {
        let path = format!("/subjects/{subject}");
        let answer = self.call(Method::POST, &path, Some(&body(schema))).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        id(&accepted(answer, || format!("look up {subject}")).await?, subject).map(Some)
    }

    /// Whether the compatibility is in force now; a registry may refuse it before the first version.
    async fn set_compatibility(&self, subject: &str) -> Result<bool, ProvisionError> {
        let path = format!("/config/{subject}");
        let wanted = json!({ "compatibility": COMPATIBILITY });
        let answer = self.call(Method::PUT, &path, Some(&wanted)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        accepted(answer, || format!("hold {subject} to {COMPATIBILITY}")).await?;
        Ok(true)
    }

    async fn register(&self, subject: &str, schema: &Value) -> Result<u32, ProvisionError> {
        let path = format!("/subjects/{subject}/versions");
        let answer = self.call(Method::POST, &path, Some(&body(schema))).await?;
        if answer.status() == StatusCode::CONFLICT {
            let answer = answer.text().await.map_err(ProvisionError::Registry)?;
            return Err(ProvisionError::IncompatibleSchema { subject: subject.to_owned(), answer });
        }
        id(&accepted(answer, || format!("register {subject}")).await?, subject)
    }

    async fn check_reads_back(&self, subject: &str, id: u32, schema: &Value) -> Result<(), ProvisionError> {
        let answer = self.call(Method::GET, &format!("/schemas/ids/{id}"), None).await?;
        let answer = accepted(answer, || format!("read back schema {id} of {subject}")).await?;
        let read: Option<Value> =
            answer.get("schema").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        if read.as_ref() == Some(schema) {
            Ok(())
        } else {
            Err(ProvisionError::SchemaReadsDifferently { subject: subject.to_owned(), id })
        }
    }

    /// Deletes a subject with all its versions; one that does not exist is passed over.
    pub(crate) async fn delete(&self, subject: &str) -> Result<(), ProvisionError> {
        let answer = self.call(Method::DELETE, &format!("/subjects/{subject}"), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        accepted(answer, || format!("delete {subject}")).await.map(drop)
    }
}

fn body(schema: &Value) -> Value {
    json!({ "schemaType": "AVRO", "schema": schema.to_string() })
}

async fn accepted(answer: Response, doing: impl FnOnce() -> String) -> Result<Value, ProvisionError> {
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(ProvisionError::Registry);
    }
    let answer = answer.text().await.map_err(ProvisionError::Registry)?;
    Err(ProvisionError::RegistryRefused { doing: doing(), status: status.as_u16(), answer })
}

fn id(answer: &Value, subject: &str) -> Result<u32, ProvisionError> {
    let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| ProvisionError::RegistryRefused {
        doing: format!("give an id to {subject}"),
        status: StatusCode::OK.as_u16(),
        answer: answer.to_string(),
    })
}
