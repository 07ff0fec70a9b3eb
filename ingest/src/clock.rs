//! The clock that `ingested_at` is read from: it is passed in, so that hours can run in seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Wall time, or a time that stands still until it is moved. Clones share the time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Wall,
    Virtual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn wall() -> Self {
        Self(Kind::Wall)
    }

    /// A clock that shows `start` until it is moved: what `--start` sets for simulator and ingestor together.
    #[must_use]
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self(Kind::Virtual(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    /// The time it shows, in whole µs, as every system keeps it.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let unix_us = match &self.0 {
            Kind::Wall => Utc::now().timestamp_micros(),
            Kind::Virtual(now_us) => now_us.load(Ordering::Acquire),
        };
        from_micros(unix_us)
    }

    /// Whether it only moves by [`advance_to`](Self::advance_to).
    #[must_use]
    pub const fn stands_still(&self) -> bool {
        matches!(self.0, Kind::Virtual(_))
    }

    /// Moves a virtual clock forward, never back; wall time goes on by itself.
    pub fn advance_to(&self, to: DateTime<Utc>) {
        if let Kind::Virtual(now_us) = &self.0 {
            now_us.fetch_max(to.timestamp_micros(), Ordering::AcqRel);
        }
    }
}

/// An instant of µs since 1970; far outside of any calendar it is the epoch.
pub(crate) fn from_micros(unix_us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(unix_us).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_forward_only_and_is_shared() {
        let start = from_micros(1_800_000_000_000_000);
        let clock = Clock::starting_at(start);
        let same = clock.clone();
        clock.advance_to(from_micros(1_800_000_001_000_000));
        clock.advance_to(start);
        assert_eq!(same.now(), from_micros(1_800_000_001_000_000));
        assert!(!Clock::wall().stands_still());
    }
}
