//! What Airflow needs beyond being started: its environment, its login, and its metadata database brought up to date.

use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{Tools, run};
use crate::launch::{HOST, Launch, Parts};
use crate::layout::Home;
use crate::postgres;
use crate::private;
use crate::service::Service;
use crate::state::Secrets;

/// The one account of the page.
pub(crate) const LOGIN: &str = "admin";
/// What whoever starts Airflow may hand on to its tasks. Everything else in a shell stays there.
const HANDED_ON: [&str; 8] = [
    "STOREPULSE_ALERT_COMMAND",
    "STOREPULSE_ALERTS_FILE",
    "AIRFLOW_VAR_USERS_SOURCE",
    "AIRFLOW_VAR_RETENTION_DAYS",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "STOREPULSE_NAMESPACE",
];
/// The command that tasks run, where it is not the checkout's own.
const COMMAND: &str = "STOREPULSE_BIN";

impl Parts<'_> {
    /// `airflow <part>`, with the services' addresses for its tasks.
    pub(crate) fn airflow(&self, service: Service, launch: &mut Launch) -> Result<String, StackError> {
        let dags = self.checkout.root().join("airflow/dags");
        let home = self.home.data("airflow");
        private::closed(&home)?;
        let values = self
            .values(service)
            .set("DAGS_DIR", dags.display())
            .set("LOG_DIR", home.join("logs").display())
            .set("PASSWORDS_FILE", passwords_file(self.home).display());
        let rendered = self.render("airflow", &values)?;

        let bin = self.tools.airflow.join("bin");
        let part: &[&str] = match service {
            Service::AirflowApiServer => &["api-server"],
            // Its logs are read from the disk that they share.
            Service::AirflowScheduler => &["scheduler", "--skip-serve-logs"],
            _ => &["dag-processor"],
        };
        let keep_running = self.checkout.services("airflow").join("keep-running");
        launch.words = [keep_running, bin.join("airflow")].map(|path| path.display().to_string()).into();
        launch.words.extend(part.iter().map(|&word| word.to_owned()));

        let command = env::var_os(COMMAND)
            .map_or_else(|| self.checkout.root().join("target/debug/storepulse"), PathBuf::from);
        let Secrets { airflow_password, airflow_signing_key, .. } = self.secrets;
        let (name, port) = (postgres::AIRFLOW, self.ports.postgres);
        // Airflow calls itself by its name.
        let path = format!("{}:{}", bin.display(), launch.environment["PATH"]);
        let database = format!("postgresql+psycopg2://{name}:{airflow_password}@{HOST}:{port}/{name}");
        let variables = [
            ("PATH", path),
            ("HOME", home.display().to_string()),
            ("AIRFLOW_HOME", home.display().to_string()),
            ("AIRFLOW_CONFIG", self.home.conf("airflow").join("airflow.cfg").display().to_string()),
            ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database),
            ("AIRFLOW__API_AUTH__JWT_SECRET", airflow_signing_key.clone()),
            ("AIRFLOW__API__SECRET_KEY", airflow_signing_key.clone()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            (COMMAND, command.display().to_string()),
            ("STOREPULSE_CHECKOUT", self.checkout.root().display().to_string()),
        ];
        launch.environment.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        launch.environment.extend(self.client_environment());
        let handed_on = HANDED_ON.iter().filter_map(|&name| Some((name.to_owned(), env::var(name).ok()?)));
        launch.environment.extend(handed_on);
        Ok(rendered)
    }
}

/// Where the password of the page stands, for its owner alone.
pub(crate) fn passwords_file(home: &Home) -> PathBuf {
    home.root().join("airflow-login.json")
}

/// Writes the login and brings the metadata database to this version.
pub(crate) fn initialise(
    home: &Home,
    tools: &Tools,
    secrets: &Secrets,
    environment: &BTreeMap<String, String>,
) -> Result<(), StackError> {
    let path = passwords_file(home);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        writeln!(file, "{{\"{LOGIN}\": \"{}\"}}", secrets.airflow_login)
    };
    write().doing(|| format!("write {}", path.display()))?;
    run(Command::new(tools.airflow.join("bin/airflow"))
        .args(["db", "migrate"])
        .env_clear()
        .envs(environment)
        .current_dir(home.conf("airflow")))
}
