//! `JupyterLab`, or a command of its environment; on this machine `notebooks/open` starts it, and this only
//! in a container.

use std::path::{Path, PathBuf};

use super::Launch;
use crate::error::StackError;
use crate::site::Site;
use crate::template::Rendered;

/// Where it listens.
pub(crate) const PORT: u16 = 8_888;

impl Site {
    /// The notebooks' own folder, for whoever changes them.
    pub(crate) fn notebooks_folder(&self) -> PathBuf {
        self.data.of("notebooks").join("notebooks")
    }

    /// Words of the environment's programs, which are in `bin`.
    pub(crate) fn notebooks(&self, bin: &Path, words: &[String]) -> Result<Launch, StackError> {
        let mut launch = self.runs(words.to_vec(), Rendered::default());
        launch.environment.extend(self.client_environment()?);
        let home = self.data.of("notebooks").display().to_string();
        let path = format!("{}:{}", bin.display(), self.path);
        launch.environment.extend([("HOME".to_owned(), home), ("PATH".to_owned(), path)]);
        launch.folders.push(self.notebooks_folder());
        Ok(launch)
    }

    /// The words of `JupyterLab`.
    pub(crate) fn jupyter_words(&self) -> Vec<String> {
        vec![
            "jupyter".to_owned(),
            "lab".to_owned(),
            "--no-browser".to_owned(),
            format!("--ServerApp.ip={}", self.network.listen()),
            format!("--ServerApp.port={PORT}"),
            format!("--ServerApp.root_dir={}", self.notebooks_folder().display()),
            "--LabApp.default_url=/lab/tree/01_tour.ipynb".to_owned(),
        ]
    }
}
