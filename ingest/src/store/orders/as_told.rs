//! Refused lines of shop systems, where they are judged again: they are sold as their order is told by now.
//!
//! What stands in quarantine is the line as it was told when it was refused first. Since then it may have
//! become more or less, or have gone.

use contracts::Reason;
use contracts::money::Places;
use contracts::validation::{Accepted, Rejection};
use rust_decimal::Decimal;

use super::{found, placed, shop};
use crate::store::connection::Store;
use crate::store::error::StoreError;
use crate::store::held::Moves;
use crate::store::replay::{Judgement, Verdict};
use crate::store::shared_line::shared_line;
use crate::store::shop_order::ShopLine;

impl Store {
    /// Judges refused lines among verdicts by what their orders tell of them now. Gives the states of these
    /// orders, which must still be so when the lines are stored.
    pub(super) async fn as_told(&mut self, verdicts: &mut [Verdict]) -> Result<Moves, StoreError> {
        let mut ids: Vec<String> = verdicts.iter().filter_map(|verdict| Some(line_of(verdict)?.0)).collect();
        ids.sort();
        ids.dedup();
        let mut moves = Moves::default();
        if ids.is_empty() {
            return Ok(moves);
        }
        let (states, places) = self
            .repeatable("look for orders", async |client| {
                Ok((shop::known(client, &ids).await?, found::places(client).await?))
            })
            .await?;
        for stored in &states {
            let known = stored.read()?;
            let mut is_judged = false;
            for verdict in verdicts.iter_mut() {
                let line = line_of(verdict).filter(|(order_id, _)| *order_id == stored.order_id);
                let Some((_, at)) = line else { continue };
                let told = known.told_of((&verdict.source, &verdict.coordinates), at);
                let (Judgement::Event(purchase), Some(told)) = (&mut verdict.judgement, told) else {
                    continue;
                };
                is_judged = true;
                if let Err(rejection) = sell(purchase, told, places) {
                    verdict.judgement =
                        Judgement::Refused { reason: rejection.reason, detail: rejection.to_string() };
                }
            }
            if is_judged {
                known.stay(&stored.order_id, &mut moves);
            }
        }
        Ok(moves)
    }
}

/// The order and the line of a purchase that is judged again.
fn line_of(verdict: &Verdict) -> Option<(String, i32)> {
    match &verdict.judgement {
        Judgement::Event(accepted) => shared_line(&accepted.event),
        _ => None,
    }
}

/// Makes a purchase one of so many units at such a sum.
fn sell(purchase: &mut Accepted, (units, sum): (i32, Decimal), places: Places) -> Result<(), Rejection> {
    let refuse = |reason, detail: &str| Rejection { reason, field: "order_line", detail: detail.to_owned() };
    if !ShopLine::sells(units, sum) {
        return Err(refuse(Reason::Inconsistent, "by what its shop told last, nothing of this line is sold"));
    }
    let detail = "by what its shop told last, it costs more than is kept of a line";
    placed::price(&mut purchase.event, units.max(1), sum, places)
        .ok_or_else(|| refuse(Reason::AmountOverflow, detail))
}
