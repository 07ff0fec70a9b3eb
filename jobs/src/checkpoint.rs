//! Whether a checkpoint can be continued, looked at before a plan is submitted on it.
//!
//! Damage is none of the faults that a restart mends: a query would fail on it for ever, or (where Spark
//! reads what is left and does not notice) go on with wrong figures. So it ends the supervisor, with the way
//! out. A missing newest commit is no damage: a crash leaves the same, and the batch is written again. The
//! state itself is not read here; Spark checks its files when it loads them, and [`Damaged::told_by`]
//! recognises what it says then.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;

use audit::CheckpointDirectory;
use contracts::family;
use serde_json::Value;

use crate::plans::Plan;

/// What Spark freezes into a checkpoint's first batch, under its name there.
const PARTITIONS: &str = "spark.sql.shuffle.partitions";

/// A checkpoint that must not be continued.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the checkpoint {checkpoint} cannot be continued: {damage}; run `storepulse rebuild --abandon-old`, \
     which keeps every figure complete, and start `storepulse job run` when it prints which windows the new \
     revision owns; or run `storepulse job reset` to compute all figures again from the topic's start"
)]
pub struct Damaged {
    /// Where it is.
    pub checkpoint: String,
    /// What is wrong with it.
    pub damage: String,
}

impl Damaged {
    /// Takes a query's failure for damage where Spark says that it cannot read what it had written.
    #[must_use]
    pub fn told_by(failure: &str, plan: &Plan) -> Option<Self> {
        telling_line(failure)
            .map(|line| Self { checkpoint: plan.checkpoint.clone(), damage: line.into_owned() })
    }
}

/// What a state file that cannot be unpacked is called here: Spark gives the unpacker's words, which a block
/// of a shuffle may bring forth as well, and only the frames below them tell whose file it was.
const STATE_UNREADABLE: &str = "a file of the state is empty or overwritten";

/// The line of a failure that tells of damage; it may be a cause far below the first.
pub(crate) fn telling_line(failure: &str) -> Option<Cow<'_, str>> {
    let told = [
        "Checksum error",
        "Incomplete log file",
        "Error reading delta file",
        "Error reading snapshot file",
        STATE_UNREADABLE,
    ];
    let line = failure.lines().find(|line| told.iter().any(|words| line.contains(words)));
    line.map(|line| line.trim().into()).or_else(|| {
        let reads_state = "StateStoreProvider.";
        let corrupted = failure.lines().find(|line| line.contains("Stream is corrupted"))?;
        failure.contains(reads_state).then(|| format!("{STATE_UNREADABLE}: {}", corrupted.trim()).into())
    })
}

/// Looks at the newest batch in the logs of the checkpoints of a plan's queries. One that does not exist yet
/// is fine, and so is one that this program cannot read because it is no folder of this machine.
///
/// # Errors
/// [`Damaged`].
pub fn inspect(plan: &Plan) -> Result<(), Damaged> {
    let families = family::families().map(|family| plan.family_checkpoint(family));
    families
        .chain([plan.refusals_checkpoint(), plan.ledger_checkpoint()])
        .try_for_each(|checkpoint| inspect_one(checkpoint, plan.shuffle_partitions))
}

fn inspect_one(checkpoint: String, shuffle_partitions: u32) -> Result<(), Damaged> {
    let Ok(folder) = CheckpointDirectory::of_uri(&checkpoint) else { return Ok(()) };
    logs(folder.path(), shuffle_partitions).map_err(|damage| Damaged { checkpoint, damage })
}

/// What is wrong with the logs, in words.
fn logs(folder: &Path, shuffle_partitions: u32) -> Result<(), String> {
    // In this order: a query that still runs only ever makes the second list longer.
    let committed = newest(&folder.join("commits"))?;
    let planned = newest(&folder.join("offsets"))?;
    let (offsets, commits) = (folder.join("offsets"), folder.join("commits"));
    match (planned, committed) {
        (None, None) => return Ok(()),
        (None, Some(batch)) => return Err(format!("batch {batch} is committed and its offsets are gone")),
        (Some(planned), Some(committed)) if committed > planned => {
            return Err(format!("batch {committed} is committed and its offsets are gone"));
        }
        (Some(planned), _) => {
            let lines = entry(&offsets.join(planned.to_string()))?;
            let [settings, sources @ ..] = &lines[..] else {
                return Err(format!("the offsets of batch {planned} are empty"));
            };
            if sources.is_empty() {
                return Err(format!("the offsets of batch {planned} name no source"));
            }
            let partitions = settings["conf"][PARTITIONS].as_str().unwrap_or("unset");
            if partitions != shuffle_partitions.to_string() {
                return Err(format!(
                    "it was made with {partitions} shuffle partitions, the plan has {shuffle_partitions}"
                ));
            }
            if planned > 0 && !offsets.join((planned - 1).to_string()).exists() {
                return Err(format!("the offsets of batch {} are gone", planned - 1));
            }
        }
    }
    if let Some(committed) = committed
        && entry(&commits.join(committed.to_string()))?.is_empty()
    {
        return Err(format!("the commit of batch {committed} is empty"));
    }
    Ok(())
}

