//! The programs of `bench/peer`: the same work as it is usually done from Python.

use anyhow::{Context, ensure};
use stack::{Checkout, Service, Silent};
use tokio::process::Command;

/// Runs one of them in its environment.
const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/run");

/// Installs what they need where it is missing.
pub(crate) async fn install() -> anyhow::Result<()> {
    let installed = Command::new(RUN).arg("install").status().await.context("bench/peer/run")?;
    ensure!(installed.success(), "what bench/peer needs cannot be installed");
    Ok(())
}

/// One of them, which ends with this program. Those that are Spark's run by the Spark and Java of the stack.
pub(crate) fn program(name: &str) -> anyhow::Result<Command> {
    let tools = stack::install(&Checkout::find()?, &[Service::SparkConnect], &Silent)?;
    let mut command = Command::new(RUN);
    command.arg(name).envs(tools.spark_variables()).kill_on_drop(true);
    Ok(command)
}
