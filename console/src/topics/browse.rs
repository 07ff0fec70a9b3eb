//! A search: where it begins, what it wants, and why it ended.
//!
//! `limit` counts what is found, the budget what is read; whichever ends the search is told, and where to go on from there.
//! What is written after the search began is not looked at. Newest first, windows of growing size are read before the last stable
//! offset, each forwards as Kafka gives it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::wire;
use rdkafka::Offset;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaErrorCode;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::condition::Condition;
use super::cursor::Cursor;
use super::lane::{Lane, Match, Way, enough, merge, rest};
use super::record::{Read, Record, read, time};
use super::schema::{Looked, Schemas};
use super::{Browser, Loan, partition};
use crate::problem::Problem;
use crate::watch::kafka::reader::{Place, Reader, nobody_answers, passes};
use crate::watch::words;

/// As many records are told at most.
pub(crate) const LIMIT: usize = 200;
/// As many records are read at most.
pub(crate) const BUDGET: u64 = 200_000;
/// One request for metadata or offsets.
const REQUEST: Duration = Duration::from_secs(3);
/// How often it is looked whether the search still matters.
const ATTENTION: Duration = Duration::from_millis(100);
/// The smallest and the largest window of a search that goes backwards, in offsets of each partition.
const WINDOW: std::ops::RangeInclusive<i64> = 200..=32_768;

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) topic: String,
    pub(crate) from: From,
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
pub(crate) enum From {
    Newest,
    Oldest,
    Time(DateTime<Utc>),
    Offset(i32, i64),
}

impl std::convert::From<SearchError> for Problem {
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
    /// How many records were passed over because they cannot be decoded, or their schema is not the contract's.
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
    #[error("nobody waits for the answer any more")]
    Left,
    #[error("{}", words(.0))]
    Kafka(#[from] KafkaError),
}

impl Browser {
    /// Searches until enough is found, nothing is left or the budget is spent. Dropped, it ends soon.
    pub(crate) async fn search(&self, search: Search) -> Result<Found, SearchError> {
        let loan = self.lend().ok_or(SearchError::Busy)??;
        let left = CancellationToken::new();
        let _left = left.clone().drop_guard();
        let run = Run {
            ours: self.ours(&search.topic),
            schemas: Arc::clone(&self.schemas),
            runtime: tokio::runtime::Handle::current(),
            began: Instant::now(),
            left,
            known: None,
            scanned: 0,
            not_judged: 0,
            seen: vec![false; search.conditions.len()],
            notes: Vec::new(),
            search,
        };
        match tokio::task::spawn_blocking(move || run.all(loan)).await {
            Ok(found) => found,
            // Only a panic gets here, or a runtime that shuts down.
            Err(_) => Err(SearchError::Left),
        }
    }

    /// Whether a topic is one of the contract's.
    pub(crate) fn ours(&self, topic: &str) -> bool {
        let namespace = &self.endpoints.namespace;
        namespace.generation_of(topic).is_some()
            || [
                namespace.users_topic(),
                namespace.quarantine_topic(),
                namespace.positions_topic(),
                namespace.ledger_topic(),
            ]
            .iter()
            .any(|ours| ours == topic)
    }
}

/// A search that runs, on a thread of its own.
struct Run {
    search: Search,
    ours: bool,
    schemas: Arc<Schemas>,
    runtime: tokio::runtime::Handle,
    began: Instant,
    left: CancellationToken,
    /// The schema of the last record: mostly the next one's too.
    known: Option<(u32, Looked)>,
    scanned: u64,
    not_judged: u64,
    /// Of each condition whether any record had its field.
    seen: Vec<bool>,
    notes: Vec<String>,
}

impl Run {
    fn all(mut self, loan: Loan) -> Result<Found, SearchError> {
        let way = match self.search.from {
            From::Newest => Way::Backwards,
            _ => Way::Forwards,
        };
        if let Some((partition, offset)) = self.search.like {
            self.search.key = Some(self.key_of(&loan.reader, partition, offset)?);
            self.search.partition = Some(partition);
        }
        let mut lanes = self.lanes(&loan.reader, way)?;
        let spent = match way {
            Way::Forwards => self.forwards(&loan.reader, &mut lanes)?,
            Way::Backwards => self.backwards(&loan.reader, &mut lanes)?,
        };
        loan.done();
        let records = merge(&mut lanes, self.search.limit, way);
        let cursor = rest(&lanes, way);
        let stopped_by = match &cursor {
            None => StoppedBy::End,
            Some(_) if spent && records.len() < self.search.limit => StoppedBy::Budget,
            Some(_) => StoppedBy::Limit,
        };
        for (condition, seen) in self.search.conditions.iter().zip(&self.seen) {
            if !seen && self.scanned > self.not_judged {
                self.notes.push(format!("no record that was read has a field {}", condition.field()));
            }
        }
        Ok(Found {
            records,
            scanned: self.scanned,
            took_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            stopped_by,
            cursor: cursor.map(|cursor| cursor.to_string()),
            not_judged: self.not_judged,
            notes: self.notes,
        })
    }

