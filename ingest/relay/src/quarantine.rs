//! What could not be used, into `raw.quarantine` with its bytes.
//!
//! Spark publishes what it refuses as reason and coordinates, without the bytes, which may hold anything.
//! [`run`] reads these refusals, fetches the bytes from the coordinates and stores both. A refusal is passed
//! only after its row is durable; the coordinates are the key, so a repeat changes nothing. Bytes that
//! retention has removed meanwhile are stored as absent, and a record that is no refusal is stored itself:
//! nothing is dropped.

mod fetch;
mod refusal;
mod store;

pub(crate) use store::{Entry, fingerprint, store};

use std::time::{Duration, Instant};

use contracts::cause::chain;
use contracts::endpoints::Endpoints;
use contracts::secret::Address;
use contracts::{Namespace, Reason};
use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use crate::backoff::Waits;
use crate::error::{Fault, Interrupted, RelayError};
use crate::log::Quiet;
use crate::progress::RelayState;
use fetch::{Fetcher, Found};
use refusal::Refused;

const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// The services, and the registry's id of refusals.
#[derive(Clone)]
pub struct QuarantineConfig {
    /// PostgreSQL, as a URL. Holds a secret: not for logs.
    pub pg_url: Address,
    /// Kafka's bootstrap servers.
    pub kafka_brokers: String,
    /// Whose topics.
    pub namespace: Namespace,
    /// The registry's id of the schema of refusals.
    pub refusal_schema_id: u32,
}

impl QuarantineConfig {
    /// The quarantine of these services.
    #[must_use]
    pub fn new(endpoints: &Endpoints, refusal_schema_id: u32) -> Self {
        Self {
            pg_url: endpoints.pg_url.clone(),
            kafka_brokers: endpoints.kafka_brokers.clone(),
            namespace: endpoints.namespace.clone(),
            refusal_schema_id,
        }
    }
}

impl std::fmt::Debug for QuarantineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuarantineConfig")
            .field("kafka_brokers", &self.kafka_brokers)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A snapshot; counts are of this process since it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuarantineProgress {
    /// What it is doing.
    pub state: RelayState,
    /// Records stored.
    pub stored: u64,
    /// Refusals of records that were stored already.
    pub repeated: u64,
    /// Of the stored ones, those whose bytes were gone or had changed.
    pub without_bytes: u64,
    /// How often it has started again after a failure.
    pub restarts: u64,
}

/// Stores what Spark refuses until `cancel`, reconnecting through failures.
///
/// # Errors
/// When PostgreSQL refuses the user or lacks the table; everything else is retried.
pub async fn run(
    config: QuarantineConfig,
    cancel: CancellationToken,
    progress: watch::Sender<QuarantineProgress>,
) -> Result<(), RelayError> {
    let mut waits = Waits::new(BACKOFF_MAX);
    while !cancel.is_cancelled() {
        progress.send_modify(|progress| progress.state = RelayState::Starting);
        let began = Instant::now();
        match session(&config, &cancel, &progress).await {
            Ok(()) => break,
            Err(Fault::Stop(error)) => {
                progress.send_modify(|progress| progress.state = RelayState::Stopped);
                return Err(error);
            }
            Err(Fault::Retry(interrupted)) => {
                let why = chain(&interrupted);
                let wait = waits.after(began);
                tracing::warn!(why, wait_ms = wait.as_millis(), "quarantine interrupted; starting again");
                progress.send_modify(|progress| {
                    progress.state = RelayState::Reconnecting { why };
                    progress.restarts += 1;
                });
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
    progress.send_modify(|progress| progress.state = RelayState::Stopped);
    Ok(())
}

async fn session(
    config: &QuarantineConfig,
    cancel: &CancellationToken,
    progress: &watch::Sender<QuarantineProgress>,
) -> Result<(), Fault> {
    let (client, connection) = tokio_postgres::connect(&config.pg_url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "quarantine's session ended");
        }
    });
    let reading = |source: KafkaError| Interrupted::Kafka { doing: "read the refusals", source };
    let topic = config.namespace.quarantine_topic();
    let refusals = consumer(config, "read_committed").map_err(reading)?;
    refusals.subscribe(&[topic.as_str()]).map_err(reading)?;
    // A record that was refused was committed once; whether something later is still open does not matter.
    let mut fetcher = Fetcher::new(consumer(config, "read_uncommitted").map_err(reading)?);
    progress.send_modify(|progress| progress.state = RelayState::Streaming);
    let result = loop {
        let record = tokio::select! {
            biased;
            () = cancel.cancelled() => break Ok(()),
            received = refusals.recv() => match received {
                Ok(record) => record,
                Err(KafkaError::PartitionEOF(_)) => continue,
                Err(source) => break Err(reading(source).into()),
            },
        };
        if let Err(fault) = keep(config, &client, &mut fetcher, &record, progress).await {
            break Err(fault);
        }
        refusals.store_offset_from_message(&record).map_err(reading)?;
    };
    if let Err(error) = refusals.commit_consumer_state(CommitMode::Sync) {
        tracing::debug!(%error, "offsets not committed; what they cover is read again");
    }
    result
}

