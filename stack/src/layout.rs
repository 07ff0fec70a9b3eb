//! Where things lie: the checkout, the installed tools, and the folder of each stack.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

use crate::error::{Doing, StackError};
use crate::private;
use crate::service::Service;

/// Environment variable that marks every process of a stack with the stack's folder.
pub(crate) const MARKER: &str = "STOREPULSE_STACK";

/// Where services are installed.
const TOOLS: &str = ".tools";

/// Of Spark's master, in the folder of its data.
pub(crate) const RECOVERY: &str = "recovery";

/// The source tree that services are configured from.
#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// The checkout named in `STOREPULSE_CHECKOUT`, else the one around the working folder, else the one that
    /// this was built in.
    pub fn find() -> Result<Self, StackError> {
        let from = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let named = env::var_os("STOREPULSE_CHECKOUT").map(PathBuf::from);
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        let candidates = match named {
            Some(named) => vec![named],
            None => from.ancestors().map(Path::to_owned).chain(built_in).collect(),
        };
        let root = candidates.into_iter().find(|root| root.join("services/versions.toml").is_file());
        let root = root.ok_or_else(|| StackError::NoCheckout { from: from.clone() })?;
        let root = root.canonicalize().doing(|| format!("resolve {}", root.display()))?;
        Ok(Self { root })
    }

    /// The one in a folder, which is not looked at.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Its top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a folder a checkout with the same services and tools, and stacks of its own.
    pub(crate) fn linked(&self, root: PathBuf) -> Result<Self, StackError> {
        let tools = self.tools();
        // What is installed there first would otherwise be installed at the end of a link to nowhere.
        fs::create_dir_all(&tools).doing(|| format!("create {}", tools.display()))?;
        for (name, origin) in [("services", self.services("")), ("spark", self.spark()), (TOOLS, tools)] {
            let link = root.join(name);
            symlink(&origin, &link).doing(|| format!("link {} to {}", link.display(), origin.display()))?;
        }
        Ok(Self::at(root))
    }

    pub(crate) fn services(&self, folder: &str) -> PathBuf {
        self.root.join("services").join(folder)
    }

    pub(crate) fn spark(&self) -> PathBuf {
        self.root.join("spark")
    }

    /// Where it lies itself, also where checkouts share one by a link: what is installed names its own place.
    pub(crate) fn tools(&self) -> PathBuf {
        let tools = self.root.join(TOOLS);
        tools.canonicalize().unwrap_or(tools)
    }

    /// The folder that holds all stacks. PostgreSQL refuses to run as root, so under root its account must be
    /// able to reach the data: where a private folder is in the way (a checkout in root's home), the data
    /// goes to `/var/tmp`.
    pub(crate) fn stacks(&self) -> PathBuf {
        let blocked = |folder: &Path| {
            folder.ancestors().any(|part| {
                fs::metadata(part).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0)
            })
        };
        if geteuid().is_root() && blocked(&self.root) {
            let digest = hex::encode(Sha256::digest(self.root.as_os_str().as_encoded_bytes()));
            return Path::new("/var/tmp").join(format!("storepulse-{}", &digest[..12]));
        }
        self.root.join(".stack")
    }
}

/// The folder of one stack.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folders that every service finds there, and the account of PostgreSQL can pass through;
    /// `stacks` holds all stacks.
    pub(crate) fn prepare(&self, stacks: &Path) -> Result<(), StackError> {
        let down_to_it: Vec<_> =
            self.root.ancestors().take_while(|folder| folder.starts_with(stacks)).collect();
        down_to_it.into_iter().rev().try_for_each(private::passage)?;
        [self.conf(""), self.data(""), self.tmp()].iter().try_for_each(|folder| private::passage(folder))?;
        [self.data("checkpoints"), self.root.join("log")]
            .iter()
            .try_for_each(|folder| private::closed(folder))
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// What Spark's master keeps of workers and applications, to go on after a crash.
    pub(crate) fn master_recovery(&self) -> PathBuf {
        self.data(Service::SparkMaster.name()).join(RECOVERY)
    }

    /// Where a test names the place at which the sink in Spark shall die.
    pub(crate) fn failpoint(&self) -> PathBuf {
        self.root.join("failpoint")
    }

    /// Where the password of Airflow's page stands, for its owner alone.
    pub(crate) fn passwords_file(&self) -> PathBuf {
        self.root.join("airflow-login.json")
    }

    /// Rendered configuration.
    pub(crate) fn conf(&self, folder: &str) -> PathBuf {
        self.root.join("conf").join(folder)
    }

    pub(crate) fn data(&self, folder: &str) -> PathBuf {
        self.root.join("data").join(folder)
    }

    pub(crate) fn log(&self, service: Service) -> PathBuf {
        self.root.join("log").join(format!("{service}.log"))
    }

    /// Scratch space, emptied with the stack's data and not shared with the machine's.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Fails when a folder's file system has less than this free.
///
/// # Errors
/// Says how much there is, or why that cannot be read.
pub fn check_room(folder: &Path, needed_mib: u64) -> Result<(), StackError> {
    let existing = folder.ancestors().find(|part| part.is_dir()).unwrap_or(Path::new("/"));
    let stats = statvfs(existing).doing(|| format!("read the free space of {}", existing.display()))?;
    let available_mib = stats.blocks_available() * stats.fragment_size() / (1024 * 1024);
    if available_mib < needed_mib {
        return Err(StackError::DiskFull { path: folder.to_owned(), available_mib, needed_mib });
    }
    Ok(())
}

/// The end of a text file: what a reader of an error message wants to see of a log.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all = text.lines().collect::<Vec<_>>();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_refused_with_figures() {
        let error = check_room(Path::new("/tmp/not/there/yet"), u64::MAX / 2).unwrap_err().to_string();
        assert!(error.contains("/tmp/not/there/yet") && error.contains("MiB free"), "{error}");
        check_room(Path::new("/tmp"), 1).unwrap();
    }

    #[test]
    fn the_checkout_is_found_from_within() {
        let checkout = Checkout::find().unwrap();
        assert!(checkout.root().join("Cargo.toml").is_file());
    }
}
