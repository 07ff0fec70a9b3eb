use std::time::Duration;

use contracts::backoff::Backoff;
use rand::Rng;

use super::error::ApiError;

/// When to try again: exponential back-off with full jitter, bounded by a number of tries and a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All tries, the first one included.
    pub attempts: u32,
    /// The longest pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause at all.
    pub longest_pause: Duration,
    /// From the first call to the last answer; a call is cut off by it.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(20),
            deadline: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before the next try, or nothing when there is none.
    pub(super) fn pause(&self, failure: &ApiError, attempts: u32, elapsed: Duration) -> Option<Duration> {
        if !failure.is_retryable() || attempts >= self.attempts {
            return None;
        }
        let backoff = Backoff::new(self.first_pause, self.longest_pause);
        let longest = backoff.after(attempts.saturating_sub(1));
        let jittered = rand::rng().random_range(Duration::ZERO..=longest);
        // The service's own wish counts, and never less than it asks for.
        let pause = jittered.max(failure.retry_after().unwrap_or_default());
        (elapsed + pause < self.deadline).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 4,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(250),
        deadline: Duration::from_secs(10),
    };

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_tries() {
        let failure = ApiError::Empty { asked: 1 };
        for _ in 0..200 {
            assert!(POLICY.pause(&failure, 1, Duration::ZERO).unwrap() <= Duration::from_millis(100));
            assert!(POLICY.pause(&failure, 3, Duration::ZERO).unwrap() <= Duration::from_millis(250));
        }
        assert_eq!(POLICY.pause(&failure, 4, Duration::ZERO), None);
        assert_eq!(POLICY.pause(&failure, 1, Duration::from_secs(10)), None);
        let refused = ApiError::Refused { status: 403, excerpt: String::new() };
        assert_eq!(POLICY.pause(&refused, 1, Duration::ZERO), None);
    }

    #[test]
    fn what_the_service_asks_for_is_kept_within_the_deadline() {
        let limited = |seconds| ApiError::RateLimited {
            status: 429,
            message: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(POLICY.pause(&limited(3), 1, Duration::ZERO), Some(Duration::from_secs(3)));
        assert_eq!(POLICY.pause(&limited(60), 1, Duration::ZERO), None);
    }
}
