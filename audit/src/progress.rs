//! Waiting until what a snapshot saw has gone the whole way: through the relay, through Spark.

use std::time::Duration;

use contracts::endpoints::Endpoints;
use provision::position::{Next, PositionReader};
use provision::{Watermarks, watermarks};
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use tokio::time::Instant;
use tokio_postgres::types::PgLsn;

use crate::VerifyError;
use crate::checkpoint::{Offsets, SparkProgress};
use crate::snapshot::{Phase, Progress};

/// How often the checkpoint is looked at: Spark tells nobody when it commits.
const CHECKPOINT_POLL: Duration = Duration::from_millis(100);
/// How long one request to Kafka may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until the relay's committed position is at or past an LSN.
pub(crate) async fn relay_past(
    endpoints: &Endpoints,
    wanted: u64,
    wait: Duration,
    progress: Progress<'_>,
) -> Result<(), VerifyError> {
    let namespace = &endpoints.namespace;
    let reader =
        PositionReader::open(&endpoints.kafka_brokers, &namespace.positions_topic(), &namespace.slot())
            .await?;
    let deadline = Instant::now() + wait;
    let mut latest = None;
    loop {
        match tokio::time::timeout_at(deadline, reader.next()).await {
            Ok(Ok(Next::Position(position))) => {
                latest = Some(position.lsn);
                if position.lsn >= wanted {
                    return Ok(());
                }
            }
            Ok(Ok(Next::End)) => {
                progress(Phase::WaitingForRelay { position: latest.map(PgLsn::from), wanted: wanted.into() });
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                let none = || "none".to_owned();
                return Err(VerifyError::RelayBehind {
                    waited_s: wait.as_secs(),
                    position: latest.map_or_else(none, |lsn| PgLsn::from(lsn).to_string()),
                    wanted: PgLsn::from(wanted).to_string(),
                });
            }
        }
    }
}

/// Waits until Spark has committed a topic up to the end that is read now, of committed records.
pub(crate) async fn spark_past_end(
    endpoints: &Endpoints,
    query: &str,
    topic: &str,
    spark: &dyn SparkProgress,
    wait: Duration,
    progress: Progress<'_>,
) -> Result<(), VerifyError> {
    let deadline = Instant::now() + wait;
    let end = committed_end(&endpoints.kafka_brokers, topic.to_owned()).await?;
    loop {
        let committed = spark.committed_offsets(query, topic)?;
        let behind = behind(&end, committed.as_ref());
        if behind == 0 && committed.is_some() {
            return Ok(());
        }
        progress(Phase::WaitingForSpark { behind });
        if Instant::now() >= deadline {
            let waited_s = wait.as_secs();
            return Err(VerifyError::SparkBehind {
                waited_s,
                behind,
                query: query.to_owned(),
                topic: topic.to_owned(),
            });
        }
        tokio::time::sleep(CHECKPOINT_POLL).await;
    }
}

fn behind(end: &Offsets, committed: Option<&Offsets>) -> i64 {
    let at = |partition| committed.and_then(|offsets| offsets.get(partition)).copied().unwrap_or(0);
    end.iter().map(|(partition, end)| (end - at(partition)).max(0)).sum()
}

/// The last stable offset of every partition: where a reader of committed records ends.
async fn committed_end(brokers: &str, topic: String) -> Result<Offsets, VerifyError> {
    let failed = |source| VerifyError::Kafka { doing: "tell the end of the events topic", source };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // librdkafka asks for watermarks at its isolation level.
        .set("isolation.level", "read_committed")
        .create()
        .map_err(failed)?;
    let read = tokio::task::spawn_blocking(move || watermarks(&consumer, &topic, REQUEST_TIMEOUT));
    // Only a panic inside of the call fails to join, or a runtime that is shutting down.
    let read = read.await.unwrap_or(Err(KafkaError::Canceled)).map_err(failed)?;
    Ok(read.into_iter().map(|(partition, Watermarks { high, .. })| (partition, high)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_behind_is_counted_over_partitions_and_never_made_up_for() {
        let end = Offsets::from([(0, 10), (1, 5), (2, 0)]);
        assert_eq!(behind(&end, None), 15);
        assert_eq!(behind(&end, Some(&Offsets::from([(0, 99), (1, 3)]))), 2);
        assert_eq!(behind(&end, Some(&Offsets::from([(0, 10), (1, 5)]))), 0);
    }
}
