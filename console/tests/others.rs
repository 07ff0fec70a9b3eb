//! What is kept beside the figures, as the API tells it of a real PostgreSQL, through the role that may read
//! no more.

use console::accounts;
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::access::Served;
use crate::{services, until};

/// Of each name some that are young, and some that are older than what a look reads.
const KEEP: &str = "
    insert into raw.other_events (source, id, dialect, kind, name, occurred_at, received_at, anonymous_id, payload)
    select 'collector/shop', $1 || '/' || gen_random_uuid(), 'segment', $2, $1, now(), now() - make_interval(mins => 3 * n),
        gen_random_uuid(), convert_to('{\"list\": \"Birthday of Ada\"}', 'utf8')
    from generate_series(0, $3 - 1) n";

/// Events of each name and kind; the addresses and numbers of persons are told together.
const NAMES: [(&str, &str, i32); 4] = [
    ("Wishlist Shared", "other", 5),
    ("Welcomed ada@example.org", "other", 2),
    ("Called +41 79 123 45 67", "other", 1),
    ("page_view", "bot", 3),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_counted_by_name_and_what_comes_is_added() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let key = accounts::add_key(&mut owner, "notebook").await.unwrap();
        for (name, kind, events) in NAMES {
            owner.execute(KEEP, &[&name, &kind, &events]).await.unwrap();
        }
        let served = Served::new(&endpoints).await;
        let ask = async |tag: Option<&HeaderValue>| {
            let mut request = served.get("/api/v1/other-events").bearer_auth(&key);
            if let Some(tag) = tag {
                request = request.header(IF_NONE_MATCH, tag);
            }
            request.send().await.unwrap()
        };
        let told = until("all are counted", 20, async || {
            let answer = ask(None).await;
            let (status, tag) = (answer.status(), answer.headers().get(ETAG).cloned());
            let answer: Value = answer.json().await.unwrap();
            (status == StatusCode::OK).then_some((tag, answer))
        });
        let (tag, answer) = told.await;
        let by_kind = json!({ "bot": { "recent": 3, "kept": 3 }, "other": { "recent": 8, "kept": 8 } });
        assert_eq!(answer["data"]["by_kind"], by_kind, "{answer}");
        let names = answer["data"]["names"].as_array().unwrap().iter();
        let mut names: Vec<String> =
            names.map(|of| format!("{} {} {}", of["kind"], of["name"], of["kept"])).collect();
        names.sort();
        assert_eq!(names, ["\"bot\" \"page_view\" 3", "\"other\" \"Wishlist Shared\" 5", "\"other\" null 3"]);
        for said in ["Birthday", "ada@", "79 123"] {
            assert!(!answer.to_string().contains(said), "{answer}");
        }
        let again = ask(tag.as_ref()).await;
        assert!(tag.is_some() && again.headers().get(ETAG) == tag.as_ref());
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

        owner.execute(KEEP, &[&"Wishlist Shared", &"other", &1]).await.unwrap();
        let more = until("what comes is added", 60, async || {
            let answer: Value = ask(tag.as_ref()).await.json().await.ok()?;
            (answer["data"]["by_kind"]["other"]["kept"] == 9).then_some(answer)
        });
        assert_eq!(more.await["data"]["by_kind"]["bot"]["kept"], 3);
        served.end().await;
    })
    .await
    .unwrap();
}
