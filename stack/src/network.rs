//! Where the services find one another: hosts and ports, of a stack or of containers.

use std::net::IpAddr;

use crate::ports::Ports;
use crate::service::Service;

/// Of the interface that only this machine hears.
pub(crate) const LOOPBACK: &str = "127.0.0.1";
/// Every interface.
const ANY: &str = "0.0.0.0";

/// Where each service listens, and what the others call it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) ports: Ports,
    pub(crate) hosts: Hosts,
}

/// What the services' hosts are called.
#[derive(Debug, Clone)]
pub(crate) enum Hosts {
    /// All of them are this machine, and nobody else hears them.
    Loopback,
    /// Each is a container with the name of its service; a second one of its kind has `-2` behind it, and so
    /// on.
    Containers(Containers),
}

/// The containers of a composition, as seen from one of them.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    /// The name of this one.
    pub(crate) own: String,
    /// The address that this name has, if any.
    pub(crate) address: Option<IpAddr>,
    /// How many brokers and Cassandra nodes there are.
    pub(crate) nodes: u8,
}

impl Network {
    /// That of a stack on this machine.
    pub(crate) fn of_stack(ports: Ports) -> Self {
        Self { ports, hosts: Hosts::Loopback }
    }

    /// What a service listens on.
    pub(crate) fn listen(&self) -> &'static str {
        match &self.hosts {
            Hosts::Loopback => LOOPBACK,
            Hosts::Containers(_) => ANY,
        }
    }

    /// From where PostgreSQL's clients come, in the words of `pg_hba.conf`.
    pub(crate) fn clients(&self) -> &'static str {
        match &self.hosts {
            Hosts::Loopback => "127.0.0.1/32",
            Hosts::Containers(_) => "samenet",
        }
    }

    /// What the others call this host.
    pub(crate) fn own(&self) -> &str {
        match &self.hosts {
            Hosts::Loopback => LOOPBACK,
            Hosts::Containers(containers) => &containers.own,
        }
    }

    /// How many brokers and Cassandra nodes there are.
    pub(crate) fn nodes(&self) -> u8 {
        match &self.hosts {
            Hosts::Loopback => 1,
            Hosts::Containers(containers) => containers.nodes,
        }
    }

    /// Which of its kind this host is, by its name: `kafka` is 1, `kafka-2` is 2.
    pub(crate) fn number(&self) -> u32 {
        self.own().rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
    }

    /// The host of a service: of several of its kind, the first.
    pub(crate) fn host(&self, service: Service) -> &'static str {
        match &self.hosts {
            Hosts::Loopback => LOOPBACK,
            Hosts::Containers(_) => service.name(),
        }
    }

    /// The hosts of a service, where it is one of several of its kind.
    pub(crate) fn hosts(&self, service: Service) -> Vec<String> {
        let count = match service {
            Service::Kafka | Service::Cassandra => self.nodes(),
            Service::SparkMaster => self.nodes().min(2),
            _ => 1,
        };
        let host = self.host(service);
        let others = (2..=count).map(|number| format!("{host}-{number}"));
        std::iter::once(host.to_owned()).chain(others).collect()
    }

    /// Where clients reach a service: of several of its kind, the first.
    pub(crate) fn address(&self, service: Service) -> String {
        format!("{}:{}", self.host(service), self.ports.of(service))
    }

    /// Where clients reach a service: all of its kind, with commas between them.
    pub(crate) fn addresses(&self, service: Service) -> String {
        let port = self.ports.of(service);
        self.hosts(service).iter().map(|host| format!("{host}:{port}")).collect::<Vec<_>>().join(",")
    }

    /// Where the service of this host is asked for its health.
    pub(crate) fn asked(&self, service: Service) -> &str {
        match service {
            // They listen at the name of their host, and nowhere else.
            Service::SparkMaster | Service::SparkWorker => self.own(),
            Service::SparkConnect => self.host(service),
            // They listen nowhere: the API server tells of them.
            Service::AirflowScheduler | Service::AirflowDagProcessor => self.host(Service::AirflowApiServer),
            _ => LOOPBACK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn containers(own: &str, nodes: u8) -> Network {
        let containers = Containers { own: own.to_owned(), address: None, nodes };
        Network { ports: Ports::CONTAINERS, hosts: Hosts::Containers(containers) }
    }

    #[test]
    fn a_stack_is_on_the_loopback_alone() {
        let network = Network::of_stack(Ports::MAIN);
        assert_eq!(network.addresses(Service::Kafka), "127.0.0.1:59092");
        assert!(Service::every().all(|service| network.asked(service) == LOOPBACK));
    }

    #[test]
    fn members_of_a_cluster_are_called_by_their_number() {
        let network = containers("kafka-3", 3);
        assert_eq!(network.number(), 3);
        assert_eq!(network.addresses(Service::Kafka), "kafka:9092,kafka-2:9092,kafka-3:9092");
        assert_eq!(network.addresses(Service::SparkMaster), "spark-master:7077,spark-master-2:7077");
        assert_eq!(network.address(Service::Postgres), "postgres:5432");
    }

    #[test]
    fn one_of_its_kind_is_number_one() {
        let network = containers("schema-registry", 1);
        assert_eq!(network.number(), 1);
        assert_eq!(network.addresses(Service::Cassandra), "cassandra:9042");
        assert_eq!(network.hosts(Service::SparkMaster), ["spark-master"]);
    }
}
