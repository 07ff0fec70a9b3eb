//! PostgreSQL's migrations, in order. A published file is never changed; a test holds the tables to the
//! records.

/// One migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its file's name without `.sql`, as in `V1__raw`.
    pub name: &'static str,
    /// Its statements, which run in one transaction.
    pub sql: &'static str,
}

/// All of them.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "V1__raw", sql: include_str!("../migrations/V1__raw.sql") },
    Migration { name: "V2__ops", sql: include_str!("../migrations/V2__ops.sql") },
    Migration { name: "V3__supervision", sql: include_str!("../migrations/V3__supervision.sql") },
    Migration { name: "V4__ledger", sql: include_str!("../migrations/V4__ledger.sql") },
    Migration { name: "V5__settings", sql: include_str!("../migrations/V5__settings.sql") },
    Migration { name: "V6__quarantine", sql: include_str!("../migrations/V6__quarantine.sql") },
    Migration { name: "V7__repair", sql: include_str!("../migrations/V7__repair.sql") },
    Migration { name: "V8__replayed_files", sql: include_str!("../migrations/V8__replayed_files.sql") },
    Migration { name: "V9__families", sql: include_str!("../migrations/V9__families.sql") },
    Migration {
        name: "V10__retention_and_erasure",
        sql: include_str!("../migrations/V10__retention_and_erasure.sql"),
    },
    Migration { name: "V11__sizes", sql: include_str!("../migrations/V11__sizes.sql") },
    Migration { name: "V12__console", sql: include_str!("../migrations/V12__console.sql") },
    Migration { name: "V13__truncate", sql: include_str!("../migrations/V13__truncate.sql") },
    Migration { name: "V14__identities", sql: include_str!("../migrations/V14__identities.sql") },
    Migration { name: "V15__doors", sql: include_str!("../migrations/V15__doors.sql") },
    Migration { name: "V17__actions", sql: include_str!("../migrations/V17__actions.sql") },
    Migration { name: "V18__alerts", sql: include_str!("../migrations/V18__alerts.sql") },
    Migration { name: "V19__clusters", sql: include_str!("../migrations/V19__clusters.sql") },
    Migration { name: "V20__silences", sql: include_str!("../migrations/V20__silences.sql") },
    Migration {
        name: "V21__partition_truncate",
        sql: include_str!("../migrations/V21__partition_truncate.sql"),
    },
    Migration { name: "V22__visitors", sql: include_str!("../migrations/V22__visitors.sql") },
    Migration { name: "V23__other_events", sql: include_str!("../migrations/V23__other_events.sql") },
    Migration { name: "V24__browser_keys", sql: include_str!("../migrations/V24__browser_keys.sql") },
    Migration { name: "V25__refunds", sql: include_str!("../migrations/V25__refunds.sql") },
    Migration { name: "V26__shop_orders", sql: include_str!("../migrations/V26__shop_orders.sql") },
    Migration {
        name: "V27__shop_order_states",
        sql: include_str!("../migrations/V27__shop_order_states.sql"),
    },
    Migration { name: "V28__kept_events", sql: include_str!("../migrations/V28__kept_events.sql") },
    Migration { name: "V29__sign_ins", sql: include_str!("../migrations/V29__sign_ins.sql") },
    Migration { name: "V30__told_ids", sql: include_str!("../migrations/V30__told_ids.sql") },
];
