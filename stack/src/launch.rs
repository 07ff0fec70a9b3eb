//! How each service is started: its rendered configuration, command line and environment. Nothing is written
//! before it is started.

mod airflow;
mod cassandra;
mod console;
mod kafka;
pub(crate) mod notebooks;
pub(crate) mod prometheus;
mod spark;

pub use console::CONSOLE_MEMORY;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::StackError;
use crate::postgres;
use crate::service::Service;
use crate::site::Site;
use crate::template::{Rendered, Values};
use crate::vault::Secret;

/// A command ready to be run.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Program and arguments.
    pub(crate) words: Vec<String>,
    /// What its environment has. A stack's service inherits nothing beside, so that a shell's settings change
    /// none.
    pub(crate) environment: BTreeMap<String, String>,
    /// Its configuration.
    pub(crate) conf: Rendered,
    /// Folders that it finds.
    pub(crate) folders: Vec<PathBuf>,
    /// Of a program that may be another one tomorrow.
    pub(crate) program_digest: String,
}

impl Launch {
    /// Of all that decides how the service behaves.
    pub(crate) fn fingerprint(&self) -> String {
        let rendered = self.conf.text() + &self.program_digest;
        let decisive = format!("{:?} {:?} {rendered}", self.words, self.environment);
        hex::encode(Sha256::digest(decisive))[..16].to_owned()
    }

    /// Makes the folders and writes the configuration.
    pub(crate) fn place(&self, make: impl Fn(&Path) -> Result<(), StackError>) -> Result<(), StackError> {
        let conf = Some(self.conf.folder()).filter(|folder| !folder.as_os_str().is_empty());
        self.folders.iter().map(PathBuf::as_path).chain(conf).try_for_each(make)?;
        self.conf.write()
    }
}

impl Site {
    /// How a service is started here.
    pub(crate) fn launch(&self, service: Service) -> Result<Launch, StackError> {
        match service {
            Service::Postgres => self.postgres(),
            Service::Zookeeper => self.zookeeper(),
            Service::Kafka => self.kafka(),
            Service::SchemaRegistry => self.schema_registry(),
            Service::Cassandra => self.cassandra(),
            Service::SparkMaster | Service::SparkWorker | Service::SparkConnect => self.spark(service),
            Service::AirflowApiServer => self.airflow(&["api-server"]),
            // Its logs are read from the disk that they share.
            Service::AirflowScheduler => self.airflow(&["scheduler", "--skip-serve-logs"]),
            Service::AirflowDagProcessor => self.airflow(&["dag-processor"]),
            Service::Console => self.console(),
        }
    }

    /// The values that most templates name.
    fn values(&self, service: Service) -> Values {
        Values::default()
            .set("HOST", self.network.listen())
            .set("PORT", self.network.ports.of(service))
            .set("DATA_DIR", self.data.of(service.name()).display())
    }

    /// A folder of templates, filled in.
    fn render(&self, folder: &str, values: &Values) -> Result<Rendered, StackError> {
        values.render(&self.templates.of(folder), self.conf.join(folder))
    }

    /// A launch of these words, with what every service finds.
    fn runs(&self, words: Vec<String>, conf: Rendered) -> Launch {
        let environment = self.environment.clone();
        Launch { words, environment, conf, folders: Vec::new(), program_digest: String::new() }
    }

    /// `java @jvm.options <properties> -cp <class path> <rest>`.
    fn java(&self, conf: Rendered, properties: &[String], class_path: &str, rest: &[&str]) -> Launch {
        let mut words = vec![self.tools.java_home.join("bin/java").display().to_string()];
        words.push(format!("@{}", conf.path("jvm.options")));
        words.push(format!("-Djava.io.tmpdir={}", self.tmp.display()));
        words.extend_from_slice(properties);
        words.extend(["-cp".to_owned(), class_path.to_owned()]);
        words.extend(rest.iter().map(|&word| word.to_owned()));
        self.runs(words, conf)
    }

