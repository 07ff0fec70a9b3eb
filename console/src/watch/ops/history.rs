//! How the line did over the last day, in steps of ten seconds. Kept in memory alone: it can be thrown away.

use std::collections::VecDeque;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::Rates;

/// The length of a step.
const STEP_S: i64 = 10;
/// A day of them.
const STEPS: usize = 24 * 360;

/// One step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: DateTime<Utc>,
    /// From an event to its rows in Cassandra, of the last micro-batch of the step.
    pub(crate) lag_p50_ms: Option<i64>,
    pub(crate) lag_p99_ms: Option<i64>,
    /// What ingestors count.
    pub(crate) rates: Option<Rates>,
    /// Log that PostgreSQL keeps for the relay.
    pub(crate) retained_bytes: Option<i64>,
    /// Log that the relay has not committed in Kafka.
    pub(crate) relay_behind_bytes: Option<i64>,
    /// Offsets that the cube's query has not read.
    pub(crate) offsets_behind: Option<i64>,
}

/// The start of the step that holds a moment.
pub(crate) fn step(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(STEP_S)).unwrap_or(at)
}

/// A step with what was seen later in it. What is not known leaves what is known.
pub(super) fn merged(step: Point, seen: Point) -> Point {
    Point {
        at: step.at,
        lag_p50_ms: seen.lag_p50_ms.or(step.lag_p50_ms),
        lag_p99_ms: seen.lag_p99_ms.or(step.lag_p99_ms),
        rates: seen.rates.or(step.rates),
        retained_bytes: seen.retained_bytes.or(step.retained_bytes),
        relay_behind_bytes: seen.relay_behind_bytes.or(step.relay_behind_bytes),
        offsets_behind: seen.offsets_behind.or(step.offsets_behind),
    }
}

/// Adds what was seen: into the newest step where it is of that one.
pub(super) fn add(points: &mut VecDeque<Point>, seen: Point) {
    let at = step(seen.at);
    match points.back_mut() {
        Some(last) if last.at == at => *last = merged(*last, seen),
        // PostgreSQL's clock was put back: the steps stay in order.
        Some(last) if last.at > at => {}
        _ => {
            points.push_back(Point { at, ..seen });
            while points.len() > STEPS {
                points.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_step_keeps_the_last_that_was_known() {
        let mut points = VecDeque::new();
        add(
            &mut points,
            Point { at: at(1), lag_p50_ms: Some(900), offsets_behind: Some(3), ..Point::default() },
        );
        add(&mut points, Point { at: at(9), lag_p50_ms: None, offsets_behind: Some(5), ..Point::default() });
        add(&mut points, Point { at: at(10), ..Point::default() });
        assert_eq!(points.len(), 2);
        assert_eq!(
            (points[0].at, points[0].lag_p50_ms, points[0].offsets_behind),
            (at(0), Some(900), Some(5))
        );
        assert_eq!(points[1], Point { at: at(10), ..Point::default() });
    }

    proptest! {
        #[test]
        fn steps_are_in_order_and_no_more_than_a_day(
            seconds in prop::collection::vec(0i64..200_000, 1..300),
        ) {
            let mut points = VecDeque::new();
            for second in seconds {
                add(&mut points, Point { at: at(second), ..Point::default() });
            }
            prop_assert!(points.len() <= STEPS);
            prop_assert!(points.iter().zip(points.iter().skip(1)).all(|(a, b)| a.at < b.at));
        }
    }
}
