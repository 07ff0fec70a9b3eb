//! Whether the registry's newest schema of a topic is the contract's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Namespace;
use contracts::endpoints::Endpoints;
use serde::Deserialize;
use serde_json::Value;

use super::{Subject, SubjectState};

/// How often the registry is asked.
const EVERY: Duration = Duration::from_secs(60);
/// How soon again where it did not answer.
const AGAIN: Duration = Duration::from_secs(10);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(1);

/// The contract's subjects, as last told.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    found: BTreeMap<String, Subject>,
    events: String,
    next: Option<Instant>,
}

#[derive(Deserialize)]
struct Version {
    version: i64,
    id: i64,
    schema: String,
}

impl Subjects {
    /// Of a topic of the contract.
    pub(super) fn of(&self, topic: &str, generation: Option<i32>) -> Option<Subject> {
        let subject = if generation.is_some() { self.events.clone() } else { Namespace::subject(topic) };
        self.found.get(&subject).cloned()
    }

    pub(super) async fn ask(&mut self, http: &reqwest::Client, endpoints: &Endpoints) {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        self.events = endpoints.namespace.events_subject();
        let mut every = EVERY;
        for topic in contracts::topics::topics(&endpoints.namespace, 1, 1) {
            let url = format!(
                "{}/subjects/{}/versions/latest",
                endpoints.schema_registry_url.as_str(),
                topic.subject
            );
            let (state, told) = match http.get(url).timeout(ANSWER).send().await {
                Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => {
                    (SubjectState::Missing, None)
                }
                Ok(answer) => match answer.json::<Version>().await {
                    Ok(told) => (judged(&told.schema, &topic.schema), Some(told)),
                    Err(_) => (SubjectState::Unknown, None),
                },
                Err(_) => (SubjectState::Unknown, None),
            };
            if state == SubjectState::Unknown {
                every = AGAIN;
            }
            let subject = Subject {
                name: topic.subject.clone(),
                version: told.as_ref().map(|told| told.version),
                id: told.as_ref().map(|told| told.id),
                state,
            };
            self.found.insert(topic.subject, subject);
            if every == AGAIN {
                // One that does not answer is not asked four times more.
                break;
            }
        }
        self.next = Some(Instant::now() + every);
    }
}

/// The registry may have put fields in another order of keys, which means the same.
fn judged(told: &str, contract: &Value) -> SubjectState {
    match serde_json::from_str::<Value>(told) {
        Ok(told) if told == *contract => SubjectState::Contract,
        _ => SubjectState::Differs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_of_no_meaning() {
        let contract = serde_json::json!({"type": "record", "name": "R", "fields": []});
        let state = |told| judged(told, &contract);
        assert_eq!(state(r#"{"fields":[],"name":"R","type":"record"}"#), SubjectState::Contract);
        assert_eq!(state(r#"{"fields":[],"name":"S","type":"record"}"#), SubjectState::Differs);
        assert_eq!(state("?"), SubjectState::Differs);
    }
}
