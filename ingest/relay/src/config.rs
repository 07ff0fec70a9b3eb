//! What the relay needs to know before it starts.

use std::time::Duration;

use contracts::Namespace;
use contracts::endpoints::Endpoints;
use contracts::secret::Address;
use contracts::topics::Assigned;
use tokio::sync::watch;

use crate::guard::GuardLimits;
use crate::quarantine::QuarantineProgress;

/// The services, whose topics, and under which schema ids.
#[derive(Clone)]
pub struct RelayConfig {
    /// PostgreSQL, as a URL. Holds a secret: not for logs.
    pub pg_url: Address,
    /// Kafka's bootstrap servers.
    pub kafka_brokers: String,
    /// Whose slot, publications and topics.
    pub namespace: Namespace,
    /// What set-up decided. Which generations of the events topic are written is read at the start of a
    /// session; the one told of here must be known to the database.
    pub assigned: Assigned,
    /// Sizes and times.
    pub limits: Limits,
    /// How the quarantine beside it does, where one runs in this process: reported together with the relay.
    pub quarantine: Option<watch::Receiver<QuarantineProgress>>,
}

impl std::fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayConfig")
            .field("kafka_brokers", &self.kafka_brokers)
            .field("namespace", &self.namespace)
            .field("generation", &self.assigned.generation)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl RelayConfig {
    /// The relay of these services, with the default limits.
    #[must_use]
    pub fn new(endpoints: &Endpoints, assigned: Assigned) -> Self {
        Self {
            pg_url: endpoints.pg_url.clone(),
            kafka_brokers: endpoints.kafka_brokers.clone(),
            namespace: endpoints.namespace.clone(),
            assigned,
            limits: Limits::default(),
            quarantine: None,
        }
    }

    /// With the quarantine that runs in the same process.
    #[must_use]
    pub fn with_quarantine(self, quarantine: watch::Receiver<QuarantineProgress>) -> Self {
        Self { quarantine: Some(quarantine), ..self }
    }
}

/// Sizes and times. The defaults are what was measured to serve both the idle and the backlogged relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Rows in one Kafka transaction. A commit stands still for some 10 ms whatever its size, so a backlog
    /// goes out in large ones; a larger PostgreSQL transaction is split.
    pub transaction_rows: u64,
    /// Bytes of keys and values in one Kafka transaction.
    pub transaction_bytes: u64,
    /// How long a Kafka transaction may stay open: readers of committed records see nothing behind it
    /// meanwhile.
    pub transaction_age: Duration,
    /// Below this many rows a transaction is committed as soon as the received data is out; above, the relay
    /// waits briefly for more, as it is working off a backlog.
    pub eager_rows: u64,
    /// After how long without rows a transaction with only a position is written, so that PostgreSQL can let
    /// go of its log.
    pub idle_position: Duration,
    /// After how long the broker gives up a transaction whose relay is gone.
    pub transaction_timeout: Duration,
    /// Records waiting to be sent, in KiB and in number. When full, the relay stops reading, and PostgreSQL
    /// stops sending.
    pub queue_kbytes: u32,
    /// See [`queue_kbytes`](Self::queue_kbytes).
    pub queue_messages: u32,
    /// Messages of the log that have been received and not yet handled.
    pub buffered_messages: usize,
    /// The longest wait between two attempts to start after a failure.
    pub backoff_max: Duration,
    /// From where on to warn about the slot.
    pub guard: GuardLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transaction_rows: 100_000,
            transaction_bytes: 64 << 20,
            transaction_age: Duration::from_secs(1),
            eager_rows: 1_000,
            idle_position: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(15),
            queue_kbytes: 16_384,
            queue_messages: 32_768,
            buffered_messages: 8_192,
            backoff_max: Duration::from_secs(10),
            guard: GuardLimits::default(),
        }
    }
}
