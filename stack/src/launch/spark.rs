//! Spark: one configuration for master, worker and Connect server, and what each is started with.

use super::Launch;
use crate::error::StackError;
use crate::layout::RECOVERY;
use crate::service::Service;
use crate::site::Site;
use crate::template::Values;
use crate::vault::Secret;

/// Of SimpleSnitch.
const CASSANDRA_DATACENTER: &str = "datacenter1";
/// Connect keeps the plans of a stopped query for an hour, 1.5 MiB each: of a supervisor that starts and
/// stops all the time they fill 1 GiB, and marking that takes a core.
const DRIVER_MEMORY: &str = "1536m";
const EXECUTOR_MEMORY: &str = "1g";
/// Room for one executor with Spark's overhead for it.
const WORKER_MEMORY: &str = "1536m";
const WORKER_CORES: &str = "2";
/// Finished applications' folders hold copies of jars, and logs that nobody reads after a day.
const WORKER_OPTIONS: &str = "-Dspark.worker.cleanup.enabled=true -Dspark.worker.cleanup.appDataTtl=86400";
const DAEMON_MEMORY: &str = "256m";
/// Who may call Connect; read by the class `PeerInterceptor` in Spark.
const CONNECT_PEERS: &str = "STOREPULSE_CONNECT_PEERS";
/// Read by the sink in Spark; see its class `Failpoint`.
pub(super) const FAILPOINT_FILE: &str = "STOREPULSE_FAILPOINT_FILE";

impl Site {
    pub(super) fn spark(&self, service: Service) -> Result<Launch, StackError> {
        let network = &self.network;
        // Everywhere the same folder: the driver hands the executors a path in it.
        let folder = self.conf.join("spark").display().to_string();
        let values = Values::default()
            .set("SPARK_MASTER_URL", self.master_url())
            .set("DRIVER_HOST", network.host(Service::SparkConnect))
            .set("DRIVER_MEMORY", DRIVER_MEMORY)
            .set("EXECUTOR_MEMORY", EXECUTOR_MEMORY)
            .set("UI_PORT", network.ports.spark_ui)
            .set("CONNECT_PORT", network.ports.spark_connect)
            .set("CONF_DIR", &folder)
            .set("CLASS_ARCHIVE", self.class_archive())
            .set("CASSANDRA_HOST", network.hosts(Service::Cassandra).join(","))
            .set("CASSANDRA_PORT", network.ports.cassandra)
            .set("CASSANDRA_DC", CASSANDRA_DATACENTER);
        let conf = self.render("spark", &values)?;
        let mut launch = match service {
            Service::SparkMaster => self.runs(self.master_words(), conf),
            Service::SparkWorker => self.runs(self.worker_words(), conf),
            _ => self.runs(self.connect_words(), conf),
        };
        let data = self.data.of(service.name());
        launch.folders.push(data.clone());
        let mut variables = vec![
            ("JAVA_HOME", self.tools.java_home.display().to_string()),
            ("SPARK_HOME", self.tools.spark_home.display().to_string()),
            // What binds every interface unless told otherwise, such as the pages, binds this one.
            ("SPARK_LOCAL_IP", network.listen().to_owned()),
            ("SPARK_LOCAL_DIRS", self.tmp.display().to_string()),
        ];
        if let Some(file) = &self.failpoint {
            // Executors inherit the worker's.
            variables.push((FAILPOINT_FILE, file.display().to_string()));
        }
        if service == Service::SparkConnect {
            variables.push(("STOREPULSE_CONNECT_SECRET", self.vault.get(Secret::Connect)?));
            // Unless somebody lets others in, only this machine may call.
            variables.extend(self.connect_peers.clone().map(|peers| (CONNECT_PEERS, peers)));
        } else {
            // Spark would take these for the driver's too, against spark.driver.memory.
            let (tmp, archive) = (self.tmp.display(), self.class_archive());
            let small = format!(
                "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError{archive} -Duser.timezone=UTC -Djava.io.tmpdir={tmp} \
                 -Dlog4j2.configurationFile=file:{folder}/log4j2.properties"
            );
            variables.push(("SPARK_DAEMON_MEMORY", DAEMON_MEMORY.to_owned()));
            variables.push(("SPARK_DAEMON_JAVA_OPTS", small));
            variables.push(("SPARK_WORKER_OPTS", WORKER_OPTIONS.to_owned()));
        }
        if service == Service::SparkMaster {
            // Without it a master that was killed forgets its applications, and has their executors end for
            // good.
            let recovery = data.join(RECOVERY);
            let options = if network.hosts(service).len() > 1 {
                let zookeeper = network.address(Service::Zookeeper);
                format!("-Dspark.deploy.recoveryMode=ZOOKEEPER -Dspark.deploy.zookeeper.url={zookeeper}")
            } else {
                format!(
                    "-Dspark.deploy.recoveryMode=FILESYSTEM -Dspark.deploy.recoveryDirectory={}",
                    recovery.display()
                )
            };
            variables.push(("SPARK_MASTER_OPTS", options));
            launch.folders.push(recovery);
        }
        launch.environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Ok(launch)
    }

    /// The options of the JVM that name the archive of classes, with a space before them. At an address of
    /// its own choice each JVM would have a copy of it, 170 MiB; at the archive's own they share its pages.
    fn class_archive(&self) -> String {
        let archive = self.tools.spark_classes.as_ref();
        let options = archive.map(|file| {
            let file = file.display();
            format!(
                " -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0 -XX:SharedArchiveFile={file}"
            )
        });
        options.unwrap_or_default()
    }

    /// The file of settings. Spark would find it by itself in a folder of the class path; an archive of
    /// classes allows no folder in there.
    fn settings(&self) -> String {
        self.conf.join("spark/spark-defaults.conf").display().to_string()
    }

    /// The program that starts a class, the class, and where it listens.
    fn daemon_words(&self, service: Service, class: &str, page: u16) -> Vec<String> {
        let program = self.tools.spark_home.join("bin/spark-class").display().to_string();
        let port = self.network.ports.of(service).to_string();
        let page = page.to_string();
        let settings = self.settings();
        let words = [class, "--host", self.network.own(), "--port", &port, "--webui-port", &page];
        let words = words.into_iter().chain(["--properties-file", &settings]);
        std::iter::once(program).chain(words.map(str::to_owned)).collect()
    }

    fn master_words(&self) -> Vec<String> {
        let page = self.network.ports.spark_master_ui;
        self.daemon_words(Service::SparkMaster, "org.apache.spark.deploy.master.Master", page)
    }

    fn worker_words(&self) -> Vec<String> {
        let page = self.network.ports.spark_worker_ui;
        let mut words =
            self.daemon_words(Service::SparkWorker, "org.apache.spark.deploy.worker.Worker", page);
        let folder = self.data.of(Service::SparkWorker.name()).display().to_string();
        let more = ["--cores", WORKER_CORES, "--memory", WORKER_MEMORY, "--work-dir", &folder];
        words.extend(more.map(str::to_owned));
        words.push(self.master_url());
        words
    }

    fn connect_words(&self) -> Vec<String> {
        let program = self.tools.spark_home.join("bin/spark-submit").display().to_string();
        let class = "org.apache.spark.sql.connect.service.SparkConnectServer";
        let settings = self.settings();
        let words = ["--properties-file", &settings, "--class", class, "--name", "storepulse-connect"];
        std::iter::once(program).chain(words.map(str::to_owned)).collect()
    }

    /// Where workers and drivers find the master that leads, among those there are.
    pub(super) fn master_url(&self) -> String {
        format!("spark://{}", self.network.addresses(Service::SparkMaster))
    }
}
