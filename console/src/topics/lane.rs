//! What a search has of each partition, and in which order it is told: partitions are merged by time, and
//! none is told out of its own order, so that a cursor can say where to go on.

use std::collections::VecDeque;

use super::cursor::Cursor;

/// One partition of a search.
#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) partition: i32,
    /// The first offset that is left.
    pub(super) low: i64,
    /// The last stable offset when the search began: what comes later is not looked at.
    pub(super) end: i64,
    /// Forwards the next offset to read, backwards the one before which the next is.
    pub(super) next: i64,
    /// The time of the record read last, in the direction of the search.
    pub(super) reached: Option<i64>,
    /// Matches in the order in which they are told.
    pub(super) matches: VecDeque<Match<T>>,
    /// Nothing more is read: its end was reached, or it has as many matches as are wanted of all.
    pub(super) read: bool,
}

/// A record that meets all conditions.
#[derive(Debug)]
pub(super) struct Match<T> {
    pub(super) offset: i64,
    pub(super) at: i64,
    pub(super) record: T,
}

/// Where a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forwards,
    Backwards,
}

impl<T> Lane<T> {
    pub(super) fn new(partition: i32, low: i64, end: i64, next: i64, way: Way) -> Self {
        let mut lane =
            Self { partition, low, end, next, reached: None, matches: VecDeque::new(), read: false };
        lane.read = lane.over(way);
        lane
    }

    /// Whether there is nothing left to read.
    pub(super) fn over(&self, way: Way) -> bool {
        match way {
            Way::Forwards => self.next >= self.end,
            Way::Backwards => self.next <= self.low,
        }
    }
}

/// Whether the first `limit` matches are known: every partition that is still read has come past them.
pub(super) fn enough<T>(lanes: &[Lane<T>], limit: usize, way: Way) -> bool {
    let mut bound = None;
    for lane in lanes.iter().filter(|lane| !lane.read) {
        let Some(reached) = lane.reached else { return false };
        bound = Some(match (bound, way) {
            (None, _) => reached,
            (Some(bound), Way::Forwards) => reached.min(bound),
            (Some(bound), Way::Backwards) => reached.max(bound),
        });
    }
    let Some(bound) = bound else { return true };
    let known = |at: i64| match way {
        Way::Forwards => at <= bound,
        Way::Backwards => at >= bound,
    };
    lanes.iter().flat_map(|lane| &lane.matches).filter(|found| known(found.at)).take(limit).count() >= limit
}

/// The first `limit` matches in the order of time.
pub(super) fn merge<T>(lanes: &mut [Lane<T>], limit: usize, way: Way) -> Vec<T> {
    let mut merged = Vec::new();
    while merged.len() < limit {
        let first = lanes.iter_mut().filter_map(|lane| Some((lane.matches.front()?.at, lane))).min_by_key(
            |(at, _)| match way {
                Way::Forwards => *at,
                // Not its negative, which the smallest number has none of.
                Way::Backwards => !*at,
            },
        );
        let Some(found) = first.and_then(|(_, lane)| lane.matches.pop_front()) else { break };
        merged.push(found.record);
    }
    merged
}

/// Where to go on after what was [merged](merge); nothing where nothing is left.
pub(super) fn rest<T>(lanes: &[Lane<T>], way: Way) -> Option<Cursor> {
    let left = lanes.iter().any(|lane| !lane.matches.is_empty() || !lane.over(way));
    let next = |lane: &Lane<T>| match (lane.matches.front(), way) {
        (Some(found), Way::Forwards) => found.offset,
        (Some(found), Way::Backwards) => found.offset + 1,
        (None, _) => lane.next,
    };
    left.then(|| Cursor(lanes.iter().map(|lane| (lane.partition, next(lane))).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lane(partition: i32, times: &[i64], way: Way) -> Lane<(i32, i64)> {
        let count = i64::try_from(times.len()).unwrap();
        let next = if way == Way::Forwards { 0 } else { count };
        let mut lane = Lane::new(partition, 0, count, next, way);
        let mut found: VecDeque<_> = (0..)
            .zip(times)
            .map(|(offset, at)| Match { offset, at: *at, record: (partition, offset) })
            .collect();
        if way == Way::Backwards {
            found.make_contiguous().reverse();
        }
        lane.next = if way == Way::Forwards { count } else { 0 };
        (lane.matches, lane.read) = (found, true);
        lane
    }

    /// Goes on from a cursor as a search would.
    fn from(times: &[Vec<i64>], cursor: &Cursor, way: Way) -> Vec<Lane<(i32, i64)>> {
        let lanes = (0..).zip(times).map(|(partition, times)| {
            let mut lane = lane(partition, times, way);
            let place = cursor.0[&partition];
            lane.matches.retain(|found| match way {
                Way::Forwards => found.offset >= place,
                Way::Backwards => found.offset < place,
            });
            lane
        });
        lanes.collect()
    }

    proptest! {
        #[test]
        fn pages_tell_every_record_once_and_each_partition_in_order(
            times in prop::collection::vec(prop::collection::vec(0_i64..50, 0..12), 1..4),
            limit in 1_usize..6,
            backwards: bool,
        ) {
            let way = if backwards { Way::Backwards } else { Way::Forwards };
            let mut lanes: Vec<_> =
                (0..).zip(&times).map(|(partition, times)| lane(partition, times, way)).collect();
            let mut told = Vec::new();
            loop {
                told.extend(merge(&mut lanes, limit, way));
                let Some(cursor) = rest(&lanes, way) else { break };
                lanes = from(&times, &cursor, way);
            }
            for (partition, times) in (0..).zip(&times) {
                let mut offsets: Vec<_> =
                    told.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
                if backwards {
                    offsets.reverse();
                }
                prop_assert_eq!(offsets, (0..).take(times.len()).collect::<Vec<i64>>());
            }
        }

        #[test]
        fn sorted_partitions_are_merged_in_order(
            mut times in prop::collection::vec(prop::collection::vec(0_i64..50, 0..12), 1..4),
        ) {
            for times in &mut times {
                times.sort_unstable();
            }
            let mut lanes: Vec<_> =
                (0..).zip(&times).map(|(partition, times)| lane(partition, times, Way::Backwards)).collect();
            let told: Vec<i64> = merge(&mut lanes, usize::MAX, Way::Backwards)
                .into_iter()
                .map(|(partition, offset)| {
                    times[usize::try_from(partition).unwrap()][usize::try_from(offset).unwrap()]
                })
                .collect();
            prop_assert!(told.is_sorted_by(|a, b| a >= b), "{told:?}");
        }
    }

    #[test]
    fn a_partition_that_trails_is_waited_for() {
        let mut lanes = vec![lane(0, &[10, 20], Way::Forwards), lane(1, &[], Way::Forwards)];
        (lanes[1].read, lanes[1].end) = (false, 5);
        assert!(!enough(&lanes, 1, Way::Forwards));
        lanes[1].reached = Some(9);
        assert!(!enough(&lanes, 1, Way::Forwards));
        lanes[1].reached = Some(10);
        assert!(enough(&lanes, 1, Way::Forwards) && !enough(&lanes, 2, Way::Forwards));
        lanes[1].read = true;
        assert!(enough(&lanes, 3, Way::Forwards));
    }
}
