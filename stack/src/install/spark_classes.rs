//! An archive of the classes that Spark's JVMs load (`-XX:SharedArchiveFile`): they map it, instead of
//! reading the same classes from jars and checking them at every start.
//!
//! The JVM compares the class path with the archive's, and does without the archive where they differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{CHECKED, Installer, digest, run};
use crate::process::maps_any_below;
use crate::progress::Event;
use crate::state;

/// What the names of all archives' folders begin with.
const PREFIX: &str = "spark-classes-";
const ARCHIVE: &str = "spark.jsa";
/// Why there is none. It lies in its place, so that not every start tries again.
const REASON: &str = "why-there-is-none";
/// In `spark/`: runs what a server and its executors run.
const REHEARSAL: &str = "org.storepulse.spark.archive.Rehearsal";
/// The archive, and what the rehearsal writes meanwhile.
const NEEDED_MIB: u64 = 500;

/// Makes the archive of a home. There is none where that fails, or where the JVM has none of its own classes
/// to build upon: Spark runs without it, too.
pub(super) fn install(
    installer: &mut Installer<'_>,
    spark_home: &Path,
) -> Result<Option<PathBuf>, StackError> {
    let release = installer.java_home.join("release");
    let name = format!("{PREFIX}{}", digest(&[&release], &format!("{} {CHECKED}", spark_home.display()))?);
    let place = installer.checkout.tools().join(&name);
    let what = "archiving the classes that Spark loads";
    let folder = installer.once_in(NEEDED_MIB, &name, what, |installer, to| {
        let tmp = to.join("tmp");
        fs::create_dir(&tmp).doing(|| format!("create {}", tmp.display()))?;
        if let Err(error) = run(&mut rehearsal(spark_home, &installer.java_home, &to.join(ARCHIVE), &tmp)) {
            let why = to.join(REASON);
            fs::write(&why, error.to_string()).doing(|| format!("write {}", why.display()))?;
            installer.progress.event(Event::Note(format!(
                "Spark will start without an archive of its classes; {} says why. Remove that folder to try again",
                place.join(REASON).display()
            )));
        }
        remove_unused(&installer.checkout.tools());
        fs::remove_dir_all(&tmp).doing(|| format!("remove {}", tmp.display()))
    })?;
    Ok(Some(folder.join(ARCHIVE)).filter(|archive| archive.is_file()))
}

/// Removes the archives of other jars: each takes 210 MiB, and is made again where it is wanted. A stack that
/// is up goes on with its own. One that cannot be removed is in nobody's way.
fn remove_unused(tools: &Path) {
    for entry in fs::read_dir(tools).into_iter().flatten().flatten() {
        let is_archive = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_archive && !maps_any_below(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Nothing of a shell is handed on: it may have settings for another Spark.
fn rehearsal(spark_home: &Path, java_home: &Path, archive: &Path, tmp: &Path) -> Command {
    let mut command = Command::new(spark_home.join("bin/spark-submit"));
    command
        .args(["--master", "local[2]", "--driver-memory", "1g", "--driver-java-options"])
        .arg(format!(
            "-XX:ArchiveClassesAtExit={} -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={} \
             -Xlog:cds=error -Xlog:cds+dynamic=error",
            archive.display(),
            tmp.display()
        ))
        .args(["--class", REHEARSAL, "spark-internal"])
        .current_dir(tmp)
        .env_clear()
        .envs(["PATH", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("TZ", "UTC")
        .env("JAVA_HOME", java_home)
        .env("SPARK_HOME", spark_home)
        .env("SPARK_LOCAL_IP", "127.0.0.1")
        .env("SPARK_LOCAL_DIRS", tmp)
        .env("STOREPULSE_CONNECT_SECRET", state::secret());
    command
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn archives_that_no_process_maps_are_removed() {
        let tools = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = tools.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (old, in_use) = (folder("spark-classes-0123"), folder("spark-classes-4567"));
        let (being_made, home) = (folder(".partial-spark-classes-89ab"), folder("spark-home-3.5.7-cdef"));
        fs::write(old.join(ARCHIVE), "classes").unwrap();
        // A process maps the program that it runs. It is copied by another one: a file that this one has open
        // for writing could not be run.
        let program = in_use.join(ARCHIVE);
        run(Command::new("cp").arg("/bin/cat").arg(&program)).unwrap();
        let mut process =
            Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut echoed = [0];
        process.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        process.stdout.as_mut().unwrap().read_exact(&mut echoed).unwrap();

        remove_unused(tools.path());
        assert!(!old.exists());
        assert!(in_use.is_dir() && being_made.is_dir() && home.is_dir());

        drop(process.stdin.take());
        assert!(process.wait().unwrap().success());
        remove_unused(tools.path());
        assert!(!in_use.exists() && being_made.is_dir());
    }
}
