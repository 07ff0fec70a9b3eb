//! A search: where it begins, what it wants, and why it ended.
//!
//! `limit` counts what is found, the budget what is read; whichever ends the search is told, and where to go
//! on from there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rdkafka::error::KafkaError;
use serde::Serialize;
use utoipa::ToSchema;

use super::condition::Condition;
use super::cursor::Cursor;
use super::record::Record;
use crate::problem::Problem;
use crate::watch::words;

/// As many records are told at most.
pub(crate) const LIMIT: usize = 200;
/// As many records are read at most.
pub(crate) const BUDGET: u64 = 200_000;

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) topic: String,
    pub(crate) from: Start,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    /// The place of a record whose key is searched for.
    pub(crate) like: Option<(i32, i64)>,
    pub(crate) conditions: Vec<Condition>,
    /// At most [`LIMIT`].
    pub(crate) limit: usize,
    /// Where an earlier search ended.
    pub(crate) cursor: Option<Cursor>,
    /// How long it may take.
    pub(crate) time: Duration,
}

/// Where a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Newest,
    Oldest,
    Time(DateTime<Utc>),
    Offset(i32, i64),
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match &error {
            SearchError::Busy => Self::busy(format!("{error}: try again when one has ended")),
            SearchError::NoTopic(_) | SearchError::NoPartition { .. } | SearchError::NoRecord { .. } => {
                Self::not_found(error.to_string())
            }
            SearchError::Left | SearchError::Kafka(_) => Self::store_away("Kafka", error),
        }
    }
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// How many records were read.
    pub(crate) scanned: u64,
    pub(crate) took_ms: u64,
    pub(crate) stopped_by: StoppedBy,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// How many records were passed over because they cannot be decoded, or their schema is not the
    /// contract's.
    pub(crate) not_judged: u64,
    /// What else is to be known of the answer.
    pub(crate) notes: Vec<String>,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoppedBy {
    /// As many were found as were wanted.
    Limit,
    /// As many were read as may be, or for as long.
    Budget,
    /// There is nothing more.
    End,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    #[error("four searches are running already")]
    Busy,
    #[error("there is no topic {0:?}")]
    NoTopic(String),
    #[error("topic {topic} has no partition {partition}: it has {partitions}, from 0")]
    NoPartition { topic: String, partition: i32, partitions: i32 },
    #[error("there is no record with a key at {partition}/{offset}")]
    NoRecord { partition: i32, offset: i64 },
    #[error("the client no longer waits for the answer")]
    Left,
    #[error("{}", words(.0))]
    Kafka(#[from] KafkaError),
}
