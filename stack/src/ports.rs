//! The ports of a stack, all on 127.0.0.1, and who holds one that is taken.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::error::StackError;
use crate::process;
use crate::service::Service;

/// Free ports are looked for below the range that the kernel hands out to outgoing connections.
const FREE_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where each service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// PostgreSQL.
    pub postgres: u16,
    /// ZooKeeper's client port.
    pub zookeeper: u16,
    /// Kafka.
    pub kafka: u16,
    /// The registry's HTTP.
    pub schema_registry: u16,
    /// CQL.
    pub cassandra: u16,
    /// Cassandra between nodes.
    pub cassandra_storage: u16,
    /// Cassandra between nodes, encrypted; not listened on, but it must differ.
    pub cassandra_ssl_storage: u16,
    /// The master's RPC.
    pub spark_master: u16,
    /// The master's page.
    pub spark_master_ui: u16,
    /// The worker's RPC.
    pub spark_worker: u16,
    /// The worker's page.
    pub spark_worker_ui: u16,
    /// Spark Connect's gRPC.
    pub spark_connect: u16,
    /// The application's page.
    pub spark_ui: u16,
    /// Airflow's page and API.
    #[serde(default = "airflow_of_main")]
    pub airflow: u16,
    /// The Control Center. Stacks that were made before it get the main stack's port.
    #[serde(default = "console_of_main")]
    pub console: u16,
}

/// For stacks that were made before there was Airflow.
fn airflow_of_main() -> u16 {
    Ports::MAIN.airflow
}

/// For stacks that were made before there was a Control Center.
fn console_of_main() -> u16 {
    Ports::MAIN.console
}

impl Ports {
    /// The main stack's.
    pub const MAIN: Self = Self {
        postgres: 55_432,
        zookeeper: 52_181,
        kafka: 59_092,
        schema_registry: 58_081,
        cassandra: 59_042,
        cassandra_storage: 57_000,
        cassandra_ssl_storage: 57_001,
        spark_master: 57_077,
        spark_master_ui: 57_080,
        spark_worker: 57_078,
        spark_worker_ui: 57_081,
        spark_connect: 15_002,
        spark_ui: 57_040,
        airflow: 58_080,
        console: 56_090,
    };

    /// Those of containers, each of which has an address of its own: what the services' own documentation
    /// says.
    pub(crate) const CONTAINERS: Self = Self {
        postgres: 5_432,
        zookeeper: 2_181,
        kafka: 9_092,
        schema_registry: 8_081,
        cassandra: 9_042,
        cassandra_storage: 7_000,
        cassandra_ssl_storage: 7_001,
        spark_master: 7_077,
        spark_master_ui: 8_080,
        spark_worker: 7_078,
        spark_worker_ui: 8_081,
        spark_connect: 15_002,
        spark_ui: 4_040,
        airflow: 8_080,
        console: 56_090,
    };

    /// Ports that nobody listens on now, for a stack of its own.
    pub fn free() -> Result<Self, StackError> {
        let mut taken = BTreeSet::new();
        let mut next = || {
            // A random start keeps test binaries that begin together out of each other's way.
            for _ in 0..1_000 {
                let port = rand::rng().random_range(FREE_PORTS);
                if !taken.contains(&port) && is_free(port) {
                    taken.insert(port);
                    return Ok(port);
                }
            }
            Err(StackError::NoFreePort { low: FREE_PORTS.start, high: FREE_PORTS.end })
        };
        Ok(Self {
            postgres: next()?,
            zookeeper: next()?,
            kafka: next()?,
            schema_registry: next()?,
            cassandra: next()?,
            cassandra_storage: next()?,
            cassandra_ssl_storage: next()?,
            spark_master: next()?,
            spark_master_ui: next()?,
            spark_worker: next()?,
            spark_worker_ui: next()?,
            spark_connect: next()?,
            spark_ui: next()?,
            airflow: next()?,
            console: next()?,
        })
    }

    /// The port that clients of a service use.
    pub fn of(&self, service: Service) -> u16 {
        match service {
            Service::Postgres => self.postgres,
            Service::Zookeeper => self.zookeeper,
            Service::Kafka => self.kafka,
            Service::SchemaRegistry => self.schema_registry,
            Service::Cassandra => self.cassandra,
            Service::SparkMaster => self.spark_master,
            Service::SparkWorker => self.spark_worker,
            Service::SparkConnect => self.spark_connect,
            // The scheduler and the DAG processor listen nowhere; whoever wants them asks the API.
            Service::AirflowApiServer | Service::AirflowScheduler | Service::AirflowDagProcessor => {
                self.airflow
            }
            Service::Console => self.console,
        }
    }

    /// Every port that a service listens on.
    pub fn all_of(&self, service: Service) -> Vec<u16> {
        let others: &[u16] = match service {
            Service::AirflowScheduler | Service::AirflowDagProcessor => return Vec::new(),
            Service::Cassandra => &[self.cassandra_storage],
            Service::SparkMaster => &[self.spark_master_ui],
            Service::SparkWorker => &[self.spark_worker_ui],
            Service::SparkConnect => &[self.spark_ui],
            _ => &[],
        };
        [&[self.of(service)], others].concat()
    }

    /// Fails, naming the holder, when a port of the service is taken.
    pub fn check_free(&self, service: Service) -> Result<(), StackError> {
        match self.all_of(service).into_iter().find(|port| !is_free(*port)) {
            None => Ok(()),
            Some(port) => {
                let holder = holder(port).unwrap_or_else(|| "a process that /proc does not show".to_owned());
                Err(StackError::PortTaken { service, port, holder })
            }
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Pid and command of whoever listens on a port, as far as `/proc` lets us see.
pub(crate) fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| listening_inode(line, port))?;
    let link = format!("socket:[{inode}]");
    let pid = process::pids().into_iter().find(|pid| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors
            .flatten()
            .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link.as_str()))
    })?;
    let command = process::command_line(pid).unwrap_or_default();
    Some(format!("pid {pid} ({command})"))
}

/// The socket of a line of `/proc/net/tcp` that listens (state 0A) on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let fields = line.split_whitespace().collect::<Vec<_>>();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16) == Ok(port);
    if listens { fields.get(9).copied() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ports = Ports { kafka: listener.local_addr().unwrap().port(), ..Ports::MAIN };
        let error = ports.check_free(Service::Kafka).unwrap_err().to_string();
        assert!(error.contains(&format!("port {} for kafka", ports.kafka)), "{error}");
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        assert!(error.contains("stop it"), "{error}");
    }

    #[test]
    fn the_second_port_of_a_service_counts_too() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let ports = Ports { spark_master_ui: taken, ..Ports::free().unwrap() };
        assert!(ports.check_free(Service::SparkMaster).is_err());
    }

    #[test]
    fn only_listening_sockets_count() {
        let listening =
            "0: 0100007F:D888 00000000:0000 0A 00000000:00000000 00:00000000 00000000  101  0 4242 1";
        let connected =
            "1: 0100007F:D888 0100007F:9999 01 00000000:00000000 00:00000000 00000000  101  0 4243 1";
        assert_eq!(listening_inode(listening, 55_432), Some("4242"));
        assert_eq!(listening_inode(listening, 55_433), None);
        assert_eq!(listening_inode(connected, 55_432), None);
    }
}
