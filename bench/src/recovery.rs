//! How soon the line is there again after Spark's executor, its worker or the Connect server was killed under
//! load.
//!
//! The stack is this program's own. A worker and a server are started again at once, as a supervisor of
//! processes does; an executor is started by Spark, and the job goes on by its own means. A kill is over when
//! a fresh order can be read: one that was committed when all executors from before the kill were gone, so
//! that nothing from before can have carried it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use clap::Args;
use contracts::endpoints::Endpoints;
use ingest::store::Store;
use stack::{PlainText, ProcessId, Service, Signal, Silent, Stack};
use tokio::time::sleep;

use crate::processes::{Commands, Process, machine_time, stored};
use crate::report::Report;
use crate::tagged::{Reader, Tagged};

/// How soon a fresh order is readable on a line that is steady.
const STEADY: Duration = Duration::from_secs(3);
/// How long a line may take to be steady, first or again.
const STEADY_WITHIN: Duration = Duration::from_secs(240);
/// How long processes may take to end, or to be there again.
const MOVED: Duration = Duration::from_secs(60);

/// What is measured, and how often.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Kills of each of the three; the median is printed, with the shortest and the longest.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    kills: u16,
    /// Events a second meanwhile.
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

/// What is killed.
#[derive(Clone, Copy)]
enum Victim {
    Executor,
    Service(Service),
}

impl Victim {
    const ALL: [Self; 3] =
        [Self::Executor, Self::Service(Service::SparkWorker), Self::Service(Service::SparkConnect)];
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Executor => "spark-executor",
            Self::Service(service) => service.name(),
        })
    }
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let stack = Box::pin(stack::isolated(&Service::ALL, Arc::new(PlainText))).await?;
    let endpoints = Endpoints::from_variables(&stack.env()?)?;
    Box::pin(measure(&stack, &endpoints, options)).await
}

async fn measure(stack: &Stack, endpoints: &Endpoints, options: Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let [relay, job] = commands.line().await?;
    let simulator =
        commands.start(&format!("simulate --rate {} --duration forever --seed 1", options.rate))?;
    let (store, reader) = (Store::connect(&endpoints.pg_url).await?, Reader::connect(endpoints).await?);
    let postgres = provision::connect(&endpoints.pg_url).await?;
    let mut line = Line { stack, job, store, reader };
    let mut report = Report::new("recovery", stack.services())?;
    line.until_steady().await.context("before the first kill")?;
    let (busy_before, stored_before) = (machine_time()?, stored(&postgres).await?);
    for victim in Victim::ALL {
        let mut took_s = Vec::new();
        for number in 1..=options.kills {
            let recovered = line.recovers_from(victim).await;
            let recovered = recovered.with_context(|| line.explain(victim, number))?;
            println!("kill -9 {victim:<16} {number:>3} {:>8.2} s", recovered.as_secs_f64());
            took_s.push(recovered.as_secs_f64());
            line.until_steady().await.with_context(|| line.explain(victim, number))?;
        }
        let what = format!("{victim} killed, until a fresh order can be read");
        report.median(&what, "s", &mut took_s, "<= 15");
    }
    let events = stored(&postgres).await? - stored_before;
    let busy = machine_time()?.saturating_sub(busy_before);
    report.once("processor time of the machine", busy.as_secs_f64() / events * 1e6, "s/million", "");
    let memory_bytes: u64 = stack.status().await?.iter().map(|service| service.memory_bytes).sum();
    report.once("memory of all services at the end", memory_bytes as f64 / f64::from(1 << 20), "MiB", "");
    for process in [simulator, line.job, relay] {
        process.stop().await?;
    }
    report.end()
}

/// A line at work, and who looks at its end.
struct Line<'a> {
    stack: &'a Stack,
    job: Process,
    store: Store,
    reader: Reader,
}

impl Line<'_> {
    /// Waits until a fresh order is readable soon.
    async fn until_steady(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STEADY_WITHIN;
        loop {
            let order = Tagged::commit(&mut self.store, Utc::now()).await?;
            let lag = self.reader.lag(&order).await?;
            if lag <= STEADY {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the line is not steady after {STEADY_WITHIN:?}: the last order took {lag:?}"
            );
        }
    }

    /// Kills, and tells how long it was until a fresh order could be read. What was killed runs by then.
    async fn recovers_from(&mut self, victim: Victim) -> anyhow::Result<Duration> {
        let stack = self.stack;
        let executors = stack.executors()?;
        ensure!(!executors.is_empty(), "there is no executor");
        let killed = Instant::now();
        match victim {
            Victim::Executor => {
                for executor in &executors {
                    ensure!(executor.signal(Signal::SIGKILL), "the executor has ended by itself");
                }
            }
            Victim::Service(service) => stack.signal(service, Signal::SIGKILL)?,
        }
        let back = async {
            match victim {
                Victim::Executor => Ok(()),
                Victim::Service(service) => start(stack, service).await,
            }
        };
        let readable = async {
            until_gone(&executors).await?;
            let order = Tagged::commit(&mut self.store, Utc::now()).await?;
            self.reader.lag(&order).await?;
            anyhow::Ok(killed.elapsed())
        };
        let (recovered, ()) = tokio::try_join!(readable, back)?;
        Ok(recovered)
    }

    /// What a failure needs to be understood.
    fn explain(&self, victim: Victim, number: u16) -> String {
        format!("kill {number} of {victim}\n{}", self.job.last_words())
    }
}

/// Waits until processes have ended.
async fn until_gone(processes: &[ProcessId]) -> anyhow::Result<()> {
    for process in processes.iter().copied() {
        let gone = tokio::task::spawn_blocking(move || process.wait_gone(MOVED)).await?;
        ensure!(gone, "an executor goes on without what was killed");
    }
    Ok(())
}

/// Starts a service until it holds: its port, or what it left with others, may not be free at once.
async fn start(stack: &Stack, service: Service) -> anyhow::Result<()> {
    let deadline = Instant::now() + MOVED;
    loop {
        match Box::pin(stack.start(service, Arc::new(Silent))).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("{service} does not come back"));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}