    fn postgres(&self) -> Result<Launch, StackError> {
        let values = self.values(Service::Postgres).set("CLIENT_CIDR", self.network.clients());
        let conf = self.render("postgres", &values)?;
        let words = vec![
            self.tools.postgres_bin.join("postgres").display().to_string(),
            "-D".to_owned(),
            self.data.of("postgres").display().to_string(),
            format!("--config-file={}", conf.path("postgresql.conf")),
            format!("--hba-file={}", conf.path("pg_hba.conf")),
        ];
        Ok(self.runs(words, conf))
    }

    fn zookeeper(&self) -> Result<Launch, StackError> {
        let conf = self.render("zookeeper", &self.values(Service::Zookeeper))?;
        let logging = format!("-Dlog4j.configuration=file:{}", conf.path("log4j.properties"));
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let file = conf.path("zookeeper.properties");
        let class_path = jars(&self.tools.kafka.join("lib"));
        let launch = self.java(conf, &[logging], &class_path, &[main, &file]);
        Ok(Launch { folders: vec![self.data.of("zookeeper")], ..launch })
    }

    fn schema_registry(&self) -> Result<Launch, StackError> {
        let values = self
            .values(Service::SchemaRegistry)
            .set("DATABASE_HOST", self.network.host(Service::Postgres))
            .set("DATABASE_PORT", self.network.ports.postgres)
            .set("DATABASE", postgres::REGISTRY)
            .set("DATABASE_USER", postgres::REGISTRY);
        let conf = self.render("schema-registry", &values)?;
        let properties = [format!("-Dsmallrye.config.locations={}", conf.path("application.properties"))];
        let program = &self.tools.schema_registry;
        let class_path = format!("{}:{}", jars(program), jars(&program.join("lib")));
        let mut launch = self.java(conf, &properties, &class_path, &["io.quarkus.runner.GeneratedMain"]);
        // Not on the command line, which every account of the machine can read.
        let password = self.vault.get(Secret::Registry)?;
        launch.environment.insert("APICURIO_DATASOURCE_PASSWORD".to_owned(), password);
        Ok(launch)
    }

