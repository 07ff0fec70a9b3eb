//! How each service is started: its rendered configuration, command line and environment.

mod console;
mod spark;

use std::collections::BTreeMap;
use std::path::Path;

use nix::unistd::User;
use sha2::{Digest as _, Sha256};

use crate::error::StackError;
use crate::install::Tools;
use crate::layout::{Checkout, Home};
use crate::ports::Ports;
use crate::postgres;
use crate::private;
use crate::service::Service;
use crate::state::Secrets;
use crate::template::Values;

pub(crate) const HOST: &str = "127.0.0.1";
/// Of SimpleSnitch.
const CASSANDRA_DATACENTER: &str = "datacenter1";
const CASSANDRA_HEAP: &str = "768m";

/// A command ready to be run.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Program and arguments.
    pub(crate) words: Vec<String>,
    /// The whole environment: nothing is inherited, so that a shell's settings change no service.
    pub(crate) environment: BTreeMap<String, String>,
    /// Of all that decides how the service behaves.
    pub(crate) fingerprint: String,
    /// The account to run as, where not our own.
    pub(crate) account: Option<User>,
}

/// What every service's launch is made of.
pub(crate) struct Parts<'a> {
    pub(crate) checkout: &'a Checkout,
    pub(crate) home: &'a Home,
    pub(crate) tools: &'a Tools,
    pub(crate) ports: &'a Ports,
    pub(crate) secrets: &'a Secrets,
    /// What serves the Control Center.
    pub(crate) command: Option<&'a Path>,
    /// Whether the stack belongs to a test, which may arm the sink's failpoints.
    pub(crate) for_a_test: bool,
}

