//! The page on real services, and where they are away.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod actions;
mod alerts;
mod others;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use console::prometheus::{Form, Scraper};
use contracts::endpoints::Endpoints;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

async fn services() -> Endpoints {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    Endpoints::from_variables(&stack.env().unwrap()).unwrap()
}

/// Waits for what is told only to who asks, and gives it.
async fn until<T>(what: &str, within_s: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    stack::until(what, Duration::from_secs(within_s), async || ask().await.ok_or("nothing")).await
}

/// The value of a series, as the page shows it.
fn value<'a>(page: &'a str, series: &str) -> Option<&'a str> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

fn up<'a>(page: &'a str, service: &str) -> Option<&'a str> {
    value(page, &format!("storepulse_up{{service=\"{service}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_tells_its_figures() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let scraper = Scraper::new(endpoints.clone(), None).unwrap();
        // The second one over the connections that are kept.
        for _ in 0..2 {
            let page = scraper.scrape(Form::Text).await;
            for service in ["postgres", "kafka", "cassandra", "schema_registry", "spark_connect"] {
                assert_eq!(up(&page, service), Some("1.0"), "{service}: {page}");
            }
            let topic = endpoints.namespace.events_topic(1);
            let end = format!("storepulse_kafka_topic_end_offset{{topic=\"{topic}\",partition=\"3\"}}");
            assert_eq!(value(&page, &end), Some("0.0"), "{page}");
            assert_eq!(value(&page, "storepulse_slot_active"), Some("0.0"), "{page}");
            assert_eq!(value(&page, "storepulse_rebuild_open"), Some("0.0"), "{page}");
            // No relay and no job has ever reported, and nobody says that they stand still.
            assert!(!page.contains("relay_streaming") && !page.contains("job_running"), "{page}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_named_and_the_others_still_tell() {
    // Port 1 of this machine takes nobody.
    let endpoints = Endpoints {
        pg_url: "postgresql://nobody@127.0.0.1:1/shop".into(),
        kafka_brokers: "127.0.0.1:1".into(),
        schema_registry_url: "http://127.0.0.1:1".into(),
        cassandra_contact_points: "127.0.0.1:1".into(),
        ..services().await
    };
    let scraper = Scraper::new(endpoints, Some("http://127.0.0.1:1".into())).unwrap();
    let stop = CancellationToken::new();
    let serving = console::serve_metrics("127.0.0.1:0".parse().unwrap(), scraper, stop.clone()).await;
    let serving = serving.unwrap();
    let address = serving.address;
    let server = tokio::spawn(serving.run());

    let ask = async |accept: &str| {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{accept}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    let answer = ask("").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    for service in ["postgres", "kafka", "cassandra", "schema_registry", "collector"] {
        assert_eq!(up(&answer, service), Some("0.0"), "{service}: {answer}");
    }
    assert_eq!(up(&answer, "spark_connect"), Some("1.0"), "{answer}");
    assert!(!answer.contains("# EOF"), "{answer}");
    let answer = ask("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n").await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");

    stop.cancel();
    server.await.unwrap().unwrap();
}
