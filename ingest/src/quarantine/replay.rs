use std::collections::{BTreeMap, HashSet};

use contracts::Reason;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::judge::{Rules, judge};
use crate::clock::Clock;
use crate::store::{Filter, Judgement, Outcome, Quarantined, Store, StoreError, Verdict};

/// Records judged and settled in one transaction.
const PAGE: u32 = 500;

/// Which records are judged again, by what, and whether anything is changed.
#[derive(Debug)]
pub struct Plan {
    /// Which records; those that passed already are left out in any case.
    pub filter: Filter,
    /// By what.
    pub rules: Rules,
    /// Only say what would become of them.
    pub dry_run: bool,
}

/// What became of the records so far: `judged` = `accepted` + `repeated` + all of `refused` + `elsewhere`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// Records looked at.
    pub judged: u64,
    /// Passed, and counted since.
    pub accepted: u64,
    /// Passed, and there already.
    pub repeated: u64,
    /// Refused again, by today's reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Settled by another replay at the same time.
    pub elsewhere: u64,
    /// Of those refused again, one per reason, and why.
    pub examples: BTreeMap<Reason, Example>,
}

/// A record that was refused again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Example {
    /// Where it came from.
    pub source: String,
    /// Where it stands in there.
    pub coordinates: String,
    /// Why, for a person to read.
    pub detail: String,
}

impl Replayed {
    /// Records refused again.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    fn count(&mut self, verdict: &Verdict, outcome: Option<Outcome>) {
        self.judged += 1;
        match (outcome, &verdict.judgement) {
            (None, _) => self.elsewhere += 1,
            (Some(Outcome::Refused), Judgement::Refused { reason, detail }) => {
                *self.refused.entry(*reason).or_default() += 1;
                self.examples.entry(*reason).or_insert_with(|| Example {
                    source: verdict.source.clone(),
                    coordinates: verdict.coordinates.clone(),
                    detail: detail.clone(),
                });
            }
            (Some(Outcome::Accepted), _) => self.accepted += 1,
            (Some(Outcome::Repeated | Outcome::Refused), _) => self.repeated += 1,
        }
    }
}

/// Judges every open record of a filter again and stores what passes, page by page, until done or cancelled;
/// each page is settled whole or not at all. `on_page` is told after each.
///
/// # Errors
/// When PostgreSQL stays away or refuses. Pages before it are settled; replaying again goes on with the rest.
pub async fn replay(
    store: &mut Store,
    plan: &Plan,
    clock: &Clock,
    cancel: &CancellationToken,
    mut on_page: impl FnMut(&Replayed),
) -> Result<Replayed, StoreError> {
    let filter = Filter { open: Some(true), ..plan.filter.clone() };
    let mut replayed = Replayed::default();
    let mut after = (String::new(), String::new());
    while !cancel.is_cancelled() {
        let page = store.quarantined_after(&filter, &after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = (last.source.clone(), last.coordinates.clone());
        let now = clock.now();
        let verdicts: Vec<Verdict> = page
            .into_iter()
            .map(|(record, payload)| {
                let judgement = judge(&record, payload.as_deref(), &plan.rules, now);
                let Quarantined { source, coordinates, .. } = record;
                Verdict { source, coordinates, judgement }
            })
            .collect();
        let settled = if plan.dry_run {
            let verdicts = store.with_orders(verdicts).await?;
            let outcomes = foretell(store, &verdicts).await?;
            verdicts.into_iter().zip(outcomes).collect()
        } else {
            store.settle(&verdicts, now).await?
        };
        for (verdict, outcome) in &settled {
            replayed.count(verdict, *outcome);
        }
        on_page(&replayed);
    }
    Ok(replayed)
}

/// What would become of verdicts, if nothing came in meanwhile.
async fn foretell(store: &mut Store, verdicts: &[Verdict]) -> Result<Vec<Option<Outcome>>, StoreError> {
    let ids: Vec<_> = verdicts.iter().filter_map(|verdict| verdict.judgement.record_id()).collect();
    let claims: Vec<_> = verdicts.iter().flat_map(|verdict| verdict.judgement.claims()).collect();
    let known = store.known(&ids).await?;
    let claimed = store.claimed(&claims).await?;
    let mut seen = HashSet::new();
    let mut is_new = |id: &Uuid, verdict: &Verdict| match &verdict.judgement {
        _ if known.contains(id) || claimed.contains_key(id) => false,
        Judgement::Event(accepted) => seen.insert(accepted.identity()),
        _ => seen.insert(*id),
    };
    let foretold = verdicts.iter().map(|verdict| match verdict.judgement.record_id() {
        None => Outcome::Refused,
        Some(id) if is_new(&id, verdict) => Outcome::Accepted,
        Some(_) => Outcome::Repeated,
    });
    Ok(foretold.map(Some).collect())
}
