//! What is refused as a whole gets the code that says whose fault it is and whether to come again.

use std::io::Write;
use std::time::Duration;

use collector::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::{Collector, Scene, event, events, in_time, messages, with_key};

/// Status, `Retry-After` and the body of a refusal.
async fn refusal(request: reqwest::RequestBuilder) -> (u16, Option<String>, Value) {
    let response = request.send().await.unwrap();
    let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), retry, response.json().await.unwrap())
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_read() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let url = format!("http://{}/v1/events", collector.http);
    let body = json!({ "events": [event()] }).to_string();
    let json = |request: reqwest::RequestBuilder| request.header("content-type", "application/json");
    for request in [
        json(scene.http.post(&url).body(body.clone())),
        json(scene.http.post(&url).bearer_auth("storepulse_wrong").body(body.clone())),
        json(scene.http.post(&url).basic_auth("web", Some(&scene.key.key)).body(body.clone())),
        // Refused for its key before it is refused for its body.
        json(scene.http.post(&url).bearer_auth("storepulse_wrong").body("{")),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let mut client = collector.client().await;
    let batch = messages(&[event()]);
    let missing = client.collect(Request::new(batch.clone())).await.unwrap_err();
    let wrong = client.collect(with_key("storepulse_wrong", batch.clone())).await.unwrap_err();
    let streamed = client.collect_stream(with_key("x", futures::stream::iter([batch]))).await.unwrap_err();
    assert_eq!([missing.code(), wrong.code(), streamed.code()], [Code::Unauthenticated; 3]);
    assert_eq!(scene.ledger().await, [0; 4]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_the_senders_fault() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    for body in ["", "{", "[]", "{\"event\":[]}", "{\"events\":{}}", "{\"events\":[}"] {
        let (status, retry, problem) = refusal(scene.request(&collector, body)).await;
        assert_eq!((status, retry), (400, None), "{body}");
        assert_eq!(problem["status"], 400);
    }
    let no_gzip = scene.request(&collector, "no gzip").header("content-encoding", "gzip");
    assert_eq!(no_gzip.send().await.unwrap().status(), 400);
    let brotli = scene.request(&collector, "{}").header("content-encoding", "br");
    assert_eq!(brotli.send().await.unwrap().status(), 415);
    let form = scene.http.post(format!("http://{}/v1/events", collector.http)).bearer_auth(&scene.key.key);
    assert_eq!(form.body("events").send().await.unwrap().status(), 415);
    let elsewhere = scene.http.get(format!("http://{}/v1/event", collector.http));
    assert_eq!(refusal(elsewhere).await.0, 404);

    // A message that is none, by a client of the same method for another message.
    let status = garbage(&scene, &collector).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(scene.ledger().await, [0; 4]);
    collector.stop().await.unwrap();
}

/// Calls `Collect` with a message that is none of it.
async fn garbage(scene: &Scene, collector: &Collector) -> Status {
    let mut grpc = tonic::client::Grpc::new(collector.channel().await);
    grpc.ready().await.unwrap();
    let path = "/storepulse.collector.v1.Collector/Collect".parse().unwrap();
    // A number is where events should be.
    let codec = tonic_prost::ProstCodec::<u64, ()>::default();
    grpc.unary(scene.call(7), path, codec).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_not_to_be_sent_again() {
    let scene = Scene::new().await;
    let limits = Limits { body_bytes: 64 * 1024, request_events: 100, ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    let (large, many) = (json!({ "events": events(100), "padding": "x".repeat(64 * 1024) }), events(101));
    assert_eq!(refusal(scene.request(&collector, large.to_string())).await.0, 413);
    let (status, retry, problem) =
        refusal(scene.request(&collector, json!({ "events": many }).to_string())).await;
    assert_eq!((status, retry, &problem["retry_after_ms"]), (413, None, &Value::Null));
    // A small body that unpacks into a large one.
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; 16 * 1024 * 1024]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 64 * 1024);
    let bomb = scene.request(&collector, packed).header("content-encoding", "gzip");
    assert_eq!(refusal(bomb).await.0, 413);

    let mut client = collector.client().await;
    let many = client.collect(scene.call(messages(&many))).await.unwrap_err();
    assert_eq!((many.code(), retry_delay(&many)), (Code::InvalidArgument, None));
    let mut message = messages(&events(1));
    message.events[0] = vec![b'x'; 64 * 1024].into();
    let plain = client.collect(scene.call(message.clone())).await.unwrap_err();
    let mut packing = collector.client().await.send_compressed(CompressionEncoding::Gzip);
    let packed = packing.collect(scene.call(message.clone())).await.unwrap_err();
    let answers = client.collect_stream(scene.call(futures::stream::iter([message]))).await;
    let streamed = answers.unwrap().into_inner().message().await.unwrap_err();
    for status in [plain, packed, streamed] {
        assert_eq!((status.code(), retry_delay(&status)), (Code::ResourceExhausted, None), "{status}");
    }
    assert_eq!(scene.ledger().await, [0; 4]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_fast_is_told_when_to_come_again() {
    let scene = Scene::limited(Some(100)).await;
    let collector = scene.collector().await;
    // One second's worth and two seconds' debt.
    assert_eq!(scene.post(&collector, &events(100)).await.0, 200);
    let (status, retry, problem) =
        refusal(scene.request(&collector, json!({ "events": events(100) }).to_string())).await;
    assert_eq!((status, retry.as_deref()), (429, Some("1")));
    let wait_ms = problem["retry_after_ms"].as_u64().unwrap();
    assert!((500..=1_000).contains(&wait_ms), "{wait_ms}");
    let mut client = collector.client().await;
    let status = client.collect(scene.call(messages(&events(100)))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = retry_delay(&status).unwrap();
    assert!(status.metadata().get("grpc-retry-pushback-ms").is_some());
    // Whoever waits as long as they are told is let in.
    tokio::time::sleep(wait).await;
    client.collect(scene.call(messages(&events(100)))).await.unwrap();
    assert_eq!(scene.ledger().await, [200, 200, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_and_too_many_requests_push_back() {
    let scene = Scene::new().await;
    let limits = Limits { request_events: 10, queued_events: 10, requests: 2, ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    // Whoever holds the table keeps commits from ending, so that what is sent stays in the queue.
    let blocker = crate::support::connect(&scene.url).await;
    blocker.batch_execute("begin; lock raw.events in access exclusive mode").await.unwrap();
    let filling = events(10);
    let refusals = in_time(async {
        let (first, refused) = tokio::join!(scene.post(&collector, &filling), async {
            scene.until_a_commit_waits().await;
            let http = refusal(scene.request(&collector, json!({ "events": events(1) }).to_string())).await;
            let mut client = collector.client().await;
            let queue = client.collect(scene.call(messages(&events(1)))).await.unwrap_err();
            // A stream takes the second place, and waits instead.
            let stream = futures::stream::iter([messages(&events(1))]);
            let stream = client.collect_stream(scene.call(stream)).await.unwrap();
            let places = client.collect(scene.call(messages(&[]))).await.unwrap_err();
            blocker.batch_execute("rollback").await.unwrap();
            (http, queue, places, stream.into_inner().message().await.unwrap().unwrap())
        });
        assert_eq!(first.0, 200);
        refused
    });
    let ((status, retry, _), queue, places, streamed) = refusals.await;
    assert_eq!((status, retry.as_deref()), (429, Some("1")));
    for status in [queue, places] {
        assert_eq!(
            (status.code(), retry_delay(&status)),
            (Code::ResourceExhausted, Some(Duration::from_secs(1)))
        );
    }
    assert_eq!(streamed.verdicts.len(), 1);
    assert_eq!(scene.ledger().await, [11, 11, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_ends_its_request() {
    let scene = Scene::new().await;
    let limits = Limits { body_within: Duration::from_millis(50), ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    let mut connection = TcpStream::connect(collector.http).await.unwrap();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        scene.key.key
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(connection.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    collector.stop().await.unwrap();
}
