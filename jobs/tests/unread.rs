//! A topic that has lost what a checkpoint has not read, on a real Kafka.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contracts::endpoints::Endpoints;
use contracts::family::{self, Family};
use jobs::plans::{Owned, Plan};
use jobs::unread::{self, Unread};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use stack::Silent;
use uuid::Uuid;

const LONG_ENOUGH: Duration = Duration::from_secs(20);

/// A topic of one partition, in the place of one that the job reads.
struct Read {
    endpoints: Endpoints,
    topic: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Read {
    async fn make(endpoints: &Endpoints, topic: String) -> Self {
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap();
        let read = Self { endpoints: endpoints.clone(), topic, admin };
        read.make_topic().await;
        read
    }

    async fn make_topic(&self) {
        let new = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(1));
        // A topic is deleted in the background: its name may be taken for a moment longer.
        let deadline = tokio::time::Instant::now() + LONG_ENOUGH;
        while self.admin.create_topics([&new], &AdminOptions::new()).await.unwrap()[0].is_err() {
            assert!(tokio::time::Instant::now() < deadline, "the name of the topic stays taken");
        }
    }

    fn append(&self, records: usize) {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &self.endpoints.kafka_brokers).create().unwrap();
        for _ in 0..records {
            producer.send(BaseRecord::<(), str>::to(&self.topic).payload("record").partition(0)).unwrap();
        }
        producer.flush(LONG_ENOUGH).unwrap();
    }

    async fn remove_before(&self, offset: i64) {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).unwrap();
        self.admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    }

    async fn remove_topic(&self) {
        self.admin.delete_topics(&[&self.topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }

    async fn check(&self, plan: &Plan) -> Result<(), Unread> {
        let (endpoints, plan) = (self.endpoints.clone(), plan.clone());
        tokio::task::spawn_blocking(move || unread::check(&endpoints, &[plan])).await.unwrap()
    }

    /// Waits until Kafka's answer is of what was done before.
    async fn until(&self, plan: &Plan, told: impl Fn(&Unread) -> bool) {
        let deadline = tokio::time::Instant::now() + LONG_ENOUGH;
        loop {
            let checked = self.check(plan).await;
            if checked.as_ref().err().is_some_and(&told) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{checked:?}");
        }
    }
}

/// A plan of which one query has read to an offset and the others have not begun.
fn plan(root: &Path, query: &Family, topic: &str, read_to: i64) -> Plan {
    let folder = root.join(format!("r1{}", query.checkpoint_suffix()));
    for (log, content) in [
        ("offsets", format!("v1\n{{\"batchWatermarkMs\":0}}\n{{\"{topic}\":{{\"0\":{read_to}}}}}")),
        ("commits", "v1\n{\"nextBatchWatermarkMs\":0}".to_owned()),
    ] {
        std::fs::create_dir_all(folder.join(log)).unwrap();
        std::fs::write(folder.join(log).join("0"), content).unwrap();
    }
    Plan {
        query: "cube".to_owned(),
        revision: 1,
        fingerprint: String::new(),
        generation: 1,
        generation_id: Uuid::nil(),
        checkpoint: format!("file://{}/r1", root.display()),
        owned: Owned::default(),
        shuffle_partitions: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_has_lost_is_told_apart_from_what_is_still_to_be_read() {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let body = async |endpoints: Endpoints| {
        let namespace = &endpoints.namespace;
        for (query, topic) in
            [("cube", namespace.events_topic(1)), ("registrations", namespace.users_topic())]
        {
            let query = family::families().find(|family| family.name == query).unwrap();
            let topic = Read::make(&endpoints, topic).await;
            topic.append(10);
            let folder = tempfile::tempdir().unwrap();
            let plan = plan(folder.path(), query, &topic.topic, 4);
            assert_eq!(topic.check(&plan).await, Ok(()));
            topic.remove_before(4).await;
            assert_eq!(topic.check(&plan).await, Ok(()));
            topic.remove_before(6).await;
            topic.until(&plan, |unread| matches!(unread, Unread::Removed { low: 6, read_to: 4, .. })).await;
            topic.remove_topic().await;
            topic.until(&plan, |unread| matches!(unread, Unread::TopicGone { .. })).await;
            topic.make_topic().await;
            topic.append(2);
            topic.until(&plan, |unread| matches!(unread, Unread::MadeAnew { high: 2, .. })).await;
        }
    };
    provision::in_scratch_namespace(&services, body).await.unwrap();
}
