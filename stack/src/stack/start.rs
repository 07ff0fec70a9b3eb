//! Starting: what is missing, in dependency order, side by side where nothing stands against it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::{Inner, LOG_LINES, stop};
use crate::airflow;
use crate::error::{Doing, StackError};
use crate::install::{self, Tools};
use crate::layout::{check_room, tail};
use crate::postgres;
use crate::private;
use crate::process::ProcessId;
use crate::progress::{Event, Progress};
use crate::service::Service;
use crate::spawn::spawn;
use crate::state::Running;

/// A cold machine under load takes a third of this for the slowest service.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Between two health checks of a service that is starting.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// A broker's earlier session ends 6 s after the broker; no use in trying much more often.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Write-ahead log, commit log, topics: below this a short run already fills the disk.
const DATA_MIB: u64 = 2_000;

/// Stops what was started, unless told that all went well: on an error, a panic, or a dropped future.
struct Undo<'a> {
    inner: &'a Inner,
    started: Mutex<BTreeSet<Service>>,
    progress: &'a dyn Progress,
    armed: bool,
}

impl Undo<'_> {
    fn add(&self, service: Service) {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(service);
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let started = std::mem::take(&mut *self.started.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.armed || started.is_empty() {
            return;
        }
        self.progress.event(Event::Note("stopping what was started".to_owned()));
        if let Err(error) = stop::some(self.inner, &started, self.progress) {
            tracing::error!(%error, "could not stop what a failed start left");
        }
    }
}

/// Brings the whole stack up.
pub(super) async fn up(inner: &Arc<Inner>, progress: Arc<dyn Progress>) -> Result<(), StackError> {
    let tools = tools(inner, Arc::clone(&progress)).await?;
    if !inner.home.root().starts_with(inner.checkout.root()) {
        let home = inner.home.root().display();
        let reason = "PostgreSQL's account could not reach a folder in this checkout";
        progress.event(Event::Note(format!("data goes to {home}: {reason}")));
    }
    check_room(inner.home.root(), DATA_MIB)?;
    // Persisted before anything uses the secrets.
    inner.change(|_| ())?;
    clear_strays(inner, progress.as_ref())?;
    let running = running(inner, &tools, progress.as_ref()).await?;
    forget_lost_cluster(inner, &running)?;
    let missing = inner.services.difference(&running).copied().collect::<BTreeSet<_>>();
    let ports = inner.state().ports;
    missing.iter().try_for_each(|service| ports.check_free(*service))?;

    let mut undo = Undo { inner, started: Mutex::default(), progress: progress.as_ref(), armed: true };
    let (ready, _) = watch::channel(running);
    try_join_all(missing.iter().map(|service| {
        let mut healthy = ready.subscribe();
        let (ready, undo, tools, progress) = (&ready, &undo, &tools, progress.as_ref());
        async move {
            let needs = service.dependencies();
            let met = |ready: &BTreeSet<Service>| needs.iter().all(|need| ready.contains(need));
            healthy.wait_for(met).await.map_err(|_| StackError::DependencyFailed { service: *service })?;
            undo.add(*service);
            bring_up(inner, tools, *service, progress).await?;
            ready.send_modify(|ready| {
                ready.insert(*service);
            });
            Ok::<_, StackError>(())
        }
    }))
    .await?;
    undo.armed = false;
    Ok(())
}

/// Starts one service, whatever the rest does.
pub(super) async fn one(
    inner: &Arc<Inner>,
    service: Service,
    progress: Arc<dyn Progress>,
) -> Result<(), StackError> {
    let alive = inner.state().alive(service);
    if let Some(process) = alive {
        return wait_healthy(inner, service, process, Instant::now(), START_LIMIT).await;
    }
    let tools = tools(inner, Arc::clone(&progress)).await?;
    inner.state().ports.check_free(service)?;
    let mut undo = Undo { inner, started: Mutex::default(), progress: progress.as_ref(), armed: true };
    undo.add(service);
    bring_up(inner, &tools, service, progress.as_ref()).await?;
    undo.armed = false;
    Ok(())
}

