//! Whether the job gets on: a micro-batch ended, or a task of one did.
//!
//! A batch may take long without being stuck, when there is much to read or much else to do, and cutting it
//! off only makes it begin again. What its tasks do is asked once it has gone on for a while.

use std::time::{Duration, Instant};

/// A batch that has gone on for so long is looked into.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A cold Spark compiles every query before its first micro-batch ends: so many times the usual patience.
const COLD_PATIENCE: u32 = 3;

/// The last sign that the job gets on.
pub(super) struct Advance {
    stall_after: Duration,
    at: Instant,
    looked: Option<Instant>,
    finished_tasks: Option<i64>,
    warm: bool,
}

impl Advance {
    /// Of a job that was just submitted.
    pub(super) const fn new(stall_after: Duration, now: Instant) -> Self {
        Self { stall_after, at: now, looked: None, finished_tasks: None, warm: false }
    }

    /// Whether a micro-batch has ended since the job was submitted.
    pub(super) const fn is_warm(&self) -> bool {
        self.warm
    }

    /// A micro-batch ended.
    pub(super) const fn batch_ended(&mut self, now: Instant) {
        (self.at, self.warm) = (now, true);
    }

    /// There is nothing to do.
    pub(super) const fn idle(&mut self, now: Instant) {
        self.at = now;
    }

    /// Whether it is time to ask how many tasks have finished.
    pub(super) fn wants_a_look(&self, now: Instant) -> bool {
        let (after, every) = (LOOK_AFTER.min(self.stall_after / 4), LOOK_EVERY.min(self.stall_after / 4));
        now - self.at >= after && self.looked.is_none_or(|looked| now - looked >= every)
    }

    /// So many tasks of the cubes have finished since they were started; nothing where the server does not
    /// tell.
    pub(super) fn looked(&mut self, finished_tasks: Option<i64>, now: Instant) {
        self.looked = Some(now);
        if let (Some(before), Some(finished)) = (self.finished_tasks, finished_tasks)
            && finished > before
        {
            self.at = now;
        }
        self.finished_tasks = finished_tasks.or(self.finished_tasks);
    }

    /// For how long nothing has been heard of the job, where that is too long.
    pub(super) fn stalled(&self, now: Instant) -> Option<Duration> {
        let patience = self.stall_after * if self.warm { 1 } else { COLD_PATIENCE };
        Some(now - self.at).filter(|silent| *silent > patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_AFTER: Duration = Duration::from_secs(60);

    fn warm() -> (Advance, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let mut advance = Advance::new(STALL_AFTER, start);
        advance.batch_ended(start);
        (advance, move |second| start + Duration::from_secs(second))
    }

    #[test]
    fn a_long_batch_whose_tasks_finish_is_left_alone_and_one_that_is_stuck_is_not() {
        let (mut advance, at) = warm();
        assert!(!advance.wants_a_look(at(9)) && advance.wants_a_look(at(10)));
        for look in 2..40 {
            let now = at(look * 5);
            assert_eq!(advance.stalled(now), None, "after {look} looks");
            // A task every half minute.
            advance.looked(Some(i64::try_from(look / 6).unwrap()), now);
        }
        assert_eq!(advance.stalled(at(40 * 5)), None);
        advance.looked(Some(6), at(200));
        advance.looked(Some(6), at(240));
        assert_eq!(advance.stalled(at(241)), Some(Duration::from_secs(61)));
    }

    #[test]
    fn what_had_finished_before_the_first_look_is_no_sign() {
        let (mut advance, at) = warm();
        advance.looked(Some(7), at(50));
        assert!(!advance.wants_a_look(at(54)) && advance.wants_a_look(at(55)));
        assert!(advance.stalled(at(61)).is_some());
    }

    #[test]
    fn a_server_that_tells_nothing_is_judged_by_batches_alone() {
        let (mut advance, at) = warm();
        for look in 2..=12 {
            advance.looked(None, at(look * 5));
        }
        assert!(advance.stalled(at(61)).is_some());
        advance.idle(at(61));
        assert!(advance.stalled(at(62)).is_none());
    }

    #[test]
    fn the_first_batch_of_a_cold_spark_is_given_longer() {
        let start = Instant::now();
        let mut advance = Advance::new(STALL_AFTER, start);
        let later = start + 2 * STALL_AFTER;
        assert!(advance.stalled(later).is_none() && !advance.is_warm());
        advance.batch_ended(start);
        assert!(advance.stalled(later).is_some());
    }
}
