//! The transactional producer.
//!
//! One transaction at a time. Any failure here ends the session: what was in flight is known only after
//! the start order has been run again, so nothing is guessed from an error.

use std::time::{Duration, Instant};

use contracts::topics::MAX_MESSAGE_BYTES;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tokio_util::sync::CancellationToken;

use crate::config::RelayConfig;
use crate::error::Interrupted;
use crate::log::Quiet;
use crate::progress::Reporter;

/// How long fencing older relays may take: longer than their transactions may stay open.
const FENCE: Duration = Duration::from_secs(30);
/// The step in which the producer's queue is looked at.
const REST: Duration = Duration::from_micros(500);
/// How long a blocking call may keep us from noticing that the end was asked for.
const ATTENTION: Duration = Duration::from_secs(1);
/// How long finishing may take once the end was asked for.
const HURRY: Duration = Duration::from_secs(3);

/// A producer that has fenced every older one of the same transactional id.
pub(crate) struct Producer {
    inner: BaseProducer<Quiet>,
    open: bool,
    patience: Duration,
    cancel: CancellationToken,
    reporter: Reporter,
}

impl Producer {
    /// Fences older producers: their open transactions are aborted, those being committed are finished.
    /// Blocks.
    pub(crate) fn open(
        config: &RelayConfig,
        cancel: CancellationToken,
        reporter: Reporter,
    ) -> Result<Self, Interrupted> {
        let limits = &config.limits;
        let inner: BaseProducer<Quiet> = ClientConfig::new()
            .set("bootstrap.servers", &config.kafka_brokers)
            .set("client.id", config.namespace.transactional_id())
            .set("transactional.id", config.namespace.transactional_id())
            .set("transaction.timeout.ms", limits.transaction_timeout.as_millis().to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            // The partitioner of the Java clients, so that every producer of a key agrees.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
            .set("queue.buffering.max.kbytes", limits.queue_kbytes.to_string())
            .set("queue.buffering.max.messages", limits.queue_messages.to_string())
            // A transaction fails as a whole; reports of single successes would only cost.
            .set("delivery.report.only.error", "true")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "1000")
            .create_with_context(Quiet)
            .map_err(|source| Interrupted::Kafka { doing: "create a producer", source })?;
        let producer = Self { inner, open: false, patience: limits.transaction_timeout, cancel, reporter };
        let began = Instant::now();
        producer.persist(began, FENCE, "fence older relays", |inner| inner.init_transactions(ATTENTION))?;
        Ok(producer)
    }

    /// Fails where a topic does not exist: the producer would wait for it, and say no more than that nothing
    /// is acknowledged. Blocks.
    pub(crate) fn find(&self, topic: &str) -> Result<(), Interrupted> {
        let metadata = self
            .inner
            .client()
            .fetch_metadata(Some(topic), FENCE)
            .map_err(|source| Interrupted::Kafka { doing: "describe a topic", source })?;
        let unknown = metadata
            .topics()
            .iter()
            .filter_map(|found| found.error())
            .any(|error| RDKafkaErrorCode::from(error) == RDKafkaErrorCode::UnknownTopicOrPartition);
        if unknown { Err(Interrupted::TopicMissing { topic: topic.to_owned() }) } else { Ok(()) }
    }

    /// Hands a record to the producer, beginning a transaction where none is open. Waits while its queue is
    /// full: the relay then reads no more, and PostgreSQL sends no more.
    pub(crate) fn send(
        &mut self,
        topic: &str,
        key: &[u8],
        value: Option<&[u8]>,
        headers: &OwnedHeaders,
    ) -> Result<(), Interrupted> {
        let failed = |source| Interrupted::Kafka { doing: "take a record", source };
        if !self.open {
            self.inner
                .begin_transaction()
                .map_err(|source| Interrupted::Kafka { doing: "begin a transaction", source })?;
            self.open = true;
        }
        let mut record = BaseRecord::to(topic).key(key);
        record.payload = value;
        record.headers = Some(headers.clone());
        let mut full_since: Option<Instant> = None;
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    self.check_time(
                        *full_since.get_or_insert_with(Instant::now),
                        self.patience,
                        "take records",
                    )?;
                    record = returned;
                    self.rest();
                }
                Err((source, _)) => return Err(failed(source)),
            }
        }
    }

    /// Commits. An error says nothing about the outcome. Blocks.
    pub(crate) fn commit(&mut self) -> Result<(), Interrupted> {
        let began = Instant::now();
        // Flushing by hand: the library's own loop goes in steps of 100 ms.
        while self.inner.in_flight_count() > 0 {
            self.rest();
            self.check_time(began, self.patience, "deliver the transaction's records")?;
        }
        self.persist(began, self.patience, "commit a transaction", |inner| {
            inner.commit_transaction(ATTENTION)
        })?;
        self.open = false;
        Ok(())
    }

    /// Aborts what is open, so that readers need not wait for the broker to time it out. Blocks.
    pub(crate) fn abort(&mut self) {
        if std::mem::take(&mut self.open)
            && let Err(error) = self.inner.abort_transaction(HURRY)
        {
            tracing::debug!(%error, "transaction not aborted; the next relay or the broker ends it");
        }
    }

    /// Repeats a call that goes on in the background when it returns with a retriable error.
    fn persist(
        &self,
        began: Instant,
        patience: Duration,
        doing: &'static str,
        call: impl Fn(&BaseProducer<Quiet>) -> Result<(), KafkaError>,
    ) -> Result<(), Interrupted> {
        loop {
            match call(&self.inner) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                    self.check_time(began, patience, doing)?;
                }
                Err(source) => return Err(Interrupted::Kafka { doing, source }),
            }
        }
    }

    /// Serves the producer's events, then lets its threads work. There is no event to wait for: deliveries
    /// that succeed are not reported, and polling with a time-out below 1 ms spins.
    fn rest(&self) {
        self.inner.poll(Duration::ZERO);
        std::thread::sleep(REST);
    }

    fn check_time(&self, began: Instant, patience: Duration, doing: &'static str) -> Result<(), Interrupted> {
        if began.elapsed() >= ATTENTION {
            self.reporter.awaiting_kafka(began);
        }
        let allowed = if self.cancel.is_cancelled() { HURRY } else { patience };
        if began.elapsed() < allowed {
            Ok(())
        } else {
            Err(Interrupted::KafkaTimeout { doing, seconds: allowed.as_secs() })
        }
    }
}
