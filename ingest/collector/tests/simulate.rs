//! The simulator through a collector: the truth it tells is what the database holds.

use std::time::Duration;

use chrono::Utc;
use collector::{Remote, RemoteError};
use contracts::User;
use contracts::ids;
use contracts::user::coarse_degrees;
use contracts::vocabulary::{AgeBand, Gender};
use ingest::source::simulator::{Dial, Limit, Pace, Progress, Rhythm, RunConfig, SimulateError, run_through};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::Scene;

fn users() -> Vec<User> {
    (0..50)
        .map(|index| User {
            user_id: ids::user_id(&Uuid::from_u128(index)),
            gender: Gender::Female,
            age: 30,
            age_band: AgeBand::of(30),
            country: ["DE", "US", "CH"][index as usize % 3].parse().unwrap(),
            city: "Köln".parse().unwrap(),
            latitude: coarse_degrees(50.94),
            longitude: coarse_degrees(6.96),
            registered_at: Utc::now(),
            ingested_at: Utc::now(),
        })
        .collect()
}

fn run_config(events_per_s: f64) -> RunConfig {
    RunConfig {
        seed: 7,
        events_per_s,
        pace: Pace::OpenLoop { speed: 1.0 },
        limit: Limit::Time(Duration::from_secs(2)),
        rhythm: Rhythm::Flat,
        dial: Dial { repeated_pct: 5.0, malformed_pct: 5.0, ..Dial::default() },
    }
}

async fn simulate(courier: &mut Remote) -> Result<ingest::source::simulator::Report, SimulateError> {
    let (progress, _) = watch::channel(Progress::default());
    let rates = ingest::rates::built_in();
    let cancel = CancellationToken::new();
    run_through(&run_config(2_000.0), rates, courier, &users(), &cancel, &progress).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_what_is_stored() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut courier = Remote::connect(&format!("grpc://{}", collector.grpc), &scene.key.key).await.unwrap();
    let report = simulate(&mut courier).await.unwrap();
    assert!(report.is_accounted_for(), "{report:?}");
    let truth = &report.truth;
    assert_eq!((truth.accepted, truth.repeated), (report.appended.committed, report.appended.repeated));
    assert_eq!(truth.rejected_total(), report.quarantined);
    assert_eq!(truth.sent, 4_000);
    let [records_in, committed, ..] = scene.ledger().await;
    // Two records alike that break the same rule are one in quarantine.
    assert!(u64::try_from(records_in).unwrap() <= truth.sent);
    assert_eq!(u64::try_from(committed).unwrap(), truth.accepted);
    let gross =
        "select (sum(amount_base) filter (where event_name = 'purchase') * 100)::bigint from raw.events";
    assert_eq!(scene.count(gross).await, truth.on_time.gross_cents);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_ends_the_run() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let mut courier =
        Remote::connect(&format!("grpc://{}", collector.grpc), "storepulse_wrong").await.unwrap();
    assert!(matches!(simulate(&mut courier).await, Err(SimulateError::Courier(_))));
    assert!(matches!(Remote::connect("http://127.0.0.1:1", "x").await, Err(RemoteError::Address(_))));
    assert!(matches!(Remote::connect("grpc://127.0.0.1:1", "x").await, Err(RemoteError::Connect { .. })));
    collector.stop().await.unwrap();
}
