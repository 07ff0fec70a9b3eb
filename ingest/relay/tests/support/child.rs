//! A relay in a process of its own, to be killed: this test binary, run again with one test chosen.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use contracts::Namespace;
use contracts::topics::Assigned;
use relay::config::Limits;
use relay::{RelayConfig, RelayProgress};
use tokio_util::sync::CancellationToken;

use super::{Scene, until};

const VARIABLE: &str = "RELAY_TEST_CHILD";

/// The child's whole life; as a test of its own it has nothing to do.
#[tokio::test]
async fn process() {
    let Ok(setting) = std::env::var(VARIABLE) else { return };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .try_init();
    let setting: Vec<&str> = setting.split(' ').collect();
    let [pg_url, kafka_brokers, namespace, generation_id, ids, rows] = setting.as_slice() else { panic!() };
    let ids: Vec<u32> = ids.split(',').map(|id| id.parse().unwrap()).collect();
    let namespace: Namespace = namespace.parse().unwrap();
    let config = RelayConfig {
        pg_url: (*pg_url).into(),
        kafka_brokers: (*kafka_brokers).to_owned(),
        namespace,
        assigned: Assigned {
            generation: 1,
            generation_id: generation_id.parse().unwrap(),
            event_schema_id: ids[0],
            user_schema_id: ids[1],
            refusal_schema_id: ids[2],
            position_schema_id: ids[3],
            ledger_schema_id: ids[4],
        },
        limits: Limits { transaction_rows: rows.parse().unwrap(), ..Limits::default() },
        quarantine: None,
    };
    let (sender, mut progress) = tokio::sync::watch::channel(RelayProgress::default());
    tokio::spawn(async move {
        let mut last = std::time::Instant::now();
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            if last.elapsed() > Duration::from_millis(500) {
                last = std::time::Instant::now();
                tracing::info!(?now, "progress");
            }
        }
    });
    relay::run(config, CancellationToken::new(), sender).await.unwrap();
}

impl Scene {
    /// Starts a relay that dies at the failpoint, if one is given.
    pub fn spawn(&self, failpoint: Option<&str>) -> Process {
        let config = &self.config;
        let setting = format!(
            "{} {} {} {} {},{},{},{},{} {}",
            config.pg_url.as_str(),
            config.kafka_brokers,
            config.namespace,
            config.assigned.generation_id,
            config.assigned.event_schema_id,
            config.assigned.user_schema_id,
            config.assigned.refusal_schema_id,
            config.assigned.position_schema_id,
            config.assigned.ledger_schema_id,
            config.limits.transaction_rows
        );
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "support::child::process", "--nocapture"]).env(VARIABLE, setting);
        command.env_remove(relay::failpoint::VARIABLE).stdout(Stdio::null());
        if let Some(failpoint) = failpoint {
            command.env(relay::failpoint::VARIABLE, failpoint);
        }
        Process(command.spawn().unwrap())
    }
}

/// Killed when dropped.
pub struct Process(Child);

impl Process {
    /// Waits until it has died by itself.
    pub async fn died(mut self) -> ExitStatus {
        until("the process has died", async || self.0.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
