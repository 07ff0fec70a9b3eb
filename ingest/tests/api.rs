//! The client against the local server, and every way in which the API has gone wrong.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ingest::clock::Clock;
use ingest::source::randomuser::server::{Fault, Server};
use ingest::source::randomuser::{
    ApiError, Client, FetchError, NATIONALITIES, Nationality, Page, PageRequest, RetryPolicy,
};
use ingest::source::users::{UsersSource, open_at};
use serde_json::{Value, json};

use crate::support::at;

const NOW: &str = "2026-03-01T00:00:00Z";

fn now() -> DateTime<Utc> {
    at(NOW)
}

async fn server() -> Server {
    Server::start(Clock::starting_at(now())).await.unwrap()
}

/// Tries quickly, so that a test does not wait.
const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(5),
    deadline: Duration::from_secs(20),
};
const ONCE: RetryPolicy = RetryPolicy { attempts: 1, ..QUICK };

fn client(server: &Server, retry: RetryPolicy) -> Client {
    Client::new(&server.endpoint(), Duration::from_secs(10), retry).unwrap()
}

fn request(results: u32) -> PageRequest {
    PageRequest::new("seed", 1, results, &[]).unwrap()
}

async fn fetch(server: &Server, request: &PageRequest) -> Page {
    client(server, QUICK).fetch(request, now()).await.unwrap()
}

/// The one failure of a single try.
async fn failure(server: &Server, fault: Fault) -> ApiError {
    server.inject([fault]);
    client(server, ONCE).fetch(&request(10), now()).await.unwrap_err().last
}

#[tokio::test]
async fn a_full_page_of_all_nationalities_passes() {
    let page = fetch(&server().await, &request(5_000)).await;
    assert_eq!((page.users.len(), page.set_aside.len()), (5_000, 0));
    let mut ids: Vec<_> = page.users.iter().map(|record| record.user.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5_000);
    for nat in NATIONALITIES {
        assert!(page.users.iter().any(|record| record.user.country.as_str() == nat), "{nat}");
    }
    assert!(page.users.iter().all(|record| (20..=82).contains(&record.user.age)));
    assert!(page.users.iter().all(|record| record.profile["location"]["postcode"].is_string()));
}

#[tokio::test]
async fn seeds_pages_and_filters_behave_as_documented() {
    let server = server().await;
    let long = fetch(&server, &request(50)).await;
    let short = fetch(&server, &request(20)).await;
    assert_eq!(long.users[..20], short.users[..], "fewer are a prefix of more");
    let second = fetch(&server, &PageRequest::new("seed", 2, 20, &[]).unwrap()).await;
    assert_ne!(long.users[20..40], second.users[..], "page 2 continues nothing");
    let other = fetch(&server, &PageRequest::new("other", 1, 20, &[]).unwrap()).await;
    assert_ne!(short.users, other.users);
    let wanted: Vec<Nationality> = ["de", "NO"].iter().map(|nat| nat.parse().unwrap()).collect();
    let filtered = fetch(&server, &PageRequest::new("seed", 1, 100, &wanted).unwrap()).await;
    assert!(filtered.users.iter().all(|record| ["DE", "NO"].contains(&record.user.country.as_str())));
}

