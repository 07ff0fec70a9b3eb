//! A stop finishes what was read, and takes nothing more.

use crate::support::{Scene, connect, events, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_committed_and_answered() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let address = collector.http;
    let blocker = connect(&scene.url).await;
    blocker.batch_execute("begin; lock raw.events in access exclusive mode").await.unwrap();
    let batch = events(20);
    let body = serde_json::json!({ "events": batch }).to_string();
    let request = scene.request(&collector, body);
    let sent = tokio::spawn(async move { request.send().await.unwrap().status() });
    // The commit waits for the lock: the request is read and not answered.
    in_time(scene.until_a_commit_waits()).await;
    let cancel = collector.cancel.clone();
    let stopped = tokio::spawn(collector.stop());
    cancel.cancelled().await;
    blocker.batch_execute("rollback").await.unwrap();
    assert_eq!(in_time(sent).await.unwrap(), 200);
    in_time(stopped).await.unwrap().unwrap();
    assert_eq!(scene.ledger().await, [20, 20, 0, 0]);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
