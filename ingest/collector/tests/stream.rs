//! Batches one after another on one call.

use std::time::{Duration, Instant};

use collector::Limits;
use collector::proto::Outcome;
use futures::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;
use tonic::Code;

use crate::support::{Scene, event, events, in_time, messages, with};

#[tokio::test(flavor = "multi_thread")]
async fn each_batch_is_answered_in_order() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut client = collector.client().await;
    let again = event();
    let batches: Vec<_> = (1..=40)
        .map(|count| {
            let mut batch = events(count);
            batch.push(again.clone());
            batch.push(with(event(), json!({ "age": count + 1_000 })));
            messages(&batch)
        })
        .collect();
    let mut answers =
        client.collect_stream(scene.call(futures::stream::iter(batches))).await.unwrap().into_inner();
    for count in 1..=40 {
        let verdicts = in_time(answers.message()).await.unwrap().unwrap().verdicts;
        assert_eq!(verdicts.len(), count + 2);
        let again = if count == 1 { Outcome::Accepted } else { Outcome::Repeated };
        assert_eq!(verdicts[count].outcome(), again, "batch {count}");
        assert!(verdicts[count + 1].detail.as_ref().unwrap().contains(&(count + 1_000).to_string()));
    }
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(scene.ledger().await, [900, 821, 39, 40]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_too_fast_is_read_more_slowly() {
    let scene = Scene::limited(Some(200)).await;
    let collector = scene.collector().await;
    let mut client = collector.client().await;
    let began = Instant::now();
    let batches: Vec<_> = (0..6).map(|_| messages(&events(50))).collect();
    let answers =
        client.collect_stream(scene.call(futures::stream::iter(batches))).await.unwrap().into_inner();
    assert!(in_time(answers.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
    // The first second's worth at once, the rest at the rate.
    assert!(began.elapsed() > Duration::from_millis(450), "{:?}", began.elapsed());
    assert_eq!(scene.ledger().await, [300, 300, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_ends_the_stream_after_the_answers_before_it() {
    let scene = Scene::new().await;
    let collector = scene.collector_of(Limits { request_events: 10, ..Limits::default() }).await;
    let mut client = collector.client().await;
    let batches = [messages(&events(10)), messages(&events(11)), messages(&events(1))];
    let mut answers =
        client.collect_stream(scene.call(futures::stream::iter(batches))).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().verdicts.len(), 10);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(scene.ledger().await, [10, 10, 0, 0]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_was_read_and_ends_the_stream() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut client = collector.client().await;
    let (sender, receiver) = mpsc::channel(4);
    let batches = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
        receiver.recv().await.map(|batch| (batch, receiver))
    });
    let mut answers = client.collect_stream(scene.call(Box::pin(batches))).await.unwrap().into_inner();
    sender.send(messages(&events(3))).await.unwrap();
    assert_eq!(in_time(answers.message()).await.unwrap().unwrap().verdicts.len(), 3);
    let stopped = tokio::spawn(collector.stop());
    let status = in_time(answers.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    stopped.await.unwrap().unwrap();
    assert_eq!(scene.ledger().await, [3, 3, 0, 0]);
}
