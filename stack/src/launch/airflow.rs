//! Airflow: one of its parts, or another of its commands, with the services' addresses for its tasks.

use super::Launch;
use crate::error::StackError;
use crate::postgres;
use crate::service::Service;
use crate::site::Site;
use crate::vault::Secret;

/// The parts that run on, and are started again when they end.
const PARTS: [&str; 3] = ["api-server", "scheduler", "dag-processor"];

impl Site {
    /// `airflow <words>`.
    pub(crate) fn airflow<S: AsRef<str>>(&self, words: &[S]) -> Result<Launch, StackError> {
        let site = &self.airflow;
        let home = self.data.of("airflow");
        let values = self
            .values(Service::AirflowApiServer)
            .set("DAGS_DIR", site.dags.display())
            .set("LOG_DIR", home.join("logs").display())
            .set("PASSWORDS_FILE", site.passwords_file.display());
        let conf = self.render("airflow", &values)?;

        let bin = self.tools.airflow.join("bin");
        let runs_on = words.first().is_some_and(|word| PARTS.contains(&word.as_ref()));
        let keep_running = runs_on.then(|| site.keep_running.clone());
        let programs = keep_running.into_iter().chain([bin.join("airflow")]);
        let program_words = programs.map(|program| program.display().to_string());
        let all_words = program_words.chain(words.iter().map(|word| word.as_ref().to_owned())).collect();

        let key = self.vault.get(Secret::AirflowSigning)?;
        let (name, password) = (postgres::AIRFLOW, self.vault.get(Secret::Airflow)?);
        let postgres = self.network.address(Service::Postgres);
        let mut variables = vec![
            // Airflow calls itself by its name.
            ("PATH", format!("{}:{}", bin.display(), self.path)),
            ("HOME", home.display().to_string()),
            ("AIRFLOW_HOME", home.display().to_string()),
            ("AIRFLOW_CONFIG", conf.path("airflow.cfg")),
            (
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
                format!("postgresql+psycopg2://{name}:{password}@{postgres}/{name}"),
            ),
            ("AIRFLOW__API_AUTH__JWT_SECRET", key.clone()),
            ("AIRFLOW__API__SECRET_KEY", key),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("STOREPULSE_BIN", site.command.display().to_string()),
            ("STOREPULSE_CHECKOUT", self.checkout.display().to_string()),
        ];
        if self.network.host(Service::AirflowApiServer) != self.network.listen() {
            // The file has one address for listening and for being called; here they differ.
            let address = self.network.address(Service::AirflowApiServer);
            let url = format!("http://{address}/execution/");
            variables.push(("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", url));
        }
        let mut launch = self.runs(all_words, conf);
        launch.folders.push(home);
        launch.environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        launch.environment.extend(self.client_environment()?);
        launch.environment.extend(site.handed_on.clone());
        Ok(launch)
    }
}
