//! How each hop does by itself.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::family::CUBE_FAMILY;
use contracts::{reported, silence};

use super::{Behind, Hop, HopName, HopState, Lag, SinceIs};
use crate::format;
use crate::watch::ops::{Ops, Query, Relay, Run};
use crate::watch::{Away, Seen, Snapshot};

/// Figures may trail their events by this much.
pub(crate) const LATE_MS: i64 = 10_000;
/// A store that has been away for less may only have been slow once.
const SLOW_ONCE_S: i64 = 3;
/// Without an event for this long, the shop is quiet.
const QUIET_S: i64 = 30;
/// A proof by way of writing holds for this long.
const WROTE_S: i64 = 30;
/// Growth is judged over this long.
const GROWTH_S: i64 = 30;

const TRYING: &str = "trying";

/// What is known of reports; nothing while PostgreSQL, which has them, does not answer.
fn reports(snapshot: &Snapshot) -> Option<&Ops> {
    if snapshot.ops.away.is_some() { None } else { snapshot.ops.value.as_deref() }
}

fn not_told(hop: HopName, snapshot: &Snapshot) -> Hop {
    let seen = if snapshot.ops.away.is_some() {
        "reports through PostgreSQL, which does not answer"
    } else {
        "not asked yet"
    };
    let since = snapshot.ops.away.as_ref().map(|away| away.since);
    Hop::runs(hop).in_state(HopState::Unknown).seen(seen).since(since, SinceIs::Seen)
}

/// A store that was asked directly and does not answer.
fn away(hop: Hop, away: &Away, now: DateTime<Utc>) -> Hop {
    let slow_once = now - away.since < TimeDelta::seconds(SLOW_ONCE_S);
    hop.in_state(if slow_once { HopState::Unknown } else { HopState::Stopped })
        .since(Some(away.since), SinceIs::Seen)
        .why(&away.why)
}

/// Whether something has come lately.
pub(crate) fn is_quiet(ops: &Ops) -> bool {
    ops.ingest.last_at.is_none_or(|at| ops.at - at > TimeDelta::seconds(QUIET_S))
}

pub(super) fn senders(snapshot: &Snapshot) -> Hop {
    let Some(ops) = reports(snapshot) else { return not_told(HopName::Senders, snapshot) };
    let hop = Hop {
        rate_per_s: ops.ingest.rates.map(|rates| rates.records_in),
        newest_event_at: ops.ingest.last_at,
        ..Hop::runs(HopName::Senders)
    };
    match ops.ingest.last_at {
        None => hop.seen("nothing has ever come in"),
        Some(_) if is_quiet(ops) => hop.seen("quiet: nothing comes in, and nothing is waiting to"),
        Some(_) => hop,
    }
}

pub(super) fn postgresql(snapshot: &Snapshot, now: DateTime<Utc>) -> Hop {
    let hop = Hop::runs(HopName::Postgresql);
    if let Some(no_answer) = &snapshot.ops.away {
        return away(hop, no_answer, now);
    }
    let Some(ops) = reports(snapshot) else { return not_told(HopName::Postgresql, snapshot) };
    let hop = Hop { rate_per_s: ops.ingest.rates.map(|rates| rates.records_out), ..hop };
    let given_up = ops.slot.as_ref().and_then(|slot| slot.wal_status.as_deref());
    match given_up {
        Some(status @ ("unreserved" | "lost")) => {
            hop.in_state(HopState::Late).why(&format!("slot is {status}"))
        }
        _ => hop,
    }
}

pub(super) fn relay(snapshot: &Snapshot) -> Hop {
    let Some(ops) = reports(snapshot) else { return not_told(HopName::Relay, snapshot) };
    let hop = Hop {
        rate_per_s: ops.relayed.rate(),
        behind: Some(Behind {
            offsets: None,
            bytes: ops.relay.as_ref().and_then(|relay| relay.behind_bytes),
            growth_per_s: growth(ops, |point| point.relay_behind_bytes),
            growing: false,
        })
        .filter(|behind| behind.bytes.is_some())
        .map(grows),
        ..Hop::runs(HopName::Relay)
    };
    let Some(relay) = &ops.relay else {
        return Hop { rate_per_s: None, ..hop }.in_state(HopState::Stopped).seen("no relay has ever run");
    };
    let Relay { state, detail, reported_at, .. } = relay;
    let lag_ms = match (relay.latency_p50_us, relay.latency_p99_us) {
        (None, None) => None,
        (p50, p99) => Some(Lag { p50: p50.map(|us| us / 1_000), p99: p99.map(|us| us / 1_000) }),
    };
    let hop = Hop { lag_ms, ..hop };
    if state == reported::relay::STOPPED {
        return hop
            .in_state(HopState::Stopped)
            .since(relay.state_since.or(Some(*reported_at)), SinceIs::Reported)
            .why(detail)
            .seen("has stopped");
    }
    if ops.at - *reported_at > TimeDelta::seconds(silence::RELAY_S) {
        return hop
            .in_state(HopState::Stopped)
            .since(Some(*reported_at), SinceIs::Reported)
            .why(detail)
            .seen(format!("silent since its last report, when it was {state}"));
    }
    match (state.as_str(), relay.warning.as_deref()) {
        (reported::relay::STREAMING, Some(warning)) => {
            hop.in_state(HopState::Late).why(&relay.warning_detail).seen(warning)
        }
        (reported::relay::STREAMING, None) => match relay.unacknowledged_ms {
            Some(ms) if ms > LATE_MS => hop
                .in_state(HopState::Late)
                .seen(format!("Kafka has not acknowledged anything for {}", format::ms(ms))),
            _ => hop,
        },
        (reported::relay::STARTING, _) => hop
            .in_state(HopState::Late)
            .since(relay.state_since.or(relay.started_at), SinceIs::Reported)
            .why(detail)
            .seen(reported::relay::STARTING),
        (state, _) => hop
            .in_state(HopState::Stopped)
            .since(relay.state_since, SinceIs::Reported)
            .why(detail)
            .seen(format!("{TRYING} again: {state}")),
    }
}

