//! Outages made by hand: run with `cargo test -p relay --test services outages -- --ignored --nocapture`.

use std::time::Duration;

use crate::support::{Scene, events};

/// Runs while someone kills and restarts Kafka and PostgreSQL by hand; every row must come out once in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for outages made by hand"]
async fn outages() {
    let mut scene = Scene::new("outages").await;
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    relay.until_streaming().await;
    let all = events::events(0..6_000);
    for part in all.chunks(100) {
        // PostgreSQL may be away; a transaction of ours that failed to begin is simply made again.
        while scene.pg.is_closed() || scene.pg.batch_execute("select").await.is_err() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if let Ok((client, connection)) =
                tokio_postgres::connect(&scene.config.pg_url, tokio_postgres::NoTls).await
            {
                tokio::spawn(connection);
                scene.pg = client;
            }
        }
        events::copy(&scene.pg, part).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("{:?}", *relay.progress.borrow());
    }
    let mut progress = relay.progress.clone();
    let done = progress.wait_for(|progress| progress.events_out >= 6_000);
    tokio::time::timeout(Duration::from_secs(90), done).await.unwrap().unwrap();
    relay.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}
