//! How long rows take from PostgreSQL's commit to Kafka's, over the last seconds.

use std::time::{Duration, Instant};

/// Buckets per doubling: a figure is within 9 % of the truth.
const STEPS: usize = 8;
/// 1 ms × 2^20 is 17 minutes.
const DOUBLINGS: usize = 20;
const BUCKETS: usize = STEPS * DOUBLINGS + 1;
/// The summary covers between one and two such windows.
const WINDOW: Duration = Duration::from_secs(10);

/// Quantiles in ms.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LatencySummary {
    /// Rows counted.
    pub rows: u64,
    /// Half of the rows took at most this long, in ms.
    pub p50_ms: f64,
    /// 99 % of the rows took at most this long, in ms.
    pub p99_ms: f64,
}

/// A histogram over the current and the previous window, with buckets in proportion to the value.
#[derive(Debug)]
pub(crate) struct Latency {
    current: [u64; BUCKETS],
    previous: [u64; BUCKETS],
    window_start: Instant,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self { current: [0; BUCKETS], previous: [0; BUCKETS], window_start: Instant::now() }
    }

    pub(crate) fn record(&mut self, latency_us: i64, rows: u64) {
        self.current[bucket(latency_us)] += rows;
    }

    pub(crate) fn summary(&mut self, now: Instant) -> LatencySummary {
        if now.duration_since(self.window_start) >= WINDOW {
            self.previous = std::mem::replace(&mut self.current, [0; BUCKETS]);
            self.window_start = now;
        }
        let both = || self.current.iter().zip(&self.previous).map(|(a, b)| a + b);
        let rows: u64 = both().sum();
        let quantile = |percent: u64| {
            let rank = (rows * percent).div_ceil(100);
            let mut seen = 0;
            let index = both().position(|count| {
                seen += count;
                seen >= rank && seen > 0
            });
            index.map_or(0.0, upper_bound_ms)
        };
        LatencySummary { rows, p50_ms: quantile(50), p99_ms: quantile(99) }
    }
}

/// Bucket 0 holds 0 to 1 ms; bucket i up to 2^(i / STEPS) ms.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a histogram's bucket, clamped"
)]
fn bucket(latency_us: i64) -> usize {
    let ms = latency_us.max(0) as f64 / 1_000.0;
    if ms <= 1.0 { 0 } else { ((ms.log2() * STEPS as f64).ceil() as usize).min(BUCKETS - 1) }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's bucket")]
fn upper_bound_ms(bucket: usize) -> f64 {
    (bucket as f64 / STEPS as f64).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut latency = Latency::new();
        for ms in 1..=100 {
            latency.record(ms * 1_000, 10);
        }
        let summary = latency.summary(Instant::now());
        assert_eq!(summary.rows, 1_000);
        assert!((50.0..=55.0).contains(&summary.p50_ms), "{summary:?}");
        assert!((99.0..=109.0).contains(&summary.p99_ms), "{summary:?}");
    }

    #[test]
    fn nothing_recorded_is_zero_and_old_windows_are_forgotten() {
        let mut latency = Latency::new();
        let now = Instant::now();
        assert_eq!(latency.summary(now), LatencySummary::default());
        latency.record(-5, 1);
        assert_eq!(latency.summary(now + WINDOW).rows, 1);
        assert_eq!(latency.summary(now + 3 * WINDOW).rows, 0);
    }

    #[test]
    fn any_value_has_a_bucket() {
        for value in [i64::MIN, -1, 0, 1, 999, 1_001, i64::MAX] {
            assert!(bucket(value) < BUCKETS);
        }
    }
}
