//! Spark: one configuration for master, worker and Connect server, and what each is started with.

use super::{CASSANDRA_DATACENTER, HOST, Launch, Parts};
use crate::error::StackError;
use crate::private;
use crate::service::Service;
use crate::template::Values;

/// Connect keeps the plans of a stopped query for an hour, 1.5 MiB each: of a supervisor that starts and stops all the time they fill
/// 1 GiB, and marking that takes a core.
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

impl Parts<'_> {
    pub(super) fn spark(&self, service: Service, launch: &mut Launch) -> Result<String, StackError> {
        self.data(service)?;
        let conf = self.home.conf("spark");
        let values = Values::default()
            .set("SPARK_MASTER_URL", self.master_url())
            .set("DRIVER_HOST", HOST)
            .set("DRIVER_MEMORY", DRIVER_MEMORY)
            .set("EXECUTOR_MEMORY", EXECUTOR_MEMORY)
            .set("UI_PORT", self.ports.spark_ui)
            .set("CONNECT_PORT", self.ports.spark_connect)
            .set("CONF_DIR", conf.display())
            .set("CASSANDRA_HOST", HOST)
            .set("CASSANDRA_PORT", self.ports.cassandra)
            .set("CASSANDRA_DC", CASSANDRA_DATACENTER);
        let rendered = values.render_dir(&self.checkout.spark().join("conf"), &conf)?;

        let data = self.home.data(service.name());
        let small =
            format!("-XX:+UseSerialGC -Duser.timezone=UTC -Djava.io.tmpdir={}", self.home.tmp().display());
        let variables = [
            ("JAVA_HOME", self.tools.java_home.display().to_string()),
            ("SPARK_HOME", self.tools.spark_home.display().to_string()),
            ("SPARK_CONF_DIR", conf.display().to_string()),
            // What binds every interface unless told otherwise binds this one.
            ("SPARK_LOCAL_IP", HOST.to_owned()),
            ("SPARK_LOCAL_DIRS", self.home.tmp().display().to_string()),
        ];
        launch.environment.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        if self.for_a_test {
            // Executors inherit the worker's.
            let file = self.home.failpoint().display().to_string();
            launch.environment.insert(FAILPOINT_FILE.to_owned(), file);
        }
        if service != Service::SparkConnect {
            // Spark would take these for the driver's too, against spark.driver.memory.
            let daemon = [
                ("SPARK_DAEMON_MEMORY", DAEMON_MEMORY.to_owned()),
                ("SPARK_DAEMON_JAVA_OPTS", small),
                ("SPARK_WORKER_OPTS", WORKER_OPTIONS.to_owned()),
            ];
            launch.environment.extend(daemon.map(|(name, value)| (name.to_owned(), value)));
        }

        let bin = self.tools.spark_home.join("bin");
        let class = |name: &str| vec![bin.join("spark-class").display().to_string(), name.to_owned()];
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let port = self.ports.of(service).to_string();
        match service {
            Service::SparkMaster => {
                let ui = self.ports.spark_master_ui.to_string();
                // Without it a master that was killed forgets its applications, and has their executors end for good.
                let recovery = self.home.master_recovery();
                private::closed(&recovery)?;
                let options = format!(
                    "-Dspark.deploy.recoveryMode=FILESYSTEM -Dspark.deploy.recoveryDirectory={}",
                    recovery.display()
                );
                launch.environment.insert("SPARK_MASTER_OPTS".to_owned(), options);
                launch.words = class("org.apache.spark.deploy.master.Master");
                launch.words.extend(words(&["--host", HOST, "--port", &port, "--webui-port", &ui]));
            }
            Service::SparkWorker => {
                let ui = self.ports.spark_worker_ui.to_string();
                launch.words = class("org.apache.spark.deploy.worker.Worker");
                launch.words.extend(words(&["--host", HOST, "--port", &port, "--webui-port", &ui]));
                launch.words.extend(words(&["--cores", WORKER_CORES, "--memory", WORKER_MEMORY]));
                launch.words.extend(words(&["--work-dir", &data.display().to_string(), &self.master_url()]));
            }
            _ => {
                let secret = self.secrets.connect_secret.clone();
                launch.environment.insert("STOREPULSE_CONNECT_SECRET".to_owned(), secret);
                // Unless somebody lets others in, only this machine may call.
                if let Ok(peers) = std::env::var(CONNECT_PEERS) {
                    launch.environment.insert(CONNECT_PEERS.to_owned(), peers);
                }
                launch.words = vec![bin.join("spark-submit").display().to_string()];
                let main = "org.apache.spark.sql.connect.service.SparkConnectServer";
                launch.words.extend(words(&["--class", main, "--name", "storepulse-connect"]));
            }
        }
        Ok(rendered)
    }

    pub(super) fn master_url(&self) -> String {
        format!("spark://{HOST}:{}", self.ports.spark_master)
    }
}
