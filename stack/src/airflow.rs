//! What Airflow needs beyond being started: its login, and its metadata database brought up to date.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{Tools, run};

/// The one account of the page.
pub(crate) const LOGIN: &str = "admin";

/// Writes the password of the page into a file, for its owner alone.
pub(crate) fn write_login(path: &Path, password: &str) -> Result<(), StackError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        writeln!(file, "{{\"{LOGIN}\": \"{password}\"}}")
    };
    write().doing(|| format!("write {}", path.display()))
}

/// Brings the metadata database to this version.
pub(crate) fn migrate(
    tools: &Tools,
    environment: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<(), StackError> {
    run(Command::new(tools.airflow.join("bin/airflow"))
        .args(["db", "migrate"])
        .env_clear()
        .envs(environment)
        .current_dir(folder))
}
