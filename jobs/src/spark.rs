//! A session on a Spark Connect server, from async code.
//!
//! The client blocks and has a runtime of its own, and a server that hangs would block it for ever: every
//! call runs on a thread of its own under a deadline. A call that outlives its deadline is left behind on its
//! thread and its session is given up.

use std::time::Duration;

use spark_connect_rs::{SparkError, SparkSession};
use uuid::Uuid;

/// Whether a micro-batch without data follows one that moved the watermark; a query keeps what was set when
/// it started.
pub(crate) const NO_DATA_BATCHES: &str = "spark.sql.streaming.noDataMicroBatches.enabled";

/// Where a query keeps its state between micro-batches. Frozen into a checkpoint at its first batch.
pub(crate) const STATE_STORE: &str = "spark.sql.streaming.stateStore.providerClass";

/// In the executor's heap, twice over while a micro-batch changes it: the fastest for few rows.
pub(crate) const STATE_IN_HEAP: &str =
    "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider";

/// On the executor's disk, beside the heap: for as many rows as there are visits within the watermark's
/// delay.
pub(crate) const STATE_ON_DISK: &str =
    "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider";

/// What state on disk collects in memory before it writes, in MiB: a task's store has two such buffers. A
/// limit for all memory that it takes exists, too, but 3.5 fails the task that reaches it.
const STATE_WRITE_BUFFER_MB: u32 = 32;

/// Into how many tasks rows are shuffled.
pub(crate) const SHUFFLE_PARTITIONS_SETTING: &str = "spark.sql.shuffle.partitions";

/// Into how many tasks the streams of a plan read and shuffle unless it says otherwise: one a core. It is
/// frozen into a checkpoint at its first batch, so that it is the plan's, and its fingerprint covers it.
pub const SHUFFLE_PARTITIONS: u32 = 2;

/// A call to Spark that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server, or the client, refused.
    #[error("spark refused to {action}")]
    Spark {
        /// What was asked.
        action: &'static str,
        /// Why not.
        #[source]
        source: SparkError,
    },
    /// No answer in time.
    #[error("spark did not answer within {} s when asked to {action}", deadline.as_secs())]
    Deadline {
        /// What was asked.
        action: &'static str,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// The client panicked: a fault of the client, kept from taking the supervisor down.
    #[error("the spark client panicked when asked to {action}")]
    Panicked {
        /// What was asked.
        action: &'static str,
    },
}

/// Runs a blocking call to Spark on a thread of its own.
///
/// # Errors
/// [`CallError`].
pub async fn call<T: Send + 'static>(
    action: &'static str,
    deadline: Duration,
    work: impl FnOnce() -> Result<T, SparkError> + Send + 'static,
) -> Result<T, CallError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // A plain thread: a blocking-pool thread that hangs would hold up the runtime's shutdown.
    std::thread::spawn(move || {
        // The receiver is gone when the deadline has passed.
        let _ = sender.send(work());
    });
    match tokio::time::timeout(deadline, receiver).await {
        Ok(Ok(result)) => result.map_err(|source| CallError::Spark { action, source }),
        Ok(Err(_)) => Err(CallError::Panicked { action }),
        Err(_) => Err(CallError::Deadline { action, deadline }),
    }
}

/// Opens a session of its own and sets what every plan relies on.
///
/// # Errors
/// When the server cannot be reached or refuses the secret.
pub async fn connect(remote: &str) -> Result<SparkSession, CallError> {
    join(remote, Uuid::new_v4()).await
}

/// Joins the session of this id, or opens it, and sets what every plan relies on.
///
/// # Errors
/// As of [`connect`].
pub async fn join(remote: &str, session_id: Uuid) -> Result<SparkSession, CallError> {
    let remote = with_session(remote, session_id);
    call("open a session", Duration::from_secs(30), move || {
        let session = SparkSession::builder().remote(&remote).get_or_create()?;
        for (key, value) in [
            ("spark.sql.session.timeZone", "UTC".to_owned()),
            (SHUFFLE_PARTITIONS_SETTING, SHUFFLE_PARTITIONS.to_string()),
            ("spark.sql.streaming.stopTimeout", "10s".to_owned()),
            // A batch without data would follow every one that moved the watermark, only to evict state, and
            // double the lag of the next; eviction can wait for the next records.
            (NO_DATA_BATCHES, "false".to_owned()),
            // Asked for every second, so a few are enough; the server would send a hundred.
            ("spark.sql.streaming.numRecentProgressUpdates", "16".to_owned()),
            (STATE_STORE, STATE_IN_HEAP.to_owned()),
            ("spark.sql.streaming.stateStore.rocksdb.writeBufferSizeMB", STATE_WRITE_BUFFER_MB.to_string()),
            // A micro-batch keeps what it changed, not files of all that there is.
            ("spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled", "true".to_owned()),
            // Sketches are aggregated as objects; past 128 groups in a task that would fall back to sorting.
            ("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "100000".to_owned()),
            // A micro-batch is small: coordination between its stages costs more than skew would.
            ("spark.sql.adaptive.enabled", "false".to_owned()),
        ] {
            session.conf().set(key, &value)?;
        }
        Ok(session)
    })
    .await
}

/// How long the server gives one answer for, in ms or with a unit.
const ANSWER_ENDS_AFTER: &str = "spark.connect.execute.reattachable.senderMaxStreamDuration";

/// Whether the server gives an answer for as long as it takes. Otherwise it ends it after some minutes and
/// expects the client to ask for the rest; client 4.2.0 takes the end of the answer for that of what it asked
/// for, and of what is still being written nothing is committed.
///
/// # Errors
/// When the server does not tell.
pub(crate) fn answers_to_the_end(session: &SparkSession) -> Result<bool, SparkError> {
    let ends_after = session.conf().get_with_default(ANSWER_ENDS_AFTER, None)?;
    Ok(ends_after.is_some_and(|after| after.trim_end_matches(|c: char| c.is_ascii_alphabetic()) == "0"))
}

/// A server's address with the session to join.
fn with_session(remote: &str, session_id: Uuid) -> String {
    // Parameters stand after a path that is always empty: `sc://host:port/;key=value`.
    let separator = if remote.contains(';') || remote.ends_with('/') { ";" } else { "/;" };
    format!("{}{separator}session_id={session_id}", remote.trim_end_matches(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_added_to_an_address_in_each_of_its_forms() {
        let id = Uuid::nil();
        for (remote, expected) in [
            ("sc://spark:15002", "sc://spark:15002/;session_id={id}"),
            ("sc://spark:15002/", "sc://spark:15002/;session_id={id}"),
            ("sc://spark:15002/;token=t", "sc://spark:15002/;token=t;session_id={id}"),
            ("sc://spark:15002/;token=t;", "sc://spark:15002/;token=t;session_id={id}"),
        ] {
            assert_eq!(with_session(remote, id), expected.replace("{id}", &id.to_string()));
        }
    }
}