/// What the services run from; looked up once a handle.
async fn tools(inner: &Arc<Inner>, progress: Arc<dyn Progress>) -> Result<Tools, StackError> {
    let task_inner = Arc::clone(inner);
    tokio::task::spawn_blocking(move || {
        let mut tools = task_inner.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tools) = tools.as_ref() {
            return Ok(tools.clone());
        }
        let services = task_inner.services.iter().copied().collect::<Vec<_>>();
        let installed = install::install(&task_inner.checkout, &services, progress.as_ref())?;
        *tools = Some(installed.clone());
        Ok(installed)
    })
    .await?
}

/// A crashed run may have left processes that no state file names: they would hold ports and data.
fn clear_strays(inner: &Inner, progress: &dyn Progress) -> Result<(), StackError> {
    let strays = inner.strays();
    if strays.is_empty() {
        return Ok(());
    }
    let pids = strays.iter().map(|stray| stray.pid.to_string()).collect::<Vec<_>>().join(", ");
    progress.event(Event::Note(format!("ending what an earlier run left behind: pid {pids}")));
    stop::kill_all(&strays);
    Ok(())
}

/// A master that starts waits a minute for the workers and applications that it knew to answer. Where none of
/// them runs, nobody will.
fn forget_lost_cluster(inner: &Inner, running: &BTreeSet<Service>) -> Result<(), StackError> {
    let cluster = [Service::SparkMaster, Service::SparkWorker, Service::SparkConnect];
    let recovery = inner.home.master_recovery();
    if cluster.iter().any(|service| running.contains(service)) || !recovery.exists() {
        return Ok(());
    }
    fs::remove_dir_all(&recovery).doing(|| format!("remove {}", recovery.display()))
}

/// The services that run as they should. Others that run are stopped, to be started anew.
async fn running(
    inner: &Inner,
    tools: &Tools,
    progress: &dyn Progress,
) -> Result<BTreeSet<Service>, StackError> {
    let recorded = inner.state().processes.clone();
    let mut healthy = BTreeSet::new();
    let mut stopping = BTreeSet::new();
    for (service, record) in recorded {
        if !inner.services.contains(&service) {
            continue;
        }
        if !record.process.is_alive() {
            progress
                .event(Event::Note(format!("{service} (pid {}) had ended by itself", record.process.pid)));
            inner.change(|state| {
                state.processes.remove(&service);
            })?;
            continue;
        }
        let changed = {
            let state = inner.state().clone();
            inner.site(&state, tools).launch(service)?.fingerprint() != record.fingerprint
        };
        if changed && inner.restart_changed {
            progress.event(Event::Note(format!(
                "{service} is restarted: its configuration or version has changed"
            )));
            stopping.insert(service);
            continue;
        }
        if changed {
            tracing::warn!(%service, "runs with an older configuration than the checkout has");
        }
        match settled(inner, service).await {
            Ok(()) => {
                progress.event(Event::AlreadyUp(service));
                healthy.insert(service);
            }
            Err(problem) => {
                progress.event(Event::Note(format!("{service} is restarted: {problem}")));
                stopping.insert(service);
            }
        }
    }
    stop::some(inner, &stopping, progress)?;
    // A worker or driver whose master is gone finds the new one, but in its own good time.
    let orphaned = healthy
        .iter()
        .copied()
        .filter(|service| service.dependencies().iter().any(|need| !healthy.contains(need)))
        .filter(|service| matches!(service, Service::SparkWorker | Service::SparkConnect))
        .collect();
    stop::some(inner, &orphaned, progress)?;
    Ok(healthy.difference(&orphaned).copied().collect())
}

