//! A topic full of events: simulated as fast as they can be stored, and carried there by the relay.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::topics::Assigned;
use ingest::clock::Clock;
use ingest::source::simulator::{Dial, Limit, Pace, Progress, Rhythm, RunConfig, run as simulate};
use ingest::store::Store;
use relay::{RelayConfig, RelayProgress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Events a second of their own time: what they come to is a row an hour or a thousand.
const EVENTS_PER_S: f64 = 1_000.0;
/// How long the relay may take.
const CARRIED: Duration = Duration::from_secs(600);

/// Sets a namespace up and fills its topic with so many events, the last of which happened just now.
pub(crate) async fn fill(endpoints: &Endpoints, events: u64) -> anyhow::Result<Assigned> {
    let assigned = provision::apply(endpoints).await?.assigned;
    let config = RunConfig {
        seed: 1,
        events_per_s: EVENTS_PER_S,
        pace: Pace::Unpaced,
        limit: Limit::Records(events),
        rhythm: Rhythm::Flat,
        dial: Dial::default(),
    };
    let length = TimeDelta::from_std(Duration::from_secs_f64(events as f64 / EVENTS_PER_S))?;
    let (clock, cancel) = (Clock::starting_at(Utc::now() - length), CancellationToken::new());
    let (progress, _) = watch::channel(Progress::default());
    let (users, rates) = (crate::ingestion::users()?, ingest::rates::built_in());
    let mut store = Store::connect(&endpoints.pg_url).await?;
    let report = simulate(&config, rates, &mut store, &users, &clock, &cancel, &progress).await?;
    carry(endpoints, &assigned, report.appended.committed).await?;
    Ok(assigned)
}

/// Runs the relay until so many events are committed to the topic.
async fn carry(endpoints: &Endpoints, assigned: &Assigned, events: u64) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let (sender, mut progress) = watch::channel(RelayProgress::default());
    let config = RelayConfig::new(endpoints, *assigned);
    let relay = tokio::spawn(relay::run(config, cancel.clone(), sender));
    let carried = async {
        let all = progress.wait_for(|relay| relay.events_out >= events);
        tokio::time::timeout(CARRIED, all).await.context("the relay does not get through")??;
        anyhow::Ok(())
    };
    let carried = carried.await;
    cancel.cancel();
    match relay.await? {
        Err(error) => bail!(error),
        Ok(()) => carried,
    }
}
