//! The DAGs on the real services: `airflow/test`, with a namespace of its own and relay and job running.

use std::process::Command;

use stack::{Checkout, Service, Silent};

use crate::long_tests;
use crate::support::{on_shared_stack, storepulse};

#[tokio::test(flavor = "multi_thread")]
async fn every_dag_runs_and_one_through_the_scheduler() {
    if !long_tests() {
        eprintln!("SKIPPED: the DAGs, which install Airflow and take minutes; `make test-all` runs them");
        return;
    }
    let checkout = Checkout::find().unwrap();
    let tools = {
        let checkout = checkout.clone();
        let install = move || stack::install(&checkout, &Service::AIRFLOW, &Silent);
        tokio::task::spawn_blocking(install).await.unwrap().unwrap()
    };
    on_shared_stack(async |line| {
        let _relay = line.relay().await;
        let _job = line.job().await;
        let sent = line.simulate("--rate 200 --duration 5s --late-pct 0").await;
        assert!(sent.committed > 0);
        let mut test = Command::new(checkout.root().join("airflow/test"));
        test.envs(line.endpoints.variables())
            .env("AIRFLOW_PYTHON", tools.airflow_python())
            .env("STOREPULSE_BIN", storepulse());
        let ended = tokio::task::spawn_blocking(move || test.output()).await.unwrap().unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{printed}\n{errors}");
    })
    .await;
}
