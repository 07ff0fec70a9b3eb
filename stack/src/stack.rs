//! A stack: opening, starting, stopping, and handling single services.

mod start;
mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::airflow;
use crate::error::{Doing, StackError};
use crate::health;
use crate::install::Tools;
use crate::layout::{Checkout, Home, MARKER, tail};
use crate::network::LOOPBACK;
use crate::ports::Ports;
use crate::private;
use crate::process::{self, ProcessId};
use crate::progress::{Event, Progress};
use crate::service::Service;
use crate::site::{Parts, Site};
use crate::spawn::Spawned;
use crate::state::State;
use crate::status::{self, ServiceStatus};

/// The name of the stack that commands use unless told otherwise.
const MAIN: &str = "main";

/// Lines of a log that an error shows.
const LOG_LINES: usize = 25;

/// SIGKILL ends and SIGSTOP halts a process as soon as the kernel gets to it.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// Which stack, and what of it.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// The name of its folder.
    pub name: String,
    /// The services wanted; what these need comes with them.
    pub services: Vec<Service>,
    /// Where they listen, when the stack is new. One that exists keeps its ports.
    pub ports: Ports,
    /// Whether `up` restarts a running service whose configuration or version has changed since it was
    /// started.
    pub restart_changed: bool,
    /// The command that serves [`Service::Console`]; needed where that is wanted.
    pub command: Option<PathBuf>,
}

impl StackConfig {
    /// The whole main stack.
    pub fn main() -> Self {
        Self {
            name: MAIN.to_owned(),
            services: Service::ALL.to_vec(),
            ports: Ports::MAIN,
            restart_changed: true,
            command: None,
        }
    }

    /// With the Control Center, which this command serves. The stack knows of it nothing but how to start it.
    #[must_use]
    pub fn with_console(mut self, command: PathBuf) -> Self {
        self.services.extend(Service::CONSOLE);
        self.command = Some(command);
        self
    }
}

/// A set of services with a folder of its own. Cloning it gives another handle on the same one.
#[derive(Clone)]
pub struct Stack {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    services: BTreeSet<Service>,
    restart_changed: bool,
    command: Option<PathBuf>,
    checkout: Checkout,
    home: Home,
    /// Whether its processes die with this one.
    tied: bool,
    state: Mutex<State>,
    tools: Mutex<Option<Tools>>,
    /// What this very process has started: it knows how they ended.
    spawned: Mutex<BTreeMap<Service, Spawned>>,
}

impl Stack {
    /// Opens a stack, without starting anything.
    pub fn open(config: StackConfig) -> Result<Self, StackError> {
        let checkout = Checkout::find()?;
        let stacks = checkout.stacks();
        let home = Home::new(stacks.join(&config.name));
        private::refuse_foreign(&stacks)?;
        private::refuse_foreign(home.root())?;
        Self::open_in(config, checkout, home, None)
    }

