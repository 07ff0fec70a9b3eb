//! What is known after an answer: what it says, and what is kept of those before.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::family::CUBE_FAMILY;
use contracts::reported;

use super::{BATCHES, Batch, Meter, Moving, Ops, Point, Query, QueryReport, Run, Standing, history};

/// What is known after an answer.
pub(super) fn after(
    before: &Ops,
    moving: Moving,
    standing: Option<Standing>,
    behind: impl Fn(&Query) -> Option<i64>,
) -> Ops {
    let at = moving.at;
    let queries = queries(before, moving.queries, moving.batches);
    let ingest = before.ingest.read(at, &moving.minutes, moving.newest_minute);
    let same =
        |run: &Run| before.run.as_ref().is_some_and(|was| was.run_id == run.run_id && was.state == run.state);
    let run_since = moving.run.as_ref().and_then(|run| {
        if same(run) {
            before.run_since
        } else {
            Some(if before.run.is_some() { at } else { run.reported_at })
        }
    });
    let cube = queries.get(CUBE_FAMILY.name);
    let progress = moving.run.as_ref().and_then(|run| run.progress.as_ref());
    let lag = match cube.and_then(Query::last) {
        Some(batch) => {
            (batch.ended_at() > at - TimeDelta::seconds(15)).then_some((batch.lag_p50_ms, batch.lag_p99_ms))
        }
        None => progress
            .filter(|_| moving.run.as_ref().is_some_and(|run| run.state == reported::job::RUNNING))
            .map(|progress| (progress.lag_p50_ms, progress.lag_p99_ms)),
    };
    let (lag_p50_ms, lag_p99_ms) = lag.unwrap_or_default();
    let mut history = Arc::clone(&before.history);
    if history.is_empty() {
        // After a start, what the micro-batches of before tell.
        let told = cube
            .map(|query| Arc::clone(&query.batches))
            .into_iter()
            .flat_map(|batches| batches.iter().cloned().collect::<Vec<_>>());
        for batch in told {
            let point = Point {
                at: batch.ended_at(),
                lag_p50_ms: batch.lag_p50_ms,
                lag_p99_ms: batch.lag_p99_ms,
                ..Point::default()
            };
            history::add(Arc::make_mut(&mut history), point);
        }
    }
    let point = Point {
        at: history::step(at),
        lag_p50_ms,
        lag_p99_ms,
        rates: ingest.rates,
        retained_bytes: moving.slot.as_ref().and_then(|slot| slot.retained_bytes),
        relay_behind_bytes: moving.relay.as_ref().and_then(|relay| relay.behind_bytes),
        offsets_behind: cube
            .and_then(&behind)
            .or_else(|| progress.filter(|_| cube.is_none()).map(|progress| progress.offsets_behind)),
    };
    // A day of steps is copied when one is over, not every second.
    let step = if before.step.at == point.at {
        history::merged(before.step, point)
    } else {
        if before.at > DateTime::<Utc>::default() {
            history::add(Arc::make_mut(&mut history), before.step);
        }
        point
    };
    let relayed = moving.relay.as_ref().map_or_else(Meter::default, |relay| {
        before.relayed.read(at, relay.events_out.saturating_add(relay.users_out))
    });
    let read = progress.map_or_else(Meter::default, |progress| before.read.read(at, progress.input_rows));
    let (standing, standing_at) = match standing {
        Some(standing) => (Arc::new(standing), at),
        None => (Arc::clone(&before.standing), before.standing_at),
    };
    Ops {
        at,
        relay: moving.relay,
        relayed,
        slot: moving.slot,
        run_since,
        read,
        run: moving.run,
        lease: moving.lease,
        queries,
        minutes: moving.minutes,
        ingest,
        standing,
        history,
        step,
        marks: moving.marks,
        standing_at,
    }
}

