//! How old a query's figures are, and why they are not newer. A quiet shop's figures are old and right.

use chrono::{DateTime, Utc};
use contracts::family::CUBE_FAMILY;
use contracts::reported;

use super::hops::{HopName, HopState, hops, newest_event, patience};
use crate::api::answer::{Freshness, FreshnessState};
use crate::watch::Snapshot;
use crate::watch::ops::{Ops, Query};

/// How old a query's figures are. `as_of` is the newest event that is in them, where their tables tell it;
/// otherwise it is what the query itself last reported. `query` is its name: `cube`, `live`, `hours`,
/// `products`, `sessions`, `orders`, `registrations`.
pub(crate) fn freshness(
    snapshot: &Snapshot,
    query: &str,
    as_of: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Freshness {
    let ops = snapshot.ops.value.as_deref();
    let as_of = as_of.or_else(|| reported(ops?, query));
    let (state, why) = judge(snapshot, query, as_of, now);
    // A sender's clock may be ahead of ours by up to a minute; nothing is younger than now.
    let age_ms = as_of.map(|at| (now - at).num_milliseconds().max(0));
    Freshness { state, as_of, age_ms, why }
}

/// The newest event that a query has reported.
fn reported(ops: &Ops, query: &str) -> Option<DateTime<Utc>> {
    if query == CUBE_FAMILY.name {
        return newest_event(ops);
    }
    ops.queries.get(query)?.batches.iter().rev().find_map(|batch| batch.newest_event_at)
}

fn judge(
    snapshot: &Snapshot,
    name: &str,
    as_of: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> (FreshnessState, Option<String>) {
    let unknown = |why: String| (FreshnessState::Unknown, Some(why));
    let Some(ops) = snapshot.ops.value.as_deref() else {
        return unknown(match &snapshot.ops.away {
            Some(away) => format!("PostgreSQL does not answer: {}", away.why),
            None => "the line has not been looked at yet".to_owned(),
        });
    };
    let hops = hops(snapshot, now);
    if let Some(hop) =
        hops.iter().find(|hop| hop.state == HopState::Stopped && hop.hop != HopName::Postgresql)
    {
        let why = hop.reason().unwrap_or("it does not say why");
        return (FreshnessState::Stalled, Some(format!("{} stands still: {why}", hop.hop.label())));
    }
    if let Some(away) = &snapshot.ops.away {
        return unknown(format!(
            "PostgreSQL does not answer, so whether newer ones exist is not known: {}",
            away.why
        ));
    }
    let spark = hops.iter().find(|hop| hop.hop == HopName::Spark);
    let Some(query) = ops.queries.get(name) else {
        if name == CUBE_FAMILY.name && ops.run.is_some() {
            return by_the_job(ops, spark.is_some_and(|hop| hop.state == HopState::Late));
        }
        let why = "the job does not report this query";
        return (
            FreshnessState::Unknown,
            as_of.map(|_| why.to_owned()).or_else(|| Some("nothing has come yet".into())),
        );
    };
    of_query(snapshot, ops, query)
}

/// The cube's, where the job reports no single queries.
fn by_the_job(ops: &Ops, late: bool) -> (FreshnessState, Option<String>) {
    let progress = ops.run.as_ref().and_then(|run| run.progress.as_ref());
    let waits = progress.is_some_and(|progress| progress.offsets_behind > 0);
    if late {
        return (FreshnessState::Late, None);
    }
    if !waits && super::hops::is_quiet(ops) {
        (FreshnessState::Idle, None)
    } else {
        (FreshnessState::Live, None)
    }
}

fn of_query(snapshot: &Snapshot, ops: &Ops, query: &Query) -> (FreshnessState, Option<String>) {
    let name = &query.told.query;
    match query.told.state.as_str() {
        reported::query::ENDED => {
            let fault = ops.standing.faults.iter().find(|fault| fault.query == *name);
            let why = fault.map_or_else(String::new, |fault| format!(": {}", fault.summary));
            return (FreshnessState::Stalled, Some(format!("the query {name} has ended{why}")));
        }
        reported::query::WAITING => {
            let why = format!("the query {name} has not started yet: they start one after another");
            return (FreshnessState::Unknown, Some(why));
        }
        _ => {}
    }
    let ends = super::kafka_ends(&snapshot.kafka);
    let unread = super::behind(query, ends.as_ref()).unwrap_or(0);
    let lag_p50_ms = query.last().and_then(|batch| batch.lag_p50_ms);
    let since_last = query.last().map(|batch| ops.at - batch.ended_at());
    let waits = unread > 0 || query.told.data_available;
    if waits && since_last.is_some_and(|since| since > patience(query)) {
        let why = format!("{unread} offsets wait, and no micro-batch has ended lately");
        return (FreshnessState::Late, Some(why));
    }
    let recent = since_last.is_some_and(|since| since <= patience(query));
    if recent && lag_p50_ms.is_some_and(|lag| lag > super::hops::LATE_MS) && !super::hops::is_quiet(ops) {
        return (FreshnessState::Late, Some("half of the figures trail by more than 10 s".to_owned()));
    }
    // A batch is of the events before it: while some come in, the next one is on its way.
    if recent || waits { (FreshnessState::Live, None) } else { (FreshnessState::Idle, None) }
}

#[cfg(test)]
mod tests;
