//! What a sender with a key may try: it costs little memory, and keeps nobody else out.

use std::io::Write;
use std::time::Duration;

use collector::Limits;
use collector::keys::new_key;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::support::{Scene, event, events, in_time, messages, with, with_key};

/// What a collector may hold while it refuses a bomb, of 8 MB each.
const PEAK_MIB: u64 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_in_little_memory() {
    let scene = Scene::new().await;
    let collector = scene.spawn().await;
    let post = |body: Vec<u8>, packed: bool| {
        let request = scene.http.post(format!("{}/v1/events", collector.http)).bearer_auth(&scene.key.key);
        let request = request.header("content-type", "application/json").body(body);
        if packed { request.header("content-encoding", "gzip") } else { request }
    };
    let zeros = format!("{{\"events\":[{}0]}}", "0,".repeat(3_900_000)).into_bytes();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&zeros).unwrap();
    for (body, is_packed) in [(packed.finish().unwrap(), true), (zeros, false)] {
        assert_eq!(in_time(post(body, is_packed).send()).await.unwrap().status(), 413);
    }

    // An event of nothing takes two bytes.
    let channel = tonic::transport::Endpoint::from_shared(collector.grpc.clone()).unwrap().connect().await;
    let mut client = collector::proto::collector_client::CollectorClient::new(channel.unwrap())
        .send_compressed(CompressionEncoding::Gzip);
    let nothing: collector::proto::CollectRequest =
        (0..4_000_000).map(|_| collector::proto::Event::default()).collect();
    for _ in 0..4 {
        let refused = in_time(client.collect(scene.call(nothing.clone()))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let stream = futures::stream::iter([nothing]);
    let mut answers = in_time(client.collect_stream(scene.call(stream))).await.unwrap().into_inner();
    assert_eq!(in_time(answers.message()).await.unwrap_err().code(), Code::InvalidArgument);

    assert!(collector.peak_mib() < PEAK_MIB, "{} MiB", collector.peak_mib());
    assert_eq!(scene.ledger().await, [0; 4]);
    collector.kill_9().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_all_that_he_can_keeps_nobody_else_out() {
    let mut scene = Scene::new().await;
    let other = new_key("other", None).unwrap();
    scene.key.line = format!("{}\n{}", scene.key.line, other.line);
    let limits = Limits { requests: 8, bytes_in_flight: 16 * 1024 * 1024, ..Limits::default() };
    let collector = scene.collector_of(limits).await;

    // As many streams as there is room for, on which nothing is ever sent.
    let (_silent, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Arc::new(tokio::sync::Mutex::new(receiver));
    let mut held = Vec::new();
    loop {
        let mut client = collector.client().await;
        let receiver = std::sync::Arc::clone(&receiver);
        let silent = futures::stream::once(async move { receiver.lock().await.recv().await.unwrap() });
        match in_time(client.collect_stream(scene.call(silent))).await {
            Ok(stream) => held.push(stream),
            Err(full) => {
                assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
                break;
            }
        }
        assert!(held.len() < 8, "one key took every place");
    }
    // And bodies that are announced, but never come.
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut connection = TcpStream::connect(collector.http).await.unwrap();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 8000000\r\n\r\n{{",
            scene.key.key
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        slow.push(connection);
    }

    let body = json!({ "events": events(3) }).to_string();
    let request = scene.http.post(format!("http://{}/v1/events", collector.http)).bearer_auth(&other.key);
    let served = request.header("content-type", "application/json").body(body).send();
    assert_eq!(in_time(served).await.unwrap().status(), 200);
    let mut client = collector.client().await;
    let served = in_time(client.collect(with_key(&other.key, messages(&events(3))))).await.unwrap();
    assert_eq!(served.into_inner().verdicts.len(), 3);
    drop((held, slow));
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_comes_ends() {
    let scene = Scene::new().await;
    let limits = Limits { idle_within: Duration::from_millis(200), ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    let mut client = collector.client().await;
    let (sender, receiver) = mpsc::channel(1);
    let batches = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
        receiver.recv().await.map(|batch| (batch, receiver))
    });
    let mut answers = client.collect_stream(scene.call(Box::pin(batches))).await.unwrap().into_inner();
    sender.send(messages(&events(2))).await.unwrap();
    assert_eq!(in_time(answers.message()).await.unwrap().unwrap().verdicts.len(), 2);
    let ended = in_time(answers.message()).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended}");
    assert!(ended.message().contains("no batch arrived"), "{ended}");

    // A connection on which nothing comes ends as well.
    let mut silent = TcpStream::connect(collector.http).await.unwrap();
    assert_eq!(in_time(silent.read(&mut [0; 8])).await.unwrap(), 0);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_held_than_may_be() {
    let scene = Scene::new().await;
    let limits = Limits { connections: 3, ..Limits::default() };
    let collector = scene.collector_of(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = TcpStream::connect(collector.http).await.unwrap();
        connection.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        in_time(connection.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        held.push(connection);
    }
    let mut fourth = TcpStream::connect(collector.http).await.unwrap();
    assert_eq!(in_time(fourth.read(&mut [0; 8])).await.unwrap_or(0), 0);
    held.pop();
    in_time(async {
        while scene.http.get(format!("http://{}/v1/health", collector.http)).send().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(held);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_event_costs_itself_and_is_told_in_few_words() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let huge = with(event(), json!({ "city": "x".repeat(100_000) }));
    let rude = with(event(), json!({ "age": "\u{1b}[2J\u{202e}".repeat(200) }));
    let (status, answer) = scene.post(&collector, &[event(), huge, rude]).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected"]), (200, &json!(1), &json!(2)), "{answer}");
    let verdicts = &answer["verdicts"];
    assert_eq!((&verdicts[1]["reason"], &verdicts[1]["field"]), (&json!("malformed"), &json!("event")));
    let detail = verdicts[2]["detail"].as_str().unwrap();
    assert!(detail.chars().count() <= 201 && !detail.chars().any(char::is_control), "{detail}");
    let kept = "select count(*) from raw.quarantine where octet_length(payload) <= 65536 \
                and length(detail) < 300 and detail !~ '[\\x01-\\x1f]'";
    assert_eq!(scene.count(kept).await, 2);
    collector.stop().await.unwrap();
}
