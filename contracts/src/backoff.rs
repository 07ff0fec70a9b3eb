//! Pauses between tries.

use std::time::Duration;

/// Pauses that double with each failure in a row, up to a longest one. Who waits adds jitter, a deadline or
/// an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Begins with the first pause.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause after one more failure.
    pub fn pause(&mut self) -> Duration {
        let pause = self.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// The pause after so many failures before the last one.
    #[must_use]
    pub fn after(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.min(20)).min(self.longest)
    }

    /// It went well: the next failure is the first again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(1));
        let pauses_ms = |backoff: &mut Backoff| [(); 4].map(|()| backoff.pause().as_millis());
        assert_eq!(pauses_ms(&mut backoff), [250, 500, 1_000, 1_000]);
        backoff.reset();
        assert_eq!(pauses_ms(&mut backoff), [250, 500, 1_000, 1_000]);
        assert_eq!(backoff.after(u32::MAX), Duration::from_secs(1));
    }
}