    pub(crate) fn open_in(
        config: StackConfig,
        checkout: Checkout,
        home: Home,
        owner: Option<ProcessId>,
    ) -> Result<Self, StackError> {
        let state = match State::read(&home.state())? {
            Some(state) => state,
            None => State::new(config.ports, owner),
        };
        let inner = Inner {
            name: config.name,
            services: Service::closure(&config.services),
            restart_changed: config.restart_changed,
            command: config.command,
            checkout,
            home,
            tied: owner.is_some(),
            state: Mutex::new(state),
            tools: Mutex::new(None),
            spawned: Mutex::new(BTreeMap::new()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts whatever does not run yet, in dependency order, and returns when all is healthy.
    ///
    /// On an error, or when the returned future is dropped, what it had started is stopped again.
    pub async fn up(&self, progress: Arc<dyn Progress>) -> Result<(), StackError> {
        let _lock = self.inner.lock(progress.as_ref()).await?;
        self.inner.reload()?;
        start::up(&self.inner, progress).await
    }

    /// Stops everything that belongs to the stack, including what a crashed run has left. Data stays.
    pub async fn down(&self, progress: Arc<dyn Progress>) -> Result<(), StackError> {
        if !self.inner.home.root().is_dir() {
            return Ok(());
        }
        let _lock = self.inner.lock(progress.as_ref()).await?;
        self.inner.reload()?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || stop::all(&inner, progress.as_ref())).await?
    }

    /// Stops everything and removes data, logs and secrets.
    pub async fn purge(&self, progress: Arc<dyn Progress>) -> Result<(), StackError> {
        self.down(progress).await?;
        self.inner.remove()
    }

    /// Pid, port, memory and health of each service, and of the executors.
    pub async fn status(&self) -> Result<Vec<ServiceStatus>, StackError> {
        self.inner.reload()?;
        let state = self.inner.state().clone();
        // What was started beside them counts too.
        let services = self.inner.services.iter().chain(state.processes.keys()).copied().collect();
        Ok(status::collect(&services, &state).await)
    }

    /// Whether every service is healthy.
    pub async fn is_healthy(&self) -> Result<bool, StackError> {
        let healthy = |status: &ServiceStatus| status.health == status::Health::Healthy;
        Ok(self.status().await?.iter().all(healthy))
    }

    /// What a client needs to reach the services, as environment variables: names and values.
    pub fn env(&self) -> Result<Vec<(String, String)>, StackError> {
        self.inner.reload()?;
        if State::read(&self.inner.home.state())?.is_none() {
            let service = self.inner.services.first().copied().unwrap_or(Service::Postgres);
            return Err(StackError::NotRunning { service });
        }
        let state = self.inner.state().clone();
        self.inner.site(&state, &Tools::default()).client_environment()
    }

    /// One of the variables of [`Stack::env`].
    pub fn variable(&self, name: &str) -> Result<Option<String>, StackError> {
        Ok(self.env()?.into_iter().find(|(variable, _)| variable == name).map(|(_, value)| value))
    }

    /// The log of a service since its last start.
    pub fn log_path(&self, service: Service) -> PathBuf {
        self.inner.home.log(service)
    }

    /// The last lines of a service's log.
    pub fn log_tail(&self, service: Service, lines: usize) -> String {
        tail(&self.log_path(service), lines)
    }

    /// The services of this stack, dependencies first.
    pub fn services(&self) -> impl Iterator<Item = Service> + '_ {
        self.inner.services.iter().copied()
    }

    /// Where a stack of a test looks for the failpoint that the sink in Spark shall reach next; others look
    /// nowhere.
    pub fn failpoint_file(&self) -> PathBuf {
        self.inner.home.failpoint()
    }

    /// The folder with its data, logs and secrets.
    pub fn home(&self) -> &Path {
        self.inner.home.root()
    }

    /// Where its services listen.
    pub fn ports(&self) -> Ports {
        self.inner.state().ports
    }

    /// The process of a service.
    pub fn process(&self, service: Service) -> Result<ProcessId, StackError> {
        self.inner.member(service)?;
        self.inner.reload()?;
        let process = self.inner.state().alive(service);
        process.ok_or(StackError::NotRunning { service })
    }

    /// The executors, which are children of the worker.
    pub fn executors(&self) -> Result<Vec<ProcessId>, StackError> {
        Ok(status::executors(self.process(Service::SparkWorker)?))
    }

    /// Sends a signal to a service. After SIGKILL the process is gone when this returns, after SIGSTOP it
    /// stands still.
    pub fn signal(&self, service: Service, signal: Signal) -> Result<(), StackError> {
        let process = self.process(service)?;
        if !process.signal(signal) {
            return Err(StackError::NotRunning { service });
        }
        let followed = match signal {
            Signal::SIGKILL => process.wait_gone(SIGNAL_LIMIT),
            Signal::SIGSTOP => process.wait_paused(SIGNAL_LIMIT),
            _ => true,
        };
        if followed {
            Ok(())
        } else {
            Err(StackError::Unmoved { service, pid: process.pid, signal: signal.as_str() })
        }
    }

    /// Freezes a service: it keeps its port and connections and answers nobody.
    pub fn pause(&self, service: Service) -> Result<(), StackError> {
        self.signal(service, Signal::SIGSTOP)
    }

    /// Lets a frozen service go on.
    pub fn resume(&self, service: Service) -> Result<(), StackError> {
        self.signal(service, Signal::SIGCONT)
    }

    /// Starts one service whose dependencies run, and returns when it is healthy. Does nothing when it is.
    pub async fn start(&self, service: Service, progress: Arc<dyn Progress>) -> Result<(), StackError> {
        self.inner.member(service)?;
        let _lock = self.inner.lock(progress.as_ref()).await?;
        self.inner.reload()?;
        start::one(&self.inner, service, progress).await
    }

    /// Stops one service in good order.
    pub async fn stop(&self, service: Service, progress: Arc<dyn Progress>) -> Result<(), StackError> {
        self.inner.member(service)?;
        let _lock = self.inner.lock(progress.as_ref()).await?;
        self.inner.reload()?;
        let inner = Arc::clone(&self.inner);
        let services = BTreeSet::from([service]);
        tokio::task::spawn_blocking(move || stop::some(&inner, &services, progress.as_ref())).await?
    }

    /// Stops some services in good order, dependents first.
    pub async fn stop_all(
        &self,
        services: &[Service],
        progress: Arc<dyn Progress>,
    ) -> Result<(), StackError> {
        let _lock = self.inner.lock(progress.as_ref()).await?;
        self.inner.reload()?;
        let inner = Arc::clone(&self.inner);
        let services = services.iter().copied().collect();
        tokio::task::spawn_blocking(move || stop::some(&inner, &services, progress.as_ref())).await?
    }

    /// Airflow's page, who logs in there, and the file with the password.
    pub fn airflow_page(&self) -> (String, &'static str, PathBuf) {
        let url = format!("http://{}:{}", LOOPBACK, self.ports().airflow);
        (url, airflow::LOGIN, self.inner.home.passwords_file())
    }

    /// Where the Control Center is, where this stack has one that runs.
    pub fn console_page(&self) -> Option<String> {
        let state = self.inner.state();
        state.alive(Service::Console).map(|_| format!("http://{}:{}", LOOPBACK, state.ports.console))
    }

    /// Waits until a service answers.
    pub async fn wait_healthy(&self, service: Service, limit: Duration) -> Result<(), StackError> {
        let process = self.process(service)?;
        start::wait_healthy(&self.inner, service, process, Instant::now(), limit).await
    }

    /// Ends everything at once, for a stack whose data nobody wants. Blocks for a moment.
    pub(crate) fn destroy(&self) -> Result<(), StackError> {
        self.inner.reload()?;
        stop::abruptly(&self.inner)?;
        self.inner.remove()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a whole state behind: it is replaced, never edited half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another program may have started or stopped services since.
    fn reload(&self) -> Result<(), StackError> {
        if let Some(read) = State::read(&self.home.state())? {
            *self.state() = read;
        }
        Ok(())
    }

    /// Changes the state in memory and on disk.
    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), StackError> {
        let mut state = self.state();
        change(&mut state);
        state.write(&self.home.state())
    }

    fn member(&self, service: Service) -> Result<(), StackError> {
        if self.services.contains(&service) {
            return Ok(());
        }
        Err(StackError::NotPartOfStack { service, stack: self.name.clone() })
    }

    fn site(&self, state: &State, tools: &Tools) -> Site {
        let Inner { checkout, home, .. } = self;
        let State { ports, secrets, .. } = state;
        let command = self.command.as_deref();
        Parts { checkout, home, tools, ports, secrets, command, for_a_test: self.tied }.site()
    }

    /// Excludes every other command on the same stack for as long as the file is held.
    async fn lock(&self, progress: &dyn Progress) -> Result<File, StackError> {
        self.home.prepare(&self.checkout.stacks())?;
        let path = self.home.lock();
        let file = File::create(&path).doing(|| format!("create {}", path.display()))?;
        let mut told = false;
        while file.try_lock().is_err() {
            if !told {
                progress.event(Event::Note("waiting for another command on this stack to finish".to_owned()));
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(file)
    }

    fn remove(&self) -> Result<(), StackError> {
        match fs::remove_dir_all(self.home.root()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| format!("remove {}", self.home.root().display()))
            }
            _ => Ok(()),
        }
    }

    /// Processes that carry our mark and descend from none that we know: left by a run that crashed.
    fn strays(&self) -> Vec<ProcessId> {
        let known = self
            .state()
            .processes
            .values()
            .flat_map(|running| running.process.tree())
            .collect::<BTreeSet<_>>();
        let marked = process::with_environment(MARKER, &self.home.root().display().to_string());
        marked.into_iter().filter(|process| !known.contains(process)).collect()
    }

    async fn check(&self, service: Service) -> Result<(), String> {
        let (ports, secrets) = {
            let state = self.state();
            (state.ports, state.secrets.clone())
        };
        health::of_stack(service, ports, secrets).await
    }
}
