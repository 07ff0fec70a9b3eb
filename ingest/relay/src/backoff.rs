//! Waits that grow, with jitter, so that several relays do not knock in step.

use std::time::{Duration, Instant};

use rand::Rng;

const FIRST: Duration = Duration::from_millis(250);
/// A session that held this long was a success: the next failure starts from the beginning.
const STEADY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) const fn new(max: Duration) -> Self {
        Self { next: FIRST, max }
    }

    /// How long to wait after a session that began at the given time.
    pub(crate) fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= STEADY {
            self.next = FIRST;
        }
        let wait = self.next.min(self.max);
        self.next = (self.next * 2).min(self.max);
        wait.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}
