//! Airflow's Python environment, from versions that are all pinned.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{Installer, digest, programs, run};

/// Makes the environment from `airflow/requirements.txt`.
pub(super) fn install(installer: &mut Installer<'_>) -> Result<PathBuf, StackError> {
    let requirements = installer.checkout.root().join("airflow/requirements.txt");
    let version = installer.versions.airflow.version.clone();
    let name = format!("airflow-{version}-{}", digest(&[&requirements], "")?);
    let place = installer.checkout.tools().join(&name);
    installer.once(&name, &format!("installing airflow {version}"), |installer, to| {
        programs::make_venv(to)?;
        run(Command::new(installer.checkout.services("pins").join("install")).arg(to).arg(&requirements))?;
        move_scripts(&to.join("bin"), to, &place)
    })
}

/// Scripts name the interpreter by its whole path, and the environment is about to be renamed.
fn move_scripts(bin: &Path, from: &Path, to: &Path) -> Result<(), StackError> {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    for entry in fs::read_dir(bin).doing(|| format!("list {}", bin.display()))?.flatten() {
        let path = entry.path();
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if regular && text.contains(&from) {
            fs::write(&path, text.replace(&from, &to))
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
                .doing(|| format!("write {}", path.display()))?;
        }
    }
    Ok(())
}
