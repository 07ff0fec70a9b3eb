//! Records in quarantine, judged again: first without changing anything, then in earnest, and only as many as
//! the first time.

use contracts::endpoints::Endpoints;
use contracts::money::Rates;
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Replayed, Rules, replay};
use ingest::store::{Store, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::deed::Intent;
use super::dry_run::{DryRun, Selection};
use super::operations::{Kind, Line, Stage};
use super::runner::{Outcome, Teller, start};
use crate::access::Operator;
use crate::app::App;
use crate::format;
use crate::problem::Problem;
use crate::watch::words;

/// Above so many records the count is typed.
pub(crate) const TYPED_ABOVE: u64 = 1_000;

/// Begins to say what would become of records.
///
/// # Errors
/// Where it cannot begin.
pub(crate) async fn dry_run(
    app: &App,
    by: &Operator,
    why: &str,
    selection: Selection,
) -> Result<Uuid, Problem> {
    let target = selection.told();
    let intent = Intent { action: Kind::DryRun.action(), target: &target, why, detail: json!({}) };
    let (endpoints, rates) = (app.config.endpoints.clone(), app.config.rates.clone());
    start(app, by, Kind::DryRun, intent, move |teller| judge(endpoints, rates, selection, None, teller)).await
}

/// Begins to take records in that a dry run has judged.
///
/// # Errors
/// Where there was no such dry run, another number of records is open now, or it cannot begin.
pub(crate) async fn in_earnest(
    app: &App,
    by: &Operator,
    why: &str,
    of: Uuid,
    typed: Option<&str>,
) -> Result<Uuid, Problem> {
    let judged = confirmed(app, of)?;
    let count = typed.unwrap_or_default().replace([',', ' ', '\u{a0}'], "");
    if judged.records > TYPED_ABOVE && count != judged.records.to_string() {
        let asked = format!("Type how many records are judged again: {}.", judged.records);
        return Err(Problem::bad_request("bad-choice", asked));
    }
    let detail = json!({ "dry_run": of, "records": judged.records, "accepted": judged.accepted,
        "repeated": judged.repeated, "refused": judged.refused });
    let target = judged.selection.told();
    let intent = Intent { action: Kind::Replay.action(), target: &target, why, detail };
    let (endpoints, rates) = (app.config.endpoints.clone(), app.config.rates.clone());
    let DryRun { selection, records, .. } = judged;
    start(app, by, Kind::Replay, intent, move |teller| {
        judge(endpoints, rates, selection, Some(records), teller)
    })
    .await
}

/// What a dry run of this console judged, once it has ended.
///
/// # Errors
/// Where there is none, or it has not ended.
pub(crate) fn confirmed(app: &App, id: Uuid) -> Result<DryRun, Problem> {
    let operations = app.watch.operations.borrow().value.clone();
    let operation = operations.as_deref().and_then(|operations| operations.of_id(id)).cloned();
    let judged = operation.filter(|operation| operation.stage != Stage::Running).and_then(|it| it.judged);
    judged.ok_or_else(|| {
        Problem::changed_meanwhile(
            "That dry run has not ended, or this console does not know it any more: make another one.",
        )
    })
}

/// Judges records, with the owner's rights: their bytes are read for it, and shown to nobody.
async fn judge(
    endpoints: Endpoints,
    rates: Rates,
    selection: Selection,
    confirmed: Option<u64>,
    teller: Teller,
) -> Result<Outcome, String> {
    let refused = |error: StoreError| words(&error);
    let mut store = Store::connect(&endpoints.pg_url).await.map_err(refused)?;
    // What was committed in another currency must not be added to.
    store.settle_base_currency(rates.base()).await.map_err(refused)?;
    let filter = selection.filter();
    let open: i64 =
        store.count_quarantined(&filter).await.map_err(refused)?.iter().map(|count| count.open).sum();
    let open = u64::try_from(open).unwrap_or(0);
    if let Some(confirmed) = confirmed
        && confirmed != open
    {
        return Err(format!(
            "{open} records are open now, but {confirmed} were open at the dry run: nothing was changed; make another dry run"
        ));
    }
    let rules = Rules { namespace: endpoints.namespace.clone(), rates };
    let plan = Plan { filter, rules, dry_run: confirmed.is_none() };
    let said = if plan.dry_run { "judging, nothing is changed" } else { "judging and taking in" };
    teller.tell(|operation| (operation.of, operation.told) = (Some(open), said.to_owned()));
    let replayed = replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |so_far| {
        teller.tell(|operation| operation.done = so_far.judged);
    })
    .await
    .map_err(|error| format!("{}; what was settled before is settled", words(&error)))?;
    Ok(Outcome {
        passed: replayed.refused_total() == 0,
        told: account(&replayed, plan.dry_run),
        lines: lines(&replayed),
        judged: plan.dry_run.then(|| DryRun {
            selection,
            records: replayed.judged,
            accepted: replayed.accepted,
            repeated: replayed.repeated,
            refused: replayed.refused_total(),
        }),
    })
}

fn account(replayed: &Replayed, dry_run: bool) -> String {
    if replayed.judged == 0 {
        return "nothing of that kind is open".to_owned();
    }
    let would = if dry_run { "would be " } else { "" };
    let mut told = format!(
        "{} judged = {would}{} accepted + {} repeated + {} refused",
        count(replayed.judged),
        count(replayed.accepted),
        count(replayed.repeated),
        count(replayed.refused_total())
    );
    if replayed.elsewhere > 0 {
        told += &format!(" + {} by another replay", count(replayed.elsewhere));
    }
    told
}

fn count(number: u64) -> String {
    format::count(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Why some are refused; what their text says of them stays where it is, since it may quote a record.
fn lines(replayed: &Replayed) -> Vec<Line> {
    let refused = replayed.refused.iter();
    refused
        .map(|(reason, number)| Line { ok: false, text: format!("{} refused: {reason}", count(*number)) })
        .collect()
}
