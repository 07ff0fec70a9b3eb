//! Lets a plan befall a line, and brings back what a supervisor of processes would.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;
use stack::{ProcessId, Service, Silent, Stack};
use tokio::time::{Instant, sleep};

use super::fault::{Fault, Place, Victim};
use super::flow::Flow;
use super::keeper::{Keeper, Role};
use super::plan::{Plan, Round};
use super::report::{Recovered, Report};
use super::verdict::Verdict;
use crate::support::Line;

/// How often processes and rows are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a process may take to be there again, or to reach a failpoint.
const BACK: Duration = Duration::from_secs(120);
/// How long rows may take to flow again before the run has failed.
const FLOW: Duration = Duration::from_secs(180);

/// What is to happen.
#[derive(Debug, Clone)]
pub struct Settings {
    pub plan: Plan,
    /// Events a second.
    pub rate: u32,
}

/// Runs a plan against a line on a stack of its own, and judges what is left. `tell` hears each line as it is
/// known.
///
/// # Errors
/// When something does not come back, or there can be no verdict.
pub async fn run(
    settings: &Settings,
    stack: &Stack,
    line: &Line,
    tell: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Report> {
    let mut harness = Harness {
        stack,
        keeper: Keeper::new(line, settings.plan.seed, settings.rate),
        flow: Flow::new(&line.endpoints),
        line,
        stored: 0,
    };
    let began = Instant::now();
    harness.keeper.start_all();
    harness.until_fresh(Utc::now()).await.context("rows do not flow even before the first fault")?;
    let mut recovered = Vec::new();
    for (number, round) in settings.plan.rounds.iter().enumerate() {
        let what = || format!("round {}, {}", number + 1, round.fault);
        let row = harness.round(number + 1, round, began).await.with_context(what)?;
        tell(row.to_string());
        recovered.push(row);
    }
    tell("draining".to_owned());
    harness.finish(recovered, tell).await
}

struct Harness<'a> {
    stack: &'a Stack,
    line: &'a Line,
    keeper: Keeper<'a>,
    flow: Flow<'a>,
    /// The most rows that were seen committed.
    stored: i64,
}

