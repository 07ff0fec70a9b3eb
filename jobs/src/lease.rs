//! Who may submit a job's plan: a lease in PostgreSQL, `ops.job_lease`.
//!
//! - A holder renews every [`RENEW_EVERY`]; a lease that was not renewed for [`EXPIRY`] is free for anybody.
//! - Each new holder has the next fencing number. Who finds another number in the row has lost the job for
//!   good.
//! - Whether a lease is free is judged by PostgreSQL's clock. A holder counts from before it asked, by a
//!   clock that does not jump, so it stops believing in its lease no later than PostgreSQL does.
//! - While PostgreSQL is away nobody can take the lease, so what runs may go on; a plan is submitted only
//!   right after the lease was [renewed](Hold::confirm).
//!
//! Spark does not know the number: a holder that is frozen between its renewal and its submission still
//! submits. It then replaces the next holder's query once, which that one sees as a fault; it finds itself
//! replaced when it looks.
//!
//! The row is read, judged here and replaced only if it is still as it was read, so every rule is plain code.

mod hold;
mod register;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

pub use hold::{Acquired, Hold, Patience, acquire};
pub use register::{Seen, current};

/// How often a holder renews.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How long a lease is valid after it was renewed.
pub const EXPIRY: Duration = Duration::from_secs(10);

/// [`EXPIRY`] by PostgreSQL's clock.
const TERM: TimeDelta = TimeDelta::seconds(EXPIRY.as_secs().cast_signed());

/// A row of `ops.job_lease`; times are of PostgreSQL's clock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lease {
    /// Who has or had it, for a person to read.
    pub holder: String,
    /// The number of this holder; 0 before the first.
    pub fencing: i64,
    /// When it was last renewed.
    pub renewed_at: DateTime<Utc>,
    /// From when on it is free.
    pub expires_at: DateTime<Utc>,
}

impl Lease {
    /// Whether anybody may take it.
    #[must_use]
    pub fn is_free(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }

    /// The lease of the next holder; nothing while this one is valid.
    #[must_use]
    pub fn taken(&self, holder: &str, now: DateTime<Utc>) -> Option<Self> {
        self.is_free(now).then(|| Self {
            holder: holder.to_owned(),
            fencing: self.fencing + 1,
            renewed_at: now,
            expires_at: now + TERM,
        })
    }

    /// The same holder's, longer; nothing where it is another's. One that expired and that nobody took goes
    /// on.
    #[must_use]
    pub fn renewed(&self, fencing: i64, now: DateTime<Utc>) -> Option<Self> {
        (self.fencing == fencing).then(|| Self { renewed_at: now, expires_at: now + TERM, ..self.clone() })
    }

    /// The same holder's, free at once; nothing where it is another's.
    #[must_use]
    pub fn released(&self, fencing: i64, now: DateTime<Utc>) -> Option<Self> {
        (self.fencing == fencing).then(|| Self { expires_at: now, ..self.clone() })
    }
}

/// What a holder knows about its own lease without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// Just before PostgreSQL was asked for the last renewal that it granted.
    asked_at: Instant,
}

impl Tenure {
    /// After a renewal that was asked for at this moment.
    #[must_use]
    pub const fn since(asked_at: Instant) -> Self {
        Self { asked_at }
    }

    /// Whether nobody else can have the lease.
    #[must_use]
    pub fn is_valid(&self, now: Instant) -> bool {
        now.duration_since(self.asked_at) < EXPIRY
    }

    /// Whether it was renewed at or after a moment.
    #[must_use]
    pub fn renewed_since(&self, moment: Instant) -> bool {
        self.asked_at >= moment
    }
}

/// Another holder has the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub holder: String,
    pub fencing: i64,
}

#[cfg(test)]
mod tests;
