//! Spark's home: pyspark's `bin/` and `jars/`, with the connectors and our own jar beside them.
//!
//! Only the jars of the class path are there, and executors use the same home, so driver and executors cannot
//! differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, StackError};
use crate::install::{CHECKED, Installer, digest, run};

/// Unpacks Spark, builds `spark/`, and joins the two.
pub(super) fn install(installer: &mut Installer<'_>) -> Result<PathBuf, StackError> {
    let spark = installer.versions.spark.clone();
    let base_name = format!("spark-{}-{}", spark.version, &spark.sha256[..12.min(spark.sha256.len())]);
    let sources = sources(&installer.checkout.spark())?;
    let paths = sources.iter().map(PathBuf::as_path).collect::<Vec<_>>();
    let digest = digest(&paths, &format!("{base_name} {CHECKED}"))?;
    let home_name = format!("spark-home-{}-{digest}", spark.version);
    // The home is made of hard links into the base, so both stay; asking for the home first spares looking at
    // the base.
    if installer.checkout.tools().join(&home_name).is_dir() {
        return Ok(installer.checkout.tools().join(home_name));
    }
    let base =
        installer.once(&base_name, &format!("installing spark {}", spark.version), |installer, to| {
            run(Command::new(installer.checkout.services("pins").join("pyspark")).arg(to))
        })?;
    installer.once(&home_name, "building the Spark sink and its connectors", |installer, to| {
        let build = to.join("build");
        copy_sources(&installer.checkout.spark(), &sources, &build)?;
        let mut command = installer.maven_command(&build.join("pom.xml"))?;
        // Its tests run from `make test`; here it is only built, from a copy so that nobody's target folder
        // is in the way.
        run(command.args(["package", "-Dmaven.test.skip=true"]))?;
        link_all(&base.join("bin"), &to.join("bin"))?;
        link_all(&base.join("jars"), &to.join("jars"))?;
        link_all(&build.join("target/jars"), &to.join("jars"))?;
        for jar in files(&build.join("target"))? {
            link(&jar, &to.join("jars"))?;
        }
        fs::remove_dir_all(&build).doing(|| format!("remove {}", build.display()))
    })
}

/// What decides the build: the pom and everything beneath `src/main`, in a fixed order.
fn sources(spark: &Path) -> Result<Vec<PathBuf>, StackError> {
    let mut found = vec![spark.join("pom.xml")];
    let mut folders = vec![spark.join("src/main")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).doing(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let path = entry.doing(|| format!("list {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn copy_sources(spark: &Path, sources: &[PathBuf], to: &Path) -> Result<(), StackError> {
    for source in sources {
        let target = to.join(source.strip_prefix(spark).unwrap_or(source));
        let copy = || {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(source, &target)
        };
        copy().doing(|| format!("copy {} to {}", source.display(), target.display()))?;
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, StackError> {
    let entries = fs::read_dir(folder).doing(|| format!("list {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}

fn link_all(from: &Path, to: &Path) -> Result<(), StackError> {
    files(from)?.iter().try_for_each(|file| link(file, to))
}

/// A hard link costs no room; where the file system has none, a copy.
fn link(file: &Path, folder: &Path) -> Result<(), StackError> {
    let target = folder.join(file.file_name().unwrap_or_default());
    let make = || {
        fs::create_dir_all(folder)?;
        fs::hard_link(file, &target).or_else(|_| fs::copy(file, &target).map(drop))
    };
    make().doing(|| format!("place {}", target.display()))
}
