//! A client of Kafka that can read and nothing else: Kafka has no accounts here, so the type is what keeps
//! the console from writing.
//!
//! Partitions are assigned, no group is joined and nothing is committed: to Kafka it leaves no trace. All
//! calls block.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::metadata::{Metadata, MetadataPartition};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

/// One request for the partitions of a topic.
const REQUEST: Duration = Duration::from_secs(3);

/// Where reading begins: topic, partition, offset.
pub(crate) type Place = (String, i32, i64);

/// Reads what is committed.
pub(crate) struct Reader(BaseConsumer<Quiet>);

/// How much a reader holds of what was fetched and not yet taken. A record in its queue costs some 400 bytes
/// beside its own, and a fetch is unpacked whole: both count for more than the bytes that Kafka sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Of one answer, as Kafka has it: packed. A batch that is larger comes whole.
    fetch_bytes: u32,
    /// Beyond either of these nothing more is fetched.
    queue_kib: u32,
    queue_records: u32,
}

impl Room {
    /// For who follows a topic: it is never behind by much, so little of this is ever taken.
    pub(crate) const FOLLOWING: Self =
        Self { fetch_bytes: 1 << 20, queue_kib: 4_096, queue_records: 100_000 };
    /// For who reads a topic from far behind its end, faster than anything is done with the records: whatever
    /// room there is, is full. Some 10 ms of reading ahead hide the next fetch.
    pub(crate) const SEARCHING: Self = Self { fetch_bytes: 1 << 18, queue_kib: 1_024, queue_records: 4_000 };
}

impl Reader {
    /// Does not connect yet. A broker answers a fetch when `wait` is over or `gathered_bytes` have come
    /// together: waiting makes fewer and fuller answers.
    pub(crate) fn open(brokers: &str, wait: Duration, gathered_bytes: u32, room: Room) -> KafkaResult<Self> {
        ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "storepulse-console")
            // librdkafka wants a group even where none is joined.
            .set("group.id", "storepulse-console")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            // A place that retention has removed meanwhile is an error, not a jump to somewhere else.
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", room.queue_kib.to_string())
            .set("queued.min.messages", room.queue_records.to_string())
            .set("fetch.max.bytes", room.fetch_bytes.to_string())
            .set("fetch.message.max.bytes", room.fetch_bytes.to_string())
            // librdkafka makes no client whose fetches are smaller than this, which is of producers alone.
            .set("message.max.bytes", room.fetch_bytes.to_string())
            .set("fetch.wait.max.ms", wait.as_millis().to_string())
            .set("fetch.min.bytes", gathered_bytes.to_string())
            .set("fetch.error.backoff.ms", "50")
            // A queue that is full is looked at again soon: librdkafka would leave it alone for a second.
            .set("fetch.queue.backoff.ms", "5")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .create_with_context(Quiet)
            .map(Self)
    }

    /// Brokers, topics and partitions; of one topic where it is named.
    pub(crate) fn metadata(&self, topic: Option<&str>, timeout: Duration) -> KafkaResult<Metadata> {
        self.0.fetch_metadata(topic, timeout)
    }

    /// The partitions of a topic; nothing where Kafka has no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> KafkaResult<Option<BTreeSet<i32>>> {
        let metadata = self.metadata(Some(topic), REQUEST)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(found.partitions().iter().map(MetadataPartition::id).collect())),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::InvalidTopic) => Ok(None),
            Some(code) => Err(KafkaError::MetadataFetch(code)),
        }
    }

    /// For each partition the first offset whose record is as old as `at` or newer: a time in ms,
    /// [`Offset::Beginning`]'s or [`Offset::End`]'s number, the last being the last stable offset. One
    /// request a broker, however many partitions.
    pub(crate) fn offsets(
        &self,
        partitions: &[(String, i32)],
        at: Offset,
        timeout: Duration,
    ) -> KafkaResult<Vec<(String, i32, Option<i64>)>> {
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            asked.add_partition_offset(topic, *partition, at)?;
        }
        let told = self.0.offsets_for_times(asked, timeout)?;
        Ok(told
            .elements()
            .iter()
            .map(|element| {
                let offset = match (element.error(), element.offset()) {
                    (Ok(()), Offset::Offset(offset)) => Some(offset),
                    _ => None,
                };
                (element.topic().to_owned(), element.partition(), offset)
            })
            .collect())
    }

    /// Begins to read at these places and leaves those before.
    pub(crate) fn assign(&self, places: &[Place]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (topic, partition, offset) in places {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        self.0.assign(&list)?;
        // A partition that was paused would stay so.
        if places.is_empty() { Ok(()) } else { self.0.resume(&list) }
    }

    /// Reads no more of a partition, until places are assigned anew.
    pub(crate) fn pause(&self, topic: &str, partition: i32) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, partition);
        self.0.pause(&list)
    }

    /// The next record, [`KafkaError::PartitionEOF`] where a partition's end was reached, or nothing within
    /// the time.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.0.poll(timeout)
    }
}

/// Whether the client goes on by itself: it connects again whatever it lost.
pub(crate) fn passes(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve,
    };
    matches!(
        error,
        KafkaError::MessageConsumption(BrokerTransportFailure | AllBrokersDown | OperationTimedOut | Resolve)
    )
}

/// Whether no broker can be reached; one that is lost for a moment, as an idle connection is, is not that.
pub(crate) fn nobody_answers(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumption(rdkafka::types::RDKafkaErrorCode::AllBrokersDown))
}

/// What librdkafka says by itself, into our log; what matters comes back from the calls.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "console::librdkafka", facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "console::librdkafka", %error, reason);
    }
}

impl ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Reader, Room};

    #[test]
    fn a_client_is_made_whatever_room_it_has() {
        let smallest = Room { fetch_bytes: 1_000, queue_kib: 1, queue_records: 1 };
        for room in [Room::FOLLOWING, Room::SEARCHING, smallest] {
            let opened = Reader::open("127.0.0.1:1", Duration::from_millis(50), 1 << 20, room);
            assert!(opened.is_ok(), "{room:?}: {:?}", opened.err());
        }
    }

    /// Every source file of the console.
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn nothing_in_the_console_can_write_to_kafka() {
        // Put together here, so that this file is none that is found.
        let forbidden = [
            ["rdkafka::", "admin"],
            ["rdkafka::", "producer"],
            ["Admin", "Client"],
            ["Future", "Producer"],
            ["Base", "Producer"],
            ["Produce", "Request"],
            ["Topics", "Request"],
            ["AlterConfigs", "Request"],
            ["DeleteRecords", "Request"],
            ["commit_", "message"],
            ["commit_", "consumer_state"],
            ["store_", "offset"],
            [".subscribe", "(&["],
        ]
        .map(|parts| parts.concat());
        let mut found = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 20, "the sources are where they are looked for");
        for (path, text) in &found {
            for word in &forbidden {
                assert!(!text.contains(word), "{path} has {word}");
            }
        }
        let readers = found.iter().filter(|(_, text)| text.contains(&["Base", "Consumer"].concat()));
        let readers: Vec<_> = readers.map(|(path, _)| path).collect();
        assert!(
            readers
                .iter()
                .all(|path| path.ends_with("kafka/reader.rs") || path.ends_with("prometheus/kafka.rs")),
            "a consumer is made elsewhere: {readers:?}"
        );
    }
}
