//! Whether Kafka still has what a plan's queries have not read, looked at when a query has failed.
//!
//! Spark refuses to skip records, and advises to let it skip them. Here PostgreSQL has every record, so that
//! a rebuild is the way out and nothing needs to be skipped. Submitting the plan again would fail for ever,
//! so this ends the supervisor.

use std::collections::BTreeMap;
use std::time::Duration;

use audit::CheckpointDirectory;
use contracts::endpoints::Endpoints;
use contracts::family::{self, Source};
use provision::{Watermarks, watermarks};
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use crate::plans::Plan;

/// How long Kafka may take to answer one request.
const ANSWER: Duration = Duration::from_secs(10);

/// Records that can never be read from Kafka.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unread {
    /// The topic was deleted.
    #[error(
        "topic {topic} is gone, with records that the job has not read: run `storepulse setup` to create it again, \
         then `storepulse rebuild --abandon-old`, which computes every figure from postgresql; start `storepulse \
         job run` when it prints which windows the new revision owns"
    )]
    TopicGone { topic: String },
    /// The topic was deleted and made anew.
    #[error(
        "partition {partition} of {topic} ends at offset {high}, and the job has read to {read_to}: somebody deleted \
         the topic and created it again, and records that the job had not read are gone; run \
         `storepulse rebuild --abandon-old`, which computes every figure from postgresql, and start `storepulse \
         job run` when it prints which windows the new revision owns"
    )]
    MadeAnew {
        topic: String,
        partition: i32,
        /// Behind its last record.
        high: i64,
        /// How far the job has read.
        read_to: i64,
    },
    /// The topic's retention was faster than the job.
    #[error(
        "partition {partition} of {topic} begins at offset {low}, and the job has read to {read_to} only: retention \
         removed the records between while the job was away; run `storepulse rebuild --abandon-old`, \
         which computes every figure from postgresql, and start `storepulse job run` when it prints which windows \
         the new revision owns"
    )]
    Removed {
        topic: String,
        partition: i32,
        /// The first offset that is left.
        low: i64,
        /// How far the job has read.
        read_to: i64,
    },
}

/// Compares the checkpoints of all queries with the topics that they read. What cannot be read, a checkpoint
/// or Kafka, tells nothing. Blocks for as long as Kafka takes.
///
/// # Errors
/// [`Unread`].
pub fn check(endpoints: &Endpoints, plans: &[Plan]) -> Result<(), Unread> {
    let mut config = ClientConfig::new();
    let Ok(consumer) = config.set("bootstrap.servers", &endpoints.kafka_brokers).create::<BaseConsumer>()
    else {
        return Ok(());
    };
    for plan in plans {
        for source in [Source::Events, Source::Users] {
            let topic = match source {
                Source::Events => endpoints.namespace.events_topic(plan.generation),
                Source::Users => endpoints.namespace.users_topic(),
            };
            let Ok(bounds) = watermarks(&consumer, &topic, ANSWER) else { continue };
            for checkpoint in checkpoints(plan, source) {
                let Ok(folder) = CheckpointDirectory::of_uri(&checkpoint) else { continue };
                let Ok(Some(read)) = folder.committed_offsets(&topic) else { continue };
                compare(&topic, &read, &bounds)?;
            }
        }
    }
    Ok(())
}

/// Of the queries that read events, or users.
fn checkpoints(plan: &Plan, source: Source) -> Vec<String> {
    let families = family::families().filter(|family| family.source == source);
    let mut checkpoints: Vec<String> = families.map(|family| plan.family_checkpoint(family)).collect();
    if source == Source::Events {
        checkpoints.extend([plan.refusals_checkpoint(), plan.ledger_checkpoint()]);
    }
    checkpoints
}

/// What was read of a topic against what there is of it.
fn compare(topic: &str, read: &BTreeMap<i32, i64>, bounds: &BTreeMap<i32, Watermarks>) -> Result<(), Unread> {
    let topic = || topic.to_owned();
    if bounds.is_empty() && !read.is_empty() {
        return Err(Unread::TopicGone { topic: topic() });
    }
    for (&partition, &read_to) in read {
        match bounds.get(&partition).copied() {
            Some(Watermarks { low, .. }) if read_to < low => {
                return Err(Unread::Removed { topic: topic(), partition, low, read_to });
            }
            Some(Watermarks { high, .. }) if high < read_to => {
                return Err(Unread::MadeAnew { topic: topic(), partition, high, read_to });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(read: &[(i32, i64)], bounds: &[(i32, i64, i64)]) -> Result<(), Unread> {
        let read = read.iter().copied().collect();
        let bounds =
            bounds.iter().map(|&(partition, low, high)| (partition, Watermarks { low, high })).collect();
        compare("shop.events.g1", &read, &bounds)
    }

    #[test]
    fn what_can_still_be_read_is_no_reason_to_stop() {
        assert_eq!(compared(&[(0, 7), (1, 0)], &[(0, 7, 7), (1, 0, 9)]), Ok(()));
        assert_eq!(compared(&[(0, 5)], &[(0, 3, 9), (1, 0, 4)]), Ok(()));
        assert_eq!(compared(&[], &[]), Ok(()));
    }

    #[test]
    fn what_is_gone_is_named_with_the_way_out() {
        let gone = compared(&[(0, 7)], &[]).unwrap_err();
        assert!(matches!(gone, Unread::TopicGone { .. }));
        let removed = compared(&[(0, 7), (1, 3)], &[(0, 7, 9), (1, 4, 9)]).unwrap_err();
        assert!(matches!(removed, Unread::Removed { partition: 1, low: 4, read_to: 3, .. }));
        let anew = compared(&[(0, 7)], &[(0, 0, 2)]).unwrap_err();
        assert!(matches!(anew, Unread::MadeAnew { high: 2, read_to: 7, .. }));
        for told in [gone, removed, anew] {
            let told = told.to_string();
            assert!(
                told.contains("shop.events.g1") && told.contains("storepulse rebuild --abandon-old"),
                "{told}"
            );
        }
    }
}