impl Parts<'_> {
    /// Renders a service's configuration and makes its folders.
    pub(crate) fn launch(&self, service: Service) -> Result<Launch, StackError> {
        let mut launch = Launch {
            words: Vec::new(),
            environment: self.environment(),
            fingerprint: String::new(),
            account: None,
        };
        let rendered = match service {
            Service::Postgres => self.postgres(&mut launch)?,
            Service::Zookeeper => self.zookeeper(&mut launch)?,
            Service::Kafka => self.kafka(&mut launch)?,
            Service::SchemaRegistry => self.schema_registry(&mut launch)?,
            Service::Cassandra => self.cassandra(&mut launch)?,
            Service::SparkMaster | Service::SparkWorker | Service::SparkConnect => {
                self.spark(service, &mut launch)?
            }
            Service::AirflowApiServer | Service::AirflowScheduler | Service::AirflowDagProcessor => {
                self.airflow(service, &mut launch)?
            }
            Service::Console => self.console(&mut launch)?,
        };
        let decisive = format!("{:?} {:?} {rendered}", launch.words, launch.environment);
        launch.fingerprint = hex::encode(Sha256::digest(decisive))[..16].to_owned();
        Ok(launch)
    }

    fn environment(&self) -> BTreeMap<String, String> {
        // Debian's own: a shell's PATH would make each terminal a different stack.
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let fixed = [
            (crate::layout::MARKER, self.home.root().display().to_string()),
            ("PATH", path),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("TMPDIR", self.home.tmp().display().to_string()),
        ];
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn values(&self, service: Service) -> Values {
        Values::default()
            .set("HOST", HOST)
            .set("PORT", self.ports.of(service))
            .set("DATA_DIR", self.home.data(service.name()).display())
    }

    pub(crate) fn render(&self, folder: &str, values: &Values) -> Result<String, StackError> {
        values.render_dir(&self.checkout.services(folder), &self.home.conf(folder))
    }

    fn data(&self, service: Service) -> Result<(), StackError> {
        private::closed(&self.home.data(service.name()))
    }

    /// `java @jvm.options <properties> -cp <jars> <rest>`, as in a container.
    fn java(&self, launch: &mut Launch, folder: &str, properties: &[String], jars: &Path, rest: &[String]) {
        let options = self.home.conf(folder).join("jvm.options");
        launch.words = vec![self.tools.java_home.join("bin/java").display().to_string()];
        launch.words.push(format!("@{}", options.display()));
        launch.words.push(format!("-Djava.io.tmpdir={}", self.home.tmp().display()));
        launch.words.extend_from_slice(properties);
        launch.words.extend(["-cp".to_owned(), jars.join("*").display().to_string()]);
        launch.words.extend_from_slice(rest);
    }

    fn postgres(&self, launch: &mut Launch) -> Result<String, StackError> {
        let values = self.values(Service::Postgres).set("CLIENT_CIDR", "127.0.0.1/32");
        let rendered = self.render("postgres", &values)?;
        let conf = self.home.conf("postgres");
        launch.account = postgres::account()?;
        if let Some(user) = &launch.account {
            postgres::share(&conf, user)?;
        }
        launch.words = vec![
            self.tools.postgres_bin.join("postgres").display().to_string(),
            "-D".to_owned(),
            self.home.data("postgres").display().to_string(),
            format!("--config-file={}", conf.join("postgresql.conf").display()),
            format!("--hba-file={}", conf.join("pg_hba.conf").display()),
        ];
        Ok(rendered)
    }

    fn zookeeper(&self, launch: &mut Launch) -> Result<String, StackError> {
        self.data(Service::Zookeeper)?;
        let rendered = self.render("zookeeper", &self.values(Service::Zookeeper))?;
        let conf = self.home.conf("zookeeper");
        let logging = format!("-Dlog4j.configuration=file:{}", conf.join("log4j.properties").display());
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned();
        let file = conf.join("zookeeper.properties").display().to_string();
        self.java(launch, "zookeeper", &[logging], &self.tools.kafka.join("lib"), &[main, file]);
        Ok(rendered)
    }

    fn kafka(&self, launch: &mut Launch) -> Result<String, StackError> {
        self.data(Service::Kafka)?;
        let values = self
            .values(Service::Kafka)
            .set("ADVERTISED_HOST", HOST)
            .set("ZOOKEEPER_CONNECT", format!("{HOST}:{}", self.ports.zookeeper));
        let rendered = self.render("kafka", &values)?;
        let conf = self.home.conf("kafka");
        let logging = format!("-Dlog4j.configuration=file:{}", conf.join("log4j.properties").display());
        let file = conf.join("server.properties").display().to_string();
        let rest = ["kafka.Kafka".to_owned(), file];
        self.java(launch, "kafka", &[logging], &self.tools.kafka.join("lib"), &rest);
        Ok(rendered)
    }

    fn schema_registry(&self, launch: &mut Launch) -> Result<String, StackError> {
        let values = self
            .values(Service::SchemaRegistry)
            .set("DATABASE_HOST", HOST)
            .set("DATABASE_PORT", self.ports.postgres)
            .set("DATABASE", postgres::REGISTRY)
            .set("DATABASE_USER", postgres::REGISTRY);
        let rendered = self.render("schema-registry", &values)?;
        let file = self.home.conf("schema-registry").join("application.properties");
        let properties = [format!("-Dsmallrye.config.locations={}", file.display())];
        let main = "io.quarkus.runner.GeneratedMain".to_owned();
        self.java(launch, "schema-registry", &properties, &self.tools.schema_registry, &[main]);
        if let Some(class_path) = launch.words.iter_mut().rev().nth(1) {
            class_path.push_str(&format!(":{}", self.tools.schema_registry.join("lib/*").display()));
        }
        // Not on the command line, which every account of the machine can read.
        let password = self.secrets.registry_password.clone();
        launch.environment.insert("APICURIO_DATASOURCE_PASSWORD".to_owned(), password);
        Ok(rendered)
    }

    fn cassandra(&self, launch: &mut Launch) -> Result<String, StackError> {
        self.data(Service::Cassandra)?;
        let values = self
            .values(Service::Cassandra)
            .set("LISTEN_ADDRESS", HOST)
            .set("BROADCAST_RPC_ADDRESS", "")
            .set("STORAGE_PORT", self.ports.cassandra_storage)
            .set("SSL_STORAGE_PORT", self.ports.cassandra_ssl_storage)
            .set("HEAP", CASSANDRA_HEAP);
        let rendered = self.render("cassandra", &values)?;
        let conf = self.home.conf("cassandra");
        let properties = [
            format!("-Dcassandra.config=file://{}", conf.join("cassandra.yaml").display()),
            format!("-Dlogback.configurationFile={}", conf.join("logback.xml").display()),
            format!("-Dcassandra.storagedir={}", self.home.data("cassandra").display()),
            format!("-Djna.tmpdir={}", self.home.tmp().display()),
            "-Dcassandra-foreground=yes".to_owned(),
        ];
        let main = "org.apache.cassandra.service.CassandraDaemon".to_owned();
        self.java(launch, "cassandra", &properties, &self.tools.cassandra.join("lib"), &[main]);
        Ok(rendered)
    }

    /// What any client needs to know, as (name, value).
    pub(crate) fn client_environment(&self) -> Vec<(String, String)> {
        let Ports { postgres, zookeeper, kafka, schema_registry, cassandra, spark_connect, .. } = self.ports;
        let Secrets { postgres_password, connect_secret, .. } = self.secrets;
        let (role, database) = (postgres::ROLE, postgres::DATABASE);
        let variables = [
            ("PG_URL", format!("postgresql://{role}:{postgres_password}@{HOST}:{postgres}/{database}")),
            // The same for PostgreSQL's own programs, which would show an address with a password in the list of processes.
            ("PGHOST", HOST.to_owned()),
            ("PGPORT", postgres.to_string()),
            ("PGUSER", role.to_owned()),
            ("PGPASSWORD", postgres_password.clone()),
            ("PGDATABASE", database.to_owned()),
            ("KAFKA_BROKERS", format!("{HOST}:{kafka}")),
            ("ZOOKEEPER_CONNECT", format!("{HOST}:{zookeeper}")),
            ("SCHEMA_REGISTRY_URL", format!("http://{HOST}:{schema_registry}/apis/ccompat/v7")),
            ("CASSANDRA_CONTACT_POINTS", format!("{HOST}:{cassandra}")),
            ("SPARK_REMOTE", format!("sc://{HOST}:{spark_connect}/;x-storepulse-secret={connect_secret}")),
            ("SPARK_MASTER_URL", self.master_url()),
            ("STOREPULSE_CHECKPOINT_ROOT", format!("file://{}", self.home.data("checkpoints").display())),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// The folders that every service finds there, and the account of PostgreSQL can pass through; `stacks` holds all stacks.
pub(crate) fn prepare_home(stacks: &Path, home: &Home) -> Result<(), StackError> {
    let down_to_it: Vec<_> =
        home.root().ancestors().take_while(|folder| folder.starts_with(stacks)).collect();
    down_to_it.into_iter().rev().try_for_each(private::passage)?;
    [home.conf(""), home.data(""), home.tmp()].iter().try_for_each(|folder| private::passage(folder))?;
    [home.data("checkpoints"), home.root().join("log")].iter().try_for_each(|folder| private::closed(folder))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::spark::FAILPOINT_FILE;
    use super::*;
    use crate::state::State;

    fn with_parts(check: impl FnOnce(&Parts<'_>)) {
        let root = std::env::temp_dir().join(format!(
            "stack-launch-{}-{}",
            std::process::id(),
            rand::random::<u32>()
        ));
        let home = Home::new(root.clone());
        prepare_home(&root, &home).unwrap();
        let state = State::new(Ports::MAIN, None);
        let checkout = Checkout::find().unwrap();
        let tools = Tools::default();
        check(&Parts {
            checkout: &checkout,
            home: &home,
            tools: &tools,
            ports: &state.ports,
            secrets: &state.secrets,
            // Any file that is there.
            command: Some(&checkout.root().join("Cargo.toml")),
            for_a_test: false,
        });
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn every_service_renders_without_a_placeholder_left() {
        with_parts(|parts| {
            for service in Service::every() {
                parts.launch(service).unwrap_or_else(|error| panic!("{service}: {error}"));
            }
            let conf = parts.home.conf("kafka").join("server.properties");
            let text = fs::read_to_string(conf).unwrap();
            assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:59092"), "{text}");
            assert!(text.contains("zookeeper.connect=127.0.0.1:52181"), "{text}");
        });
    }

    #[test]
    fn no_secret_is_on_a_command_line_or_in_a_rendered_file() {
        with_parts(|parts| {
            let secrets = [
                &parts.secrets.postgres_password,
                &parts.secrets.registry_password,
                &parts.secrets.connect_secret,
                &parts.secrets.airflow_password,
                &parts.secrets.airflow_login,
                &parts.secrets.airflow_signing_key,
            ];
            for service in Service::every() {
                let launch = parts.launch(service).unwrap();
                let words = launch.words.join(" ");
                assert!(secrets.iter().all(|secret| !words.contains(secret.as_str())), "{service}");
            }
            for folder in ["postgres", "schema-registry", "spark", "airflow"] {
                for entry in fs::read_dir(parts.home.conf(folder)).unwrap() {
                    let text = fs::read_to_string(entry.unwrap().path()).unwrap();
                    assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{folder}");
                }
            }
        });
    }

    #[test]
    fn only_the_spark_of_a_test_can_be_told_to_die() {
        with_parts(|parts| {
            let tested = Parts { for_a_test: true, ..*parts };
            for service in Service::every() {
                let armed = |parts: &Parts<'_>| {
                    parts.launch(service).unwrap().environment.contains_key(FAILPOINT_FILE)
                };
                assert!(!armed(parts), "{service}");
                assert_eq!(armed(&tested), service.name().starts_with("spark"), "{service}");
            }
        });
    }

    #[test]
    fn the_same_launch_has_the_same_fingerprint_and_another_port_another() {
        with_parts(|parts| {
            let first = parts.launch(Service::Kafka).unwrap().fingerprint;
            assert_eq!(first, parts.launch(Service::Kafka).unwrap().fingerprint);
            let ports = Ports { kafka: 1, ..Ports::MAIN };
            let moved = Parts { ports: &ports, ..*parts };
            assert_ne!(first, moved.launch(Service::Kafka).unwrap().fingerprint);
        });
    }
}