/// The newest batch in a log. Beside the batches lie checksums and files that are still being written, both
/// named otherwise.
fn newest(log: &Path) -> Result<Option<u64>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be listed ({error})", log.display());
    let entries = match std::fs::read_dir(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(failed)?,
    };
    let mut newest = None;
    for entry in entries {
        newest = newest.max(entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    Ok(newest)
}

/// The lines of JSON behind the version of one file of a log.
fn entry(path: &Path) -> Result<Vec<Value>, String> {
    let broken = |why: &str| format!("{} {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| broken(&format!("cannot be read ({error})")))?;
    let mut lines = text.lines();
    if lines.next() != Some("v1") {
        return Err(broken("is not of version v1: it is empty or overwritten"));
    }
    let parse = |line: &str| match line {
        // A source that had nothing yet.
        "-" => Ok(Value::Null),
        line => serde_json::from_str(line)
            .map_err(|error| broken(&format!("is cut short or overwritten ({error})"))),
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OFFSETS: &str = concat!(
        "v1\n",
        r#"{"batchWatermarkMs":0,"batchTimestampMs":1,"conf":{"spark.sql.shuffle.partitions":"2"}}"#,
        "\n",
        r#"{"shop.events.g1":{"1":5,"0":7}}"#
    );
    const COMMIT: &str = "v1\n{\"nextBatchWatermarkMs\":0}";

    /// A checkpoint whose batch 10 is planned and whose batch 9 is committed.
    fn checkpoint() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (log, newest, content) in [("offsets", 10, OFFSETS), ("commits", 9, COMMIT)] {
            fs::create_dir(folder.path().join(log)).unwrap();
            for batch in 0..=newest {
                fs::write(folder.path().join(format!("{log}/{batch}")), content).unwrap();
            }
            fs::write(folder.path().join(format!("{log}/.{newest}.crc")), "crc").unwrap();
        }
        folder
    }

    fn damage(change: impl FnOnce(&Path)) -> Option<String> {
        let folder = checkpoint();
        change(folder.path());
        inspect_one(format!("file://{}", folder.path().display()), 2).err().map(|damaged| damaged.damage)
    }

    #[test]
    fn a_checkpoint_that_a_crash_left_is_whole() {
        assert_eq!(damage(|_| ()), None);
        assert_eq!(damage(|folder| fs::remove_file(folder.join("commits/9")).unwrap()), None);
        assert_eq!(damage(|folder| fs::write(folder.join("commits/10"), COMMIT).unwrap()), None);
        assert_eq!(damage(|folder| fs::remove_dir_all(folder).unwrap()), None);
        assert_eq!(inspect_one("hdfs://name/checkpoint".to_owned(), 2), Ok(()));
    }

    #[test]
    fn what_is_cut_short_or_gone_is_named() {
        let cut = |file: &'static str, content: String| {
            damage(move |folder| fs::write(folder.join(file), content).unwrap())
        };
        for length in 0..OFFSETS.len() {
            let found = cut("offsets/10", OFFSETS[..length].to_owned());
            assert!(found.is_some(), "{length} bytes pass for a whole file");
        }
        for length in 0..COMMIT.len() {
            assert!(cut("commits/9", COMMIT[..length].to_owned()).is_some(), "{length}");
        }
        assert!(cut("offsets/10", "\0".repeat(OFFSETS.len())).is_some());
        let four = OFFSETS.replace(r#"partitions":"2""#, r#"partitions":"4""#);
        assert!(cut("offsets/10", four).unwrap().contains("4 shuffle partitions"));
        let gone = |file: &'static str| damage(move |folder| fs::remove_file(folder.join(file)).unwrap());
        assert!(gone("offsets/9").unwrap().contains("offsets of batch 9 are gone"));
        let newer = damage(|folder| {
            fs::write(folder.join("commits/10"), COMMIT).unwrap();
            fs::remove_file(folder.join("offsets/10")).unwrap();
        });
        assert!(newer.unwrap().contains("batch 10 is committed and its offsets are gone"));
        assert!(damage(|folder| fs::remove_dir_all(folder.join("offsets")).unwrap()).is_some());
    }

    #[test]
    fn a_corrupted_stream_is_damage_only_where_state_was_read() {
        let failure = |frame: &str| {
            format!(
                "Job aborted: Lost task 0.3 in stage 1.0: java.io.IOException: Stream is corrupted\n\tat {frame}"
            )
        };
        let state = failure(
            "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider.updateFromDeltaFile",
        );
        let told = telling_line(&state).unwrap();
        assert!(told.contains("of the state") && told.contains("Stream is corrupted"), "{told}");
        // The supervisor hears of it in this one line.
        assert_eq!(telling_line(&told), Some(told.clone()));
        let shuffle = failure("org.apache.spark.storage.BufferReleasingInputStream.read");
        assert_eq!(telling_line(&shuffle), None);
    }

    #[test]
    fn the_way_out_is_named() {
        let damaged = Damaged { checkpoint: "file:/c".into(), damage: "x".into() }.to_string();
        assert!(
            damaged.contains("storepulse job reset") && damaged.contains("storepulse rebuild"),
            "{damaged}"
        );
    }
}
