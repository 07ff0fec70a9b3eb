//! Where the services are, from the environment that `storepulse stack env` prints.

use crate::namespace::{Namespace, NamespaceError};

/// The addresses of the services and the namespace to use on them.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// PostgreSQL, as a URL with user, password and database. Holds a secret: not for logs.
    pub pg_url: String,
    /// Kafka's bootstrap servers, `host:port` comma-separated.
    pub kafka_brokers: String,
    /// The registry's Confluent API, with its path.
    pub schema_registry_url: String,
    /// Cassandra's contact points, `host:port` comma-separated.
    pub cassandra_contact_points: String,
    /// Spark Connect, `sc://host:port/;key=value`. Holds a secret: not for logs.
    pub spark_remote: String,
    /// Where Spark keeps checkpoints: a URI that the driver and every executor can write.
    pub checkpoint_root: String,
    /// Whose topics, keyspace and slot.
    pub namespace: Namespace,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("kafka_brokers", &self.kafka_brokers)
            .field("schema_registry_url", &self.schema_registry_url)
            .field("cassandra_contact_points", &self.cassandra_contact_points)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// The names of the variables, in the order they are documented.
pub mod variable {
    /// See [`Endpoints::pg_url`](super::Endpoints::pg_url).
    pub const PG_URL: &str = "PG_URL";
    /// See [`Endpoints::kafka_brokers`](super::Endpoints::kafka_brokers).
    pub const KAFKA_BROKERS: &str = "KAFKA_BROKERS";
    /// See [`Endpoints::schema_registry_url`](super::Endpoints::schema_registry_url).
    pub const SCHEMA_REGISTRY_URL: &str = "SCHEMA_REGISTRY_URL";
    /// See [`Endpoints::cassandra_contact_points`](super::Endpoints::cassandra_contact_points).
    pub const CASSANDRA_CONTACT_POINTS: &str = "CASSANDRA_CONTACT_POINTS";
    /// See [`Endpoints::spark_remote`](super::Endpoints::spark_remote).
    pub const SPARK_REMOTE: &str = "SPARK_REMOTE";
    /// See [`Endpoints::checkpoint_root`](super::Endpoints::checkpoint_root).
    pub const CHECKPOINT_ROOT: &str = "STOREPULSE_CHECKPOINT_ROOT";
    /// See [`Endpoints::namespace`](super::Endpoints::namespace); `shop` when unset.
    pub const NAMESPACE: &str = "STOREPULSE_NAMESPACE";
}

/// An environment that does not tell where the services are.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointsError {
    /// Variables that are not set.
    #[error(
        "{} not set: start the stack and load its addresses with `eval \"$(storepulse stack env)\"`, or set them by hand",
        .0.join(", ")
    )]
    Missing(Vec<&'static str>),
    /// A namespace that cannot be.
    #[error("{name} is refused", name = variable::NAMESPACE)]
    Namespace(#[source] NamespaceError),
}

impl Endpoints {
    /// `host:port` of the Spark Connect server.
    #[must_use]
    pub fn spark_address(&self) -> &str {
        let address = self.spark_remote.strip_prefix("sc://").unwrap_or(&self.spark_remote);
        address.split(['/', ';']).next().unwrap_or(address)
    }

    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names every variable that is missing, not only the first.
    pub fn from_env() -> Result<Self, EndpointsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads from a list of names and values, such as a stack tells.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(variables: &[(String, String)]) -> Result<Self, EndpointsError> {
        Self::from_lookup(|name| {
            variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
        })
    }

    /// Reads from any source of variables.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, EndpointsError> {
        let mut missing = Vec::new();
        let mut need = |name: &'static str| {
            lookup(name).filter(|value| !value.trim().is_empty()).unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let pg_url = need(variable::PG_URL);
        let kafka_brokers = need(variable::KAFKA_BROKERS);
        let schema_registry_url = need(variable::SCHEMA_REGISTRY_URL);
        let cassandra_contact_points = need(variable::CASSANDRA_CONTACT_POINTS);
        let spark_remote = need(variable::SPARK_REMOTE);
        let checkpoint_root = need(variable::CHECKPOINT_ROOT);
        if !missing.is_empty() {
            return Err(EndpointsError::Missing(missing));
        }
        let namespace = match lookup(variable::NAMESPACE) {
            Some(name) => name.parse().map_err(EndpointsError::Namespace)?,
            None => Namespace::default(),
        };
        let schema_registry_url = schema_registry_url.trim_end_matches('/').to_owned();
        Ok(Self {
            pg_url,
            kafka_brokers,
            schema_registry_url,
            cassandra_contact_points,
            spark_remote,
            checkpoint_root,
            namespace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_is_missing() {
        let given = |name: &str| (name == variable::PG_URL).then(|| "postgresql://x".to_owned());
        let Err(EndpointsError::Missing(missing)) = Endpoints::from_lookup(given) else { panic!() };
        assert_eq!(missing.len(), 5);
        assert!(!missing.contains(&variable::PG_URL));
    }

    #[test]
    fn a_bad_namespace_is_refused() {
        let all = |name: &str| Some(if name == variable::NAMESPACE { "Shop-1" } else { "x" }.to_owned());
        assert!(matches!(Endpoints::from_lookup(all), Err(EndpointsError::Namespace(_))));
    }
}
