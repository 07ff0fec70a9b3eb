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

#[cfg(test)]
mod tests {
    use contracts::cube::GROUPINGS;

    #[test]
    fn the_peer_has_the_groupings_of_the_cube() {
        let theirs = include_str!("../peer/groupings.py");
        let (_, theirs) = theirs.split_once("\nGROUPINGS = [\n").unwrap();
        let (theirs, _) = theirs.split_once("\n]\n").unwrap();
        let ours: Vec<String> = GROUPINGS
            .iter()
            .map(|grouping| {
                let dimensions: Vec<String> =
                    grouping.dimensions.iter().map(|column| format!("\"{column}\"")).collect();
                let of_items = if grouping.only_items { "True" } else { "False" };
                format!("    (\"{}\", [{}], {of_items}),", grouping.table, dimensions.join(", "))
            })
            .collect();
        assert_eq!(theirs, ours.join("\n"));
    }
}