/// The queries whose figures are shown, each with the batches that are known and those that came.
fn queries(before: &Ops, told: Vec<QueryReport>, batches: Vec<Batch>) -> BTreeMap<String, Query> {
    let mut queries = BTreeMap::<String, Query>::new();
    for told in told {
        let shown = queries
            .get(&told.query)
            .is_some_and(|other| (other.told.newest, other.told.revision) > (told.newest, told.revision));
        if !shown {
            let known = before.queries.get(&told.query).filter(|known| known.told.revision == told.revision);
            let batches = known.map(|known| Arc::clone(&known.batches)).unwrap_or_default();
            queries.insert(told.query.clone(), Query { told, batches });
        }
    }
    let mut came: Vec<Batch> = batches;
    came.sort_by_key(|batch| batch.started_at);
    for batch in came {
        let Some(query) = queries.get_mut(&batch.query).filter(|query| query.told.revision == batch.revision)
        else {
            continue;
        };
        if query.last().is_some_and(|last| last.started_at >= batch.started_at) {
            continue;
        }
        let batches = Arc::make_mut(&mut query.batches);
        batches.push_back(Arc::new(batch));
        while batches.len() > BATCHES {
            batches.pop_front();
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::ops::reports::Marks;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn told(revision: i64, newest: bool) -> QueryReport {
        QueryReport {
            query: "cube".into(),
            revision,
            newest,
            state: "running".into(),
            ..QueryReport::default()
        }
    }

    fn batch(revision: i64, start: i64) -> Batch {
        Batch { query: "cube".into(), revision, batch_id: start, started_at: at(start), ..Batch::default() }
    }

    fn moving(seconds: i64, queries: Vec<QueryReport>, batches: Vec<Batch>) -> Moving {
        Moving {
            at: at(seconds),
            relay: None,
            slot: None,
            run: None,
            lease: None,
            queries,
            batches,
            minutes: Vec::new(),
            newest_minute: None,
            marks: Marks::default(),
        }
    }

    #[test]
    fn batches_are_kept_once_and_in_order_and_not_for_ever() {
        let came = (0..100).rev().map(|start| batch(1, start)).collect();
        let first = after(&Ops::default(), moving(100, vec![told(1, true)], came), None, |_| None);
        let came = (99..140).map(|start| batch(1, start)).collect();
        let second = after(&first, moving(140, vec![told(1, true)], came), None, |_| None);
        let starts: Vec<i64> = second.queries["cube"].batches.iter().map(|batch| batch.batch_id).collect();
        assert_eq!(starts, (20..140).collect::<Vec<_>>());
    }

    #[test]
    fn of_two_revisions_the_one_whose_figures_are_shown_counts() {
        let both = || vec![told(1, true), told(2, false)];
        let first = after(&Ops::default(), moving(9, both(), vec![batch(1, 1), batch(2, 2)]), None, |_| None);
        assert_eq!(first.queries["cube"].told.revision, 1);
        // The rebuild is over: nothing of the other revision's batches stays.
        let now = vec![told(2, true), told(1, false)];
        let second = after(&first, moving(10, now, vec![batch(2, 3)]), None, |_| None);
        assert_eq!(second.queries["cube"].told.revision, 2);
        assert_eq!(second.queries["cube"].batches.iter().map(|b| b.batch_id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_change_of_state_is_dated_when_it_is_seen() {
        let run = |state: &str| Some(Run { state: state.into(), reported_at: at(1), ..Run::default() });
        let told = |seconds, state| Moving { run: run(state), ..moving(seconds, Vec::new(), Vec::new()) };
        let first = after(&Ops::default(), told(5, "running"), None, |_| None);
        assert_eq!(first.run_since, Some(at(1)));
        let second = after(&first, told(6, "running"), None, |_| None);
        let third = after(&second, told(7, "restarting"), None, |_| None);
        assert_eq!((second.run_since, third.run_since), (Some(at(1)), Some(at(7))));
    }

    #[test]
    fn a_document_of_postgresql_is_understood() {
        let document = r#"{"at": "2026-11-28T23:09:01.004837+00:00", "relay": {"holder": "pid 1 on vm",
            "state": "streaming", "detail": "", "state_since": null, "warning": null, "warning_detail": "",
            "behind_bytes": 0, "unacknowledged_ms": null, "events_out": 818578, "users_out": 2000, "restarts": 0,
            "started_at": "2026-11-28T22:46:01.399906+00:00", "reported_at": "2026-11-28T23:09:01+00:00",
            "latency_p50_us": null, "latency_p99_us": null, "quarantine_state": null, "quarantine_detail": ""},
            "slot": null, "run": null, "lease": null, "queries": [], "batches": [{"query": "cube", "revision": 1,
            "batch_id": 7, "started_at": "2026-11-28T23:09:00+00:00", "rows_in": 10, "duration_ms": 500,
            "phases_ms": {"addBatch": 400}, "state_rows": 3, "dropped_rows": 0, "watermark": null,
            "newest_event_at": null, "lag_p50_ms": null, "lag_p99_ms": null,
            "end_offsets": {"shop.events.g1": {"0": 12, "3": 9}}, "offsets_behind": 0}],
            "minutes": [{"minute": "2026-11-28T23:09:00+00:00", "records_in": 3, "records_out": 2, "repeated": 1,
            "quarantined": 0, "other": 0}], "newest_minute": null, "marks": {"fault": null, "verification": 3, "repair": null,
            "rebuild": null, "generation": 1, "setting": "2026-11-28T22:46:01+00:00"}}"#;
        let moving: Moving = serde_json::from_str(document).unwrap();
        assert_eq!(moving.relay.unwrap().events_out, 818_578);
        assert_eq!(moving.batches[0].end_offsets["shop.events.g1"]["3"], 9);
        assert_eq!(moving.minutes[0].counts.repeated, 1);
    }
}
