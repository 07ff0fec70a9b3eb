//! An archive of the classes that Spark's JVMs load (`-XX:SharedArchiveFile`): they map it, instead of reading
//! the same classes from jars and checking them at every start.
//!
//! The JVM compares the class path with the archive's, and does without the archive where they differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{CHECKED, Installer, digest, run};
use crate::state;

const ARCHIVE: &str = "spark.jsa";
/// In `spark/`: runs what a server and its executors run.
const REHEARSAL: &str = "org.storepulse.spark.archive.Rehearsal";

/// Makes the archive of a home; there is none where the JVM has none of its own classes to build upon.
pub(super) fn install(
    installer: &mut Installer<'_>,
    spark_home: &Path,
) -> Result<Option<PathBuf>, StackError> {
    let release = installer.java_home.join("release");
    let name = digest(&[&release], &format!("{} {CHECKED}", spark_home.display()))?;
    let folder = installer.once(
        &format!("spark-classes-{name}"),
        "archiving the classes that Spark loads",
        |installer, to| {
            let tmp = to.join("tmp");
            fs::create_dir(&tmp).doing(|| format!("create {}", tmp.display()))?;
            run(Command::new(spark_home.join("bin/spark-submit"))
                .args(["--master", "local[2]", "--driver-memory", "1g", "--driver-java-options"])
                .arg(format!(
                    "-XX:ArchiveClassesAtExit={} -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={} \
                     -Xlog:cds=error -Xlog:cds+dynamic=error",
                    to.join(ARCHIVE).display(),
                    tmp.display()
                ))
                .args(["--class", REHEARSAL, "spark-internal"])
                .current_dir(&tmp)
                .env("JAVA_HOME", &installer.java_home)
                .env("SPARK_HOME", spark_home)
                .env_remove("SPARK_CONF_DIR")
                .env("SPARK_LOCAL_IP", "127.0.0.1")
                .env("SPARK_LOCAL_DIRS", &tmp)
                .env("STOREPULSE_CONNECT_SECRET", state::secret()))?;
            fs::remove_dir_all(&tmp).doing(|| format!("remove {}", tmp.display()))
        },
    )?;
    Ok(Some(folder.join(ARCHIVE)).filter(|archive| archive.is_file()))
}