    /// The key of the record at a place.
    fn key_of(&mut self, reader: &Reader, partition: i32, offset: i64) -> Result<Vec<u8>, SearchError> {
        let nothing = || SearchError::NoRecord { partition, offset };
        reader.assign(&[(self.search.topic.clone(), partition, offset)])?;
        loop {
            if self.spent()? {
                return Err(nothing());
            }
            match self.poll(reader)? {
                Polled::Record(message) if message.offset() == offset => {
                    return message.key().map(<[u8]>::to_vec).ok_or_else(nothing);
                }
                Polled::Record(_) | Polled::End(_) => return Err(nothing()),
                Polled::Nothing => {}
            }
        }
    }

    /// The partitions to read, and where each begins.
    fn lanes(&mut self, reader: &Reader, way: Way) -> Result<Vec<Lane<Record>>, SearchError> {
        let wanted = self.partitions(reader)?;
        let topic = &self.search.topic;
        let named: Vec<_> = wanted.iter().map(|partition| (topic.clone(), *partition)).collect();
        let lows = reader.offsets(&named, Offset::Beginning, REQUEST)?;
        let ends = reader.offsets(&named, Offset::End, REQUEST)?;
        let times = match (self.search.from, &self.search.cursor) {
            (From::Time(at), None) => {
                reader.offsets(&named, Offset::Offset(at.timestamp_millis().max(0)), REQUEST)?
            }
            _ => Vec::new(),
        };
        let mut lanes = Vec::new();
        for (index, partition) in wanted.into_iter().enumerate() {
            let told =
                |list: &[(String, i32, Option<i64>)]| list.get(index).and_then(|(_, _, offset)| *offset);
            let unknown = KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable);
            let (Some(low), Some(end)) = (told(&lows), told(&ends)) else { return Err(unknown.into()) };
            let cursor = self.search.cursor.as_ref().and_then(|cursor| cursor.0.get(&partition).copied());
            let next = match (cursor, self.search.from) {
                (Some(offset), _) => offset,
                (None, From::Newest) => end,
                (None, From::Oldest) => low,
                // A partition without a record that is as new tells none, and is not read from its beginning.
                (None, From::Time(_)) => told(&times).unwrap_or(end),
                (None, From::Offset(_, offset)) => {
                    if offset < low {
                        self.notes.push(format!("offset {offset} is gone: the first that is left is {low}"));
                    } else if offset >= end {
                        self.notes.push(format!("offset {offset} is not written yet: the next is {end}"));
                    }
                    offset
                }
            };
            lanes.push(Lane::new(partition, low, end, next.clamp(low, end.max(low)), way));
        }
        if let (From::Time(at), None) = (self.search.from, &self.search.cursor)
            && lanes.iter().all(|lane| lane.read)
        {
            let at = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            self.notes.push(format!("no record is as new as {at}"));
        }
        Ok(lanes)
    }

