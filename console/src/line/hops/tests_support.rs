//! Lines for tests: one that is well, and what is done to it.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Hop, HopName, HopState};
use crate::watch::ops::reports::{Counts, Progress};
use crate::watch::ops::{
    Batch, Ingest, Lease, Minute, Ops, Query, QueryReport, Relay, Run, Slot, query_names,
};
use crate::watch::{Away, Seen, Snapshot};

/// Now.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A hop in a state, with words.
pub(crate) fn hop(name: HopName, state: HopState, why: &str) -> Hop {
    Hop::runs(name).in_state(state).why(why)
}

/// A batch of a query that ended so long ago.
pub(crate) fn batch(query: &str, ended_s_ago: i64) -> Batch {
    Batch {
        query: query.to_owned(),
        revision: 1,
        started_at: ago(ended_s_ago) - TimeDelta::seconds(1),
        duration_ms: 1_000,
        rows_in: 60,
        newest_event_at: Some(ago(ended_s_ago + 1)),
        lag_p50_ms: Some(1_200),
        lag_p99_ms: Some(2_700),
        ..Batch::default()
    }
}

/// A query whose newest batch is this one.
pub(crate) fn query(name: &str, batch: Batch) -> Query {
    let told = QueryReport {
        query: name.to_owned(),
        revision: 1,
        newest: true,
        state: "running".into(),
        trigger_ms: 1_000,
        reported_at: ago(1),
        ..QueryReport::default()
    };
    Query { told, batches: Arc::new(VecDeque::from([Arc::new(batch)])) }
}

/// Reports of a line that is well and to which events come.
pub(crate) fn well() -> Ops {
    let minute = |records| Minute {
        minute: ago(0),
        counts: Counts { records_in: records, records_out: records, ..Default::default() },
    };
    let ingest =
        Ingest::default().read(ago(1), &[minute(0)], Some(ago(0))).read(now(), &[minute(30)], Some(ago(0)));
    Ops {
        at: now(),
        relay: Some(Relay {
            holder: "pid 1 on vm".into(),
            state: "streaming".into(),
            state_since: Some(ago(600)),
            reported_at: ago(1),
            behind_bytes: Some(0),
            ..Relay::default()
        }),
        slot: Some(Slot { active: true, wal_status: Some("reserved".into()), ..Slot::default() }),
        run: Some(Run {
            run_id: "a".into(),
            holder: "pid 2 on vm".into(),
            state: "running".into(),
            started_at: ago(600),
            reported_at: ago(1),
            progress: Some(Progress { newest_event: Some(ago(3)), ..Progress::default() }),
            ..Run::default()
        }),
        run_since: Some(ago(600)),
        lease: Some(Lease { expires_at: ago(-9), ..Lease::default() }),
        queries: query_names().map(|name| (name.to_owned(), query(name, batch(name, 2)))).collect(),
        ingest,
        ..Ops::default()
    }
}

/// An answer.
pub(crate) fn seen<T>(value: T) -> Seen<T> {
    Seen { value: Some(Arc::new(value)), read_at: Some(now()), away: None }
}

/// No answer, for so long.
pub(crate) fn away<T>(last: Seen<T>, for_s: i64, why: &str) -> Seen<T> {
    Seen { away: Some(Away { since: ago(for_s), why: why.to_owned() }), ..last }
}

/// Everything that is known where all stores answer.
pub(crate) fn snapshot(ops: Ops) -> Snapshot {
    Snapshot {
        ops: seen(ops),
        shop: seen(crate::watch::shop::Shop::default()),
        kafka: seen(crate::watch::kafka::Topics::default()),
        ..Snapshot::default()
    }
}
