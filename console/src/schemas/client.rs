//! The Schema Registry, through Confluent's API: what it has is read, whether it would take a schema is
//! asked, and what an operator wants of a subject that is not the contract's is registered.

use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// One registry.
pub(crate) struct Registry<'a> {
    pub(crate) http: &'a reqwest::Client,
    /// With the path of the API.
    pub(crate) url: &'a str,
}

/// Why it told nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It has nothing of that name.
    #[error("the registry has nothing of that name")]
    Unknown,
    /// It answered with an error.
    #[error("the registry answers {status}: {words}")]
    Refused { status: u16, words: String },
    /// It cannot be reached, or what it says cannot be understood.
    #[error("the registry does not answer")]
    Away(#[source] reqwest::Error),
    /// Its address is none.
    #[error("SCHEMA_REGISTRY_URL is not a URL")]
    Address,
}

/// One version of a subject.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Registered {
    pub(crate) version: i32,
    pub(crate) id: u32,
}

/// Whether it would take a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Would {
    Take,
    /// With what it says of it, where it says anything.
    Refuse(Vec<String>),
}

impl Registry<'_> {
    /// Every subject.
    pub(crate) async fn subjects(&self) -> Result<Vec<String>, Refusal> {
        self.get(&["subjects"]).await
    }

    /// The numbers of a subject's versions.
    pub(crate) async fn versions(&self, subject: &str) -> Result<Vec<i32>, Refusal> {
        self.get(&["subjects", subject, "versions"]).await
    }

    /// A version and its schema's id.
    pub(crate) async fn version(&self, subject: &str, version: i32) -> Result<Registered, Refusal> {
        self.get(&["subjects", subject, "versions", &version.to_string()]).await
    }

    /// The text of a schema.
    pub(crate) async fn schema(&self, id: u32) -> Result<String, Refusal> {
        #[derive(Deserialize)]
        struct Answer {
            schema: String,
        }
        Ok(self.get::<Answer>(&["schemas", "ids", &id.to_string()]).await?.schema)
    }

    /// What a subject is held to by a setting of its own, or all are that have none.
    pub(crate) async fn held_to(&self, subject: Option<&str>) -> Result<Option<String>, Refusal> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "compatibilityLevel")]
            level: String,
        }
        let path: Vec<&str> = std::iter::once("config").chain(subject).collect();
        match self.get::<Answer>(&path).await {
            Ok(answer) => Ok(Some(answer.level)),
            Err(Refusal::Unknown) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether it would take a schema as the next version of a subject, by what it is held to. Registers
    /// nothing.
    pub(crate) async fn would_take(&self, subject: &str, schema: &Value) -> Result<Would, Refusal> {
        #[derive(Deserialize)]
        struct Answer {
            is_compatible: bool,
            #[serde(default)]
            messages: Vec<String>,
        }
        let mut url = self.address(&["compatibility", "subjects", subject, "versions"])?;
        url.query_pairs_mut().append_pair("verbose", "true");
        let body = json!({ "schemaType": "AVRO", "schema": schema.to_string() });
        let request = self.http.request(Method::POST, url).header("accept", CONTENT_TYPE).json(&body);
        // `json` sets a content type of its own unless another stands there already, so this one comes last.
        let answer = request.header("content-type", CONTENT_TYPE).send().await.map_err(Refusal::Away)?;
        if answer.status() == StatusCode::UNPROCESSABLE_ENTITY {
            return Ok(Would::Refuse(vec![words(answer).await]));
        }
        let answer: Answer = accepted(answer).await?.json().await.map_err(Refusal::Away)?;
        Ok(if answer.is_compatible { Would::Take } else { Would::Refuse(answer.messages) })
    }

    /// Registers a schema as the next version of a subject, and tells its id.
    pub(crate) async fn register(&self, subject: &str, schema: &Value) -> Result<u32, Refusal> {
        #[derive(Deserialize)]
        struct Answer {
            id: u32,
        }
        let body = json!({ "schemaType": "AVRO", "schema": schema.to_string() });
        let request = self.http.post(self.address(&["subjects", subject, "versions"])?);
        let request = request.header("accept", CONTENT_TYPE).json(&body).header("content-type", CONTENT_TYPE);
        let answer = accepted(request.send().await.map_err(Refusal::Away)?).await?;
        Ok(answer.json::<Answer>().await.map_err(Refusal::Away)?.id)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &[&str]) -> Result<T, Refusal> {
        let request = self.http.get(self.address(path)?).header("accept", CONTENT_TYPE);
        let answer = request.send().await.map_err(Refusal::Away)?;
        accepted(answer).await?.json().await.map_err(Refusal::Away)
    }

    /// Subjects may hold any character, so each part is encoded by itself.
    fn address(&self, path: &[&str]) -> Result<Url, Refusal> {
        let mut url: Url = self.url.parse().map_err(|_| Refusal::Address)?;
        url.path_segments_mut().map_err(|()| Refusal::Address)?.pop_if_empty().extend(path);
        Ok(url)
    }
}

async fn accepted(answer: Response) -> Result<Response, Refusal> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(Refusal::Unknown),
        status => Err(Refusal::Refused { status: status.as_u16(), words: words(answer).await }),
    }
}

/// What it says of an error: its message, or the first of the body where it has none.
async fn words(answer: Response) -> String {
    let body = answer.text().await.unwrap_or_default();
    let message = serde_json::from_str::<Value>(&body).ok();
    let message = message.as_ref().and_then(|body| body.get("message")).and_then(Value::as_str);
    message.map_or_else(|| body.chars().take(200).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_an_address_is_encoded_by_itself() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        for url in ["http://r:1/apis/ccompat/v7", "http://r:1/apis/ccompat/v7/"] {
            let registry = Registry { http: &http, url };
            let address = registry.address(&["subjects", "a/b ?c", "versions"]).unwrap();
            assert_eq!(address.as_str(), "http://r:1/apis/ccompat/v7/subjects/a%2Fb%20%3Fc/versions");
        }
    }
}
