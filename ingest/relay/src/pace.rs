//! When a Kafka transaction is committed: at once while the relay is idle, later the larger the backlog.
//!
//! A commit costs about the same whatever its size. So one transaction of PostgreSQL after which nothing more
//! has arrived is committed as it is; rows of a backlog are gathered for as long as half a commit takes.
//! Never is a transaction committed in the middle of one of PostgreSQL's unless it is full or old, and
//! without rows a position goes out only when the log has moved.

use std::time::{Duration, Instant};

use crate::config::Limits;

/// The shortest time between two transactions that PostgreSQL asked for.
const ASKED_INTERVAL: Duration = Duration::from_millis(100);
/// The longest wait for more rows of a backlog.
const LINGER_MAX: Duration = Duration::from_millis(20);

/// What the open Kafka transaction holds, and where the log stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// When its first row was taken; nothing where it has none.
    pub(crate) opened: Option<Instant>,
    pub(crate) rows: u64,
    /// Whether PostgreSQL's own transaction is not complete yet.
    pub(crate) in_transaction: bool,
    /// Whether the log went on since the last commit.
    pub(crate) moved: bool,
}

/// What the last commit tells about the next one.
#[derive(Debug)]
pub(crate) struct Pace {
    last_commit: Instant,
    last_commit_took: Duration,
    /// PostgreSQL has asked for a confirmation.
    asked: bool,
}

impl Pace {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { last_commit: now, last_commit_took: Duration::ZERO, asked: false }
    }

    pub(crate) const fn asked(&mut self) {
        self.asked = true;
    }

    /// A commit that began then is done now.
    pub(crate) fn committed(&mut self, began: Instant, now: Instant) {
        *self =
            Self { last_commit: now, last_commit_took: now.saturating_duration_since(began), asked: false };
    }

    /// How long the last commit took.
    pub(crate) const fn last_commit_took(&self) -> Duration {
        self.last_commit_took
    }

    /// How long to wait for more before looking whether something [is due](Self::is_due).
    pub(crate) fn patience(&self, limits: &Limits, held: &Held, now: Instant) -> Duration {
        if let Some(opened) = held.opened {
            let left = limits.transaction_age.saturating_sub(now.saturating_duration_since(opened));
            return if held.in_transaction {
                left
            } else if held.rows < limits.eager_rows {
                Duration::ZERO
            } else {
                // The longer a commit takes, the more it pays to fill it first.
                left.min((self.last_commit_took / 2).min(LINGER_MAX))
            };
        }
        let left = self.idle_interval(limits).saturating_sub(now.saturating_duration_since(self.last_commit));
        if held.moved { left } else { left.max(ASKED_INTERVAL) }
    }

    /// Whether to commit when nothing more has come.
    pub(crate) fn is_due(&self, limits: &Limits, held: &Held, now: Instant) -> bool {
        if held.opened.is_some() {
            return !held.in_transaction || is_old(limits, held, now);
        }
        held.moved && now.saturating_duration_since(self.last_commit) >= self.idle_interval(limits)
    }

    const fn idle_interval(&self, limits: &Limits) -> Duration {
        if self.asked { ASKED_INTERVAL } else { limits.idle_position }
    }
}

/// Whether no more goes in.
pub(crate) const fn is_full(limits: &Limits, rows: u64, bytes: u64) -> bool {
    rows >= limits.transaction_rows || bytes >= limits.transaction_bytes
}

/// Whether its rows have waited long enough, even in the middle of PostgreSQL's transaction.
pub(crate) fn is_old(limits: &Limits, held: &Held, now: Instant) -> bool {
    held.opened.is_some_and(|opened| now.saturating_duration_since(opened) >= limits.transaction_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Held = Held { opened: None, rows: 0, in_transaction: false, moved: false };

    /// A start, and the moment so long after it.
    fn times(later: Duration) -> (Instant, Instant) {
        let start = Instant::now();
        (start, start + later)
    }

    #[test]
    fn a_few_rows_go_out_as_soon_as_nothing_more_comes() {
        let limits = Limits::default();
        let (start, now) = times(Duration::from_millis(1));
        let held = Held { opened: Some(start), rows: 3, ..NOTHING };
        let pace = Pace::new(start);
        assert_eq!(pace.patience(&limits, &held, now), Duration::ZERO);
        assert!(pace.is_due(&limits, &held, now));
    }

    #[test]
    fn rows_of_an_open_transaction_wait_until_they_are_old() {
        let limits = Limits::default();
        let (start, now) = times(Duration::from_millis(300));
        let held = Held { opened: Some(start), rows: 3, in_transaction: true, ..NOTHING };
        let pace = Pace::new(start);
        assert!(!pace.is_due(&limits, &held, now));
        let left = pace.patience(&limits, &held, now);
        assert_eq!(left, limits.transaction_age - Duration::from_millis(300));
        assert!(pace.is_due(&limits, &held, now + left));
    }

    #[test]
    fn a_backlog_is_gathered_for_half_a_commit_at_most() {
        let limits = Limits::default();
        let (start, now) = times(Duration::from_millis(10));
        let held = Held { opened: Some(now), rows: limits.eager_rows, ..NOTHING };
        let mut pace = Pace::new(start);
        pace.committed(start, now);
        assert_eq!(pace.patience(&limits, &held, now), Duration::from_millis(5));
        pace.committed(start, start + Duration::from_secs(9));
        assert_eq!(pace.patience(&limits, &held, now), LINGER_MAX);
    }

    #[test]
    fn a_position_alone_goes_out_when_the_log_has_moved_and_sooner_when_it_is_asked_for() {
        let limits = Limits::default();
        let (start, now) = times(ASKED_INTERVAL);
        let (moved, mut pace) = (Held { moved: true, ..NOTHING }, Pace::new(start));
        assert!(!pace.is_due(&limits, &moved, now));
        assert!(pace.is_due(&limits, &moved, start + limits.idle_position));
        assert!(!pace.is_due(&limits, &NOTHING, start + limits.idle_position));
        pace.asked();
        assert!(pace.is_due(&limits, &moved, now));
        // Nothing is due, and yet the loop does not spin.
        assert_eq!(pace.patience(&limits, &NOTHING, start + limits.idle_position), ASKED_INTERVAL);
        pace.committed(now, now);
        assert!(!pace.is_due(&limits, &moved, now + ASKED_INTERVAL));
    }

    #[test]
    fn rows_or_bytes_fill_a_transaction() {
        let limits = Limits::default();
        assert!(!is_full(&limits, 0, 0));
        assert!(is_full(&limits, limits.transaction_rows, 0));
        assert!(is_full(&limits, 0, limits.transaction_bytes));
    }
}
