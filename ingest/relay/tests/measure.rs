//! Figures, not checks: run by hand with `cargo test -p relay --test services measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Scene, events};

const BACKLOG: u32 = 500_000;

async fn backlog(scene: &Scene, transaction: usize) {
    events::prepare(&scene.pg).await;
    for part in events::events(0..BACKLOG).chunks(transaction) {
        events::copy(&scene.pg, part).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn drain() {
    for transaction in [10_000, 500_000] {
        let scene = Scene::new("drain").await;
        backlog(&scene, transaction).await;
        let mut relay = scene.start();
        relay.until_streaming().await;
        let began = Instant::now();
        let progress = relay.until_events(u64::from(BACKLOG)).await;
        let took = began.elapsed();
        println!(
            "drained {BACKLOG} events committed by {transaction}: {:.0} events/s, {} kafka transactions",
            f64::from(BACKLOG) / took.as_secs_f64(),
            progress.kafka_transactions
        );
        relay.stop().await;
        scene.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn memory() {
    let scene = Scene::new("memory").await;
    backlog(&scene, 10_000).await;
    let end: u64 = scene.server_end().await;
    let relay = scene.spawn(None);
    let began = Instant::now();
    while scene.confirmed().await < end {
        assert!(began.elapsed() < DEADLINE, "not drained");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.id())).unwrap();
    let figure = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", relay.id())).unwrap();
    let ticks: Vec<&str> = stat.split(' ').skip(13).take(2).collect();
    println!("{} {} user and system ticks of 10 ms: {ticks:?}", figure("VmHWM"), figure("VmRSS"));
    drop(relay);
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn latency() {
    let scene = Scene::new("latency").await;
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    relay.until_streaming().await;
    let all = events::events(0..20_000);
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for part in all.chunks(10) {
        ticks.tick().await;
        events::copy(&scene.pg, part).await;
    }
    let progress = relay.until_events(20_000).await;
    println!(
        "1,000 events/s in commits of 10: {:?}, {} kafka transactions",
        progress.latency, progress.kafka_transactions
    );
    relay.stop().await;
    scene.remove().await;
}

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
