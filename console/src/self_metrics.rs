//! What the console itself does: what it asks of the stores, and what drawing takes. `/metrics` tells it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counters since the process began.
#[derive(Debug, Default)]
pub(crate) struct SelfMetrics {
    postgres: AtomicU64,
    kafka: AtomicU64,
    drawings: AtomicU64,
    drawing_us: AtomicU64,
}

/// What was counted, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Who looks.
    pub(crate) viewers: usize,
    /// Statements to Cassandra.
    pub(crate) cassandra: u64,
    /// Statements to PostgreSQL.
    pub(crate) postgres: u64,
    /// Requests to Kafka, fetches of records left out.
    pub(crate) kafka: u64,
    /// Times that the live parts of pages were drawn.
    pub(crate) drawings: u64,
    /// Time that drawing took.
    pub(crate) drawing: Duration,
}

impl SelfMetrics {
    /// So many statements go to PostgreSQL.
    pub(crate) fn asks_postgres(&self, statements: u64) {
        self.postgres.fetch_add(statements, Ordering::Relaxed);
    }

    /// So many requests go to Kafka.
    pub(crate) fn asks_kafka(&self, requests: u64) {
        self.kafka.fetch_add(requests, Ordering::Relaxed);
    }

    /// Live parts were drawn from then until now.
    pub(crate) fn drew(&self, since: Instant) {
        let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.drawings.fetch_add(1, Ordering::Relaxed);
        self.drawing_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What was counted until now, with what is counted elsewhere.
    pub(crate) fn told(&self, viewers: usize, cassandra: u64) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            viewers,
            cassandra,
            postgres: of(&self.postgres),
            kafka: of(&self.kafka),
            drawings: of(&self.drawings),
            drawing: Duration::from_micros(of(&self.drawing_us)),
        }
    }
}
