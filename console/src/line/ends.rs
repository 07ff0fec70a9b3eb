//! Where topics end, against what a query has read: Spark's lag, which no consumer group tells.

use std::collections::BTreeMap;

use crate::watch::Seen;
use crate::watch::kafka::{Kind, Partition, Topic, Topics};
use crate::watch::ops::Query;

/// Topic, partition, offset behind its last committed record.
pub(crate) type Ends = BTreeMap<String, BTreeMap<String, i64>>;

/// Where topics end; nothing while Kafka does not answer. What is not committed does not count: it is not
/// read either.
pub(crate) fn kafka_ends(seen: &Seen<Topics>) -> Option<Ends> {
    let of_topic = |topic: &Topic| {
        let end = |partition: &Partition| Some((partition.id.to_string(), partition.last_stable?));
        Some((topic.name.clone(), topic.partitions.iter().map(end).collect::<Option<_>>()?))
    };
    Some(answered(seen)?.topics.iter().filter_map(of_topic).collect())
}

/// Offsets a second that come into the contract's topics.
pub(crate) fn kafka_rate(seen: &Seen<Topics>) -> Option<f64> {
    let of_contract = answered(seen)?.topics.iter().filter(|topic| topic.kind == Kind::Contract);
    let rates: Vec<f64> = of_contract.filter_map(|topic| topic.offsets_per_s).collect();
    if rates.is_empty() { None } else { Some(rates.iter().sum()) }
}

/// Partitions that lack replicas.
pub(crate) fn under_replicated(seen: &Seen<Topics>) -> Option<i64> {
    i64::try_from(answered(seen)?.under_replicated).ok()
}

fn answered(seen: &Seen<Topics>) -> Option<&Topics> {
    if seen.away.is_some() { None } else { seen.value.as_deref() }
}

/// Offsets between what a query has read and where its topics end now; by its own last report where these are
/// not known. Nothing before its first micro-batch.
pub(crate) fn behind(query: &Query, ends: Option<&Ends>) -> Option<i64> {
    let last = query.last()?;
    Some(unread(query, ends).unwrap_or(last.offsets_behind))
}

/// Whether [`behind`] is by where topics end now.
pub(crate) fn behind_by_ends(query: &Query, ends: Option<&Ends>) -> bool {
    unread(query, ends).is_some()
}

fn unread(query: &Query, ends: Option<&Ends>) -> Option<i64> {
    let (read, ends) = (&query.last()?.end_offsets, ends?);
    if read.is_empty() {
        return None;
    }
    read.iter().try_fold(0_i64, |sum, (topic, read)| {
        // A partition that was not there when the batch ended has been read up to nowhere.
        let of_partition = |(partition, end): (&String, &i64)| {
            end.saturating_sub(read.get(partition).copied().unwrap_or(0)).max(0)
        };
        Some(ends.get(topic)?.iter().map(of_partition).fold(sum, i64::saturating_add))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::watch::ops::Batch;

    fn offsets(of: &[i64]) -> BTreeMap<String, i64> {
        of.iter().enumerate().map(|(partition, offset)| (partition.to_string(), *offset)).collect()
    }

    fn query(read: &[i64], reported: i64) -> Query {
        let batch = Batch {
            end_offsets: [("shop.events.g1".to_owned(), offsets(read))].into(),
            offsets_behind: reported,
            ..Batch::default()
        };
        Query { batches: Arc::new(VecDeque::from([Arc::new(batch)])), ..Query::default() }
    }

    fn ends(of: &[i64]) -> Ends {
        [("shop.events.g1".to_owned(), offsets(of)), ("shop.users".to_owned(), offsets(&[9]))].into()
    }

    #[test]
    fn what_is_not_known_of_kafka_is_as_the_query_reported() {
        assert_eq!(behind(&Query::default(), Some(&ends(&[1]))), None);
        assert_eq!(behind(&query(&[5], 7), None), Some(7));
        assert_eq!(behind(&query(&[5], 7), Some(&Ends::new())), Some(7));
        assert_eq!(behind(&query(&[5, 5], 7), Some(&ends(&[6, 8]))), Some(4));
    }

    #[test]
    fn a_new_partition_counts_from_its_beginning() {
        assert_eq!(behind(&query(&[5], 0), Some(&ends(&[5, 3]))), Some(3));
    }

    proptest! {
        #[test]
        fn lag_is_the_sum_of_what_is_unread(
            parts in prop::collection::vec((0i64..1_000_000, 0i64..10_000), 1..8),
        ) {
            let read: Vec<i64> = parts.iter().map(|(read, _)| *read).collect();
            let end: Vec<i64> = parts.iter().map(|(read, more)| read + more).collect();
            let unread: i64 = parts.iter().map(|(_, more)| more).sum();
            prop_assert_eq!(behind(&query(&read, -1), Some(&ends(&end))), Some(unread));
            // An end that was read before the batch ended is not less than nothing.
            prop_assert_eq!(behind(&query(&end, -1), Some(&ends(&read))), Some(0));
        }
    }
}
