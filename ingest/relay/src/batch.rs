//! What the open Kafka transaction holds, from its first row until it is committed and reported.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use contracts::pg_binary::PG_EPOCH_UNIX_US;

use crate::latency::Latency;
use crate::output::Table;
use crate::progress::Reporter;

/// The open transaction.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Rows taken, quarantined ones among them.
    pub(crate) rows: u64,
    /// Bytes of keys and values.
    pub(crate) bytes: u64,
    /// When its first row was taken; nothing where it has none.
    pub(crate) opened: Option<Instant>,
    events: u64,
    users: u64,
    quarantined: u64,
    /// For each complete PostgreSQL transaction when it was committed, in µs since 2000, and its rows.
    transactions: Vec<(i64, u64)>,
}

impl Batch {
    /// A row is in it, whatever becomes of it.
    pub(crate) fn row(&mut self) {
        self.opened.get_or_insert_with(Instant::now);
        self.rows += 1;
    }

    /// The row is a record.
    pub(crate) const fn produced(&mut self, table: Table, bytes: u64) {
        self.bytes += bytes;
        match table {
            Table::Events => self.events += 1,
            Table::Users => self.users += 1,
        }
    }

    /// The row is set aside.
    pub(crate) const fn quarantined(&mut self) {
        self.quarantined += 1;
    }

    /// A transaction of PostgreSQL is complete, with so many rows.
    pub(crate) fn complete(&mut self, committed_us: i64, rows: u64) {
        if rows > 0 && self.opened.is_some() {
            self.transactions.push((committed_us, rows));
        }
    }

    /// Reports that it is committed up to a place in the log, and empties it.
    pub(crate) fn committed(&mut self, lsn: u64, now: Instant, latency: &mut Latency, reporter: &Reporter) {
        let now_us = pg_now_us();
        for (committed_us, rows) in self.transactions.drain(..) {
            latency.record(now_us.saturating_sub(committed_us), rows);
        }
        let latency = latency.summary(now);
        reporter.update(|progress| {
            progress.events_out += self.events;
            progress.users_out += self.users;
            progress.rows_quarantined += self.quarantined;
            progress.kafka_transactions += 1;
            progress.last_transaction_rows = self.rows;
            progress.committed_lsn = lsn;
            progress.server_lsn = progress.server_lsn.max(lsn);
            progress.latency = latency;
            progress.awaiting_kafka_since = None;
        });
        // The list keeps its room.
        let transactions = std::mem::take(&mut self.transactions);
        *self = Self { transactions, ..Self::default() };
    }
}

/// Now, in µs since 2000-01-01.
fn pg_now_us() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(unix.as_micros()).unwrap_or(i64::MAX) - PG_EPOCH_UNIX_US
}
