//! A search while it runs, on a thread of its own.
//!
//! What is written after the search began is not looked at. Newest first, windows of growing size are read
//! before the last stable offset, each forwards as Kafka gives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::wire;
use rdkafka::Offset;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaErrorCode;
use tokio_util::sync::CancellationToken;

use super::lane::{Lane, Match, Way, enough, merge, rest};
use super::record::{Read, Record, read, time};
use super::schema::{Looked, Schemas};
use super::search::{BUDGET, Found, Search, SearchError, Start, StoppedBy};
use super::{Browser, Loan, partition};
use crate::watch::kafka::reader::{Place, Reader, nobody_answers, passes};

/// One request for offsets.
const REQUEST: Duration = Duration::from_secs(3);
/// How often it is looked whether the search still matters.
const ATTENTION: Duration = Duration::from_millis(100);
/// The smallest and the largest window of a search that goes backwards, in offsets of each partition.
const WINDOW: std::ops::RangeInclusive<i64> = 200..=32_768;

/// A search that runs, on a thread of its own.
pub(super) struct Run {
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
    /// A run of a search that ends soon after `left` is cancelled.
    pub(super) fn new(browser: &Browser, search: Search, left: CancellationToken) -> Self {
        Self {
            ours: browser.ours(&search.topic),
            schemas: Arc::clone(&browser.schemas),
            runtime: tokio::runtime::Handle::current(),
            began: Instant::now(),
            left,
            known: None,
            scanned: 0,
            not_judged: 0,
            seen: vec![false; search.conditions.len()],
            notes: Vec::new(),
            search,
        }
    }

    /// Reads until enough is found, nothing is left or the budget is spent.
    pub(super) fn all(mut self, loan: Loan) -> Result<Found, SearchError> {
        let way = match self.search.from {
            Start::Newest => Way::Backwards,
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
            (Start::Time(at), None) => {
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
                (None, Start::Newest) => end,
                (None, Start::Oldest) => low,
                // A partition without a record that is as new tells none, and is not read from its beginning.
                (None, Start::Time(_)) => told(&times).unwrap_or(end),
                (None, Start::Offset(_, offset)) => {
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
        if let (Start::Time(at), None) = (self.search.from, &self.search.cursor)
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
        let all = reader.partitions(topic)?.ok_or_else(|| SearchError::NoTopic(topic.clone()))?;
        let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
        let of_key = self.search.key.as_ref().filter(|_| self.ours);
        let of_key = of_key.map(|key| partition::of_key(key, count));
        let of_offset = match self.search.from {
            Start::Offset(partition, _) => Some(partition),
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

    /// Reads one window of each partition that is still read. Says whether it was read whole; where not, it
    /// counts for nothing.
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
