//! `/line`, `/line/history`, `/proof`, `/ledger`: do the events arrive, and are they all accounted for?

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Freshness, FreshnessState, PeriodBounds, Proof};
use super::tag::{self, Look, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::line::hops::HopName;
use crate::line::ledger::{MinuteView, minutes_between};
use crate::line::view::{HistoryView, LineView, VerdictView, history, line};
use crate::line::{freshness, proof};
use crate::problem::Problem;
use crate::watch::ops::Ops;
use crate::watch::{Seen, Snapshot};

/// Steps of an answer at most.
const POINTS: i64 = 1_500;
/// Minutes of an answer at most.
const MINUTES: usize = 500;
/// How long Cassandra may take.
const ANSWER: Duration = Duration::from_secs(3);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(the_line))
        .routes(routes!(line_history))
        .routes(routes!(the_proof))
        .routes(routes!(the_ledger))
}

/// How old reports are that come through PostgreSQL.
pub(crate) fn reported(ops: &Seen<Ops>, now: DateTime<Utc>) -> Freshness {
    let state = match (&ops.away, ops.read_at) {
        (Some(_), _) => FreshnessState::Stalled,
        (None, Some(_)) => FreshnessState::Live,
        (None, None) => FreshnessState::Unknown,
    };
    Freshness {
        state,
        as_of: ops.read_at,
        age_ms: ops.read_at.map(|at| (now - at).num_milliseconds().max(0)),
        why: ops.away.as_ref().map(|away| away.why.clone()),
    }
}

/// What is known of reports; a problem where nothing ever was.
pub(crate) fn known(snapshot: &Snapshot) -> Result<&Ops, Problem> {
    let why = || match &snapshot.ops.away {
        Some(away) => away.why.clone(),
        None => "it was not asked yet".to_owned(),
    };
    snapshot.ops.value.as_deref().ok_or_else(|| Problem::store_away("PostgreSQL", why()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfHop {
    /// One hop alone: senders, postgresql, relay, kafka, spark or cassandra.
    hop: Option<String>,
}

/// Every hop: how it does, since when, and why it stands still.
#[utoipa::path(get, path = "/line", tag = "line", params(OfHop),
    responses((status = 200, body = Answer<LineView>), (status = 304), (status = 404, body = Problem)))]
async fn the_line(
    State(app): State<App>,
    _visitor: Visitor,
    Query(of): Query<OfHop>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let mut view = line(&snapshot, now);
    if let Some(name) = of.hop {
        let hop = HopName::ALL.into_iter().find(|hop| hop.word() == name);
        let hop = hop.ok_or_else(|| Problem::not_found(format!("there is no hop {name:?}")))?;
        view.hops.retain(|of| of.hop == hop);
    }
    let freshness = reported(&snapshot.ops, now);
    let tag = of_looks(app.hub.epoch(), &Look::at_line(&snapshot), now);
    Ok(tag::known(&headers, &tag, &Answer::new(view, freshness, None)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Stretch {
    /// RFC 3339; an hour before `to` where there is none.
    from: Option<DateTime<Utc>>,
    /// RFC 3339; now where there is none.
    to: Option<DateTime<Utc>>,
    /// The last minute of the answer before.
    after: Option<DateTime<Utc>>,
}

impl Stretch {
    fn bounds(
        &self,
        now: DateTime<Utc>,
        longest: TimeDelta,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or(to - TimeDelta::hours(1));
        if from >= to {
            return Err(Problem::bad_request("bad-period", "`from` must lie before `to`"));
        }
        if to - from > longest {
            let text = format!("at most {} s can be asked for at once", longest.num_seconds());
            return Err(Problem::bad_request("period-too-long", text));
        }
        Ok((from, to))
    }
}

fn told((from, to): (DateTime<Utc>, DateTime<Utc>)) -> PeriodBounds {
    PeriodBounds { from, to, compared_from: None, compared_to: None, time_zone: "UTC".to_owned() }
}

/// The line over time, in steps of ten seconds or a multiple of them: as long as the console runs, 24 h at most.
#[utoipa::path(get, path = "/line/history", tag = "line", params(Stretch), responses(
    (status = 200, body = Answer<HistoryView>), (status = 304), (status = 400, body = Problem),
    (status = 503, body = Problem)))]
async fn line_history(
    State(app): State<App>,
    _visitor: Visitor,
    Query(asked): Query<Stretch>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let (from, to) = asked.bounds(now, TimeDelta::hours(24))?;
    let step_s = step_s((to - from).num_seconds());
    let data = history(known(&snapshot)?, from, to, step_s);
    let freshness = reported(&snapshot.ops, now);
    let tag = of_looks(app.hub.epoch(), &[Look::at(&snapshot.ops)], now);
    let answer = Answer { data, period: Some(told((from, to))), freshness, proof: Proof::NONE, next: None };
    Ok(tag::known(&headers, &tag, &answer))
}

/// The shortest multiple of ten seconds that a stretch has no more than [`POINTS`] of.
fn step_s(seconds: i64) -> i64 {
    let tens = (seconds.max(1) + 10 * POINTS - 1) / (10 * POINTS);
    tens.max(1) * 10
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfTable {
    /// As in `activity_by_minute`.
    table: String,
    /// The end of the period that figures are of, RFC 3339; now where there is none.
    to: Option<DateTime<Utc>>,
}

/// The last verification of a table.
#[derive(Debug, Serialize, ToSchema)]
struct ProofView {
    table: String,
    /// Nothing where it was never verified.
    verification: Option<VerdictView>,
}

/// Whether a table's figures were recomputed from the raw events, and what differed.
#[utoipa::path(get, path = "/proof", tag = "line", params(OfTable), responses(
    (status = 200, body = Answer<ProofView>), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn the_proof(
    State(app): State<App>,
    _visitor: Visitor,
    Query(of): Query<OfTable>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let ops = known(&snapshot)?;
    let (family, _) = contracts::family::table(&of.table)
        .ok_or_else(|| Problem::not_found(format!("there is no table {:?}", of.table)))?;
    let verifications = &ops.standing.verifications;
    let last =
        verifications.iter().find(|last| last.kind == "verify" && last.compared.contains_key(&of.table));
    let data = ProofView { verification: last.map(VerdictView::from), table: of.table.clone() };
    let proof = proof(&snapshot, &of.table, of.to.unwrap_or(now));
    let freshness = freshness(&snapshot, family.name, None, now);
    let tag = of_looks(app.hub.epoch(), &Look::at_line(&snapshot), now);
    Ok(tag::known(&headers, &tag, &Answer { data, period: None, freshness, proof, next: None }))
}

/// The ledger as it was drawn up.
#[derive(Debug, Serialize, ToSchema)]
struct LedgerView {
    /// The last time, and what it said of all minutes it was about.
    last: Option<VerdictView>,
    /// The oldest first.
    minutes: Vec<MinuteView>,
}

/// What became of every record, by minute of arrival and stage, as it was last drawn up; 24 h at most.
#[utoipa::path(get, path = "/ledger", tag = "line", params(Stretch), responses(
    (status = 200, body = Answer<LedgerView>), (status = 400, body = Problem), (status = 503, body = Problem)))]
