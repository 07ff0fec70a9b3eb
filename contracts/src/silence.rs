//! For how long a part that reports to PostgreSQL may be silent before it counts as gone, in s.

/// The relay, which reports every second.
pub const RELAY_S: i64 = 5;

/// The job's supervisor, whose reports wait for Spark now and then.
pub const JOB_S: i64 = 15;
