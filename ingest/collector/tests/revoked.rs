//! A key is revoked without a restart.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use collector::keys::{NewKey, new_key};
use collector::proto::CollectRequest;
use tokio::sync::mpsc;
use tonic::Code;

use crate::support::{Collector, Scene, event, events, in_time, messages, until, with_key};

pub(crate) const OFTEN: Duration = Duration::from_millis(100);
/// So that only a signal can be what it was.
const NEVER: Duration = Duration::from_secs(3600);
/// What is promised of a key that is revoked.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

/// A file of keys.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn of(keys: &[&NewKey]) -> Self {
        let file = Self(std::env::temp_dir().join(format!("storepulse-keys-{}", uuid::Uuid::now_v7())));
        file.write(keys);
        file
    }

    pub(crate) fn write(&self, keys: &[&NewKey]) {
        let lines: String = keys.iter().map(|key| format!("{}\n", key.line)).collect();
        self.write_text(&lines);
    }

    fn write_text(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The status of a batch that is sent with a key.
async fn status(scene: &Scene, collector: &Collector, key: &NewKey) -> u16 {
    let body = serde_json::json!({ "events": [event()] }).to_string();
    let request = scene.http.post(format!("http://{}/v1/events", collector.http)).bearer_auth(&key.key);
    let request = request.header("content-type", "application/json").body(body);
    request.send().await.unwrap().status().as_u16()
}

async fn until_status(scene: &Scene, collector: &Collector, key: &NewKey, wanted: u16) {
    until(&format!("status {wanted}"), async || status(scene, collector, key).await == wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_and_its_streams_end() {
    let scene = Scene::new().await;
    let other = new_key("other", None).unwrap();
    let file = File::of(&[&scene.key, &other]);
    let collector = scene.collector_by(&file.0, OFTEN).await;
    let mut client = collector.client().await;
    let open = async |key: &str| {
        let (sender, receiver) = mpsc::channel::<CollectRequest>(1);
        let batches = futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|batch| (batch, receiver))
        });
        let mut client = collector.client().await;
        let mut answers = client.collect_stream(with_key(key, Box::pin(batches))).await.unwrap().into_inner();
        sender.send(messages(&events(2))).await.unwrap();
        assert_eq!(in_time(answers.message()).await.unwrap().unwrap().verdicts.len(), 2);
        (sender, answers)
    };
    let (_held, mut revoked) = open(&scene.key.key).await;
    let (sender, mut stays) = open(&other.key).await;

    file.write(&[&other]);
    let since = Instant::now();
    until_status(&scene, &collector, &scene.key, 401).await;
    assert!(since.elapsed() < REFUSED_WITHIN, "{:?}", since.elapsed());
    let refused = client.collect(scene.call(messages(&events(1)))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let ended = in_time(revoked.message()).await.unwrap_err();
    assert_eq!((ended.code(), ended.message()), (Code::Unauthenticated, "the API key was revoked"));

    // Of the other one nothing changes.
    assert_eq!(status(&scene, &collector, &other).await, 200);
    sender.send(messages(&events(3))).await.unwrap();
    assert_eq!(in_time(stays.message()).await.unwrap().unwrap().verdicts.len(), 3);

    let stranger = new_key("web", None).unwrap();
    assert_eq!(status(&scene, &collector, &stranger).await, 401);
    let counted = "select coalesce(sum(requests), 0)::bigint from ops.collector_refusal";
    let unknown = format!("{counted} where cause = 'unknown_key' and key_name = ''");
    let revoked = format!("{counted} where cause = 'revoked_key' and key_name = 'web'");
    let are_counted = async || scene.count(&unknown).await == 1 && scene.count(&revoked).await >= 2;
    until("the refusals are counted", are_counted).await;
    drop(sender);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_leaves_the_keys_as_they_are() {
    let scene = Scene::new().await;
    let other = new_key("other", None).unwrap();
    let file = File::of(&[&scene.key]);
    let collector = scene.collector_by(&file.0, OFTEN).await;
    let for_many_looks = async || {
        let since = Instant::now();
        while since.elapsed() < OFTEN * 6 {
            assert_eq!(status(&scene, &collector, &scene.key).await, 200);
        }
    };
    file.write_text("web no-digest\n");
    for_many_looks().await;
    std::fs::remove_file(&file.0).unwrap();
    for_many_looks().await;
    file.write(&[&scene.key, &other]);
    until_status(&scene, &collector, &other, 200).await;
    // One without a key is no fault: the last one was revoked.
    file.write(&[]);
    until_status(&scene, &collector, &scene.key, 401).await;
    file.write(&[&scene.key]);
    until_status(&scene, &collector, &scene.key, 200).await;
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reads_the_file_at_once() {
    let scene = Scene::new().await;
    let other = new_key("other", None).unwrap();
    let file = File::of(&[&scene.key, &other]);
    let collector = scene.collector_by(&file.0, NEVER).await;
    assert_eq!(status(&scene, &collector, &scene.key).await, 200);
    file.write(&[&other]);
    let hangup = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
    assert!(hangup.unwrap().success());
    until_status(&scene, &collector, &scene.key, 401).await;
    collector.stop().await.unwrap();
}
