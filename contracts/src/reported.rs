//! How relay, job and queries do, in the words of their reports in PostgreSQL: who writes a report and who
//! reads it have them from here.

/// Words of `ops.job_run`.
pub mod job {
    /// A supervisor has the job, and no query of it runs yet.
    pub const STARTING: &str = "starting";
    /// The queries run.
    pub const RUNNING: &str = "running";
    /// A query has ended, and is submitted again.
    pub const RESTARTING: &str = "restarting";
    /// The queries are stopped on request.
    pub const STOPPING: &str = "stopping";
    /// The supervisor has ended.
    pub const STOPPED: &str = "stopped";
    /// Nothing runs because somebody wants it so, and the supervisor waits.
    pub const HELD: &str = "held";
}

/// Words of `ops.job_query`.
pub mod query {
    /// It has not started yet.
    pub const WAITING: &str = "waiting";
    /// It runs.
    pub const RUNNING: &str = "running";
    /// It has ended, with a fault or without.
    pub const ENDED: &str = "ended";
}

/// Words of `ops.relay_status`.
pub mod relay {
    /// It has the lock and does not stream yet.
    pub const STARTING: &str = "starting";
    /// It streams.
    pub const STREAMING: &str = "streaming";
    /// Its session failed, and it begins another one.
    pub const RECONNECTING: &str = "reconnecting";
    /// It has ended.
    pub const STOPPED: &str = "stopped";
}

#[cfg(test)]
mod tests {
    use super::{job, query, relay};
    use crate::migrations::MIGRATIONS;

    #[test]
    fn tables_take_these_words_and_no_others() {
        let of_job = [job::STARTING, job::RUNNING, job::RESTARTING, job::STOPPING, job::STOPPED, job::HELD];
        let of_query = [query::WAITING, query::RUNNING, query::ENDED];
        let of_relay = [relay::STARTING, relay::STREAMING, relay::RECONNECTING, relay::STOPPED];
        for (migration, words) in [
            ("V17__actions", &of_job[..]),
            ("V12__console", &of_query[..]),
            ("V3__supervision", &of_relay[..]),
        ] {
            let check = format!("check (state in ('{}'))", words.join("', '"));
            let migration = MIGRATIONS.iter().find(|one| one.name == migration).unwrap();
            assert!(migration.sql.contains(&check), "{} lacks {check}", migration.name);
        }
    }
}