/// What any client of the API would see.
async fn raw(server: &Server, query: &str) -> Value {
    let ingest::source::randomuser::Endpoint::Local(root) = server.endpoint() else { panic!() };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = http.get(format!("{root}/api/?{query}")).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_server_keeps_the_awkward_parts() {
    let server = server().await;
    // The client sets up TLS before any other HTTP client is built.
    let _ = client(&server, ONCE);
    let count = async |query: &str| raw(&server, query).await["results"].as_array().unwrap().len();
    assert_eq!(count("results=6000").await, 1);
    assert_eq!(count("results=0").await, 1);
    assert_eq!(count("results=2.5").await, 1);
    assert_eq!(count("results=3&results=4").await, 4);
    assert_eq!(raw(&server, "page=10001").await["info"]["page"], 1);
    let nats = async |query: &str| -> Vec<Value> {
        raw(&server, query).await["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["nat"].clone())
            .collect()
    };
    assert!(nats("results=50&nat=de").await.iter().all(|nat| nat == "DE"));
    assert!(nats("results=200&nat=de,xx").await.iter().any(|nat| nat != "DE"), "the filter is dropped");
    let seeded = raw(&server, "results=50&seed=a&gender=female").await;
    assert!(seeded["results"].as_array().unwrap().iter().any(|user| user["gender"] == "male"));
    let women = raw(&server, "results=50&gender=female").await;
    assert!(women["results"].as_array().unwrap().iter().all(|user| user["gender"] == "female"));
    assert_eq!(women["info"]["seed"].as_str().unwrap().len(), 16);
    let inc = raw(&server, "inc=nat,ID,nonsense").await;
    assert_eq!(inc["results"][0].as_object().unwrap().len(), 2);
    assert!(raw(&server, "noinfo").await.get("info").is_none());
    for user in raw(&server, "results=500&seed=b").await["results"].as_array().unwrap() {
        let nat = user["nat"].as_str().unwrap();
        let text = ["CA", "GB", "NL", "NO"].contains(&nat);
        assert_eq!(user["location"]["postcode"].is_string(), text, "{nat}");
        assert!(user["location"]["coordinates"]["latitude"].is_string());
        assert_eq!(user["id"]["value"].is_null(), ["IR", "NZ", "TR", "UA"].contains(&nat), "{nat}");
        assert!(user["email"].as_str().unwrap().is_ascii());
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let server = server().await;
    let limited = failure(&server, Fault::RateLimited { retry_after_s: Some(7) }).await;
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(7)));
    assert!(matches!(limited, ApiError::RateLimited { status: 429, .. }));
    let old = failure(&server, Fault::RateLimitedAs503).await;
    assert!(matches!(old, ApiError::RateLimited { status: 503, retry_after: None, .. }));
    assert!(matches!(failure(&server, Fault::ErrorWith200).await, ApiError::Service { status: 200, .. }));
    assert!(matches!(failure(&server, Fault::Empty).await, ApiError::Empty { asked: 10 }));
    assert!(matches!(failure(&server, Fault::BadGateway).await, ApiError::Unavailable { status: 502, .. }));
    let blocked = failure(&server, Fault::Blocked).await;
    assert!(matches!(blocked, ApiError::Refused { status: 403, .. }) && !blocked.is_retryable());
    assert!(matches!(failure(&server, Fault::Html).await, ApiError::NotJson { .. }));
    assert!(matches!(failure(&server, Fault::Truncated).await, ApiError::NotAPage(_)));
    let few = failure(&server, Fault::OneTooFew).await;
    assert!(matches!(few, ApiError::WrongCount { asked: 10, told: 10, given: 9 }));
    assert!(matches!(failure(&server, Fault::OtherVersion).await, ApiError::Version(v) if v == "1.5"));
    let slow = Client::new(&server.endpoint(), Duration::from_millis(50), ONCE).unwrap();
    server.inject([Fault::Slow(Duration::from_secs(60))]);
    let late = slow.fetch(&request(1), now()).await.unwrap_err().last;
    assert!(matches!(late, ApiError::Timeout(_)), "{late:?}");
    // Nobody listens where a server has ended.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = ingest::source::randomuser::Endpoint::Local(format!("http://{nobody}").into());
    let gone = Client::new(&endpoint, Duration::from_secs(1), ONCE).unwrap();
    assert!(matches!(gone.fetch(&request(1), now()).await.unwrap_err().last, ApiError::Connect(_)));
}

#[tokio::test]
async fn what_may_get_better_is_tried_again() {
    let server = server().await;
    server.inject([Fault::RateLimitedAs503, Fault::Truncated]);
    let page = client(&server, QUICK).fetch(&request(3), now()).await.unwrap();
    assert_eq!((page.users.len(), server.requests()), (3, 3));

    server.inject(vec![Fault::Empty; 9]);
    let FetchError { attempts, last, .. } =
        client(&server, QUICK).fetch(&request(3), now()).await.unwrap_err();
    assert_eq!(attempts, 3);
    assert!(matches!(last, ApiError::Empty { .. }));
}

#[tokio::test]
async fn the_deadline_cuts_a_call_that_hangs() {
    let server = server().await;
    server.inject([Fault::Slow(Duration::from_secs(60))]);
    let retry = RetryPolicy { deadline: Duration::from_millis(200), ..QUICK };
    let started = Instant::now();
    let error = client(&server, retry).fetch(&request(1), now()).await.unwrap_err();
    assert!(matches!(error.last, ApiError::Timeout(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_bad_record_is_set_aside_and_the_rest_kept() {
    let server = server().await;
    for (by, reason) in [
        (json!(17), "malformed"),
        (json!({ "gender": "female" }), "missing_id"),
        (json!({ "login": { "uuid": "no uuid" } }), "invalid_field"),
        (json!({ "login": { "uuid": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11" } }), "missing_field"),
    ] {
        server.inject([Fault::Record { index: 4, by: by.clone() }]);
        let page = fetch(&server, &request(10)).await;
        assert_eq!((page.users.len(), page.set_aside.len()), (9, 1));
        let aside = &page.set_aside[0];
        assert_eq!((aside.coordinates.as_str(), aside.reason.as_str()), ("seed/1/4", reason));
        assert_eq!(serde_json::from_slice::<Value>(&aside.payload).unwrap(), by);
    }
    server.inject([Fault::DuplicateUuid]);
    let page = fetch(&server, &request(10)).await;
    assert_eq!(page.users[0].user.user_id, page.users[1].user.user_id, "the store keeps one of them");
}

#[tokio::test]
async fn auto_takes_the_api_or_says_what_it_fell_back_to() {
    let clock = Clock::starting_at(now());
    let api = server().await;
    let origin = open_at(UsersSource::Auto, &api.endpoint(), &clock).await.unwrap();
    assert!(origin.server.is_none());
    assert_eq!(origin.to_string(), "users from the randomuser.me API");

    api.inject(vec![Fault::Blocked; 2]);
    let origin = open_at(UsersSource::Auto, &api.endpoint(), &clock).await.unwrap();
    let line = origin.to_string();
    assert!(line.contains("local simulated API") && line.contains("HTTP 403"), "{line}");
    assert!(!line.contains('\n'));
    assert_eq!(origin.client.fetch(&request(3), now()).await.unwrap().users.len(), 3);

    api.inject(vec![Fault::Slow(Duration::from_secs(60)); 2]);
    let started = Instant::now();
    let origin = open_at(UsersSource::Auto, &api.endpoint(), &clock).await.unwrap();
    assert!(origin.server.is_some());
    assert!(started.elapsed() < Duration::from_secs(6), "three seconds, and a slow machine");
}
