//! The site of a container: what our images hold at fixed places, what `docker-compose.yml` sets, and the
//! secrets that the engine mounts.

use std::collections::BTreeMap;
use std::env;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use super::{AirflowSite, Data, Keeper, Site, Templates};
use crate::error::{Doing, StackError};
use crate::install::Tools;
use crate::network::{Containers, Hosts, Network};
use crate::ports::Ports;
use crate::vault::Vault;

/// Programs and templates.
const IMAGE: &str = "/opt/storepulse";
/// What is rendered at each start; every image of ours has it.
pub(crate) const MARK: &str = "/run/storepulse";
/// Of the one service that a container has; where it keeps anything, a volume.
const DATA: &str = "/var/lib/storepulse/data";
const CHECKPOINTS: &str = "/var/lib/storepulse/checkpoints";
const TMP: &str = "/tmp";
/// Where the engine mounts secrets.
const SECRETS: &str = "/run/secrets";
/// Where the kernel tells the name of the container.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// What a container finds around it.
pub(crate) struct Surroundings<'a> {
    /// Looks a variable of its environment up.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) host: String,
    /// The address that the others know it by.
    pub(crate) address: Option<IpAddr>,
}

impl Surroundings<'static> {
    /// Those of this process.
    pub(crate) fn here() -> Result<Self, StackError> {
        let host = std::fs::read_to_string(HOST_NAME).doing(|| format!("read {HOST_NAME}"))?;
        let host = host.trim().to_owned();
        Ok(Self { address: address(&host), host, variable: &|name| env::var(name).ok() })
    }
}

impl Surroundings<'_> {
    /// A variable of its environment. One that is empty counts as absent: `docker-compose.yml` cannot leave
    /// one out.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// Where the secrets are.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.variable("STOREPULSE_SECRETS").unwrap_or_else(|| SECRETS.to_owned()).into()
    }

    /// How many brokers and Cassandra nodes there are: one, or three in the profile `cluster`.
    fn nodes(&self) -> Result<u8, StackError> {
        const NAME: &str = "STOREPULSE_NODES";
        let nodes = match self.variable(NAME).as_deref() {
            None | Some("1") => 1,
            Some("3") => 3,
            Some(value) => {
                return Err(StackError::Setting { name: NAME, wanted: "1 or 3", value: value.to_owned() });
            }
        };
        let numbered = |kind: &str| {
            let number = self.host.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        if nodes == 1 && (numbered("kafka") || numbered("cassandra")) {
            return Err(StackError::AloneInCluster { host: self.host.clone() });
        }
        Ok(nodes)
    }

    fn keeper(&self) -> Result<Keeper, StackError> {
        const NAME: &str = "KAFKA_MODE";
        match self.variable(NAME).as_deref() {
            None | Some("zookeeper") => Ok(Keeper::Zookeeper),
            Some("kraft") => Ok(Keeper::Kraft),
            Some(value) => {
                let wanted = "zookeeper or kraft";
                Err(StackError::Setting { name: NAME, wanted, value: value.to_owned() })
            }
        }
    }

    /// The site of this container's service.
    pub(crate) fn site(&self) -> Result<Site, StackError> {
        let image = Path::new(IMAGE);
        let path = self.variable("PATH").unwrap_or_default();
        let nodes = self.nodes()?;
        let containers = Containers { own: self.host.clone(), address: self.address, nodes };
        let templates = image.join("templates");
        Ok(Site {
            tools: Tools {
                java_home: java_home(&path),
                postgres_bin: image.join("postgres/bin"),
                kafka: image.join("kafka"),
                cassandra: image.join("cassandra"),
                schema_registry: image.join("schema-registry"),
                spark_home: image.join("spark"),
                spark_classes: None,
                airflow: image.join("airflow"),
            },
            checkout: image.to_owned(),
            templates: Templates { spark: templates.join("spark"), services: templates },
            conf: Path::new(MARK).join("conf"),
            data: Data::Volume(DATA.into()),
            tmp: TMP.into(),
            checkpoints: CHECKPOINTS.into(),
            network: Network { ports: Ports::CONTAINERS, hosts: Hosts::Containers(containers) },
            vault: Vault::Files(self.secrets()),
            // A container is a world of its own: what its environment has is meant for its service.
            environment: BTreeMap::new(),
            path,
            keeper: self.keeper()?,
            // The other containers: they are on a network that this one is on too.
            connect_peers: self.variable("STOREPULSE_CONNECT_PEERS").or_else(|| Some("attached".to_owned())),
            failpoint: None,
            command: None,
            airflow: AirflowSite {
                dags: image.join("dags"),
                keep_running: image.join("bin/keep-running"),
                passwords_file: Path::new(MARK).join("airflow-login.json"),
                command: "/usr/local/bin/storepulse".into(),
                handed_on: BTreeMap::new(),
            },
        })
    }
}

/// The address of a name, of the older kind where it has one of each.
fn address(host: &str) -> Option<IpAddr> {
    let found = (host, 0).to_socket_addrs().ok()?.map(|found| found.ip()).collect::<Vec<_>>();
    found.iter().find(|ip| ip.is_ipv4()).or(found.first()).copied()
}

/// The JVM that `java` on the PATH belongs to; none where the image has none.
fn java_home(path: &str) -> PathBuf {
    let java = env::split_paths(path).map(|folder| folder.join("java")).find(|java| java.is_file());
    let real = java.and_then(|java| java.canonicalize().ok());
    real.and_then(|java| Some(java.parent()?.parent()?.to_owned())).unwrap_or_default()
}
