//! What a service lacks at the first start of its container, and what only its own tool can make.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use super::{Role, made};
use crate::airflow;
use crate::error::{Doing, StackError};
use crate::install::{output, run};
use crate::postgres;
use crate::service::Service;
use crate::site::{Keeper, Site};
use crate::vault::Secret;

/// Of the image: what the notebooks import, and the notebooks as they are made.
const NOTEBOOKS: &str = "/opt/storepulse/notebooks";
const NOTEBOOKS_PACKAGE: &str = "storepulse_notebook";

/// Makes it. The configuration is in place.
pub(super) fn prepare(role: Role, site: &Site) -> Result<(), StackError> {
    match role {
        Role::Service(Service::Postgres) => {
            let data = site.data.of("postgres");
            postgres::initialise_whole(&site.tools.postgres_bin, &data, &site.tmp, &site.vault)
        }
        Role::Service(Service::Kafka) if site.keeper == Keeper::Kraft => format_storage(site),
        Role::Airflow => {
            let password = site.vault.get(Secret::AirflowLogin)?;
            airflow::write_login(&site.airflow.passwords_file, &password)
        }
        Role::Notebooks => copy_notebooks(Path::new(NOTEBOOKS), &site.notebooks_folder()),
        _ => Ok(()),
    }
}

/// Makes the folder of a broker that keeps its own metadata. One that is made already is only compared.
fn format_storage(site: &Site) -> Result<(), StackError> {
    let command = |words: &[&str]| {
        let words = site.kafka_storage(words);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&site.tmp);
        command
    };
    let cluster = match kept_cluster(&site.data.of("kafka"))? {
        // Of another id than its own the tool would say that it is wrong.
        Some(cluster) => cluster,
        None => output(&mut command(&["random-uuid"]))?.trim().to_owned(),
    };
    let file = site.conf.join("kafka/server.properties").display().to_string();
    run(&mut command(&["format", "--ignore-formatted", "--config", &file, "--cluster-id", &cluster]))
}

/// The cluster that a broker's folder belongs to, if any; refuses a folder of a broker whose metadata
/// ZooKeeper keeps.
fn kept_cluster(folder: &Path) -> Result<Option<String>, StackError> {
    let path = folder.join("meta.properties");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(|| format!("read {}", path.display())),
    };
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    if value("broker.id").is_some() {
        return Err(StackError::KeptByZookeeper { path });
    }
    Ok(value("cluster.id").map(str::to_owned))
}

/// Of the image: what they import. Of the volume, once it is there: the notebooks, for whoever changes them.
fn copy_notebooks(from: &Path, to: &Path) -> Result<(), StackError> {
    copy_folder(&from.join(NOTEBOOKS_PACKAGE), &to.join(NOTEBOOKS_PACKAGE))?;
    for entry in fs::read_dir(from).doing(|| format!("list {}", from.display()))?.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.extension().is_some_and(|extension| extension == "ipynb") && !target.exists() {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StackError> {
    made(to)?;
    for entry in fs::read_dir(from).doing(|| format!("list {}", from.display()))?.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_folder(&path, &target)? } else { copy(&path, &target)? }
    }
    Ok(())
}

/// A file of one's own: in an image they belong to root, and others may not write them.
fn copy(from: &Path, to: &Path) -> Result<(), StackError> {
    let text = fs::read(from).doing(|| format!("read {}", from.display()))?;
    fs::write(to, text).doing(|| format!("write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_notebook_stays_and_what_it_imports_is_the_image_s() {
        let work = tempfile::tempdir().unwrap();
        let (image, volume) = (work.path().join("image"), work.path().join("volume"));
        made(&image.join("storepulse_notebook/sub")).unwrap();
        made(&volume.join("storepulse_notebook")).unwrap();
        fs::write(image.join("01.ipynb"), "new").unwrap();
        fs::write(image.join("02.ipynb"), "new").unwrap();
        fs::write(image.join("storepulse_notebook/topics.py"), "new").unwrap();
        fs::write(image.join("storepulse_notebook/sub/deep.py"), "new").unwrap();
        fs::write(volume.join("01.ipynb"), "changed").unwrap();
        fs::write(volume.join("storepulse_notebook/topics.py"), "old").unwrap();
        copy_notebooks(&image, &volume).unwrap();
        let text = |name: &str| fs::read_to_string(volume.join(name)).unwrap();
        assert_eq!(text("01.ipynb"), "changed");
        assert_eq!(text("02.ipynb"), "new");
        assert_eq!(text("storepulse_notebook/topics.py"), "new");
        assert_eq!(text("storepulse_notebook/sub/deep.py"), "new");
    }

    #[test]
    fn a_broker_s_folder_tells_its_cluster_and_who_keeps_its_metadata() {
        let work = tempfile::tempdir().unwrap();
        let kept = |text: &str| {
            fs::write(work.path().join("meta.properties"), text).unwrap();
            kept_cluster(work.path())
        };
        assert_eq!(kept_cluster(work.path()).unwrap(), None);
        let own = "#\nnode.id=1\ndirectory.id=flA3Quy4es8CsRFM_mAqCw\nversion=1\ncluster.id=dsbKH034RymVmmQVh7iz1g\n";
        assert_eq!(kept(own).unwrap().as_deref(), Some("dsbKH034RymVmmQVh7iz1g"));
        let error =
            kept("#\ncluster.id=NUgu49I2Ro6SU7rM6c3kdg\nversion=0\nbroker.id=1\n").unwrap_err().to_string();
        assert!(error.contains("meta.properties") && error.contains("KAFKA_MODE"), "{error}");
    }
}