async fn the_ledger(
    State(app): State<App>,
    _visitor: Visitor,
    Query(asked): Query<Stretch>,
) -> Result<Json<Answer<LedgerView>>, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let (from, to) = asked.bounds(now, TimeDelta::hours(24))?;
    let start = asked.after.map_or(from, |after| from.max(after + TimeDelta::minutes(1)));
    let read = tokio::time::timeout(ANSWER, minutes_between(app.shop.store(), start, to)).await;
    let mut minutes = match read {
        Ok(Ok(minutes)) => minutes,
        Ok(Err(error)) => return Err(Problem::store_away("Cassandra", error)),
        Err(_) => {
            return Err(Problem::store_away("Cassandra", format!("no answer within {} s", ANSWER.as_secs())));
        }
    };
    let more = minutes.len() > MINUTES;
    minutes.truncate(MINUTES);
    let next = minutes.last().filter(|_| more).map(|last| last.minute.to_rfc3339());
    let last = snapshot.ops.value.as_deref().and_then(|ops| ops.verification("ledger"));
    let freshness = Freshness {
        state: if last.is_some() { FreshnessState::Live } else { FreshnessState::Unknown },
        as_of: last.map(|last| last.snapshot_at),
        age_ms: last.map(|last| (now - last.snapshot_at).num_milliseconds().max(0)),
        why: Some("as of the last time that it was drawn up".to_owned()),
    };
    let data = LedgerView { last: last.map(VerdictView::from), minutes };
    Ok(Json(Answer { data, period: Some(told((from, to))), freshness, proof: Proof::NONE, next }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_period_runs_forwards_and_is_not_too_long() {
        let at = |hours: i64| DateTime::from_timestamp(1_800_000_000 + hours * 3_600, 0);
        let bounds = |from, to| {
            Stretch { from, to, after: None }.bounds(at(0).unwrap(), TimeDelta::hours(24)).map_err(|_| ())
        };
        assert_eq!(bounds(None, None), Ok((at(-1).unwrap(), at(0).unwrap())));
        assert_eq!(bounds(at(-24), at(0)), Ok((at(-24).unwrap(), at(0).unwrap())));
        assert_eq!(bounds(at(-25), at(0)), Err(()));
        assert_eq!(bounds(at(1), at(0)), Err(()));
    }

    proptest! {
        #[test]
        fn an_answer_has_a_bounded_number_of_steps(seconds in 1i64..86_401) {
            let step = step_s(seconds);
            prop_assert!(step % 10 == 0 && (seconds + step - 1) / step <= POINTS);
            prop_assert!(step == 10 || (seconds + step - 11) / (step - 10) > POINTS);
        }
    }
}
