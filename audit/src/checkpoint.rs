//! How far Spark has committed, read from the query's checkpoint.
//!
//! A checkpoint holds `offsets/<batch>` (what a batch reads up to) and `commits/<batch>` (the batch is in the
//! sink). The newest committed batch's offsets are therefore what the tables contain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use contracts::Namespace;
use contracts::endpoints::local_path;
use contracts::family::{self, Family, REGISTRATIONS};
use contracts::ledger::CHECKPOINT_SUFFIX;
use serde_json::Value;
use tokio_postgres::Client;

use crate::VerifyError;

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<i32, i64>;

/// Tells how far the job's queries have committed: a query is named by its family, or as
/// [`LEDGER`](contracts::query::LEDGER).
pub trait SparkProgress: Sync {
    /// The offsets by partition up to which a topic is in the sink; nothing before the first batch.
    ///
    /// # Errors
    /// When it cannot be told.
    fn committed_offsets(&self, query: &str, topic: &str) -> Result<Option<BTreeMap<i32, i64>>, VerifyError>;

    /// The watermark that the newest committed batch went by; nothing before the first batch.
    ///
    /// # Errors
    /// When it cannot be told.
    fn watermark(&self, query: &str) -> Result<Option<DateTime<Utc>>, VerifyError>;
}

/// What follows the path of the cube's checkpoint in that of a query's.
fn suffix(query: &str) -> String {
    let family = family::families().find(|family| family.name == query);
    family.map_or_else(|| CHECKPOINT_SUFFIX.to_owned(), Family::checkpoint_suffix)
}

/// A checkpoint in a folder that this program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointDirectory(PathBuf);

impl CheckpointDirectory {
    /// The folder of a `file:` URI, which may not exist yet.
    ///
    /// # Errors
    /// When it is another URI.
    pub fn of_uri(uri: &str) -> Result<Self, VerifyError> {
        local_path(uri).map(Self).ok_or_else(|| VerifyError::CheckpointScheme(uri.to_owned()))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of a query beside the cube, whose own is this.
    fn of(&self, query: &str) -> Self {
        let mut path = self.0.clone().into_os_string();
        path.push(suffix(query));
        Self(path.into())
    }

    fn latest_commit(&self) -> Result<Option<u64>, VerifyError> {
        let commits = self.0.join("commits");
        let failed = |source| VerifyError::Checkpoint { path: commits.display().to_string(), source };
        let entries = match std::fs::read_dir(&commits) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut latest = None;
        for entry in entries {
            // Beside the batches lie checksums and files that are still being written, both named otherwise.
            let batch = entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse().ok());
            latest = latest.max(batch);
        }
        Ok(latest)
    }
}

impl CheckpointDirectory {
    /// What the newest committed batch was planned with, beside the file's path.
    fn committed(&self) -> Result<Option<(String, PathBuf)>, VerifyError> {
        // A batch may be cleaned up between the two looks; then there is a newer one.
        loop {
            let Some(batch) = self.latest_commit()? else { return Ok(None) };
            let path = self.0.join("offsets").join(batch.to_string());
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(Some((text, path))),
                Err(error)
                    if error.kind() == std::io::ErrorKind::NotFound
                        && self.latest_commit()? != Some(batch) => {}
                Err(source) => {
                    return Err(VerifyError::Checkpoint { path: path.display().to_string(), source });
                }
            }
        }
    }

    /// The offsets by partition up to which this query has a topic in its sink; nothing before the first
    /// batch.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub fn committed_offsets(&self, topic: &str) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        let Some((text, path)) = self.committed()? else { return Ok(None) };
        offsets(&text, topic, &path)
    }

    fn watermark(&self) -> Result<Option<DateTime<Utc>>, VerifyError> {
        let Some((text, path)) = self.committed()? else { return Ok(None) };
        let settings = text.lines().nth(1).and_then(|line| serde_json::from_str::<Value>(line).ok());
        let unix_ms = settings.and_then(|settings| settings.get("batchWatermarkMs")?.as_i64());
        let at = unix_ms.and_then(DateTime::from_timestamp_millis);
        let shape = || VerifyError::CheckpointShape {
            path: path.display().to_string(),
            reason: "it names no watermark".to_owned(),
        };
        at.map(Some).ok_or_else(shape)
    }
}

/// A file of offsets: a version, a line about the batch, then a line for each source.
fn offsets(text: &str, topic: &str, path: &Path) -> Result<Option<Offsets>, VerifyError> {
    let shape = |reason: &str| VerifyError::CheckpointShape {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    };
    let mut lines = text.lines();
    if lines.next() != Some("v1") {
        return Err(shape("it is not of version v1"));
    }
    for line in lines.skip(1) {
        let Ok(source) = serde_json::from_str::<Value>(line) else { continue };
        let Some(partitions) = source.get(topic) else { continue };
        let partitions = partitions.as_object().ok_or_else(|| shape("a topic is no map of partitions"))?;
        let mut offsets = Offsets::new();
        for (partition, offset) in partitions {
            let partition = partition.parse().map_err(|_| shape("a partition is no number"))?;
            let offset = offset.as_i64().ok_or_else(|| shape("an offset is no number"))?;
            offsets.insert(partition, offset);
        }
        return Ok(Some(offsets));
    }
    Ok(None)
}

