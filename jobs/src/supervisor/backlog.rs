//! What PostgreSQL is to be told about each query: its micro-batches, how it does, and why it ended.
//!
//! It is gathered in memory and written once a report, in a statement a table. What PostgreSQL has not taken
//! is kept, within bounds: the newest is worth the most.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio_postgres::Client;

use super::record::{self, Batch, Fault, Key, Query, State};
use crate::progress::SparkProgress;

/// Micro-batches that are kept while PostgreSQL is away: some half an hour of them, about a KB each.
const BATCHES: usize = 4_000;
/// Faults that are kept meanwhile; each may hold a long stack.
const FAULTS: usize = 50;
/// Micro-batches of one statement.
const AT_ONCE: usize = 500;
/// How often old rows are removed.
const PRUNE: Duration = Duration::from_secs(600);

/// A query that is about to be submitted.
pub(super) struct Announcement {
    pub(super) key: Key,
    pub(super) newest: bool,
    pub(super) trigger_ms: u64,
}

/// What is still to be written.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    batches: VecDeque<Batch>,
    faults: VecDeque<Fault>,
    queries: BTreeMap<Key, Query>,
    /// Which of the queries were asked about since they were written.
    asked: Vec<Key>,
    /// Whether rows of other queries are to go.
    replaces: bool,
    /// The micro-batch after the last that each query told of.
    next_batch: BTreeMap<Key, i64>,
    pruned: Option<Instant>,
    /// Whether something was left out that PostgreSQL did not take.
    lost: bool,
}

impl Backlog {
    /// These queries and no others wait to be started.
    pub(super) fn announce(&mut self, queries: impl Iterator<Item = Announcement>) {
        self.queries = queries
            .map(|Announcement { key, newest, trigger_ms }| {
                let (query, revision) = key;
                let (trigger_active, data_available) = (false, false);
                let state = State::Waiting;
                let row = Query {
                    query,
                    revision,
                    newest,
                    state,
                    trigger_ms,
                    trigger_active,
                    data_available,
                    started_at: None,
                };
                (key, row)
            })
            .collect();
        self.asked = self.queries.keys().copied().collect();
        self.replaces = true;
        self.next_batch.clear();
    }

    /// A query was started.
    pub(super) fn started(&mut self, key: Key) {
        self.change(key, |query| (query.state, query.started_at) = (State::Running, Some(Utc::now())));
    }

    /// A query was asked how it does.
    pub(super) fn asked(&mut self, key: Key, trigger_active: bool, data_available: bool) {
        self.change(key, |query| {
            (query.trigger_active, query.data_available) = (trigger_active, data_available);
        });
    }

    /// No query runs any more.
    pub(super) fn ended(&mut self) {
        let keys: Vec<Key> = self.queries.keys().copied().collect();
        for key in keys {
            self.change(key, |query| {
                (query.state, query.trigger_active, query.data_available) = (State::Ended, false, false);
            });
        }
    }

    /// How the queries do is another supervisor's to tell.
    pub(super) fn leave_to_another(&mut self) {
        self.queries.clear();
        self.asked.clear();
        self.replaces = false;
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Query)) {
        let Some(query) = self.queries.get_mut(&key) else { return };
        change(query);
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
    }

    /// Takes in a report that is new.
    pub(super) fn reported(&mut self, key: Key, spark: &SparkProgress) {
        self.next_batch.insert(key, spark.next_batch());
        if spark.input_rows() > 0 {
            self.batches.push_back(Batch::of(key, spark));
            self.lost |= keep_newest(&mut self.batches, BATCHES);
        }
    }

    /// A query ended with an exception.
    pub(super) fn failed(&mut self, key: Key, summary: String, exception: &str) {
        let (query, revision) = key;
        let batch_id = self.next_batch.get(&key).copied();
        // The one character that PostgreSQL's text has no room for.
        let exception = exception.replace('\0', "");
        self.faults.push_back(Fault {
            query,
            revision,
            batch_id,
            summary,
            exception,
            occurred_at: Utc::now(),
        });
        self.lost |= keep_newest(&mut self.faults, FAULTS);
    }

    /// Writes what there is, and forgets what was written. May be dropped at any time: what was written
    /// already changes nothing when it is written again.
    pub(super) async fn write(&mut self, client: &Client) -> Result<(), tokio_postgres::Error> {
        if std::mem::take(&mut self.lost) {
            tracing::warn!("not every micro-batch is recorded: postgresql was away for too long");
        }
        let rows: Vec<&Query> = self.asked.iter().filter_map(|key| self.queries.get(key)).collect();
        if self.replaces {
            record::replace_queries(client, &rows).await?;
        } else if !rows.is_empty() {
            record::queries(client, &rows).await?;
        }
        self.replaces = false;
        self.asked.clear();
        let batches: Vec<&Batch> = self.batches.iter().take(AT_ONCE).collect();
        if !batches.is_empty() {
            match record::batches(client, &batches).await {
                Err(error) if can_never_be_written(&error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "micro-batches are not recorded"
                    );
                }
                result => result?,
            }
            let done = batches.len();
            self.batches.drain(..done);
        }
        if !self.faults.is_empty() {
            record::faults(client, &self.faults).await?;
            self.faults.clear();
        }
        if self.pruned.is_none_or(|at| at.elapsed() >= PRUNE) {
            record::prune(client).await?;
            self.pruned = Some(Instant::now());
        }
        Ok(())
    }
}

