//! Checkpoints of plans that are not in force any more: Spark's state in them holds ids of users and visits,
//! for nobody.

use std::io;
use std::path::{Path, PathBuf};

use contracts::endpoints::local_path;
use tokio_postgres::Client;

use crate::LifecycleError;

/// Plans that were retired, but for those whose queries may still be ending.
const RETIRED: &str = "
    select distinct checkpoint, retired_at > now() - interval '2 minutes' from ops.job_plan p
    where retired_at is not null
      and not exists (select from ops.job_plan o where o.checkpoint = p.checkpoint and o.retired_at is null)
    order by 1";

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// How many folders went, or would go.
    pub(crate) folders: u64,
    /// What stays, and why.
    pub(crate) notes: Vec<String>,
}

/// Removes what the queries of retired plans left.
pub(crate) async fn remove_retired(client: &Client, dry_run: bool) -> Result<Removed, LifecycleError> {
    let failed = LifecycleError::postgres("tell which plans were retired");
    let mut removed = Removed::default();
    for row in client.query(RETIRED, &[]).await.map_err(failed)? {
        let (uri, is_ending): (String, bool) = (row.get(0), row.get(1));
        if is_ending {
            removed.notes.push(format!(
                "{uri} belongs to a plan that was retired just now: run this again in a few minutes"
            ));
            continue;
        }
        let Some(path) = local_path(&uri) else {
            removed.notes.push(format!(
                "{uri} belongs to a retired plan, and is on no disk of this machine: remove it and what begins with its name and -"
            ));
            continue;
        };
        let shown = uri.clone();
        let gone = tokio::task::spawn_blocking(move || remove(&path, dry_run)).await;
        match gone.unwrap_or_else(|_| Err(io::Error::other("the task died"))) {
            Ok(folders) => removed.folders += folders,
            Err(error) => removed
                .notes
                .push(format!("{shown} belongs to a retired plan and cannot be removed: {error}")),
        }
    }
    Ok(removed)
}

/// Removes a folder and those beside it whose names go on with `-`, which are the other queries' of the plan.
fn remove(checkpoint: &Path, dry_run: bool) -> io::Result<u64> {
    let folders = folders(checkpoint)?;
    if !dry_run {
        for folder in &folders {
            std::fs::remove_dir_all(folder)?;
        }
    }
    Ok(folders.len() as u64)
}

fn folders(checkpoint: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) =
        (checkpoint.parent(), checkpoint.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        let rest = entry.file_name().to_str().and_then(|entry| entry.strip_prefix(name)).map(str::to_owned);
        let is_of_plan = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        // A link is not followed: what it leads to is not ours.
        if is_of_plan && entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_plan_go_and_those_of_others_stay() {
        let root = std::env::temp_dir().join(format!("storepulse-{}", uuid::Uuid::now_v7()));
        for name in ["cube-r1", "cube-r1-ledger", "cube-r10", "cube-r2", "cube-r10-ledger"] {
            std::fs::create_dir_all(root.join(name).join("state")).unwrap();
        }
        assert_eq!(remove(&root.join("cube-r1"), true).unwrap(), 2);
        assert_eq!(remove(&root.join("cube-r1"), false).unwrap(), 2);
        assert_eq!(remove(&root.join("cube-r1"), false).unwrap(), 0);
        let mut left: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["cube-r10", "cube-r10-ledger", "cube-r2"]);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(remove(&root.join("cube-r2"), false).unwrap(), 0);
    }
}