/// The checkpoints of the plans in force, by topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints(Vec<(String, CheckpointDirectory)>);

impl SparkProgress for Checkpoints {
    fn committed_offsets(&self, query: &str, topic: &str) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        let mut newest = None;
        // Two plans may read one topic; what both have committed is what counts. Users are in one topic for
        // all.
        let reads = |of: &str| of == topic || query == REGISTRATIONS.name;
        for (_, checkpoint) in self.0.iter().filter(|(of, _)| reads(of)) {
            let Some(committed) = checkpoint.of(query).committed_offsets(topic)? else { return Ok(None) };
            newest = Some(match newest {
                None => committed,
                Some(before) => least(before, &committed),
            });
        }
        Ok(newest)
    }

    fn watermark(&self, query: &str) -> Result<Option<DateTime<Utc>>, VerifyError> {
        let mut least: Option<DateTime<Utc>> = None;
        for (_, checkpoint) in &self.0 {
            let Some(at) = checkpoint.of(query).watermark()? else { return Ok(None) };
            least = Some(least.map_or(at, |least| least.min(at)));
        }
        Ok(least)
    }
}

fn least(mut one: Offsets, other: &Offsets) -> Offsets {
    one.retain(|partition, _| other.contains_key(partition));
    for (partition, offset) in &mut one {
        *offset = (*offset).min(other[partition]);
    }
    one
}

/// The checkpoints of the plans in force for a query.
///
/// # Errors
/// When no plan is in force or a checkpoint is not in a folder.
pub async fn checkpoints_in_force(
    client: &Client,
    namespace: &Namespace,
    query: &str,
) -> Result<Checkpoints, VerifyError> {
    let rows = client
        .query(
            "select topic_generation, checkpoint from ops.job_plan where query = $1 and retired_at is null",
            &[&query],
        )
        .await
        .map_err(VerifyError::postgres("look for the plans in force"))?;
    if rows.is_empty() {
        return Err(VerifyError::NoPlan { query: query.to_owned() });
    }
    let checkpoint = |row: &tokio_postgres::Row| {
        Ok((namespace.events_topic(row.get(0)), CheckpointDirectory::of_uri(row.get(1))?))
    };
    rows.iter().map(checkpoint).collect::<Result<_, _>>().map(Checkpoints)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BATCH: &str = concat!(
        "v1\n",
        r#"{"batchWatermarkMs":0,"batchTimestampMs":1,"conf":{"spark.sql.shuffle.partitions":"2"}}"#,
        "\n",
        r#"{"shop.events.g1":{"2":7,"1":5,"3":0,"0":1234567890123}}"#
    );

    #[test]
    fn the_newest_committed_batch_counts() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = CheckpointDirectory::of_uri(&format!("file://{}", folder.path().display())).unwrap();
        assert_eq!(checkpoint.committed_offsets("shop.events.g1").unwrap(), None);
        fs::create_dir(folder.path().join("commits")).unwrap();
        fs::create_dir(folder.path().join("offsets")).unwrap();
        for batch in 8..=11 {
            fs::write(folder.path().join(format!("offsets/{batch}")), BATCH.replace('5', &batch.to_string()))
                .unwrap();
        }
        for name in ["8", "9", "10", ".10.crc", ".11.c2a.tmp"] {
            fs::write(folder.path().join("commits").join(name), "v1\n{}").unwrap();
        }
        let offsets = checkpoint.committed_offsets("shop.events.g1").unwrap().unwrap();
        assert_eq!(offsets[&1], 10, "batch 10 is newer than 9, and 11 is not committed");
        assert_eq!(offsets.len(), 4);
        assert_eq!(checkpoint.committed_offsets("shop.events.g2").unwrap(), None);
        assert_eq!(checkpoint.watermark().unwrap(), Some(DateTime::UNIX_EPOCH));
    }

    #[test]
    fn of_two_plans_on_a_topic_the_one_behind_counts() {
        let (ahead, behind) = (Offsets::from([(0, 9), (1, 4), (2, 1)]), Offsets::from([(0, 7), (1, 5)]));
        assert_eq!(least(ahead, &behind), Offsets::from([(0, 7), (1, 4)]));
    }

    #[test]
    fn only_folders_can_be_read() {
        let path = Path::new("/data/c");
        for uri in ["file:/data/c", "file:///data/c", "file://localhost/data/c", "/data/c"] {
            assert_eq!(CheckpointDirectory::of_uri(uri).unwrap().0, path);
        }
        assert!(CheckpointDirectory::of_uri("hdfs://name/data").is_err());
    }

    #[test]
    fn what_is_no_checkpoint_is_named() {
        let error = offsets("v2\n{}\n{}", "t", Path::new("/c/offsets/3")).unwrap_err();
        assert!(error.to_string().contains("/c/offsets/3"), "{error}");
    }
}
