//! On time is a property of the record, not of the engine.
//!
//! A record is on time when −1 min ≤ `ingested_at` − `occurred_at` ≤ 10 min. Every stage applies this one
//! rule, so the stream's watermark never has to drop a row; later records are left to reconciliation, earlier
//! ones (from the future) are quarantined at ingest.

use chrono::{DateTime, NaiveDate, Utc};

/// The earliest instant that an event may name, in µs since 1970: 1970-01-01.
pub const EARLIEST_US: i64 = 0;
/// The latest instant that an event may name, in µs since 1970: 2200-01-01. Beyond these two a window would
/// never close, and PostgreSQL ends at the year 294276.
pub const LATEST_US: i64 = 7_258_118_400_000_000;

/// The days of [`EARLIEST_US`] and [`LATEST_US`], between which a day that an event names must be.
#[must_use]
pub fn days() -> [NaiveDate; 2] {
    // Both are far within what a date can be.
    [EARLIEST_US, LATEST_US].map(|us| DateTime::from_timestamp_micros(us).unwrap_or_default().date_naive())
}

/// How far ahead of the ingestor's clock an event may be, in µs.
pub const MAX_AHEAD_US: i64 = 60 * 1_000_000;
/// How late an event may arrive and still be on time, in µs.
pub const MAX_LATE_US: i64 = 10 * 60 * 1_000_000;
/// A record may need this long from the ingestor's clock to its commit, in µs.
pub const COMMIT_GRACE_US: i64 = 60 * 1_000_000;
/// So long after its last instant a window is closed, in µs: a record of it would be late by now, however
/// slow its commit.
pub const CLOSED_AFTER_US: i64 = MAX_LATE_US + COMMIT_GRACE_US;
/// The stream's watermark delay, in minutes: beyond the rule above, so Spark itself drops nothing.
pub const WATERMARK_DELAY_MIN: u32 = 20;

/// Where a record stands by its two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lateness {
    /// In the metrics as it arrives.
    OnTime,
    /// Left to reconciliation.
    Late,
    /// Refused at ingest.
    Future,
}

/// Judges a record.
#[must_use]
pub fn judge(occurred_at: DateTime<Utc>, ingested_at: DateTime<Utc>) -> Lateness {
    let delay_us = ingested_at.timestamp_micros().saturating_sub(occurred_at.timestamp_micros());
    if delay_us < -MAX_AHEAD_US {
        Lateness::Future
    } else if delay_us > MAX_LATE_US {
        Lateness::Late
    } else {
        Lateness::OnTime
    }
}

/// The rule as a PostgreSQL predicate over `raw.events`.
///
/// The Spark predicate is a plan function of its own; a test holds the two together.
pub const ON_TIME_SQL: &str =
    "ingested_at - occurred_at between interval '-1 minute' and interval '10 minutes'";

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn bounds_belong_to_on_time() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap();
        let us = TimeDelta::microseconds;
        assert_eq!(judge(at, at + us(MAX_LATE_US)), Lateness::OnTime);
        assert_eq!(judge(at, at + us(MAX_LATE_US + 1)), Lateness::Late);
        assert_eq!(judge(at, at - us(MAX_AHEAD_US)), Lateness::OnTime);
        assert_eq!(judge(at, at - us(MAX_AHEAD_US + 1)), Lateness::Future);
    }

    #[test]
    fn the_days_are_those_of_the_instants() {
        let [earliest, latest] = days();
        let start_us = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
        assert_eq!((start_us(earliest), start_us(latest)), (EARLIEST_US, LATEST_US));
    }

    #[test]
    fn the_sql_says_the_same() {
        assert!(ON_TIME_SQL.contains(&format!("'{} minutes'", MAX_LATE_US / 60_000_000)));
        assert!(ON_TIME_SQL.contains(&format!("'-{} minute'", MAX_AHEAD_US / 60_000_000)));
        assert!(include_str!("../../notebooks/storepulse_notebook/services.py").contains(ON_TIME_SQL));
    }
}
