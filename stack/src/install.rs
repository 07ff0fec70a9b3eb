//! Installs what the services run from into `.tools/`, once a version.
//!
//! A folder's name carries a digest of all that decides its content, and it appears by a rename when it is
//! complete: a second run does nothing, a changed version or pom installs anew, and an interrupted run leaves
//! nothing that could be taken for a whole one.

mod airflow;
mod programs;
mod spark_classes;
mod spark_home;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use crate::error::{Doing, StackError};
use crate::layout::{self, Checkout};
use crate::progress::{Event, Progress};
use crate::service::Service;
use crate::versions::Versions;

pub(crate) use programs::{output, run};

/// The archives unpack to about 1 GiB, and Maven and pip keep their own copies meanwhile.
const INSTALL_MIB: u64 = 3_000;

/// Part of every digest: what an older installer made was compared with no list, and is not taken for what
/// this one makes.
const CHECKED: &str = "every file compared with its digest";

/// Where the installed parts lie. Parts that no chosen service needs are absent.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// The JVM.
    pub(crate) java_home: PathBuf,
    /// PostgreSQL's programs.
    pub(crate) postgres_bin: PathBuf,
    /// Jars of Kafka and ZooKeeper.
    pub(crate) kafka: PathBuf,
    /// Jars of Cassandra.
    pub(crate) cassandra: PathBuf,
    /// The unpacked registry.
    pub(crate) schema_registry: PathBuf,
    /// Spark with the connectors and our own jar.
    pub(crate) spark_home: PathBuf,
    /// The archive of the classes that it loads.
    pub(crate) spark_classes: Option<PathBuf>,
    /// Airflow's Python environment.
    pub(crate) airflow: PathBuf,
}

impl Tools {
    /// The Python that has Airflow.
    pub fn airflow_python(&self) -> PathBuf {
        self.airflow.join("bin/python")
    }

    /// Spark's home, and the Java that runs it, by the names of their variables.
    pub fn spark_variables(&self) -> [(&'static str, &Path); 2] {
        [("SPARK_HOME", &self.spark_home), ("JAVA_HOME", &self.java_home)]
    }
}

/// Installs what the services need; quick when nothing is to do. Blocks.
pub fn install(
    checkout: &Checkout,
    services: &[Service],
    progress: &dyn Progress,
) -> Result<Tools, StackError> {
    let versions = Versions::read(&checkout.services("versions.toml"))?;
    let services = Service::closure(services);
    let needs = |wanted: &[Service]| wanted.iter().any(|service| services.contains(service));
    let mut tools = Tools::default();
    if needs(&[Service::Postgres]) {
        tools.postgres_bin = programs::postgres_bin(versions.postgresql.major)?;
    }
    if services.iter().any(|service| service.needs_java()) {
        tools.java_home = programs::java_home(versions.java.major)?;
    }
    let mut installer =
        Installer { checkout, versions, java_home: tools.java_home.clone(), progress, lock: None };
    if needs(&Service::AIRFLOW) {
        tools.airflow = airflow::install(&mut installer)?;
    }
    if needs(&[Service::Kafka, Service::Zookeeper]) {
        let version = installer.versions.kafka.version.clone();
        tools.kafka =
            installer.maven("kafka", &version, "dependency:copy-dependencies", "dependency-plugin")?;
    }
    if needs(&[Service::Cassandra]) {
        let version = installer.versions.cassandra.version.clone();
        tools.cassandra =
            installer.maven("cassandra", &version, "dependency:copy-dependencies", "dependency-plugin")?;
    }
    if needs(&[Service::SchemaRegistry]) {
        let version = installer.versions.schema_registry.version.clone();
        tools.schema_registry =
            installer.maven("schema-registry", &version, "dependency:unpack", "unpack-plugin")?;
    }
    if needs(&[Service::SparkMaster, Service::SparkWorker, Service::SparkConnect]) {
        tools.spark_home = spark_home::install(&mut installer)?;
        tools.spark_classes = spark_classes::install(&mut installer, &tools.spark_home)?;
    }
    Ok(tools)
}

/// Carries what every step needs.
struct Installer<'a> {
    checkout: &'a Checkout,
    versions: Versions,
    java_home: PathBuf,
    progress: &'a dyn Progress,
    /// Taken by the first step that finds something to do, and held to the end.
    lock: Option<File>,
}