pub(super) fn kafka(snapshot: &Snapshot, now: DateTime<Utc>) -> Hop {
    let hop = Hop::runs(HopName::Kafka);
    if let Some(no_answer) = &snapshot.kafka.away {
        return away(hop, no_answer, now);
    }
    if snapshot.kafka.value.is_none() {
        return hop.in_state(HopState::Unknown).seen("not asked yet");
    }
    let rate_per_s = crate::line::kafka_rate(&snapshot.kafka);
    let hop = Hop { rate_per_s, ..hop };
    match crate::line::under_replicated(&snapshot.kafka) {
        Some(partitions) if partitions > 0 => {
            hop.in_state(HopState::Late).seen(format!("{partitions} partitions lack replicas"))
        }
        _ => hop,
    }
}

pub(super) fn spark(snapshot: &Snapshot) -> Hop {
    let Some(ops) = reports(snapshot) else { return not_told(HopName::Spark, snapshot) };
    let hop = Hop::runs(HopName::Spark);
    let Some(run) = &ops.run else {
        return hop.in_state(HopState::Stopped).seen("the job has never run");
    };
    let ends = crate::line::kafka_ends(&snapshot.kafka);
    let cube = ops.queries.get(CUBE_FAMILY.name);
    // Before its first micro-batch a supervisor has counted nothing, which is not 0.
    let told = run.progress.as_ref().filter(|progress| progress.batch_id.is_some());
    let offsets = cube
        .and_then(|cube| crate::line::behind(cube, ends.as_ref()))
        .or_else(|| told.map(|progress| progress.offsets_behind));
    let behind = offsets.map(|offsets| {
        grows(Behind {
            offsets: Some(offsets),
            bytes: None,
            growth_per_s: growth(ops, |point| point.offsets_behind),
            growing: false,
        })
    });
    let hop = Hop {
        rate_per_s: ops.read.rate(),
        lag_ms: lag(ops),
        behind,
        newest_event_at: newest_event(ops),
        ..hop
    };
    let leased = ops.lease.as_ref().is_some_and(|lease| lease.expires_at > ops.at);
    let reported = |hop: Hop| hop.since(Some(run.reported_at), SinceIs::Reported).why(&run.detail);
    if run.state == reported::job::STOPPED {
        return reported(hop.in_state(HopState::Stopped)).seen("has stopped");
    }
    if !leased || ops.at - run.reported_at > TimeDelta::seconds(silence::JOB_S) {
        // One that waits for Spark renews its lease and reports nothing meanwhile.
        let who = if leased { "the supervisor does not report" } else { "no supervisor has the job" };
        let seen = format!("{who}; the job was {} when that was last told", run.state);
        return reported(hop.in_state(HopState::Stopped)).seen(seen);
    }
    match run.state.as_str() {
        reported::job::RUNNING => running(hop, ops, cube),
        reported::job::STARTING | reported::job::STOPPING => hop
            .in_state(HopState::Late)
            .since(ops.run_since, SinceIs::Seen)
            .why(&run.detail)
            .seen(run.state.clone()),
        reported::job::HELD => hop
            .in_state(HopState::Stopped)
            .since(ops.run_since, SinceIs::Seen)
            .why(&run.detail)
            .seen("held: somebody told it to stand still"),
        state => {
            let (since, is) = failed_at(ops, run);
            hop.in_state(HopState::Stopped)
                .since(since, is)
                .why(&run.detail)
                .seen(format!("{TRYING} again: {state}"))
        }
    }
}

