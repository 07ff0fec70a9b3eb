//! How long `storepulse run-job` takes from nothing running to the first verified row, and what the services
//! then hold of the memory.
//!
//! The command is what `make run-job` calls on a tree that is set up and built. It runs as it is, in a
//! checkout of its own with the services and tools of this one, and starts every service there: Control
//! Center, Cassandra, Spark and all. The stack of this checkout is left alone. The first verified row is that
//! of an order committed when the simulation begins, which another client reads and compares; the command
//! itself verifies all rows at its end, or this fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use clap::Args;
use contracts::endpoints::Endpoints;
use ingest::store::Store;
use stack::{Apart, Checkout, PlainText, ProcessId, Service};
use tokio::time::{MissedTickBehavior, interval};

use crate::accounting::{Account, Taken, medians};
use crate::processes::{Commands, storepulse};
use crate::report::Report;
use crate::tagged::{Reader, Tagged};

/// How long draining and verifying may take.
const VERIFIED: Duration = Duration::from_secs(300);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(5);
/// Seconds of the start that makes the data which the others find.
const FIRST_S: u64 = 10;
/// What the command says at its stages.
const SERVICES_UP: &str = "stack up in";
const SET_UP: &str = "relay and job";
const JOB_RUNS: &str = "job runs";
const SIMULATES: &str = "simulating";
const VERIFIES: &str = "draining";

/// What is measured.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Events a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds of them.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
}

/// One start.
struct Start {
    services_up_s: f64,
    job_runs_s: f64,
    first_row_s: f64,
    /// The most that all services and the command held, in MiB.
    memory_mib: f64,
    taken: Vec<Taken>,
}

pub(crate) async fn run(options: Options, runs: usize) -> anyhow::Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    // An installation is no part of a start.
    let install = || stack::install(&Checkout::find()?, &Service::ALL, &PlainText);
    tokio::task::spawn_blocking(install).await??;
    let apart = stack::apart(storepulse()?)?;
    let endpoints = Endpoints::from_variables(&apart.env()?)?;
    let mut report = Report::new("start", apart.services())?;
    let first = Options { seconds: FIRST_S, ..options };
    let first = Box::pin(start(&apart, &endpoints, first, 0)).await.context("the start on new data")?;
    report.once("first verified row on new data", first.first_row_s, "s", "");
    let mut all = Vec::with_capacity(runs);
    for run in 1..=runs {
        apart.down(Arc::new(PlainText)).await?;
        let started = Box::pin(start(&apart, &endpoints, options, run)).await;
        all.push(started.with_context(|| format!("start {run}"))?);
    }
    let figures = |of: fn(&Start) -> f64| all.iter().map(of).collect::<Vec<_>>();
    report.median("all services are up", "s", &mut figures(|start| start.services_up_s), "");
    report.median("the job runs", "s", &mut figures(|start| start.job_runs_s), "");
    report.median("first verified row", "s", &mut figures(|start| start.first_row_s), "<= 40");
    let what = format!("memory of all services and the command at {} events/s", options.rate);
    report.median(&what, "MiB", &mut figures(|start| start.memory_mib), "<= 4,608");
    report.parts(
        &format!("at {} events/s", options.rate),
        medians(all.iter().map(|start| start.taken.as_slice())),
    );
    report.end()
}

/// Runs the command once, from no service running to its own verification.
async fn start(apart: &Apart, endpoints: &Endpoints, options: Options, run: usize) -> anyhow::Result<Start> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let Options { rate, seconds } = options;
    // Another seed each time: the same one would begin with the same events.
    let words =
        format!("run-job --users-source simulated --duration {seconds}s --rate {rate} --seed {}", run + 1);
    let checkout = apart.checkout().display().to_string();
    let began = Instant::now();
    let mut command = commands.start_with(&words, &[("STOREPULSE_CHECKOUT", checkout.as_str())])?;
    command.says(SERVICES_UP).await?;
    let services_up_s = began.elapsed().as_secs_f64();
    command.says(SET_UP).await?;
    let (mut store, reader) = (Store::connect(&endpoints.pg_url).await?, Reader::connect(endpoints).await?);
    command.says(JOB_RUNS).await?;
    let job_runs_s = began.elapsed().as_secs_f64();
    command.says(SIMULATES).await?;
    let simulates = Instant::now();
    let pid = command.pid()?;
    let account = Account::of(apart).with("run-job", pid);
    let order = Tagged::commit(&mut store, Utc::now()).await?;
    reader.lag(&order).await?;
    let first_row_s = began.elapsed().as_secs_f64();
    println!(
        "start {run}: services {services_up_s:.1} s, job {job_runs_s:.1} s, first row {first_row_s:.1} s"
    );

    let command_process = ProcessId::of(pid.cast_signed()).context("the command has ended")?;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut largest_bytes = 0;
    loop {
        look.tick().await;
        let services: u64 = apart.status().await?.iter().map(|service| service.memory_bytes).sum();
        largest_bytes = largest_bytes.max(services + command_process.memory_bytes());
        if simulates.elapsed() + LOOK >= Duration::from_secs(seconds) {
            break;
        }
    }
    let taken = account.taken(f64::from(rate) * simulates.elapsed().as_secs_f64());
    command.says(VERIFIES).await?;
    command.succeeds(VERIFIED).await?;
    let memory_mib = largest_bytes as f64 / f64::from(1 << 20);
    Ok(Start { services_up_s, job_runs_s, first_row_s, memory_mib, taken })
}
