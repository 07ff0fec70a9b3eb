//! `services/versions.toml`: the one place that decides what is installed.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Doing, StackError};

/// Every pinned version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Versions {
    /// The JDK.
    pub java: Major,
    /// PostgreSQL, from Debian.
    pub postgresql: Major,
    /// Maven's plugins.
    pub maven: MavenPlugins,
    /// Kafka, and the ZooKeeper that comes with it.
    pub kafka: Scala,
    /// Cassandra.
    pub cassandra: Plain,
    /// Apicurio.
    pub schema_registry: Plain,
    /// Spark.
    pub spark: Spark,
    /// What the Control Center's charts are drawn by; `services/webjars` fetches it.
    pub uplot: Webjar,
    /// Airflow; everything else in its environment is pinned in `airflow/requirements.txt`.
    pub airflow: Plain,
}

/// A part whose minor versions are Debian's business.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Major {
    /// The major version.
    pub major: u32,
}

/// A part with one version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// The version, as its publisher spells it.
    pub version: String,
}

/// A part built for one Scala.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scala {
    /// The version, as its publisher spells it.
    pub version: String,
    /// Scala's binary version.
    pub scala: String,
}

/// Spark, as PyPI's source archive of pyspark.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spark {
    /// The version, as its publisher spells it.
    pub version: String,
    /// Scala's binary version.
    pub scala: String,
    /// Of the archive.
    pub sha256: String,
}

/// A part of the Control Center's pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webjar {
    /// The version, as its publisher spells it.
    pub version: String,
    /// Of the jar.
    pub sha256: String,
}

/// The plugins that resolve the JVM services.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MavenPlugins {
    /// maven-dependency-plugin, to copy dependencies.
    pub dependency_plugin: String,
    /// maven-dependency-plugin, to unpack one artifact.
    pub unpack_plugin: String,
}

impl Versions {
    /// Reads the table of a checkout.
    pub fn read(path: &Path) -> Result<Self, StackError> {
        let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
        toml::from_str(&text)
            .map_err(|source| StackError::Versions { path: path.to_owned(), source: Box::new(source) })
    }

    /// The properties that the services' poms leave open.
    pub(crate) fn maven_properties(&self) -> Vec<String> {
        vec![
            format!("-Ddependency-plugin.version={}", self.maven.dependency_plugin),
            format!("-Dunpack-plugin.version={}", self.maven.unpack_plugin),
            format!("-Dkafka.version={}", self.kafka.version),
            format!("-Dkafka.scala={}", self.kafka.scala),
            format!("-Dcassandra.version={}", self.cassandra.version),
            format!("-Dschema-registry.version={}", self.schema_registry.version),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn airflow_requirements_have_the_same_airflow() {
        let version = Versions::read(&root().join("services/versions.toml")).unwrap().airflow.version;
        let pinned = fs::read_to_string(root().join("airflow/requirements.txt")).unwrap();
        let wanted = format!("apache-airflow=={version} \\");
        assert!(pinned.lines().any(|line| line == wanted), "airflow/requirements.txt lacks {wanted}");
    }

    #[test]
    fn every_python_package_has_its_version_and_its_hashes() {
        for list in [
            "airflow/requirements.txt",
            "bench/peer/requirements.txt",
            "notebooks/requirements.txt",
            "tests/browser/requirements.txt",
            "tests/clients/requirements.txt",
            "services/container/hadolint.txt",
            "services/pins/build.txt",
        ] {
            let text = fs::read_to_string(root().join(list)).unwrap().replace("\\\n", " ");
            let packages = text.lines().filter(|line| !line.starts_with(['#', '-'])).collect::<Vec<_>>();
            assert!(!packages.is_empty(), "{list} has no package");
            for package in packages {
                let pinned = package.contains("==") && package.contains(" --hash=sha256:");
                assert!(
                    pinned && !package.contains("://"),
                    "{list}: {package} is not pinned by version and hash"
                );
            }
        }
    }

    #[test]
    fn spark_pom_has_the_same_spark() {
        let versions = Versions::read(&root().join("services/versions.toml")).unwrap();
        let pom = fs::read_to_string(root().join("spark/pom.xml")).unwrap();
        let version = format!("<spark.version>{}</spark.version>", versions.spark.version);
        let scala = format!("<scala.binary.version>{}</scala.binary.version>", versions.spark.scala);
        assert!(pom.contains(&version), "spark/pom.xml lacks {version}");
        assert!(pom.contains(&scala), "spark/pom.xml lacks {scala}");
    }
}
