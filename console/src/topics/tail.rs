//! What comes in, as it comes in: one consumer a topic, however many look, and no more rows than a person can
//! follow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contracts::endpoints::Endpoints;
use contracts::wire;
use rdkafka::Offset;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaErrorCode;
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use utoipa::ToSchema;

use super::condition::Condition;
use super::record::{Read, Record, read};
use super::schema::{Looked, Schemas};
use crate::watch::kafka::reader::{Reader, Room, nobody_answers, passes};
use crate::watch::words;

/// How many topics are followed at once.
const TOPICS: usize = 8;
/// How often rows are sent, and how many at most: 20 a second.
const EVERY: Duration = Duration::from_millis(250);
const ROWS: usize = 5;
/// How many rounds of rows wait for one who reads slowly.
const WAITING: usize = 8;
/// One request.
const REQUEST: Duration = Duration::from_secs(3);
/// How long a broker gathers records.
const GATHER: Duration = Duration::from_millis(100);

/// Rows that came in.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Rows {
    pub(crate) records: Vec<Record>,
    /// How many more met the conditions and are not told.
    pub(crate) skipped: u64,
    /// Why no more come.
    pub(crate) ended: Option<String>,
}

/// As many topics are followed as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Every topic that is followed.
pub(crate) struct Tails {
    followed: Arc<Mutex<HashMap<String, Vec<Follower>>>>,
    schemas: Arc<Schemas>,
    endpoints: Endpoints,
}

/// One who looks.
struct Follower {
    conditions: Vec<Condition>,
    rows: Rows,
    sender: Sender<Rows>,
}

impl Tails {
    pub(super) fn new(endpoints: &Endpoints, schemas: &Arc<Schemas>) -> Self {
        Self { followed: Arc::default(), schemas: Arc::clone(schemas), endpoints: endpoints.clone() }
    }

    /// Follows a topic from its end, until the receiver is dropped.
    pub(crate) fn follow(
        &self,
        topic: &str,
        ours: bool,
        conditions: Vec<Condition>,
    ) -> Result<Receiver<Rows>, Busy> {
        let (sender, receiver) = channel(WAITING);
        let mut followed = lock(&self.followed);
        let others = followed.len();
        let follower = Follower { conditions, rows: Rows::default(), sender };
        if let Some(followers) = followed.get_mut(topic) {
            followers.push(follower);
            return Ok(receiver);
        }
        if others >= TOPICS {
            return Err(Busy);
        }
        followed.insert(topic.to_owned(), vec![follower]);
        let thread = Thread {
            topic: topic.to_owned(),
            ours,
            followed: Arc::clone(&self.followed),
            schemas: Arc::clone(&self.schemas),
            runtime: tokio::runtime::Handle::current(),
            brokers: self.endpoints.kafka_brokers.clone(),
            known: None,
        };
        tokio::task::spawn_blocking(move || thread.run());
        Ok(receiver)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows one topic, on a thread of its own, as long as anybody looks.
struct Thread {
    topic: String,
    ours: bool,
    followed: Arc<Mutex<HashMap<String, Vec<Follower>>>>,
    schemas: Arc<Schemas>,
    runtime: tokio::runtime::Handle,
    brokers: String,
    known: Option<(u32, Looked)>,
}

impl Thread {
    fn run(mut self) {
        let Err(error) = self.follow() else { return };
        // Who comes between the failure and this is told of it too.
        let followers = lock(&self.followed).remove(&self.topic).unwrap_or_default();
        for follower in followers {
            let _ = follower.sender.try_send(Rows { ended: Some(words(&error)), ..Rows::default() });
        }
    }

    fn follow(&mut self) -> KafkaResult<()> {
        let reader = Reader::open(&self.brokers, GATHER, 1 << 20, Room::FOLLOWING)?;
        let no_topic = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic);
        let partitions = reader.partitions(&self.topic)?.ok_or(no_topic)?;
        let partitions: Vec<_> =
            partitions.into_iter().map(|partition| (self.topic.clone(), partition)).collect();
        let ends = reader.offsets(&partitions, Offset::End, REQUEST)?;
        let places = ends.into_iter().filter_map(|(topic, partition, end)| Some((topic, partition, end?)));
        reader.assign(&places.collect::<Vec<_>>())?;
        let mut sent = Instant::now();
        loop {
            match reader.poll(EVERY.saturating_sub(sent.elapsed())) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) if passes(&error) && !nobody_answers(&error) => {}
                Some(Err(error)) => return Err(error),
            }
            if sent.elapsed() >= EVERY {
                sent = Instant::now();
                if !self.send() {
                    return Ok(());
                }
            }
        }
    }

    /// Gives a record to everybody whose conditions it meets. It is decoded where somebody needs it, and
    /// once.
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let mut followed = lock(&self.followed);
        let Some(followers) = followed.get_mut(&self.topic) else { return };
        let wanted =
            |follower: &Follower| !follower.conditions.is_empty() || follower.rows.records.len() < ROWS;
        if !followers.iter().any(wanted) {
            for follower in followers {
                follower.rows.skipped += 1;
            }
            return;
        }
        let payload = message.payload();
        if let Some(Ok((id, _))) = payload.map(wire::split)
            && self.known.as_ref().is_none_or(|(known, _)| *known != id)
        {
            self.known = Some((id, self.schemas.get(id, &self.runtime)));
        }
        let read = read(payload, self.known.as_ref().map(|(_, known)| known));
        let mut shown: Option<Record> = None;
        for follower in followers.iter_mut() {
            if !met(&follower.conditions, &read) {
                continue;
            }
            if follower.rows.records.len() < ROWS {
                let record = shown.get_or_insert_with(|| Record::of(message, &read, self.ours));
                follower.rows.records.push(record.clone());
            } else {
                follower.rows.skipped += 1;
            }
        }
    }

    /// Sends what has come; says whether anybody still looks.
    fn send(&self) -> bool {
        let mut followed = lock(&self.followed);
        let Some(followers) = followed.get_mut(&self.topic) else { return false };
        followers.retain_mut(|follower| {
            let rows = std::mem::take(&mut follower.rows);
            if rows.records.is_empty() && rows.skipped == 0 {
                return !follower.sender.is_closed();
            }
            match follower.sender.try_send(rows) {
                Ok(()) => true,
                // It reads slowly: it is told later how much it has missed, and nothing waits for it.
                Err(TrySendError::Full(rows)) => {
                    follower.rows.skipped = rows.skipped + u64::try_from(rows.records.len()).unwrap_or(0);
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
        if followers.is_empty() {
            followed.remove(&self.topic);
            return false;
        }
        true
    }
}

fn met(conditions: &[Condition], read: &Read<'_>) -> bool {
    let Read::Avro(known, value) = read else { return conditions.is_empty() };
    conditions.iter().all(|condition| condition.allowed(known) && condition.met(condition.find(value)))
}