/// A service that runs gets a few chances to answer: it may be busy, or just starting under another command.
async fn settled(inner: &Inner, service: Service) -> Result<(), String> {
    let mut last = Ok(());
    for _ in 0..3 {
        last = inner.check(service).await;
        if last.is_ok() {
            break;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    last
}

/// Starts a service and waits until it answers.
async fn bring_up(
    inner: &Arc<Inner>,
    tools: &Tools,
    service: Service,
    progress: &dyn Progress,
) -> Result<(), StackError> {
    let start = Instant::now();
    progress.event(Event::Starting(service));
    let state = inner.state().clone();
    if service == Service::Postgres {
        let (home, tools, secrets) = (inner.home.clone(), tools.clone(), state.secrets.clone());
        tokio::task::spawn_blocking(move || postgres::initialise(&home, &tools, &secrets)).await??;
    }
    let launch = inner.site(&state, tools).launch(service)?;
    launch.place(private::closed)?;
    let account = if service == Service::Postgres { postgres::account()? } else { None };
    if let Some(user) = &account {
        postgres::share(launch.conf.folder(), user)?;
    }
    if service == Service::AirflowApiServer {
        // Of a stack whose cluster is older than this role.
        postgres::prepare(&state.ports, &state.secrets).await?;
        airflow::write_login(&inner.home.passwords_file(), &state.secrets.airflow_login)?;
        let (tools, environment) = (tools.clone(), launch.environment.clone());
        let folder = launch.conf.folder().to_owned();
        tokio::task::spawn_blocking(move || airflow::migrate(&tools, &environment, &folder)).await??;
    }
    let fingerprint = launch.fingerprint();
    loop {
        let directory = inner.home.conf("");
        let spawned = spawn(&launch, account.as_ref(), &inner.home.log(service), &directory, inner.tied)?;
        let process = spawned.process;
        inner.spawned.lock().unwrap_or_else(PoisonError::into_inner).insert(service, spawned);
        let running = Running { process, fingerprint: fingerprint.clone() };
        let recorded = inner.change(|state| {
            state.processes.insert(service, running);
        });
        if let Err(error) = recorded {
            // Nobody would find it again.
            process.signal(Signal::SIGKILL);
            return Err(error);
        }
        let Err(error) = wait_healthy(inner, service, process, start, START_LIMIT).await else { break };
        let ends = match &error {
            StackError::Died { log_tail, .. } => earlier_self(service, log_tail),
            _ => None,
        };
        let Some(ends) = ends.filter(|_| start.elapsed() < START_LIMIT) else { return Err(error) };
        progress.event(Event::Note(format!("{service} waits for {ends} to end")));
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    if service == Service::Postgres {
        postgres::prepare(&state.ports, &state.secrets).await?;
    }
    progress.event(Event::Ready(service, start.elapsed()));
    Ok(())
}

/// What a service that was killed has left and that ends by itself, where its next self ended because of it.
fn earlier_self(service: Service, log_tail: &str) -> Option<&'static str> {
    match service {
        Service::Kafka if log_tail.contains("NodeExists") => Some("its earlier session in zookeeper"),
        Service::Postgres if log_tail.contains("pre-existing shared memory block") => {
            Some("the server processes of its earlier self")
        }
        _ => None,
    }
}

/// Waits until a process answers, and tells why when it ends or the time is up first.
pub(super) async fn wait_healthy(
    inner: &Inner,
    service: Service,
    process: ProcessId,
    start: Instant,
    limit: Duration,
) -> Result<(), StackError> {
    let log_path = inner.home.log(service);
    loop {
        // Asked before the check, lest somebody else's answer on our port be taken for ours.
        let alive = process.is_alive();
        let checked = inner.check(service).await;
        if !alive {
            let spawned = inner.spawned.lock().unwrap_or_else(PoisonError::into_inner);
            let status = spawned
                .get(&service)
                .filter(|spawned| spawned.process == process)
                .map_or_else(|| "it is gone".to_owned(), |spawned| spawned.exit_status());
            let log_tail = tail(&log_path, LOG_LINES);
            return Err(StackError::Died { service, status, log_path, log_tail });
        }
        match checked {
            Ok(()) => return Ok(()),
            Err(problem) if start.elapsed() >= limit => {
                let log_tail = tail(&log_path, LOG_LINES);
                return Err(StackError::NotHealthy { service, waited: limit, problem, log_path, log_tail });
            }
            Err(_) => tokio::time::sleep(CHECK_INTERVAL).await,
        }
    }
}
