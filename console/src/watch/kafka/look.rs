//! One look at the cluster: three requests, however many topics there are.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::endpoints::Endpoints;
use rdkafka::Offset;
use rdkafka::error::KafkaResult;

use super::Partition;
use super::reader::{Reader, Room};

/// One request.
const REQUEST: Duration = Duration::from_secs(2);

/// A client that looks.
pub(super) struct Look(Reader);

/// What it saw.
pub(super) struct Seen {
    /// Host and port of each.
    pub(super) brokers: Vec<(String, i32)>,
    pub(super) topics: BTreeMap<String, Vec<Partition>>,
}

impl Look {
    /// Of one look.
    pub(super) const REQUESTS: u64 = 3;

    pub(super) fn open(endpoints: &Endpoints) -> KafkaResult<Self> {
        Reader::open(&endpoints.kafka_brokers, Duration::from_millis(100), 1, Room::FOLLOWING).map(Self)
    }

    /// Asks the cluster for all topics and their ends, and blocks meanwhile.
    pub(super) fn now(&self) -> KafkaResult<Seen> {
        let metadata = self.0.metadata(None, REQUEST)?;
        let brokers =
            metadata.brokers().iter().map(|broker| (broker.host().to_owned(), broker.port())).collect();
        let mut topics = BTreeMap::new();
        let mut named = Vec::new();
        for topic in metadata.topics() {
            let partitions: Vec<_> = topic
                .partitions()
                .iter()
                .map(|found| Partition {
                    id: found.id(),
                    low: None,
                    last_stable: None,
                    bytes: None,
                    leader: Some(found.leader()).filter(|leader| *leader >= 0),
                    replicas: found.replicas().to_vec(),
                    in_sync: found.isr().to_vec(),
                })
                .collect();
            // Of a partition without leader nobody tells an offset, and all would be waited for.
            let led = partitions.iter().filter(|partition| partition.leader.is_some());
            named.extend(led.map(|partition| (topic.name().to_owned(), partition.id)));
            topics.insert(topic.name().to_owned(), partitions);
        }
        if !named.is_empty() {
            let lows = self.0.offsets(&named, Offset::Beginning, REQUEST)?;
            let ends = self.0.offsets(&named, Offset::End, REQUEST)?;
            note(&mut topics, lows, |partition, offset| partition.low = offset);
            note(&mut topics, ends, |partition, offset| partition.last_stable = offset);
        }
        Ok(Seen { brokers, topics })
    }
}

fn note(
    topics: &mut BTreeMap<String, Vec<Partition>>,
    told: Vec<(String, i32, Option<i64>)>,
    note: impl Fn(&mut Partition, Option<i64>),
) {
    for (topic, id, offset) in told {
        let partition =
            topics.get_mut(&topic).and_then(|of| of.iter_mut().find(|partition| partition.id == id));
        if let Some(partition) = partition {
            note(partition, offset);
        }
    }
}
