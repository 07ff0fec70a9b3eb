//! Waits between sessions, with jitter, so that several relays do not knock in step.

use std::time::{Duration, Instant};

use contracts::backoff::Backoff;
use rand::Rng;

const FIRST: Duration = Duration::from_millis(250);
/// A session that held this long was a success: the next failure starts from the beginning.
const STEADY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Waits(Backoff);

impl Waits {
    pub(crate) const fn new(longest: Duration) -> Self {
        Self(Backoff::new(FIRST, longest))
    }

    /// How long to wait after a session that began at the given time.
    pub(crate) fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= STEADY {
            self.0.reset();
        }
        self.0.pause().mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}