impl Installer<'_> {
    /// Resolves a service's pom into a folder.
    fn maven(&mut self, name: &str, version: &str, goal: &str, plugin: &str) -> Result<PathBuf, StackError> {
        let pom = self.checkout.services(name).join("pom.xml");
        let mut properties = self.versions.maven_properties();
        let digest = digest(&[&pom], &format!("{goal} {plugin} {properties:?} {CHECKED}"))?;
        self.once(
            &format!("{name}-{version}-{digest}"),
            &format!("installing {name} {version}"),
            |installer, to| {
                properties.push(format!("-Dinstall.directory={}", to.display()));
                let mut command = installer.maven_command(&pom)?;
                command.arg(goal).args(&properties);
                run(&mut command)
            },
        )
    }

    /// Maven as it uses nothing but the files whose digests `services/maven/checksums.sha256` has.
    fn maven_command(&self, pom: &Path) -> Result<Command, StackError> {
        programs::find("mvn", "apt-get install -y maven")?;
        let mut command = Command::new(self.checkout.services("maven").join("mvn"));
        command.args(["--batch-mode", "--quiet", "--file"]).arg(pom).env("JAVA_HOME", &self.java_home);
        Ok(command)
    }

    /// Makes `.tools/<name>` by `fill`, unless it is there.
    fn once(
        &mut self,
        name: &str,
        what: &str,
        fill: impl FnOnce(&Self, &Path) -> Result<(), StackError>,
    ) -> Result<PathBuf, StackError> {
        self.once_in(INSTALL_MIB, name, what, fill)
    }

    /// The same, where that takes so much of the disk.
    fn once_in(
        &mut self,
        needed_mib: u64,
        name: &str,
        what: &str,
        fill: impl FnOnce(&Self, &Path) -> Result<(), StackError>,
    ) -> Result<PathBuf, StackError> {
        let folder = self.checkout.tools().join(name);
        if folder.is_dir() {
            return Ok(folder);
        }
        self.lock()?;
        // Somebody else may have made it while we waited.
        if folder.is_dir() {
            return Ok(folder);
        }
        layout::check_room(&folder, needed_mib)?;
        self.progress.event(Event::Installing(what.to_owned()));
        let start = Instant::now();
        let partial = self.checkout.tools().join(format!(".partial-{name}"));
        // Left by a run that was interrupted; the lock says that nobody works on it.
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir_all(&partial).doing(|| format!("create {}", partial.display()))?;
        fill(self, &partial)?;
        fs::rename(&partial, &folder).doing(|| format!("move {} into place", partial.display()))?;
        self.progress.event(Event::Installed(what.to_owned(), start.elapsed()));
        Ok(folder)
    }

    fn lock(&mut self) -> Result<(), StackError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let tools = self.checkout.tools();
        fs::create_dir_all(&tools).doing(|| format!("create {}", tools.display()))?;
        let path = tools.join("lock");
        let file = File::create(&path).doing(|| format!("create {}", path.display()))?;
        if file.try_lock().is_err() {
            self.progress.event(Event::Note("waiting for another installation to finish".to_owned()));
            file.lock().doing(|| format!("lock {}", path.display()))?;
        }
        self.lock = Some(file);
        Ok(())
    }
}

/// A short digest of files and words that decide what is installed.
fn digest(files: &[&Path], words: &str) -> Result<String, StackError> {
    let mut hasher = Sha256::new();
    hasher.update(words);
    for file in files {
        let content = fs::read(file).doing(|| format!("read {}", file.display()))?;
        hasher.update(content.len().to_le_bytes());
        hasher.update(content);
    }
    Ok(hex::encode(hasher.finalize())[..12].to_owned())
}