    /// What any client needs to know, as (name, value).
    pub(crate) fn client_environment(&self) -> Result<Vec<(String, String)>, StackError> {
        let network = &self.network;
        let password = self.vault.get(Secret::Postgres)?;
        let connect_secret = self.vault.get(Secret::Connect)?;
        let (role, database) = (postgres::ROLE, postgres::DATABASE);
        let postgres = network.address(Service::Postgres);
        let registry = network.address(Service::SchemaRegistry);
        let connect = network.address(Service::SparkConnect);
        let variables = [
            ("PG_URL", format!("postgresql://{role}:{password}@{postgres}/{database}")),
            // The same for PostgreSQL's own programs, which would show an address with a password in the list
            // of processes.
            ("PGHOST", network.host(Service::Postgres).to_owned()),
            ("PGPORT", network.ports.postgres.to_string()),
            ("PGUSER", role.to_owned()),
            ("PGPASSWORD", password),
            ("PGDATABASE", database.to_owned()),
            ("KAFKA_BROKERS", network.addresses(Service::Kafka)),
            ("ZOOKEEPER_CONNECT", network.address(Service::Zookeeper)),
            ("SCHEMA_REGISTRY_URL", format!("http://{registry}/apis/ccompat/v7")),
            ("CASSANDRA_CONTACT_POINTS", network.addresses(Service::Cassandra)),
            ("SPARK_REMOTE", format!("sc://{connect}/;x-storepulse-secret={connect_secret}")),
            ("SPARK_MASTER_URL", self.master_url()),
            ("STOREPULSE_CHECKPOINT_ROOT", format!("file://{}", self.checkpoints.display())),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The command itself, told where the services are; only a container starts it so.
    pub(crate) fn storepulse(&self, words: &[String]) -> Result<Launch, StackError> {
        let words = [&["storepulse".to_owned()], words].concat();
        let mut launch = self.runs(words, Rendered::default());
        launch.environment.extend(self.client_environment()?);
        Ok(launch)
    }
}

/// The class path of all jars of a folder.
fn jars(folder: &Path) -> String {
    folder.join("*").display().to_string()
}

#[cfg(test)]
mod tests {
    use super::spark::FAILPOINT_FILE;
    use super::*;
    use crate::install::Tools;
    use crate::layout::{Checkout, Home};
    use crate::ports::Ports;
    use crate::site::Parts;
    use crate::state::State;

    /// The site of a stack that nobody starts.
    fn site(ports: Ports, for_a_test: bool) -> (Site, State) {
        let state = State::new(ports, None);
        let checkout = Checkout::find().unwrap();
        let parts = Parts {
            checkout: &checkout,
            home: &Home::new("/nowhere/stack".into()),
            tools: &Tools::default(),
            ports: &state.ports,
            secrets: &state.secrets,
            // Any file that is there.
            command: Some(&checkout.root().join("Cargo.toml")),
            for_a_test,
        };
        (parts.site(), state)
    }

    #[test]
    fn every_service_renders_without_a_placeholder_left() {
        let (site, _) = site(Ports::MAIN, false);
        for service in Service::every() {
            site.launch(service).unwrap_or_else(|error| panic!("{service}: {error}"));
        }
        let mut conf = site.launch(Service::Kafka).unwrap().conf;
        let text = conf.file("server.properties");
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:59092"), "{text}");
        assert!(text.contains("zookeeper.connect=127.0.0.1:52181"), "{text}");
    }

    #[test]
    fn no_secret_is_on_a_command_line_or_in_a_rendered_file() {
        let (site, State { secrets, .. }) = site(Ports::MAIN, false);
        let secrets = [
            &secrets.postgres_password,
            &secrets.registry_password,
            &secrets.connect_secret,
            &secrets.airflow_password,
            &secrets.airflow_login,
            &secrets.airflow_signing_key,
        ];
        for service in Service::every() {
            let launch = site.launch(service).unwrap();
            let shown = launch.words.join(" ") + &launch.conf.text();
            assert!(secrets.iter().all(|secret| !shown.contains(secret.as_str())), "{service}");
        }
    }

    #[test]
    fn only_the_spark_of_a_test_can_be_told_to_die() {
        let (plain, _) = site(Ports::MAIN, false);
        let (tested, _) = site(Ports::MAIN, true);
        for service in Service::every() {
            let armed = |site: &Site| site.launch(service).unwrap().environment.contains_key(FAILPOINT_FILE);
            assert!(!armed(&plain), "{service}");
            assert_eq!(armed(&tested), service.name().starts_with("spark"), "{service}");
        }
    }

    #[test]
    fn the_same_launch_has_the_same_fingerprint_and_another_port_another() {
        let fingerprint = |ports| site(ports, false).0.launch(Service::Kafka).unwrap().fingerprint();
        let first = fingerprint(Ports::MAIN);
        assert_eq!(first, fingerprint(Ports::MAIN));
        assert_ne!(first, fingerprint(Ports { kafka: 1, ..Ports::MAIN }));
    }

    #[test]
    fn a_launch_writes_only_when_it_is_placed() {
        let work = tempfile::tempdir().unwrap();
        let (site, _) = site(Ports::MAIN, false);
        let site = Site {
            conf: work.path().join("conf"),
            data: crate::site::Data::Shared(work.path().join("data")),
            ..site
        };
        let launch = site.launch(Service::Zookeeper).unwrap();
        assert!(!work.path().join("conf").exists());
        launch.place(|folder| std::fs::create_dir_all(folder).map_err(|error| panic!("{error}"))).unwrap();
        assert!(work.path().join("data/zookeeper").is_dir());
        assert!(work.path().join("conf/zookeeper/jvm.options").is_file());
    }
}
