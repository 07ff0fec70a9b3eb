//! How fast a count grows.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// Over how long.
const OVER_S: i64 = 10;

/// Readings of a count that only grows, over some seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meter {
    readings: VecDeque<(DateTime<Utc>, i64)>,
}

impl Meter {
    /// It after one more reading. A count that is smaller than before is of a process that began again.
    pub(super) fn read(&self, at: DateTime<Utc>, count: i64) -> Self {
        let mut readings = self.readings.clone();
        if readings.back().is_some_and(|(before, last)| count < *last || at <= *before) {
            readings.clear();
        }
        readings.push_back((at, count));
        // The one before the stretch stays: the rate is of the whole of it.
        while readings.get(1).is_some_and(|(second, _)| at - *second >= TimeDelta::seconds(OVER_S)) {
            readings.pop_front();
        }
        Self { readings }
    }

    /// A second; nothing before there are two readings.
    #[expect(clippy::cast_precision_loss, reason = "rates are rounded where they are shown")]
    pub(crate) fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.readings.front()?, self.readings.back()?);
        let ms = (*to - *from).num_milliseconds();
        (ms >= 900).then(|| last.saturating_sub(*first) as f64 * 1_000.0 / ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn a_process_that_began_again_is_no_negative_rate() {
        let meter = Meter::default().read(at(0), 1_000).read(at(1_000), 1_100);
        assert_eq!(meter.rate(), Some(100.0));
        let again = meter.read(at(2_000), 10);
        assert_eq!(again.rate(), None);
        assert_eq!(again.read(at(3_000), 60).rate(), Some(50.0));
    }

    proptest! {
        #[test]
        fn a_steady_count_has_its_rate(a_second in 1i64..5_000, step_ms in 900i64..6_000, steps in 2i64..50) {
            let mut meter = Meter::default();
            for step in 0..steps {
                meter = meter.read(at(step * step_ms), a_second * step * step_ms);
            }
            let rate = meter.rate().unwrap();
            prop_assert!((rate - (a_second * 1_000) as f64).abs() < 1e-6 * rate, "{}", rate);
            prop_assert!(meter.readings.len() <= 13);
        }
    }
}
