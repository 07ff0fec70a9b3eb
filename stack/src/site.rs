//! What the launches of services are made of: where programs and files are, where the others listen, and the
//! secrets.
//!
//! It has two origins: the stack on this machine, and a container. A launch does not know which.

mod container;
mod local;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::install::Tools;
use crate::network::Network;
use crate::vault::Vault;

pub(crate) use container::{MARK, Surroundings};
pub(crate) use local::Parts;

/// Where services are started.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) tools: Tools,
    /// What the command takes for its checkout.
    pub(crate) checkout: PathBuf,
    pub(crate) templates: Templates,
    /// Has a folder of rendered configuration for each folder of templates.
    pub(crate) conf: PathBuf,
    pub(crate) data: Data,
    /// Scratch space.
    pub(crate) tmp: PathBuf,
    /// What the driver and the executors share.
    pub(crate) checkpoints: PathBuf,
    pub(crate) network: Network,
    pub(crate) vault: Vault,
    /// What the environment of every service has.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where programs are looked for.
    pub(crate) path: String,
    pub(crate) keeper: Keeper,
    /// Who may call Spark Connect; this machine alone, unless it says otherwise.
    pub(crate) connect_peers: Option<String>,
    /// Where the sink looks for the failpoint to reach next, in the stack of a test.
    pub(crate) failpoint: Option<PathBuf>,
    /// What serves the Control Center.
    pub(crate) command: Option<PathBuf>,
    pub(crate) airflow: AirflowSite,
}

/// Where the templates are.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    /// With a folder for each service.
    pub(crate) services: PathBuf,
    /// Spark's.
    pub(crate) spark: PathBuf,
}

impl Templates {
    pub(crate) fn of(&self, folder: &str) -> PathBuf {
        if folder == "spark" { self.spark.clone() } else { self.services.join(folder) }
    }
}

/// Where the data is.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// A folder with one for each service.
    Shared(PathBuf),
    /// The volume of one service.
    Volume(PathBuf),
}

impl Data {
    /// The folder of a service.
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        match self {
            Self::Shared(root) => root.join(name),
            // Moved into place when it is complete, which the root of a volume cannot be.
            Self::Volume(root) if name == "postgres" => root.join("cluster"),
            Self::Volume(root) if name == "spark-worker" => root.join("work"),
            Self::Volume(root) => root.clone(),
        }
    }
}

/// Who keeps Kafka's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    Zookeeper,
    /// The one broker itself.
    Kraft,
}

/// What Airflow needs beside it.
#[derive(Debug, Clone)]
pub(crate) struct AirflowSite {
    pub(crate) dags: PathBuf,
    /// Runs a part of it again when it ends by itself.
    pub(crate) keep_running: PathBuf,
    /// Where the password of its page stands.
    pub(crate) passwords_file: PathBuf,
    /// The command that tasks run.
    pub(crate) command: PathBuf,
    /// What whoever starts it hands on to its tasks.
    pub(crate) handed_on: BTreeMap<String, String>,
}