/// Stores one refusal.
async fn keep(
    config: &QuarantineConfig,
    client: &Client,
    fetcher: &mut Fetcher,
    record: &BorrowedMessage<'_>,
    progress: &watch::Sender<QuarantineProgress>,
) -> Result<(), Fault> {
    let value = record.payload().unwrap_or_default();
    let (new, with_bytes) = match Refused::read(value, config.refusal_schema_id) {
        Ok(Refused { refusal, partition, offset }) => {
            let found = fetcher.fetch(&refusal.source, partition, offset).await?;
            let (payload, detail) = match &found {
                // Of a topic that was made anew, another record may stand there.
                Found::Value(bytes) if fingerprint(bytes).1 == *refusal.sha256 => {
                    (Some(bytes.as_slice()), "refused by the streaming job")
                }
                Found::Value(_) => (None, "refused by the streaming job; another record stands there now"),
                Found::Null => (None, "refused by the streaming job; it has no value"),
                Found::Gone => (None, "refused by the streaming job; its bytes are gone"),
            };
            let entry = Entry {
                source: &refusal.source,
                coordinates: &refusal.coordinates,
                reason: refusal.reason,
                detail,
                payload,
                size_bytes: i64::from(refusal.size_bytes),
                sha256: &refusal.sha256,
            };
            let with_bytes = payload.is_some() || found == Found::Null;
            (store(client, &entry).await?, with_bytes)
        }
        Err(error) => {
            let detail = chain(&error);
            let coordinates = format!("{}/{}", record.partition(), record.offset());
            tracing::warn!(
                detail,
                coordinates,
                "a record of the quarantine topic is no refusal; stored itself"
            );
            let (size_bytes, sha256) = fingerprint(value);
            let entry = Entry {
                source: record.topic(),
                coordinates: &coordinates,
                reason: Reason::UndecodableAvro,
                detail: &detail,
                payload: record.payload(),
                size_bytes,
                sha256: &sha256,
            };
            (store(client, &entry).await?, true)
        }
    };
    progress.send_modify(|progress| {
        let count = if new { &mut progress.stored } else { &mut progress.repeated };
        *count += 1;
        progress.without_bytes += u64::from(new && !with_bytes);
    });
    Ok(())
}

fn consumer(config: &QuarantineConfig, isolation: &str) -> Result<StreamConsumer<Quiet>, KafkaError> {
    let group = format!("{}-quarantine", config.namespace);
    ClientConfig::new()
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("client.id", &group)
        .set("group.id", &group)
        .set("auto.offset.reset", "earliest")
        // Offsets are stored after the row, and committed a second later in the background.
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .set("fetch.wait.max.ms", "100")
        .set("allow.auto.create.topics", "false")
        .create_with_context(Quiet)
}
