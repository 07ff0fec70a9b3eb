//! The Spark session of a job: the same one for every supervisor that ever runs it.
//!
//! A supervisor that was killed leaves its queries running, and a server ends a session only an hour after
//! its last call. In the job's own session the successor finds them and stops them, before its own share the
//! cluster with a second set of each.

use std::time::Duration;

use contracts::cause::chain;
use contracts::endpoints::Endpoints;
use sha2::{Digest, Sha256};
use spark_connect_rs::SparkSession;
use spark_connect_rs::streaming::StreamingQuery;
use tokio::task::JoinSet;
use uuid::{Builder, Uuid};

use crate::plans::CUBE_QUERY;
use crate::spark::{self, CallError};

/// How long the server may take to answer a question; a query is given 10 s of it to stop (`stopTimeout`).
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// Joins the session of the job.
pub(super) async fn join(endpoints: &Endpoints) -> Result<SparkSession, CallError> {
    spark::join(&endpoints.spark_remote, session_id(endpoints)).await
}

/// The job is where its checkpoints are. In the form of a random id, which the client insists on.
fn session_id(endpoints: &Endpoints) -> Uuid {
    let mut hash = Sha256::new();
    for part in [&endpoints.checkpoint_root, endpoints.namespace.keyspace(), CUBE_QUERY] {
        hash.update(part);
        hash.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// Stops what runs in the session, and tells how many queries that were.
pub(super) async fn clear(session: &SparkSession) -> Result<usize, CallError> {
    let asked = session.clone();
    let running = spark::call("list the job's queries", ANSWER, move || asked.streams().active()).await?;
    let found = running.len();
    stop(running).await;
    Ok(found)
}

/// Stops queries, all at once; one that does not stop is left to the next submission.
pub(super) async fn stop(queries: impl IntoIterator<Item = StreamingQuery>) {
    let mut stopping = JoinSet::new();
    for query in queries {
        stopping.spawn(spark::call("stop a query", ANSWER, move || query.stop()));
    }
    while let Some(stopped) = stopping.join_next().await {
        // A call hands a panic on as an error.
        if let Ok(Err(error)) = stopped {
            tracing::warn!(error = %chain(&error), "a query did not stop");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(namespace: &str, checkpoint_root: &str) -> Endpoints {
        Endpoints {
            pg_url: "postgresql://localhost/raw".into(),
            kafka_brokers: "localhost:9092".into(),
            schema_registry_url: "http://localhost:8081".into(),
            cassandra_contact_points: "localhost:9042".into(),
            spark_remote: "sc://localhost:15002".into(),
            checkpoint_root: checkpoint_root.into(),
            namespace: namespace.parse().unwrap(),
        }
    }

    #[test]
    fn a_job_has_one_session_and_no_other_job_has_it() {
        let shop = session_id(&endpoints("shop", "file:///checkpoints"));
        assert_eq!(shop, session_id(&endpoints("shop", "file:///checkpoints")));
        assert_ne!(shop, session_id(&endpoints("shop2", "file:///checkpoints")));
        assert_ne!(shop, session_id(&endpoints("shop", "file:///elsewhere")));
        assert_eq!(shop.get_version_num(), 4);
    }
}