impl Harness<'_> {
    async fn round(&mut self, number: usize, round: &Round, began: Instant) -> anyhow::Result<Recovered> {
        self.idle(round.calm).await;
        self.count_stored().await?;
        let at = Instant::now();
        self.befall(round.fault).await?;
        let back = Instant::now();
        self.until_fresh(Utc::now()).await?;
        self.count_stored().await?;
        Ok(Recovered {
            number,
            fault: round.fault,
            at: at - began,
            away: back - at,
            recovery: back.elapsed(),
        })
    }

    /// Returns when the component is healthy again.
    async fn befall(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill { victim, away } => self.kill(victim, away).await,
            Fault::Pause { victim, lasts } => {
                let frozen = self.processes(victim)?;
                for process in &frozen {
                    process.signal(Signal::SIGSTOP);
                }
                self.idle(lasts).await;
                for process in &frozen {
                    process.signal(Signal::SIGCONT);
                }
                Ok(())
            }
            Fault::Failpoint { place: Place::Relay(name, _), times, away } => {
                self.keeper.stop(Role::Relay).await;
                let armed = format!("{name}:{times}");
                self.keeper.start_doomed_relay(&armed);
                let deadline = Instant::now() + BACK;
                while !self.keeper.relay_has_died() {
                    ensure!(Instant::now() < deadline, "the relay does not reach {armed}");
                    self.look().await;
                }
                self.idle(away).await;
                self.keeper.start(Role::Relay);
                Ok(())
            }
            Fault::Failpoint { place, away, .. } => {
                let before = self.stack.executors()?;
                let reached = arm(self.stack, place.name())?;
                let deadline = Instant::now() + BACK;
                while !reached.exists() {
                    ensure!(Instant::now() < deadline, "the sink does not reach {}", place.name());
                    self.look().await;
                }
                fs::remove_file(reached)?;
                if matches!(place, Place::Driver(_)) {
                    self.until_gone(Service::SparkConnect).await?;
                    self.idle(away).await;
                    return self.start(Service::SparkConnect).await;
                }
                self.until_other_executor(&before).await
            }
        }
    }

    /// What must stand still for a victim to do so.
    fn processes(&self, victim: Victim) -> anyhow::Result<Vec<ProcessId>> {
        let processes = match victim {
            // A connection is a process of its own.
            Victim::Service(Service::Postgres) => self.stack.process(Service::Postgres)?.tree(),
            Victim::Service(service) => vec![self.stack.process(service)?],
            Victim::Executor => self.stack.executors()?,
            _ => self.keeper.process(role(victim)).into_iter().collect(),
        };
        ensure!(!processes.is_empty(), "{victim} does not run");
        Ok(processes)
    }

    async fn kill(&mut self, victim: Victim, away: Duration) -> anyhow::Result<()> {
        match victim {
            Victim::Service(service) => {
                self.stack.signal(service, Signal::SIGKILL)?;
                self.idle(away).await;
                self.start(service).await
            }
            Victim::Executor => {
                let before = self.stack.executors()?;
                let executor = before.first().context("there is no executor")?;
                ensure!(executor.signal(Signal::SIGKILL), "the executor is gone");
                self.until_other_executor(&before).await
            }
            Victim::Relay | Victim::Simulator | Victim::Supervisor => {
                self.keeper.kill_9(role(victim)).await;
                self.idle(away).await;
                self.keeper.start(role(victim));
                Ok(())
            }
        }
    }

    /// Starts a service until it holds, as a supervisor of processes would.
    async fn start(&mut self, service: Service) -> anyhow::Result<()> {
        let deadline = Instant::now() + BACK;
        loop {
            let starting = Box::pin(self.stack.start(service, Arc::new(Silent)));
            match starting.await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| format!("{service} does not come back"));
                }
                Err(_) => self.idle(Duration::from_secs(1)).await,
            }
        }
    }

    async fn until_gone(&mut self, service: Service) -> anyhow::Result<()> {
        let deadline = Instant::now() + BACK;
        while self.stack.process(service).is_ok() {
            ensure!(Instant::now() < deadline, "{service} does not die");
            self.look().await;
        }
        Ok(())
    }

    /// Spark starts an executor by itself.
    async fn until_other_executor(&mut self, before: &[ProcessId]) -> anyhow::Result<()> {
        let deadline = Instant::now() + BACK;
        while self.stack.executors()?.iter().all(|executor| before.contains(executor)) {
            ensure!(Instant::now() < deadline, "spark starts no other executor");
            self.look().await;
        }
        Ok(())
    }

    /// Waits until an event is in Cassandra that happened after a moment.
    async fn until_fresh(&mut self, moment: DateTime<Utc>) -> anyhow::Result<()> {
        let deadline = Instant::now() + FLOW;
        loop {
            self.look().await;
            let newest = self.flow.newest().await;
            if newest.is_some_and(|newest| newest >= moment) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let newest = newest.map_or_else(|| "no answer".to_owned(), |at| at.to_rfc3339());
                let words = self.keeper.last_words();
                bail!("no event since {moment} is in cassandra, newest: {newest}\n{words}");
            }
        }
    }

    /// Time goes by under load.
    async fn idle(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.look().await;
        }
    }

    async fn look(&mut self) {
        self.keeper.tend();
        sleep(LOOK).await;
    }

    /// What PostgreSQL has acknowledged it must never lose.
    async fn count_stored(&mut self) -> anyhow::Result<()> {
        let client = provision::connect(&self.line.endpoints.pg_url).await?;
        let stored = client.query_one("select count(*) from raw.events", &[]).await?.get(0);
        ensure!(stored >= self.stored, "postgresql had {} acknowledged rows and has {stored}", self.stored);
        self.stored = stored;
        Ok(())
    }

    /// Drains, judges, and ends everything in good order.
    async fn finish(
        mut self,
        recovered: Vec<Recovered>,
        tell: &(dyn Fn(String) + Sync),
    ) -> anyhow::Result<Report> {
        let simulation = self.keeper.stop(Role::Simulator).await.context("the simulator does not run")?;
        ensure!(simulation.status.success(), "{simulation}");
        self.count_stored().await?;
        let verdict = Verdict::of(self.line).await?;
        tell(verdict.to_string());
        let unasked = self.keeper.unasked();
        for role in [Role::Supervisor, Role::Relay] {
            if let Some(ended) = self.keeper.stop(role).await {
                ensure!(ended.status.success(), "{ended}");
            }
        }
        Ok(Report { recovered, unasked, verdict })
    }
}

const fn role(victim: Victim) -> Role {
    match victim {
        Victim::Relay => Role::Relay,
        Victim::Simulator => Role::Simulator,
        _ => Role::Supervisor,
    }
}

/// Arms a failpoint of the sink; gives the file that is there once it was reached.
///
/// # Errors
/// When the file cannot be written.
pub fn arm(stack: &Stack, place: &str) -> anyhow::Result<PathBuf> {
    let file = stack.failpoint_file();
    let beside = |ending: &str| -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name.into()
    };
    let (written, reached) = (beside(".new"), beside(".reached"));
    match fs::remove_file(&reached) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // It appears whole.
    fs::write(&written, place)?;
    fs::rename(&written, Path::new(&file))?;
    Ok(reached)
}
