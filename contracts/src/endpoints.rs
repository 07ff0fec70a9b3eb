//! Where the services are, from the environment that `storepulse stack env` prints.

use std::io;
use std::path::{Path, PathBuf};

use crate::namespace::{Namespace, NamespaceError};
use crate::secret::Address;

/// The addresses of the services and the namespace to use on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// PostgreSQL, as a URL with user, password and database.
    pub pg_url: Address,
    /// Kafka's bootstrap servers, `host:port` comma-separated.
    pub kafka_brokers: String,
    /// The registry's Confluent API, with its path.
    pub schema_registry_url: Address,
    /// Cassandra's contact points, `host:port` comma-separated.
    pub cassandra_contact_points: String,
    /// Spark Connect, `sc://host:port/;key=value`.
    pub spark_remote: Address,
    /// Where Spark keeps checkpoints: a URI that the driver and every executor can write.
    pub checkpoint_root: String,
    /// Whose topics, keyspace and slot.
    pub namespace: Namespace,
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
    /// A file that holds what [`SPARK_REMOTE`] would, and is asked before it: what is in a file shows in no
    /// list of processes.
    pub const SPARK_REMOTE_FILE: &str = "SPARK_REMOTE_FILE";
    /// See [`Endpoints::checkpoint_root`](super::Endpoints::checkpoint_root).
    pub const CHECKPOINT_ROOT: &str = "STOREPULSE_CHECKPOINT_ROOT";
    /// See [`Endpoints::namespace`](super::Endpoints::namespace); `shop` when unset.
    pub const NAMESPACE: &str = "STOREPULSE_NAMESPACE";
}

/// An environment that does not tell where the services are.
#[derive(Debug, thiserror::Error)]
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
    /// A file of Spark Connect's address that cannot be read.
    #[error(
        "cannot read {} for the address of Spark Connect, which --remote-file or {} names",
        .path.display(),
        variable::SPARK_REMOTE_FILE
    )]
    RemoteFile {
        /// The file that the option or the variable names.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file that holds something else.
    #[error("{} holds no address of Spark Connect: it must be one line, sc://host:port/;key=value", .0.display())]
    RemoteFileContent(PathBuf),
}

/// The address of Spark Connect in a file: one line, `sc://host:port/;key=value`. What it holds is in no
/// error.
fn read_remote(path: &Path) -> Result<String, EndpointsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EndpointsError::RemoteFile { path: path.to_owned(), source })?;
    let remote = text.trim();
    if !remote.starts_with("sc://") || remote.contains(char::is_whitespace) {
        return Err(EndpointsError::RemoteFileContent(path.to_owned()));
    }
    Ok(remote.to_owned())
}

/// The folder of a `file:` URI, such as those of checkpoints; nothing where it is another URI.
#[must_use]
pub fn local_path(uri: &str) -> Option<PathBuf> {
    // file:/p, file:///p and file://localhost/p are one place; a bare path is meant literally.
    let path = match uri.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => uri,
    };
    let path = path.strip_prefix("localhost").unwrap_or(path);
    path.starts_with('/').then(|| PathBuf::from(path))
}

impl Endpoints {
    /// `host:port` of the Spark Connect server.
    #[must_use]
    pub fn spark_address(&self) -> &str {
        let address = self.spark_remote.strip_prefix("sc://").unwrap_or(&self.spark_remote);
        address.split(['/', ';']).next().unwrap_or(address)
    }

    /// The environment from which [`from_env`](Self::from_env) reads the same, for a process that is started:
    /// passwords included, so it is neither printed nor logged.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 7] {
        let Self {
            pg_url,
            kafka_brokers,
            schema_registry_url,
            cassandra_contact_points,
            spark_remote,
            checkpoint_root,
            namespace,
        } = self;
        [
            (variable::PG_URL, pg_url.as_str().to_owned()),
            (variable::KAFKA_BROKERS, kafka_brokers.clone()),
            (variable::SCHEMA_REGISTRY_URL, schema_registry_url.as_str().to_owned()),
            (variable::CASSANDRA_CONTACT_POINTS, cassandra_contact_points.clone()),
            (variable::SPARK_REMOTE, spark_remote.as_str().to_owned()),
            (variable::CHECKPOINT_ROOT, checkpoint_root.clone()),
            (variable::NAMESPACE, namespace.to_string()),
        ]
    }

    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names every variable that is missing, not only the first; says which file holds no address.
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

    /// Reads from any source of variables, and the file that [`variable::SPARK_REMOTE_FILE`] names.
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
        let remote_file = lookup(variable::SPARK_REMOTE_FILE).filter(|path| !path.trim().is_empty());
        let spark_remote = match &remote_file {
            Some(path) => read_remote(Path::new(path))?,
            None => need(variable::SPARK_REMOTE),
        };
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
            pg_url: pg_url.into(),
            kafka_brokers,
            schema_registry_url: schema_registry_url.into(),
            cassandra_contact_points,
            spark_remote: spark_remote.into(),
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
    fn the_remote_comes_from_a_file_where_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remote");
        let read = || {
            let path = path.display().to_string();
            Endpoints::from_lookup(move |name| match name {
                variable::SPARK_REMOTE_FILE => Some(path.clone()),
                variable::SPARK_REMOTE => Some("sc://elsewhere:1".to_owned()),
                variable::NAMESPACE => None,
                _ => Some("x".to_owned()),
            })
        };
        let missing = read().unwrap_err();
        assert!(missing.to_string().contains(&path.display().to_string()), "{missing}");
        assert!(std::error::Error::source(&missing).is_some());

        std::fs::write(&path, "sc://host:15002/;x-storepulse-secret=abc\n").unwrap();
        assert_eq!(read().unwrap().spark_remote.as_str(), "sc://host:15002/;x-storepulse-secret=abc");

        for wrong in ["", "hunter2\n", "sc://host:15002/;a=hunter2\nsc://other:1\n"] {
            std::fs::write(&path, wrong).unwrap();
            let error = read().unwrap_err();
            assert!(matches!(error, EndpointsError::RemoteFileContent(_)), "{wrong}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn no_address_shows_its_password() {
        let with_password = |name: &str| match name {
            variable::SPARK_REMOTE_FILE => None,
            variable::NAMESPACE => Some("shop".to_owned()),
            variable::SPARK_REMOTE => Some("sc://host:15002/;x-storepulse-secret=hunter2".to_owned()),
            _ => Some("x://user:hunter2@host/y".to_owned()),
        };
        let endpoints = Endpoints::from_lookup(with_password).unwrap();
        let Endpoints { pg_url, schema_registry_url, spark_remote, .. } = &endpoints;
        let shown = format!("{pg_url} {schema_registry_url} {spark_remote} {pg_url:?} {spark_remote:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_process_that_is_started_reads_the_same() {
        let given = |name: &str| match name {
            variable::SPARK_REMOTE_FILE => None,
            variable::NAMESPACE => Some("other".to_owned()),
            name => Some(format!("x://user:hunter2@{name}/y")),
        };
        let endpoints = Endpoints::from_lookup(given).unwrap();
        let variables = endpoints.variables().map(|(name, value)| (name.to_owned(), value));
        assert_eq!(Endpoints::from_variables(&variables).unwrap(), endpoints);
    }

    #[test]
    fn a_bad_namespace_is_refused() {
        let all = |name: &str| match name {
            variable::SPARK_REMOTE_FILE => None,
            variable::NAMESPACE => Some("Shop-1".to_owned()),
            _ => Some("x".to_owned()),
        };
        assert!(matches!(Endpoints::from_lookup(all), Err(EndpointsError::Namespace(_))));
    }
}
