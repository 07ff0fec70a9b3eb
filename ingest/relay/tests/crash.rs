//! PostgreSQL dies among transactions that overlap.

use std::sync::Arc;

use contracts::Event;
use stack::{Service, Signal, Silent};
use uuid::Uuid;

use crate::support::{Scene, connect, events};

/// The number of the load's first event, beyond those of everything else.
const FIRST_OF_LOAD: u32 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn late_commits_and_a_crash_of_postgresql() {
    let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let mut scene = Scene::on_postgres("pgcrash", &stack).await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..3_000);
    let mut relay = scene.start();

    // Long ones, begun first: one commits behind the short ones that overtake it, one never does.
    let long = connect(&scene.config.pg_url).await;
    long.batch_execute("begin").await.unwrap();
    events::copy(&long, &all[..500]).await;
    let doomed = connect(&scene.config.pg_url).await;
    doomed.batch_execute("begin").await.unwrap();
    events::copy(&doomed, &all[500..1_000]).await;
    for short in all[1_000..2_000].chunks(100) {
        events::copy(&scene.pg, short).await;
    }
    relay.until_events(1_000).await;
    long.batch_execute("commit").await.unwrap();
    relay.until_events(1_500).await;

    // Short ones, until it crashes among them: as many as it takes.
    let writer = connect(&scene.config.pg_url).await;
    let writing = tokio::spawn(async move {
        let mut tried = Vec::new();
        for first in (FIRST_OF_LOAD..).step_by(10) {
            let short = events::events(first..first + 10);
            let stored = events::try_copy(&writer, &short).await;
            tried.extend(short);
            if stored.is_err() {
                break;
            }
        }
        tried
    });
    relay.until_events(1_700).await;
    stack.signal(Service::Postgres, Signal::SIGKILL).unwrap();
    let load = writing.await.unwrap();
    stack.start(Service::Postgres, Arc::new(Silent)).await.unwrap();
    scene.reconnect().await;
    // A commit whose answer was lost may or may not be there: what PostgreSQL has is what counts.
    let survived = survivors(&scene, &load).await;
    events::copy(&scene.pg, &all[2_000..]).await;
    let expected: Vec<Event> =
        all[1_000..2_000].iter().chain(&all[..500]).chain(&survived).chain(&all[2_000..]).cloned().collect();
    assert_eq!(expected.len(), survived.len() + 2_500);
    let progress = relay.until_events(expected.len() as u64).await;
    assert!(progress.restarts > 0, "{progress:?}");
    relay.stop().await;
    scene.assert_events(&expected);
    scene.remove_topics().await;
}

/// Those of the events that PostgreSQL has.
async fn survivors(scene: &Scene, all: &[Event]) -> Vec<Event> {
    let rows = scene.pg.query("select event_id from raw.events", &[]).await.unwrap();
    let ids: std::collections::HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    all.iter().filter(|event| ids.contains(&event.event_id)).cloned().collect()
}
