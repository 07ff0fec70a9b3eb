//! The check of a schema, and its registration, as a terminal asks for them.

use std::time::Duration;

use contracts::endpoints::Endpoints;

use super::Cache;
use super::check::{Checked, judge, read};
use super::client::{Refusal, Registry};
use super::meaning::Verdict;
use crate::watch::registry::look_at;

/// How long the registry may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Why there is no verdict, or nothing was registered.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The registry has none of that name.
    #[error("the registry has no subject {0:?}: the page Schemas lists all subjects")]
    Unknown(String),
    /// The contract owns it.
    #[error("the contract owns {0:?}: its versions come from `storepulse setup` alone")]
    OfTheContract(String),
    /// The check finds something.
    #[error("nothing was registered: the check refuses the schema")]
    Refused(Judged),
    /// The HTTP client could not be made.
    #[error("could not make the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    /// The registry does not answer as it should.
    #[error("the request to the schema registry failed: check `storepulse stack status`")]
    Registry(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Refusal> for SubjectError {
    fn from(refusal: Refusal) -> Self {
        Self::Registry(Box::new(refusal))
    }
}

/// The verdict on a schema.
#[derive(Debug)]
pub struct Judged {
    /// Whether nothing is against it, and it is not there already.
    pub may_come_in: bool,
    /// What it says, a line each.
    pub lines: Vec<String>,
}

/// Judges a schema as the next version of a subject. Nothing is registered.
///
/// # Errors
/// Where there is no such subject, or the registry does not answer.
pub async fn check(endpoints: &Endpoints, subject: &str, text: &str) -> Result<Judged, SubjectError> {
    Ok(told(&ask(endpoints, subject, text, false).await?))
}

/// Registers a schema as the next version of a subject that the contract does not own, after a check that
/// finds nothing against it. Tells the schema's id.
///
/// # Errors
/// Where the contract owns the subject, the check finds something, or the registry does not answer.
pub async fn register(endpoints: &Endpoints, subject: &str, text: &str) -> Result<u32, SubjectError> {
    let checked = ask(endpoints, subject, text, true).await?;
    if !checked.is_green() {
        return Err(SubjectError::Refused(told(&checked)));
    }
    let Ok(pasted) = read(text) else { return Err(SubjectError::Refused(told(&checked))) };
    let http = client()?;
    let registry = Registry { http: &http, url: &endpoints.schema_registry_url };
    Ok(registry.register(subject, &pasted.schema).await?)
}

fn client() -> Result<reqwest::Client, SubjectError> {
    reqwest::Client::builder().timeout(ANSWER).build().map_err(SubjectError::HttpClient)
}

async fn ask(
    endpoints: &Endpoints,
    subject: &str,
    text: &str,
    to_register: bool,
) -> Result<Checked, SubjectError> {
    let http = client()?;
    let registry = Registry { http: &http, url: &endpoints.schema_registry_url };
    let cache = Cache::default();
    let known = look_at(&registry, &cache, &endpoints.namespace, subject).await?;
    let known = known.ok_or_else(|| SubjectError::Unknown(subject.to_owned()))?;
    if to_register && known.contract.is_some() {
        return Err(SubjectError::OfTheContract(subject.to_owned()));
    }
    Ok(judge(&registry, &cache, &known, text).await?)
}

fn told(checked: &Checked) -> Judged {
    let mut lines = Vec::new();
    if let Some(fault) = &checked.fault {
        let place =
            fault.line.zip(fault.column).map(|(line, column)| format!("line {line}, column {column}: "));
        lines.push(format!("{}{}: {}", place.unwrap_or_default(), fault.what, fault.todo));
    }
    match (&checked.registry, &checked.registry_away) {
        (Some(says), _) if says.takes => lines.push("registry: would take it".to_owned()),
        (Some(says), _) => lines.push(format!("registry: refuses it: {}", says.words.join("; "))),
        (None, Some(why)) => lines.push(format!("registry: not known: {why}")),
        (None, None) => {}
    }
    if let Some(version) = checked.equals {
        lines.push(format!("it equals v{version}"));
    }
    for against in &checked.versions {
        let word = |verdict: Option<Verdict>| match verdict {
            Some(verdict) if verdict.is_ok() => "ok",
            Some(_) => "breaks",
            None => "not known",
        };
        let (backward, forward) = (word(against.backward), word(against.forward));
        lines.push(format!("against v{}: backward {backward}, forward {forward}", against.version));
        for change in &against.changes {
            let broken = (against.asked.backward && !change.backward.is_ok())
                || (against.asked.forward && !change.forward.is_ok());
            if broken {
                lines.push(format!("  {}: {}", change.path, change.why));
            }
        }
    }
    Judged { may_come_in: checked.is_green(), lines }
}
