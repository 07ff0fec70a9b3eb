//! The state file: what runs, where it listens, and the secrets. Readable by its owner alone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, StackError};
use crate::ports::Ports;
use crate::process::ProcessId;
use crate::service::Service;

/// Long enough that guessing is hopeless; alphanumeric, so that it fits into any URL.
const SECRET_LENGTH: usize = 32;

/// Everything that must outlive the command that started the stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) ports: Ports,
    pub(crate) secrets: Secrets,
    /// An isolated stack belongs to a process; when that is gone, so should the stack be.
    pub(crate) owner: Option<ProcessId>,
    pub(crate) processes: BTreeMap<Service, Running>,
}

/// Made once for a stack; PostgreSQL's stand in its data too.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) postgres_password: String,
    pub(crate) registry_password: String,
    pub(crate) connect_secret: String,
    /// Of the metadata database, the web login and Airflow's signatures. Stacks from before there was Airflow
    /// lack it.
    #[serde(default = "secret")]
    pub(crate) airflow_password: String,
    #[serde(default = "secret")]
    pub(crate) airflow_login: String,
    #[serde(default = "secret")]
    pub(crate) airflow_signing_key: String,
}

/// A new secret.
pub(crate) fn secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH)
}

/// A process that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) process: ProcessId,
    /// Of command, environment and configuration: tells when a restart would change something.
    pub(crate) fingerprint: String,
}

impl State {
    pub(crate) fn new(ports: Ports, owner: Option<ProcessId>) -> Self {
        let secrets = Secrets {
            postgres_password: secret(),
            registry_password: secret(),
            connect_secret: secret(),
            airflow_password: secret(),
            airflow_login: secret(),
            airflow_signing_key: secret(),
        };
        Self { ports, secrets, owner, processes: BTreeMap::new() }
    }

    /// Reads the file; none is no error.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StackError> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| StackError::StateFile { path: path.to_owned(), source }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing(|| format!("read {}", path.display())),
        }
    }

    /// Replaces the file as a whole: a reader sees the old or the new one, also after a crash.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StackError> {
        let partial = path.with_extension("json.new");
        let write = || -> std::io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_data()?;
            fs::rename(&partial, path)
        };
        write().doing(|| format!("write {}", path.display()))
    }

    /// The process of a service, if it still runs.
    pub(crate) fn alive(&self, service: Service) -> Option<ProcessId> {
        self.processes.get(&service).map(|running| running.process).filter(|process| process.is_alive())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn survives_the_file_and_stays_private() {
        let folder = std::env::temp_dir().join(format!("stack-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state.json");
        assert!(State::read(&path).unwrap().is_none());

        let mut state = State::new(Ports::MAIN, None);
        let running = Running { process: ProcessId::own().unwrap(), fingerprint: "f".to_owned() };
        state.processes.insert(Service::Kafka, running);
        state.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let read = State::read(&path).unwrap().unwrap();
        assert_eq!(read.alive(Service::Kafka), ProcessId::own());
        assert_eq!(read.alive(Service::Postgres), None);
        assert_eq!(read.secrets.connect_secret, state.secrets.connect_secret);
        assert!(!format!("{read:?}").contains(&read.secrets.postgres_password));

        fs::write(&path, "{").unwrap();
        let error = State::read(&path).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
