//! Kafka: topics with their partitions and settings.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::topics::Topic;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::{Outcome, Progress, ProvisionError, Step, Watermarks, watermarks};

/// How long one request may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a new topic may take to get leaders.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The setting that decides what is forgotten: never altered on a topic that may hold records.
const CLEANUP_POLICY: &str = "cleanup.policy";

type Admin = AdminClient<DefaultClientContext>;

pub(crate) fn admin(brokers: &str) -> Result<Admin, ProvisionError> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .map_err(ProvisionError::kafka("start a client"))
}

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// The partitions of every topic there is, and whether each has a leader.
async fn partitions(brokers: &str) -> Result<BTreeMap<String, (i32, bool)>, ProvisionError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .map_err(ProvisionError::kafka("start a client"))?;
    blocking("list the topics", move || {
        let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT)?;
        Ok(metadata
            .topics()
            .iter()
            .map(|topic| {
                let led = topic.partitions().iter().all(|partition| partition.leader() >= 0);
                let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                (topic.name().to_owned(), (count, led && count > 0))
            })
            .collect())
    })
    .await
}

/// Runs one of librdkafka's blocking calls away from the runtime.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, ProvisionError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(ProvisionError::kafka(doing)),
        // Only a panic inside of the call gets here, or a runtime that is shutting down.
        Err(_) => Err(ProvisionError::kafka(doing)(KafkaError::Canceled)),
    }
}

pub(crate) async fn ensure_topics(
    brokers: &str,
    topics: &[Topic],
    progress: Progress<'_>,
) -> Result<(), ProvisionError> {
    let admin = admin(brokers)?;
    let found = partitions(brokers).await?;
    for topic in topics {
        let outcome = match found.get(&topic.name) {
            None => create(&admin, topic).await?,
            Some((partitions, _)) => {
                if *partitions != topic.partitions {
                    return Err(ProvisionError::TopicDiffers {
                        topic: topic.name.clone(),
                        what: "partitions".into(),
                        expected: topic.partitions.to_string(),
                        found: partitions.to_string(),
                    });
                }
                restore_settings(&admin, topic).await?
            }
        };
        progress(Step { kind: "topic", name: topic.name.clone(), outcome });
    }
    await_leaders(brokers, topics).await
}

async fn create(admin: &Admin, topic: &Topic) -> Result<Outcome, ProvisionError> {
    let settings = topic.settings();
    // How many copies there are is the cluster's setting: -1 takes its default.
    let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1));
    for (key, value) in &settings {
        new = new.set(key, value);
    }
    let doing = || format!("create topic {}", topic.name);
    let results = admin.create_topics([&new], &options()).await.map_err(ProvisionError::kafka(doing()))?;
    for result in results {
        match result {
            Ok(_) => {}
            // Created between the look and the call, by a set-up of another database.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return restore_settings(admin, topic).await,
            Err((_, code)) => {
                return Err(ProvisionError::kafka(doing())(KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(Outcome::Created)
}

/// Puts settings back that differ. Setting them replaces every override a topic has, so foreign ones are
/// carried along.
async fn restore_settings(admin: &Admin, topic: &Topic) -> Result<Outcome, ProvisionError> {
    let doing = || format!("read the settings of topic {}", topic.name);
    let answer = admin
        .describe_configs([&ResourceSpecifier::Topic(&topic.name)], &options())
        .await
        .map_err(ProvisionError::kafka(doing()))?;
    let mut overrides = BTreeMap::new();
    let mut found = BTreeMap::new();
    for resource in answer {
        let resource = resource.map_err(|code| ProvisionError::kafka(doing())(KafkaError::AdminOp(code)))?;
        for entry in resource.entries {
            let Some(value) = entry.value else { continue };
            if entry.source == ConfigSource::DynamicTopic {
                overrides.insert(entry.name.clone(), value.clone());
            }
            found.insert(entry.name, value);
        }
    }
    let mut differing = Vec::new();
    for (key, expected) in topic.settings() {
        let value = found.get(key).map_or("unset", String::as_str);
        if value == expected {
            continue;
        }
        if key == CLEANUP_POLICY {
            return Err(ProvisionError::TopicDiffers {
                topic: topic.name.clone(),
                what: key.into(),
                found: value.to_owned(),
                expected,
            });
        }
        tracing::warn!(topic = topic.name, setting = key, found = value, expected, "topic setting put back");
        differing.push((key.to_owned(), expected));
    }
    if differing.is_empty() {
        return Ok(Outcome::Exists);
    }
    overrides.extend(differing);
    let mut alter = AlterConfig::new(ResourceSpecifier::Topic(&topic.name));
    for (key, value) in &overrides {
        alter = alter.set(key, value);
    }
    let doing = || format!("put back the settings of topic {}", topic.name);
    let results = admin.alter_configs([&alter], &options()).await.map_err(ProvisionError::kafka(doing()))?;
    for result in results {
        result.map_err(|(_, code)| ProvisionError::kafka(doing())(KafkaError::AdminOp(code)))?;
    }
    Ok(Outcome::Restored)
}

/// Waits until every partition can be written.
async fn await_leaders(brokers: &str, topics: &[Topic]) -> Result<(), ProvisionError> {
    let deadline = Instant::now() + LEADER_TIMEOUT;
    loop {
        let found = partitions(brokers).await?;
        let missing = topics.iter().find(|topic| {
            !found.get(&topic.name).is_some_and(|(partitions, led)| *led && *partitions == topic.partitions)
        });
        let Some(missing) = missing else { return Ok(()) };
        if Instant::now() >= deadline {
            let doing = format!("give topic {} its leaders in {LEADER_TIMEOUT:?}", missing.name);
            return Err(ProvisionError::kafka(doing)(KafkaError::AdminOp(
                RDKafkaErrorCode::LeaderNotAvailable,
            )));
        }
        // Kafka announces no leaders: the next look is a request away.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first of the topics that does not exist.
pub(crate) async fn first_missing(brokers: &str, topics: &[Topic]) -> Result<Option<String>, ProvisionError> {
    let found = partitions(brokers).await?;
    Ok(topics.iter().find(|topic| !found.contains_key(&topic.name)).map(|topic| topic.name.clone()))
}

/// Refuses a topic that holds records, or held some.
pub(crate) async fn refuse_records(brokers: &str, topic: &str) -> Result<(), ProvisionError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .map_err(ProvisionError::kafka("start a client"))?;
    let name = topic.to_owned();
    let bounds =
        blocking("read the end of the events topic", move || watermarks(&consumer, &name, REQUEST_TIMEOUT))
            .await?;
    if bounds.values().any(|Watermarks { high, .. }| *high > 0) {
        Err(ProvisionError::ForeignTopic { topic: topic.to_owned() })
    } else {
        Ok(())
    }
}

/// Deletes topics; those that do not exist are passed over.
pub(crate) async fn delete(brokers: &str, topics: &[&str]) -> Result<(), ProvisionError> {
    if topics.is_empty() {
        return Ok(());
    }
    let doing = "delete topics";
    let results =
        admin(brokers)?.delete_topics(topics, &options()).await.map_err(ProvisionError::kafka(doing))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => {
                return Err(ProvisionError::kafka(format!("delete topic {topic}"))(KafkaError::AdminOp(
                    code,
                )));
            }
        }
    }
    Ok(())
}

/// The names of every topic there is.
pub(crate) async fn names(brokers: &str) -> Result<Vec<String>, ProvisionError> {
    Ok(partitions(brokers).await?.into_keys().collect())
}
