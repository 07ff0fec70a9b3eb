//! How many events a second a key may send.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket of one second's worth. A request of more events than that takes what it needs from a full
/// bucket and leaves a debt, so that large batches pass at the right average instead of never.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_s: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(per_s: u32, now: Instant) -> Self {
        let per_s = f64::from(per_s.max(1));
        Self { per_s, tokens: per_s, filled_at: now }
    }

    /// Takes tokens for so many events, or says when to come again.
    pub(crate) fn take(&mut self, events: u32, now: Instant) -> Result<(), Duration> {
        let passed_s = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed_s * self.per_s).min(self.per_s);
        self.filled_at = now;
        let events = f64::from(events);
        let missing = events.min(self.per_s) - self.tokens;
        if missing > 0.0 {
            // Rounded up, so that whoever comes then is not a hair too early.
            let wait_ms = (missing / self.per_s * 1_000.0).ceil().max(1.0);
            return Err(Duration::from_secs_f64(wait_ms / 1_000.0));
        }
        self.tokens -= events;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gets_its_rate_in_small_and_in_large_requests() {
        for (events, requests) in [(1, 1_000), (70, 14), (100, 10), (250, 4)] {
            let began = Instant::now();
            let mut now = began;
            let mut bucket = TokenBucket::new(100, now);
            for _ in 0..requests {
                while let Err(wait) = bucket.take(events, now) {
                    now += wait;
                }
            }
            // A thousand events less the first second's worth, or the debt of the last request.
            let s = (now - began).as_secs_f64();
            assert!((7.4..9.3).contains(&s), "{requests} requests of {events}: {s} s");
        }
    }

    #[test]
    fn who_waits_as_told_passes() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(3, now);
        assert_eq!(bucket.take(3, now), Ok(()));
        let wait = bucket.take(1, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(334));
        assert_eq!(bucket.take(1, now + wait), Ok(()));
    }
}