/// Whether PostgreSQL objects to the rows themselves, so that they would hold up all others for ever.
fn can_never_be_written(error: &tokio_postgres::Error) -> bool {
    // Classes of data exceptions and of violated constraints.
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}

/// Drops the oldest beyond a bound, and tells whether there were any.
fn keep_newest<T>(rows: &mut VecDeque<T>, most: usize) -> bool {
    let over = rows.len().saturating_sub(most);
    rows.drain(..over);
    over > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUBE: Key = ("cube", 7);
    const ORDERS: Key = ("orders", 7);

    fn announced(key: Key) -> Announcement {
        Announcement { key, newest: true, trigger_ms: 500 }
    }

    fn report(batch_id: i64, rows: i64) -> SparkProgress {
        let json = format!(
            r#"{{"batchId": {batch_id}, "timestamp": "2026-11-22T10:00:00.000Z",
                 "durationMs": {{"addBatch": 400, "commitOffsets": 20, "triggerExecution": 500}},
                 "eventTime": {{"max": "2026-11-22T09:59:59.000Z"}},
                 "sources": [{{"numInputRows": {rows}, "endOffset": {{"t": {{"0": 5}}}},
                               "metrics": {{"maxOffsetsBehindLatest": "3"}}}}],
                 "sink": {{"metrics": {{"lag_count": "2", "lag_p50_ms": "800", "lag_p99_ms": "900"}}}}}}"#
        );
        SparkProgress::parse(&json).unwrap()
    }

    #[test]
    fn a_batch_is_a_row_of_its_table() {
        let row = serde_json::to_value(Batch::of(CUBE, &report(4, 10))).unwrap();
        let expected = serde_json::json!({
            "query": "cube", "revision": 7, "batch_id": 4, "started_at": "2026-11-22T10:00:00Z", "rows_in": 10,
            "duration_ms": 500, "phases_ms": {"addBatch": 400, "commitOffsets": 20}, "state_rows": 0,
            "dropped_rows": 0, "watermark": null, "newest_event_at": "2026-11-22T09:59:59Z", "lag_p50_ms": 800,
            "lag_p99_ms": 900, "end_offsets": {"t": {"0": 5}}, "offsets_behind": 3,
        });
        assert_eq!(row, expected);
    }

    #[test]
    fn batches_without_records_are_not_kept_but_tell_which_is_next() {
        let mut backlog = Backlog::default();
        backlog.reported(CUBE, &report(4, 0));
        assert!(backlog.batches.is_empty());
        backlog.failed(CUBE, "cube failed".into(), "stack");
        backlog.failed(ORDERS, "orders failed".into(), "stack");
        let batches: Vec<Option<i64>> = backlog.faults.iter().map(|fault| fault.batch_id).collect();
        assert_eq!(batches, [Some(5), None]);
    }

    #[test]
    fn while_nobody_takes_them_the_newest_are_kept() {
        let mut backlog = Backlog::default();
        for batch in 0..i64::try_from(BATCHES).unwrap() + 10 {
            backlog.reported(CUBE, &report(batch, 1));
        }
        assert_eq!((backlog.batches.len(), backlog.batches[0].batch_id, backlog.lost), (BATCHES, 10, true));
    }

    #[test]
    fn a_query_is_told_of_once_however_often_it_was_asked() {
        let mut backlog = Backlog::default();
        backlog.announce([announced(CUBE), announced(ORDERS)].into_iter());
        assert_eq!((backlog.asked.len(), backlog.replaces), (2, true));
        backlog.started(CUBE);
        backlog.asked(CUBE, true, true);
        assert_eq!(backlog.asked.len(), 2);
        let state = |backlog: &Backlog, key| backlog.queries[&key].state;
        assert_eq!((state(&backlog, CUBE), state(&backlog, ORDERS)), (State::Running, State::Waiting));
        // One that was not announced is of an earlier submission.
        backlog.asked(("cube", 6), true, true);
        assert_eq!(backlog.queries.len(), 2);
        backlog.ended();
        assert_eq!((state(&backlog, CUBE), backlog.queries[&CUBE].trigger_active), (State::Ended, false));
        backlog.leave_to_another();
        assert!(backlog.asked.is_empty() && !backlog.replaces);
    }
}
