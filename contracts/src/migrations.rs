//! PostgreSQL's migrations, in order. A published file is never changed; a test holds the tables to the records.

/// One migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its file's name without `.sql`, as in `V1__raw`.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// All of them.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "V1__raw", sql: include_str!("../migrations/V1__raw.sql") },
    Migration { name: "V2__ops", sql: include_str!("../migrations/V2__ops.sql") },
    Migration { name: "V4__ledger", sql: include_str!("../migrations/V4__ledger.sql") },
];
