//! What somebody wants of a job. Its supervisor reads it; terminals and the Control Center write it.

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That its supervisor runs nothing and waits.
    Hold,
    /// That it goes on.
    Resume,
    /// That its queries are submitted again.
    Restart,
}

/// Records a wish of a job (`$1`): [wanted](Wish::wanted) (`$2`), [again](Wish::again) (`$3`), by whom (`$4`)
/// and why (`$5`).
pub const RECORD: &str = "
    insert into ops.job_wish (job, wanted, restart_no, by_whom, reason) values ($1, $2, $3, $4, $5)
    on conflict (job) do update set wanted = excluded.wanted, by_whom = excluded.by_whom, reason = excluded.reason,
        at = clock_timestamp(), restart_no = job_wish.restart_no + excluded.restart_no";

impl Wish {
    /// The word of `ops.job_wish`.
    #[must_use]
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Hold => "stopped",
            Self::Resume | Self::Restart => "running",
        }
    }

    /// By how much the number of restarts grows.
    #[must_use]
    pub const fn again(self) -> i64 {
        match self {
            Self::Restart => 1,
            Self::Hold | Self::Resume => 0,
        }
    }
}
