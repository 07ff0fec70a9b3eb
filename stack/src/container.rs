//! A container of our images: becomes the service that the container is for, and asks it whether it serves.
//!
//! The service takes the place of the process that starts it, so that pid 1 and the engine's signals are its
//! own. What it is started with is what a stack would start it with; only the [`Site`] is another one.

mod first;
#[cfg(test)]
mod recorded;
mod role;

use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, umask};
use tokio::net::TcpStream;

use crate::error::{Doing, StackError};
use crate::health::{Asker, Peer};
use crate::launch::{Launch, notebooks, prometheus};
use crate::network::LOOPBACK;
use crate::postgres;
use crate::service::{Service, UnknownService};
use crate::site::{MARK, Site, Surroundings};
use crate::vault;

use role::Role;
pub use role::first_process;

/// How long the members of a cluster may take to come up.
const MEMBERS_LIMIT: Duration = Duration::from_secs(900);
/// Between two attempts to reach a member.
const MEMBER_INTERVAL: Duration = Duration::from_secs(1);
/// Of JupyterLab's environment, in the image.
const NOTEBOOKS_BIN: &str = "/opt/storepulse/notebooks-venv/bin";
/// Where the collector of `docker-compose.yml` listens for HTTP.
const COLLECTOR_PORT: u16 = 56_080;
/// What senders of events authenticate by, in the one container that sends.
const COLLECTOR_KEY: &str = "STOREPULSE_COLLECTOR_KEY";

/// The container that this process runs in.
pub struct Container {
    site: Site,
    secrets: PathBuf,
    /// How long Prometheus keeps figures.
    metrics_kept: String,
    /// Where Prometheus sends alerts.
    alertmanager: Option<String>,
}

impl Container {
    /// A service that takes longer over a trivial question is not healthy, on a busy machine too.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The one that this process runs in.
    ///
    /// # Errors
    /// Where this is no container of ours, or one with settings that cannot be.
    pub fn here() -> Result<Self, StackError> {
        let path = Path::new(MARK);
        if !path.is_dir() {
            return Err(StackError::NoContainer { path: path.to_owned() });
        }
        Self::of(&Surroundings::here()?)
    }

    fn of(surroundings: &Surroundings<'_>) -> Result<Self, StackError> {
        Ok(Self {
            site: surroundings.site()?,
            secrets: surroundings.secrets(),
            metrics_kept: surroundings
                .variable("STOREPULSE_METRICS_KEPT")
                .unwrap_or_else(|| "15d".to_owned()),
            alertmanager: surroundings.variable("STOREPULSE_ALERTMANAGER"),
        })
    }

    /// Renders the configuration of what the first word names, makes what a first start lacks, and becomes
    /// it. The other words are its own. Returns only where that fails.
    ///
    /// # Errors
    /// Whatever stands against it.
    pub fn exec(&self, words: &[String]) -> Result<Infallible, StackError> {
        // What a service writes is for its account, and the group of it.
        umask(Mode::from_bits_truncate(0o027));
        let (name, words) = words.split_first().map_or(("", &[][..]), |(name, words)| (name, words));
        let role = name.parse::<Role>()?;
        let launch = self.launch(role, words)?;
        launch.place(made)?;
        first::prepare(role, &self.site)?;
        let Some((program, arguments)) = launch.words.split_first() else {
            return Err(StackError::UnknownRole { name: name.to_owned(), known: Role::names() });
        };
        let folder = self.folder(role);
        let error =
            Command::new(program).args(arguments).envs(&launch.environment).current_dir(folder).exec();
        Err(error).doing(|| format!("become {program}"))
    }

    fn launch(&self, role: Role, words: &[String]) -> Result<Launch, StackError> {
        let site = &self.site;
        if !words.is_empty() && !role.takes_words() {
            return Err(StackError::WordsUnwanted { role: role.to_string(), words: words.join(" ") });
        }
        match role {
            Role::Service(service) => site.launch(service),
            Role::Prometheus => site.prometheus(&self.metrics_kept, self.alertmanager.as_deref()),
            Role::Airflow => site.airflow(words),
            Role::Notebooks => {
                let bin = Path::new(NOTEBOOKS_BIN);
                if !words.is_empty() {
                    return site.notebooks(bin, words);
                }
                let mut launch = site.notebooks(bin, &site.jupyter_words())?;
                let token = vault::read(&self.secrets, "jupyter_token")?;
                launch.environment.insert("JUPYTER_TOKEN".to_owned(), token);
                Ok(launch)
            }
            Role::Storepulse => {
                let mut launch = site.storepulse(words)?;
                const NAME: &str = "collector_key";
                if self.secrets.join(NAME).is_file() {
                    let key = vault::read(&self.secrets, NAME)?;
                    launch.environment.insert(COLLECTOR_KEY.to_owned(), key);
                }
                Ok(launch)
            }
        }
    }

    /// Where it runs. Spark Connect puts its artifacts into a folder of the working directory.
    fn folder(&self, role: Role) -> PathBuf {
        if role == Role::Notebooks { self.site.notebooks_folder() } else { self.site.tmp.clone() }
    }

    /// What any client needs to reach the services, as environment variables: names and values.
    ///
    /// # Errors
    /// Where the container lacks their secrets.
    pub fn client_environment(&self) -> Result<Vec<(String, String)>, StackError> {
        self.site.client_environment()
    }

    /// Whether a service of this container serves; what is wrong, else. `relay` and `job` are no services:
    /// the command itself knows of them.
    ///
    /// # Errors
    /// Where there is no such service.
    pub async fn check(&self, name: &str) -> Result<Result<(), String>, UnknownService> {
        let database = postgres::DATABASE;
        let Site { network, vault, .. } = &self.site;
        let asker = Asker { network, vault, database, patience: Self::PATIENCE };
        let here = |port| Peer { host: LOOPBACK, port };
        Ok(match name {
            "collector" => asker.page(here(COLLECTOR_PORT), "/v1/health").await,
            "prometheus" => asker.page(here(prometheus::PORT), "/-/ready").await,
            "notebooks" => asker.page(here(notebooks::PORT), "/api").await,
            _ => asker.service(name.parse()?).await,
        })
    }

    /// Returns when every broker and every Cassandra node takes connections. How many copies there are is
    /// decided by how many nodes there are when topics and keyspace are made.
    ///
    /// # Errors
    /// Where one stays away.
    pub async fn await_members(&self) -> Result<(), StackError> {
        let start = Instant::now();
        for service in [Service::Kafka, Service::Cassandra] {
            let port = self.site.network.ports.of(service);
            for host in self.site.network.hosts(service) {
                let answers = async || {
                    let attempt = TcpStream::connect((host.as_str(), port));
                    matches!(tokio::time::timeout(Self::PATIENCE, attempt).await, Ok(Ok(_)))
                };
                while !answers().await {
                    if start.elapsed() >= MEMBERS_LIMIT {
                        let member = format!("{host}:{port}");
                        return Err(StackError::Absent { member, waited: MEMBERS_LIMIT });
                    }
                    tokio::time::sleep(MEMBER_INTERVAL).await;
                }
            }
        }
        Ok(())
    }
}

/// Makes a folder, where it is missing. A volume is as its owner made it.
fn made(folder: &Path) -> Result<(), StackError> {
    fs::create_dir_all(folder).doing(|| format!("create {}", folder.display()))
}