    /// Which partitions can hold what is searched for.
    fn partitions(&mut self, reader: &Reader) -> Result<Vec<i32>, SearchError> {
        let topic = &self.search.topic;
        let metadata = reader.metadata(Some(topic), REQUEST)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let no_topic = || SearchError::NoTopic(topic.clone());
        let found = found.ok_or_else(no_topic)?;
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::InvalidTopic) => {
                return Err(no_topic());
            }
            Some(code) => return Err(KafkaError::MetadataFetch(code).into()),
        }
        let all: BTreeSet<i32> =
            found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
        let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
        let of_key = self.search.key.as_ref().filter(|_| self.ours);
        let of_key = of_key.map(|key| partition::of_key(key, count));
        let of_offset = match self.search.from {
            From::Offset(partition, _) => Some(partition),
            _ => None,
        };
        let Some(partition) = self.search.partition.or(of_offset).or(of_key) else {
            return Ok(all.into_iter().collect());
        };
        if !all.contains(&partition) {
            let topic = topic.clone();
            return Err(SearchError::NoPartition { topic, partition, partitions: count });
        }
        if let Some(of_key) = of_key.filter(|of_key| *of_key != partition) {
            self.notes.push(format!("the relay puts this key in partition {of_key}, not in {partition}"));
        }
        Ok(vec![partition])
    }

    /// Reads all partitions side by side from where they begin. Says whether the budget is spent.
    fn forwards(&mut self, reader: &Reader, lanes: &mut [Lane<Record>]) -> Result<bool, SearchError> {
        reader.assign(&self.places(lanes.iter().map(|lane| (lane, lane.next))))?;
        while lanes.iter().any(|lane| !lane.read) {
            if self.spent()? {
                return Ok(true);
            }
            let found = match self.poll(reader)? {
                Polled::Nothing => continue,
                Polled::End(partition) => {
                    if let Some(lane) = lanes.iter_mut().find(|lane| lane.partition == partition) {
                        (lane.next, lane.read) = (lane.end, true);
                    }
                    continue;
                }
                Polled::Record(message) => {
                    let mine = lanes.iter_mut().find(|lane| lane.partition == message.partition());
                    let Some(lane) = mine.filter(|lane| !lane.read) else { continue };
                    if message.offset() >= lane.end {
                        (lane.next, lane.read) = (lane.end, true);
                        reader.pause(&self.search.topic, lane.partition)?;
                        continue;
                    }
                    let found = self.judge(&message);
                    lane.next = message.offset() + 1;
                    lane.reached = time(&message).map(|at| at.timestamp_millis()).or(lane.reached);
                    let any = found.is_some();
                    lane.matches.extend(found);
                    if lane.over(Way::Forwards) || lane.matches.len() >= self.search.limit {
                        lane.read = true;
                        reader.pause(&self.search.topic, lane.partition)?;
                    }
                    any
                }
            };
            if (found || self.scanned.is_multiple_of(512)) && enough(lanes, self.search.limit, Way::Forwards)
            {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Reads windows before what was read last, forwards each. Says whether the budget is spent.
    fn backwards(&mut self, reader: &Reader, lanes: &mut [Lane<Record>]) -> Result<bool, SearchError> {
        let mut size = *WINDOW.start();
        loop {
            let open = lanes.iter().filter(|lane| !lane.read).count();
            if open == 0 || enough(lanes, self.search.limit, Way::Backwards) {
                return Ok(false);
            }
            // A window that cannot be read whole would be read in vain.
            let left = BUDGET.saturating_sub(self.scanned) / u64::try_from(open).unwrap_or(1);
            let began = Instant::now();
            let size_now = size.min(i64::try_from(left).unwrap_or(i64::MAX));
            if size_now == 0 || !self.window(reader, lanes, size_now)? {
                return Ok(true);
            }
            // Larger ones as long as they leave time to look up.
            if began.elapsed() < self.search.time / 8 {
                size = (size * 4).min(*WINDOW.end());
            }
        }
    }

    /// Reads one window of each partition that is still read. Says whether it was read whole; where not, it counts for nothing.
    fn window(
        &mut self,
        reader: &Reader,
        lanes: &mut [Lane<Record>],
        size: i64,
    ) -> Result<bool, SearchError> {
        let mut windows: Vec<Lane<Record>> = lanes
            .iter()
            .filter(|lane| !lane.read)
            .map(|lane| {
                let begin = (lane.next - size).max(lane.low);
                Lane::new(lane.partition, begin, lane.next, begin, Way::Forwards)
            })
            .collect();
        reader.assign(&self.places(windows.iter().map(|window| (window, window.next))))?;
        while windows.iter().any(|window| !window.read) {
            if self.spent()? {
                return Ok(false);
            }
            match self.poll(reader)? {
                Polled::Nothing => {}
                Polled::End(partition) => {
                    if let Some(window) = windows.iter_mut().find(|window| window.partition == partition) {
                        window.read = true;
                    }
                }
                Polled::Record(message) => {
                    let mine = windows.iter_mut().find(|window| window.partition == message.partition());
                    let Some(window) = mine.filter(|window| !window.read) else { continue };
                    if message.offset() < window.end {
                        let found = self.judge(&message);
                        // The first of the window is the oldest, which is where the search has come to.
                        window.reached =
                            window.reached.or_else(|| time(&message).map(|at| at.timestamp_millis()));
                        window.matches.extend(found);
                        if window.matches.len() > self.search.limit {
                            window.matches.pop_front();
                        }
                    }
                    if message.offset() + 1 >= window.end {
                        window.read = true;
                        reader.pause(&self.search.topic, window.partition)?;
                    }
                }
            }
        }
        for window in windows {
            let Some(lane) = lanes.iter_mut().find(|lane| lane.partition == window.partition) else {
                continue;
            };
            lane.next = window.low;
            lane.reached = window.reached.or(lane.reached);
            for found in window.matches.into_iter().rev() {
                if lane.matches.len() == self.search.limit {
                    // As many as are wanted of all: the rest is for the next page.
                    lane.next = lane.matches.back().map_or(lane.next, |last| last.offset);
                    break;
                }
                lane.matches.push_back(found);
            }
            if lane.matches.len() == self.search.limit {
                lane.next = lane.matches.back().map_or(lane.next, |last| last.offset);
            }
            lane.read = lane.over(Way::Backwards) || lane.matches.len() == self.search.limit;
        }
        Ok(true)
    }

    fn places<'l>(&self, lanes: impl Iterator<Item = (&'l Lane<Record>, i64)>) -> Vec<Place> {
        lanes
            .filter(|(lane, _)| !lane.read)
            .map(|(lane, offset)| (self.search.topic.clone(), lane.partition, offset))
            .collect()
    }

    fn spent(&self) -> Result<bool, SearchError> {
        if self.left.is_cancelled() {
            return Err(SearchError::Left);
        }
        Ok(self.scanned >= BUDGET || self.began.elapsed() >= self.search.time)
    }

    fn poll<'r>(&mut self, reader: &'r Reader) -> Result<Polled<'r>, SearchError> {
        match reader.poll(ATTENTION) {
            Some(Ok(message)) => {
                self.scanned += 1;
                Ok(Polled::Record(message))
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(error)) if passes(&error) && !nobody_answers(&error) => Ok(Polled::Nothing),
            Some(Err(error)) => Err(error.into()),
            None => Ok(Polled::Nothing),
        }
    }

    /// The record as it is told, where it meets all conditions.
    fn judge(&mut self, message: &BorrowedMessage<'_>) -> Option<Match<Record>> {
        if let Some(key) = &self.search.key
            && message.key() != Some(key.as_slice())
        {
            return None;
        }
        let payload = message.payload();
        if let Some(Ok((id, _))) = payload.map(wire::split)
            && self.known.as_ref().is_none_or(|(known, _)| *known != id)
        {
            self.known = Some((id, self.schemas.get(id, &self.runtime)));
        }
        let read = read(payload, self.known.as_ref().map(|(_, known)| known));
        if !self.search.conditions.is_empty() {
            let Read::Avro(known, value) = &read else {
                self.not_judged += 1;
                return None;
            };
            if !self.search.conditions.iter().all(|condition| condition.allowed(known)) {
                self.not_judged += 1;
                return None;
            }
            for (condition, seen) in self.search.conditions.iter().zip(&mut self.seen) {
                let field = condition.find(value);
                *seen |= field.is_some();
                if !condition.met(field) {
                    return None;
                }
            }
        }
        let at = time(message).map_or(0, |at| at.timestamp_millis());
        Some(Match { offset: message.offset(), at, record: Record::of(message, &read, self.ours) })
    }
}

/// What came of waiting.
enum Polled<'r> {
    Record(BorrowedMessage<'r>),
    /// A partition's end was reached.
    End(i32),
    Nothing,
}
