//! The services, their names and what each needs before it can start.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::StackError;

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
}

impl Service {
    /// All of them, dependencies first.
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

    /// Whether the service runs on a JVM.
    pub(crate) fn needs_java(self) -> bool {
        self != Self::Postgres
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = StackError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|service| service.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            StackError::UnknownService { name: name.to_owned(), known }
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
        for (position, service) in Service::ALL.iter().enumerate() {
            for dependency in service.dependencies() {
                assert!(Service::ALL[..position].contains(dependency), "{service} before {dependency}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_match_serde() {
        for service in Service::ALL {
            assert_eq!(service.name().parse::<Service>().unwrap(), service);
            assert_eq!(serde_json::to_string(&service).unwrap(), format!("\"{service}\""));
        }
        let error = "kafak".parse::<Service>().unwrap_err().to_string();
        assert!(error.contains("`kafak`") && error.contains("schema-registry"), "{error}");
    }
}
