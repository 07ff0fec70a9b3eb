//! What a container of our images is for, and which service its first process is.

use std::fmt;
use std::fs;
use std::str::FromStr;

use crate::error::StackError;
use crate::service::Service;

/// What a container becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A service that a stack has too.
    Service(Service),
    /// Prometheus.
    Prometheus,
    /// A part of Airflow, or another of its commands, by the words behind.
    Airflow,
    /// `JupyterLab`, or the command of its environment that the words behind say.
    Notebooks,
    /// The command, told where the services are: the words behind are its own.
    Storepulse,
}

impl Role {
    fn every() -> impl Iterator<Item = Self> {
        let others = [Self::Prometheus, Self::Airflow, Self::Notebooks, Self::Storepulse];
        Service::ALL.into_iter().map(Self::Service).chain(others)
    }

    pub(super) fn names() -> String {
        Self::every().map(Self::name).collect::<Vec<_>>().join(", ")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Service(service) => service.name(),
            Self::Prometheus => "prometheus",
            Self::Airflow => "airflow",
            Self::Notebooks => "notebooks",
            Self::Storepulse => "storepulse",
        }
    }

    /// Whether words behind it are its own.
    pub(super) fn takes_words(self) -> bool {
        matches!(self, Self::Airflow | Self::Notebooks | Self::Storepulse)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = StackError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || StackError::UnknownRole { name: name.to_owned(), known: Self::names() };
        Self::every().find(|role| role.name() == name).ok_or_else(unknown)
    }
}

/// The service that the first process of this container is, for images that serve several; nothing for a
/// command that ends by itself, of which there is nothing to ask.
pub fn first_process() -> Option<&'static str> {
    let words = fs::read("/proc/1/cmdline").unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    service_of(&words.split('\0').collect::<Vec<_>>())
}

fn service_of(words: &[&str]) -> Option<&'static str> {
    const CLASSES: [(&str, &str); 3] = [
        ("org.apache.spark.deploy.master.Master", "spark-master"),
        ("org.apache.spark.deploy.worker.Worker", "spark-worker"),
        ("org.apache.spark.sql.connect.service.SparkConnectServer", "spark-connect"),
    ];
    match words {
        ["storepulse", "relay", "run", ..] => Some("relay"),
        ["storepulse", "job", "run", ..] => Some("job"),
        ["storepulse", "collect", ..] => Some("collector"),
        ["storepulse", "console", ..] => Some("console"),
        // Not yet that service: it will not answer, and is not called healthy before it does.
        ["storepulse", "stack", "exec", name, ..] => {
            CLASSES.iter().find(|(_, service)| service == name).map(|(_, service)| *service)
        }
        _ => CLASSES.iter().find(|(class, _)| words.contains(class)).map(|(_, service)| *service),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_an_unknown_one_is_told_the_others() {
        for role in Role::every() {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        let error = "kafak".parse::<Role>().unwrap_err().to_string();
        assert!(
            error.contains("`kafak`") && error.contains("spark-worker, spark-connect, prometheus"),
            "{error}"
        );
    }

    #[test]
    fn the_first_process_tells_what_is_asked() {
        let service = |line: &str| service_of(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(service("storepulse relay run"), Some("relay"));
        assert_eq!(service("storepulse job run --standby"), Some("job"));
        assert_eq!(service("storepulse job status"), None);
        assert_eq!(service("storepulse console --no-link --listen 0.0.0.0:56090"), Some("console"));
        assert_eq!(service("storepulse verify"), None);
        assert_eq!(service("storepulse stack exec spark-worker"), Some("spark-worker"));
        let java = "/usr/bin/java -cp /x/* org.apache.spark.deploy.SparkSubmit --class \
                    org.apache.spark.sql.connect.service.SparkConnectServer --name storepulse-connect";
        assert_eq!(service(java), Some("spark-connect"));
        let master =
            "/usr/bin/java -cp /x/* -Xmx256m org.apache.spark.deploy.master.Master --host spark-master";
        assert_eq!(service(master), Some("spark-master"));
    }
}
