//! Answers from memory, which one who has them is not sent again.

use console::accounts;
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use serde_json::Value;

use crate::access::Served;
use crate::{services, until};

/// Every endpoint that answers from what sources told last, with what it has to be asked.
const FROM_MEMORY: [&str; 12] = [
    "/api/v1/alerts",
    "/api/v1/jobs",
    "/api/v1/jobs/cube",
    "/api/v1/line",
    "/api/v1/line/history",
    "/api/v1/operations",
    "/api/v1/other-events",
    "/api/v1/proof?table=activity_by_minute",
    "/api/v1/quarantine/summary",
    "/api/v1/subjects",
    "/api/v1/topics",
    "/api/v1/topics/{topic}",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_memory_is_not_sent_again_until_its_source_was_read_again() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let key = accounts::add_key(&mut owner, "notebook").await.unwrap();
        let served = Served::new(&endpoints).await;
        let topic = endpoints.namespace.events_topic(1);
        for path in FROM_MEMORY {
            let path = path.replace("{topic}", &topic);
            let ask = async |tag: Option<&HeaderValue>| {
                let mut request = served.get(&path).bearer_auth(&key);
                if let Some(tag) = tag {
                    request = request.header(IF_NONE_MATCH, tag);
                }
                let answer = request.send().await.unwrap();
                (answer.status(), answer.headers().get(ETAG).cloned())
            };
            // The source may be read between two questions.
            let tag = until(&format!("{path} is not sent again"), 60, async || {
                let (status, tag) = ask(None).await;
                let tag = (status == StatusCode::OK).then_some(tag?)?;
                (ask(Some(&tag)).await == (StatusCode::NOT_MODIFIED, Some(tag.clone()))).then_some(tag)
            })
            .await;
            // Nothing is begun in this test, so that no operation is told anew.
            if path != "/api/v1/operations" {
                until(&format!("{path} is sent when it is another"), 60, async || {
                    let (status, other) = ask(Some(&tag)).await;
                    (status == StatusCode::OK && other.is_some_and(|other| other != tag)).then_some(())
                })
                .await;
            }
        }
        served.end().await;
    })
    .await
    .unwrap();
}

#[test]
fn what_is_said_to_answer_from_memory_does() {
    let described: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
    for path in FROM_MEMORY {
        let path = path.split('?').next().unwrap().replace("/cube", "/{query}");
        let answers = &described["paths"][&path]["get"]["responses"];
        assert!(answers["304"].is_object(), "{path}: {answers}");
    }
}
