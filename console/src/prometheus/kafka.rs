//! Where the namespace's topics end, and whether every partition has its copies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::Namespace;
use contracts::endpoints::Endpoints;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use super::names::{TOPIC_END, UNDER_REPLICATED};
use super::page::Page;
use super::{ANSWER, Refused};

/// One request: all of a scrape's are to end before the scrape is given up.
const REQUEST: Duration = Duration::from_secs(2);

/// The client, made by the first scrape and kept: it finds brokers again by itself.
#[derive(Default)]
pub(super) struct Watermarks(Mutex<Option<Arc<BaseConsumer>>>);

/// What one look at the cluster told.
struct Seen {
    /// Topic, partition, end of what is committed.
    ends: Vec<(String, i32, i64)>,
    under_replicated: usize,
}

impl Watermarks {
    pub(super) async fn ask(&self, endpoints: &Endpoints, page: &Page) -> Result<(), Refused> {
        let consumer = self.consumer(&endpoints.kafka_brokers)?;
        let namespace = endpoints.namespace.clone();
        let seen = tokio::task::spawn_blocking(move || look(&consumer, &namespace)).await??;
        for (topic, partition, end) in &seen.ends {
            let partition = partition.to_string();
            page.set(&TOPIC_END, &[("topic", topic), ("partition", &partition)], *end as f64);
        }
        page.set(&UNDER_REPLICATED, &[], seen.under_replicated as f64);
        Ok(())
    }

    fn consumer(&self, brokers: &str) -> Result<Arc<BaseConsumer>, KafkaError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = &*kept {
            return Ok(Arc::clone(consumer));
        }
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // librdkafka asks for watermarks at its isolation level.
            .set("isolation.level", "read_committed")
            .create()?;
        Ok(Arc::clone(kept.insert(Arc::new(consumer))))
    }
}

fn look(consumer: &BaseConsumer, namespace: &Namespace) -> Result<Seen, KafkaError> {
    let begun = std::time::Instant::now();
    let metadata = consumer.fetch_metadata(None, REQUEST)?;
    let others = [
        namespace.users_topic(),
        namespace.quarantine_topic(),
        namespace.positions_topic(),
        namespace.ledger_topic(),
    ];
    let ours =
        |name: &str| namespace.generation_of(name).is_some() || others.iter().any(|other| other == name);
    let mut seen = Seen { ends: Vec::new(), under_replicated: 0 };
    for topic in metadata.topics() {
        for partition in topic.partitions() {
            if partition.isr().len() < partition.replicas().len() {
                seen.under_replicated += 1;
            }
            // Of a broker that is away one answer after another would be waited for.
            if ours(topic.name()) && begun.elapsed() < ANSWER - REQUEST {
                let (_, end) = consumer.fetch_watermarks(topic.name(), partition.id(), REQUEST)?;
                seen.ends.push((topic.name().to_owned(), partition.id(), end));
            }
        }
    }
    Ok(seen)
}
