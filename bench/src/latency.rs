//! From a shopper's click to the row that another program can read: tagged orders at random times beside a
//! line at work.
//!
//! The times are drawn in advance, and an order counts from its time whether or not the one before it was
//! late (open loop). Each has a product of its own, whose row in Cassandra is looked for by a client that the
//! line knows nothing of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{TimeDelta, Utc};
use clap::Args;
use contracts::endpoints::Endpoints;
use ingest::store::Store;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use crate::Warm;
use crate::accounting::Account;
use crate::percentile;
use crate::processes::{Commands, drained, machine_time};
use crate::report::Report;
use crate::scratch::in_scratch_namespace;
use crate::tagged::{Reader, Tagged};

/// How long a rate's backlog may take to be worked off before the next one.
const DRAINED: Duration = Duration::from_secs(600);

/// What is measured, and for how long.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Events a second, one rate after another.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000")]
    rates: Vec<u32>,
    /// Seconds at each rate before its first tagged order; Spark's first minutes are slower than all later
    /// ones.
    #[arg(long, default_value_t = 120)]
    warm: u64,
    /// Seconds for which tagged orders come in at each rate.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Tagged orders a second, on average.
    #[arg(long, default_value_t = 4.0)]
    tagged: f64,
}

pub(crate) async fn run(warm: &Warm, options: Options) -> anyhow::Result<()> {
    ensure!(options.tagged > 0.0 && options.seconds > 0, "at least one tagged order is needed");
    let body = async |endpoints: Endpoints| Box::pin(measure(warm, &endpoints, &options)).await;
    in_scratch_namespace(&warm.endpoints, body).await
}

async fn measure(warm: &Warm, endpoints: &Endpoints, options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let [relay, job] = commands.line().await?;
    let postgres = provision::connect(&endpoints.pg_url).await?;
    let mut report = Report::new("latency", warm.stack.services())?;
    for (index, rate) in options.rates.iter().enumerate() {
        let words = format!("simulate --rate {rate} --duration forever --seed {}", index + 1);
        let simulator = commands.start(&words)?;
        tokio::time::sleep(Duration::from_secs(options.warm)).await;
        let account = Account::of(&warm.stack)
            .with("relay", relay.pid()?)
            .with("supervisor", job.pid()?)
            .with("simulator", simulator.pid()?);
        let (busy, began) = (machine_time()?, Instant::now());
        let mut lags_ms = tagged(endpoints, options, index as u64).await?;
        let (busy, took) = (machine_time()?.saturating_sub(busy), began.elapsed());
        let events = f64::from(*rate) * took.as_secs_f64();
        let taken = account.taken(events);
        simulator.stop().await?;
        let at = format!("{} tagged orders at {rate} events/s", lags_ms.len());
        let (p50, p99) = if *rate <= 1_000 { ("<= 700", "<= 1,500") } else { ("", "<= 3,000") };
        report.once(&format!("{at}: p50"), percentile(&mut lags_ms, 50), "ms", p50);
        report.once(&format!("{at}: p99"), percentile(&mut lags_ms, 99), "ms", p99);
        report.once(&format!("{at}: longest"), percentile(&mut lags_ms, 100), "ms", "");
        let busy_per_million = busy.as_secs_f64() / events * 1e6;
        report.once(&format!("{at}: processor time of the machine"), busy_per_million, "s/million", "");
        report.parts(&format!("at {rate} events/s"), taken);
        drained(&postgres, DRAINED).await?;
    }
    job.stop().await?;
    relay.stop().await?;
    report.end()
}

/// Commits orders at random times, and returns how long each took from its time until it could be read, in
/// ms.
async fn tagged(endpoints: &Endpoints, options: &Options, seed: u64) -> anyhow::Result<Vec<f64>> {
    let mut store = Store::connect(&endpoints.pg_url).await?;
    let reader = Arc::new(Reader::connect(endpoints).await?);
    let mut random = StdRng::seed_from_u64(seed);
    let (began, began_at) = (tokio::time::Instant::now(), Utc::now());
    let mut due = Duration::ZERO;
    let mut looks = JoinSet::new();
    loop {
        // Exponential pauses: at no time is an order more likely than at another.
        let pause = -(1.0 - random.random::<f64>()).ln() / options.tagged;
        due += Duration::from_secs_f64(pause);
        if due >= Duration::from_secs(options.seconds) {
            break;
        }
        tokio::time::sleep_until(began + due).await;
        let occurred_at = began_at + TimeDelta::from_std(due)?;
        let order = Tagged::commit(&mut store, occurred_at).await?;
        let reader = Arc::clone(&reader);
        looks.spawn(async move { anyhow::Ok(reader.lag(&order).await?.as_secs_f64() * 1_000.0) });
    }
    looks.join_all().await.into_iter().collect()
}
