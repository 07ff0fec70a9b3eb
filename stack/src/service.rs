//! The services, their names and what each needs before it can start.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is no service's.
#[derive(Debug, thiserror::Error)]
#[error("no service is called `{name}`; there are {known}")]
pub struct UnknownService {
    name: String,
    /// All names.
    known: String,
}

/// One process of the stack. The order is the order in which tables list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The raw store, and the registry's storage.
    Postgres,
    /// What Kafka 3.9 keeps its cluster state in.
    Zookeeper,
    /// One broker.
    Kafka,
    /// Apicurio with Confluent's API.
    SchemaRegistry,
    /// One node.
    Cassandra,
    /// The standalone cluster's master.
    SparkMaster,
    /// Its one worker.
    SparkWorker,
    /// The Connect server: driver of the one application on the cluster.
    SparkConnect,
    /// Airflow's page and API, through which tasks report too.
    AirflowApiServer,
    /// Decides what is due, and runs it.
    AirflowScheduler,
    /// Reads the DAG files.
    AirflowDagProcessor,
    /// The Control Center, which the command itself serves.
    Console,
}

impl Service {
    /// The line itself, dependencies first: what a stack has unless more is asked for.
    pub const ALL: [Self; 8] = [
        Self::Postgres,
        Self::Zookeeper,
        Self::Kafka,
        Self::SchemaRegistry,
        Self::Cassandra,
        Self::SparkMaster,
        Self::SparkWorker,
        Self::SparkConnect,
    ];

    /// What `make airflow` adds.
    pub const AIRFLOW: [Self; 3] =
        [Self::AirflowApiServer, Self::AirflowScheduler, Self::AirflowDagProcessor];

    /// What a command that can serve it adds: see [`crate::StackConfig::with_console`].
    pub const CONSOLE: [Self; 1] = [Self::Console];

    /// Every service there is, dependencies first.
    pub fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::AIRFLOW).chain(Self::CONSOLE)
    }

    /// The name used on the command line, in files and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Zookeeper => "zookeeper",
            Self::Kafka => "kafka",
            Self::SchemaRegistry => "schema-registry",
            Self::Cassandra => "cassandra",
            Self::SparkMaster => "spark-master",
            Self::SparkWorker => "spark-worker",
            Self::SparkConnect => "spark-connect",
            Self::AirflowApiServer => "airflow-api-server",
            Self::AirflowScheduler => "airflow-scheduler",
            Self::AirflowDagProcessor => "airflow-dag-processor",
            Self::Console => "console",
        }
    }

    /// What must be healthy before this one is started.
    pub fn dependencies(self) -> &'static [Self] {
        match self {
            Self::Kafka => &[Self::Zookeeper],
            Self::SchemaRegistry => &[Self::Postgres],
            Self::SparkWorker => &[Self::SparkMaster],
            // The driver asks the master for executors; without a worker it would wait for ever.
            Self::SparkConnect => &[Self::SparkMaster, Self::SparkWorker],
            Self::AirflowApiServer => &[Self::Postgres],
            // The API server makes the metadata database, and hands tasks what they need.
            Self::AirflowScheduler | Self::AirflowDagProcessor => &[Self::Postgres, Self::AirflowApiServer],
            // It says so itself where they are away, but what comes up with them should not begin by saying
            // so.
            Self::Console => {
                &[Self::Postgres, Self::Kafka, Self::SchemaRegistry, Self::Cassandra, Self::SparkConnect]
            }
            Self::Postgres | Self::Zookeeper | Self::Cassandra | Self::SparkMaster => &[],
        }
    }

    /// The services asked for and all that they need.
    pub fn closure(services: &[Self]) -> BTreeSet<Self> {
        let mut closed = BTreeSet::new();
        let mut open = services.to_vec();
        while let Some(service) = open.pop() {
            if closed.insert(service) {
                open.extend_from_slice(service.dependencies());
            }
        }
        closed
    }

    /// Whether it is one of Airflow's.
    pub(crate) fn is_airflow(self) -> bool {
        Self::AIRFLOW.contains(&self)
    }

    /// Whether the service runs on a JVM.
    pub(crate) fn needs_java(self) -> bool {
        !matches!(self, Self::Postgres | Self::Console) && !self.is_airflow()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::every().find(|service| service.name() == name).ok_or_else(|| {
            let known = Self::every().map(Self::name).collect::<Vec<_>>().join(", ");
            UnknownService { name: name.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_brings_what_it_needs() {
        let closed = Service::closure(&[Service::SparkConnect, Service::SchemaRegistry]);
        let expected = [
            Service::Postgres,
            Service::SchemaRegistry,
            Service::SparkMaster,
            Service::SparkWorker,
            Service::SparkConnect,
        ];
        assert_eq!(closed, BTreeSet::from(expected));
    }

    #[test]
    fn dependencies_come_first() {
        let every = Service::every().collect::<Vec<_>>();
        for (position, service) in every.iter().enumerate() {
            for dependency in service.dependencies() {
                assert!(every[..position].contains(dependency), "{service} before {dependency}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_match_serde() {
        for service in Service::every() {
            assert_eq!(service.name().parse::<Service>().unwrap(), service);
            assert_eq!(serde_json::to_string(&service).unwrap(), format!("\"{service}\""));
        }
        let error = "kafak".parse::<Service>().unwrap_err().to_string();
        assert!(error.contains("`kafak`") && error.contains("schema-registry"), "{error}");
    }
}