fn running(hop: Hop, ops: &Ops, cube: Option<&Query>) -> Hop {
    if let Some(query) = ops.queries.values().find(|query| query.told.state == reported::query::ENDED) {
        return hop.in_state(HopState::Late).seen(format!("the query {} has ended", query.told.query));
    }
    let waiting = hop.behind.is_some_and(|behind| behind.offsets > Some(0));
    if let Some(cube) = cube
        && let Some(last) = cube.last()
        && waiting
    {
        let quiet_for = ops.at - last.ended_at();
        if quiet_for > patience(cube) {
            let text = format!("no micro-batch has ended for {}", format::stretch(quiet_for));
            return hop.in_state(HopState::Late).since(Some(last.ended_at()), SinceIs::Reported).seen(text);
        }
    }
    match hop.lag_ms.and_then(|lag| lag.p50) {
        Some(p50) if p50 > LATE_MS && (waiting || !is_quiet(ops)) => {
            let text = format!("half of the figures trail their events by more than {}", format::ms(p50));
            hop.in_state(HopState::Late).seen(text)
        }
        _ => hop,
    }
}

/// How long a query may be without the end of a micro-batch while records wait.
pub(crate) fn patience(query: &Query) -> TimeDelta {
    TimeDelta::milliseconds(query.told.trigger_ms.max(0).saturating_mul(3).saturating_add(LATE_MS))
}

/// When the job failed: by its newest fault where that is of this change of state.
fn failed_at(ops: &Ops, run: &Run) -> (Option<DateTime<Utc>>, SinceIs) {
    let near = |at: DateTime<Utc>| {
        at >= run.started_at && ops.run_since.is_some_and(|since| (since - at).abs() < TimeDelta::seconds(30))
    };
    match ops.standing.faults.iter().map(|fault| fault.occurred_at).find(|at| near(*at)) {
        Some(at) => (Some(at), SinceIs::Reported),
        None => (ops.run_since, SinceIs::Seen),
    }
}

/// Whether a hop is there and tries again.
pub(super) fn tries(hop: &Hop) -> bool {
    hop.state == HopState::Late
        || (hop.state == HopState::Stopped
            && hop.seen.as_deref().is_some_and(|seen| seen.starts_with(TRYING)))
}

pub(super) fn cassandra(snapshot: &Snapshot, now: DateTime<Utc>) -> Hop {
    let ops = reports(snapshot);
    let hop = Hop { newest_event_at: ops.and_then(newest_event), ..Hop::runs(HopName::Cassandra) };
    if let Some(no_answer) = &snapshot.shop.away {
        return away(hop, no_answer, now);
    }
    let asked = |shop: &Seen<_>| shop.value.is_some();
    let wrote = ops.is_some_and(|ops| {
        let last = ops.queries.get(CUBE_FAMILY.name).and_then(Query::last);
        last.is_some_and(|batch| ops.at - batch.ended_at() < TimeDelta::seconds(WROTE_S))
    });
    if asked(&snapshot.shop) || wrote {
        return hop;
    }
    hop.in_state(HopState::Unknown).seen("not asked yet")
}

/// From an event to its rows, by the cube's last micro-batch.
pub(crate) fn lag(ops: &Ops) -> Option<Lag> {
    let of_batch = ops
        .queries
        .get(CUBE_FAMILY.name)
        .and_then(Query::last)
        .map(|batch| (batch.lag_p50_ms, batch.lag_p99_ms));
    let told = || {
        let progress = ops.run.as_ref()?.progress.as_ref()?;
        Some((progress.lag_p50_ms, progress.lag_p99_ms))
    };
    match of_batch.or_else(told)? {
        (None, None) => None,
        (p50, p99) => Some(Lag { p50, p99 }),
    }
}

/// The newest event that is in the cube.
pub(crate) fn newest_event(ops: &Ops) -> Option<DateTime<Utc>> {
    let told = ops.run.as_ref().and_then(|run| run.progress.as_ref()?.newest_event);
    let cube = ops.queries.get(CUBE_FAMILY.name);
    // A batch that only closes windows has read no event.
    let of_batches = cube.and_then(|cube| cube.batches.iter().rev().find_map(|batch| batch.newest_event_at));
    of_batches.max(told)
}

fn growth(ops: &Ops, of: impl Fn(&crate::watch::ops::Point) -> Option<i64>) -> Option<f64> {
    let now = &ops.step;
    let then = ops.history.iter().rev().find(|point| {
        now.at - point.at >= TimeDelta::seconds(GROWTH_S)
            && now.at - point.at < TimeDelta::seconds(4 * GROWTH_S)
    })?;
    let seconds = (now.at - then.at).num_seconds();
    #[expect(clippy::cast_precision_loss, reason = "rates are rounded where they are shown")]
    let growth = (of(now)? - of(then)?) as f64 / seconds as f64;
    Some(growth)
}

/// A little to and fro between two micro-batches is not growth.
fn grows(behind: Behind) -> Behind {
    Behind { growing: behind.growth_per_s.is_some_and(|growth| growth > 1.0), ..behind }
}
