use std::time::Duration;

use ingest::store::MAX_ROWS_PER_COMMIT;

/// What bounds a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request, as sent and unpacked. Ten thousand events take 4 MB in protobuf and 7 MB in JSON.
    pub body_bytes: usize,
    /// Events of a request: at most a commit's, because those of one request are committed together.
    pub request_events: usize,
    /// Bytes of an event: real ones have a few hundred.
    pub event_bytes: usize,
    /// Events that wait for their commit, of all requests: a second of what the store takes, or less.
    pub queued_events: usize,
    /// Requests at a time, streams included. Each name of a key has an equal share of them, which nobody else
    /// can take.
    pub requests: usize,
    /// Bytes of requests that are not answered yet, shared out in the same way: this bounds memory.
    pub bytes_in_flight: usize,
    /// Connections at a time, of each protocol.
    pub connections: usize,
    /// A small group waits until this long after the commit before it: each commit is a Kafka transaction.
    pub commit_every: Duration,
    /// How long a client may take to send the body of a request.
    pub body_within: Duration,
    /// How long a stream may be open without a batch; a connection may be without a byte for twice as long.
    pub idle_within: Duration,
    /// How long PostgreSQL may be away before requests are refused.
    pub patience: Duration,
    /// How long requests may take to end once the collector stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 * 1024 * 1024,
            request_events: MAX_ROWS_PER_COMMIT,
            event_bytes: 64 * 1024,
            queued_events: 50_000,
            requests: 64,
            bytes_in_flight: 48 * 1024 * 1024,
            connections: 400,
            commit_every: Duration::from_millis(50),
            body_within: Duration::from_secs(30),
            idle_within: Duration::from_secs(120),
            patience: Duration::from_secs(10),
            grace: Duration::from_secs(15),
        }
    }
}

/// Limits that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// A request that is larger than a commit would be acknowledged in parts.
    #[error("a request cannot have {0} events: use 1 to {MAX_ROWS_PER_COMMIT}")]
    RequestEvents(usize),
    /// A queue that the largest request does not fit into would refuse it for ever.
    #[error("a queue of {queued} events is too small for a request of {request}")]
    QueuedEvents {
        queued: usize,
        /// The largest request.
        request: usize,
    },
    /// Nothing could be sent.
    #[error("{0} must be more than 0")]
    Zero(&'static str),
}

impl Limits {
    /// Checks what depends on each other.
    ///
    /// # Errors
    /// The first limit that cannot be kept.
    pub const fn check(&self) -> Result<(), LimitsError> {
        if self.request_events == 0 || self.request_events > MAX_ROWS_PER_COMMIT {
            return Err(LimitsError::RequestEvents(self.request_events));
        }
        if self.queued_events < self.request_events {
            return Err(LimitsError::QueuedEvents {
                queued: self.queued_events,
                request: self.request_events,
            });
        }
        if self.body_bytes == 0 {
            return Err(LimitsError::Zero("bytes a request"));
        }
        if self.requests == 0 {
            return Err(LimitsError::Zero("requests at a time"));
        }
        Ok(())
    }
}
