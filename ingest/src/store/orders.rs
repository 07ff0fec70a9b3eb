//! Refunds: PostgreSQL tells what is left of their orders.
//!
//! A purchase that is told under the shared id of its order's line ([`contracts::ids::order_line`]) is found
//! by that id alone: its identity stands in `raw.event_identity`, and names the event. So no table of lines
//! is needed, and no scan. The first lines are asked for; they tell how many there are. The refunds of an
//! order are found by an index of their own.
//!
//! Refunds are judged before the transaction that stores them, by what was found. That transaction holds
//! their orders (`raw.hold_refunds`) before it stores anything, and fails where something was added
//! meanwhile: then they are judged again. So of two who pay back at once, the second one knows of the first.

mod admitted;
mod as_told;
mod back;
mod contradicted;
mod found;
mod order;
mod owner;
mod placed;
mod shop;

use std::collections::HashMap;
use std::sync::Arc;

use contracts::admission::Admission;
use contracts::validation::{Accepted, Back, Rejection};
use contracts::{Event, Reason};
use uuid::Uuid;

use super::admission::Refused;
use super::committed::Written;
use super::connection::Store;
use super::error::StoreError;
use super::held::{Held, Moves};
use super::other_events::Kept;
use super::quarantine::{SetAside, kept_once};
use super::replay::{Judgement, Verdict};
use super::rows::{EncodedRows, Sealed};
use super::screening::Screening;
use super::shared_line::shared_line;
use crate::source::draft;
use found::Found;
use order::Order;

/// Orders by their ids.
type Orders = HashMap<String, Order>;

/// What became of the refunds of a transaction.
#[derive(Default)]
pub(super) struct PaidBack {
    set_aside: Vec<SetAside>,
    refused: Refused,
    /// The refunds of whole orders by their own ids, and those of their lines.
    lines: Vec<(Uuid, Vec<Uuid>)>,
    /// By what they were judged; nothing where there are none.
    pub(super) held: Option<Held>,
}

impl PaidBack {
    /// Adds those that cannot be paid back to what is refused.
    pub(super) fn refused_of(&self, mut screened: Screening) -> Screening {
        screened.set_aside.extend_from_slice(&self.set_aside);
        screened.refused.extend(self.refused.clone());
        screened
    }

    /// A refund is new where one of its lines is.
    pub(super) fn told_of(&self, written: Written) -> Written {
        written.told_by(&self.lines)
    }

    fn refuse(&mut self, source: Option<&Arc<str>>, refund: &Accepted, rejection: Rejection) {
        let whole = refund.whole_order.as_ref().map(|order| &order.told);
        let payload = whole.or(refund.part.as_deref()).map(draft::write).unwrap_or_default();
        self.set_aside.push(SetAside {
            source: source.map_or("store", |source| source).to_owned(),
            // Its time is corrected by that of its receipt, so that its bytes are others when it is sent
            // again.
            coordinates: kept_once(refund.identity()),
            reason: rejection.reason,
            detail: rejection.to_string(),
            payload,
            user_id: Some(refund.event.user_id),
            quarantined_at: refund.event.ingested_at,
        });
        self.refused.insert(refund.event.event_id, rejection);
    }
}

impl Store {
    /// Judges what is judged by its order, and seals the rows. Lines of orders are compared with what is
    /// stored of them, if they are to be.
    pub(super) async fn sealed(
        &mut self,
        mut rows: EncodedRows,
        is_compared: bool,
    ) -> Result<(PaidBack, Sealed), StoreError> {
        let mut orders = self.tell_orders(&mut rows).await?;
        if is_compared {
            self.refuse_contradictions(&mut rows, &mut orders).await?;
        }
        rows.close();
        Ok((orders, rows.sealed()))
    }

    /// Judges refunds by what is left of their orders, and puts the lines in place of those of whole orders.
    /// Purchases and refunds of the same transaction count too, in the order in which they came.
    ///
    /// Orders of shop systems come first: what changed of them since they were told before becomes purchases
    /// and refunds.
    async fn tell_orders(&mut self, rows: &mut EncodedRows) -> Result<PaidBack, StoreError> {
        let (of_shop, refunds) = (rows.take_shop_orders(), rows.take_refunds());
        let mut paid_back = PaidBack::default();
        if refunds.is_empty() && of_shop.is_empty() {
            return Ok(paid_back);
        }
        let told = refunds.iter().map(|(_, refund)| refund);
        let told = told.chain(of_shop.iter().map(|(_, order)| order.refund.as_ref()));
        let ids: Vec<String> = of_shop.iter().map(|(_, order)| order.order_id.clone()).collect();
        let (mut found, admission) = self.found(told, rows.purchases(), &ids).await?;
        let (seen, mut moves) = (found.seen(), Moves::default());
        for (source, mut told) in of_shop {
            found.order(&told.order_id);
            let known = found.states.entry(told.order_id.clone()).or_default();
            let Some(order) = found.orders.get_mut(&told.order_id) else { continue };
            let owner = self.owner(order, &admission).await?;
            if let Err(rejection) = admitted::admit(&mut told, known, order, owner.as_ref(), &admission) {
                paid_back.set_aside.push(admitted::refused(source.as_ref(), &told, &rejection));
                continue;
            }
            let shop::Booked { booked, refused, unread, unsold, state } = shop::book(&told, known, order);
            if let Some(state) = state {
                known.move_on(&told.order_id, state, &mut moves);
            }
            let is_other = booked.is_empty() && refused.is_empty();
            paid_back.set_aside.extend(unread);
            paid_back.set_aside.extend(unsold.iter().map(|unsold| unsold.aside(source.as_ref())));
            for (refund, rejection) in refused {
                paid_back.refuse(source.as_ref(), &refund, rejection);
            }
            if is_other {
                // Nothing of it is new: that it came is counted.
                let source = source.as_deref().unwrap_or("store").to_owned();
                let received_at = told.refund.event.ingested_at;
                rows.put_other(Kept { source, received_at, event: *told.otherwise });
            } else {
                rows.put_lines(source.as_ref(), booked);
            }
        }
        paid_back.held = Some(Held { seen, moves });
        for (source, refund) in refunds {
            let order = found.order(order_id(&refund));
            match lines_of(&refund, order) {
                Err(rejection) => paid_back.refuse(source.as_ref(), &refund, rejection),
                Ok(lines) => {
                    let ids = lines.iter().map(|line| line.event.event_id).collect();
                    let events: Vec<Event> = lines.iter().map(|line| line.event.clone()).collect();
                    if rows.take_lines(source.as_ref(), lines) {
                        events.into_iter().for_each(|line| order.pay_back(line));
                        if refund.whole_order.is_some() {
                            paid_back.lines.push((refund.event.event_id, ids));
                        }
                    } else {
                        let detail = "too many lines are paid back at once; replay it".to_owned();
                        paid_back.refuse(source.as_ref(), &refund, unknown(detail));
                    }
                }
            }
        }
        Ok(paid_back)
    }

    /// Judges refunds among verdicts by what is left of their orders, and puts the lines in place of those of
    /// whole orders. Refused lines of shop systems are judged by what these tell of them now.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn with_orders(&mut self, verdicts: Vec<Verdict>) -> Result<Vec<Verdict>, StoreError> {
        Ok(self.judged_by_orders(verdicts).await?.0)
    }

    /// The same, and what they were judged by.
    pub(super) async fn judged_by_orders(
        &mut self,
        mut verdicts: Vec<Verdict>,
    ) -> Result<(Vec<Verdict>, Option<Held>), StoreError> {
        let moves = self.as_told(&mut verdicts).await?;
        let refund = |verdict: &Verdict| match &verdict.judgement {
            Judgement::Event(accepted) if accepted.whole_order.is_some() || accepted.part.is_some() => {
                Some(accepted.as_ref().clone())
            }
            _ => None,
        };
        let told: Vec<Accepted> = verdicts.iter().filter_map(refund).collect();
        if told.is_empty() && moves.is_empty() {
            return Ok((verdicts, None));
        }
        let purchases = verdicts.iter().flat_map(|verdict| verdict.judgement.events());
        let (mut found, _) = self.found(told.iter(), purchases.map(|accepted| &accepted.event), &[]).await?;
        let seen = found.seen().and_of(&moves);
        for verdict in &mut verdicts {
            let Some(accepted) = refund(verdict) else { continue };
            let order = found.order(order_id(&accepted));
            verdict.judgement = match lines_of(&accepted, order) {
                Ok(lines) => {
                    lines.iter().for_each(|line| order.pay_back(line.event.clone()));
                    match (&accepted.whole_order, lines.as_slice()) {
                        (None, [part]) => Judgement::Event(Box::new(part.clone())),
                        _ => Judgement::Several(lines),
                    }
                }
                Err(rejection) => {
                    Judgement::Refused { reason: rejection.reason, detail: rejection.to_string() }
                }
            };
        }
        Ok((verdicts, Some(Held { seen, moves })))
    }

    /// What is known of the orders that these pay back, purchases that come with them included, and the rules
    /// in force.
    async fn found<'a>(
        &mut self,
        refunds: impl Iterator<Item = &'a Accepted>,
        purchases: impl Iterator<Item = &'a Event>,
        of_shop: &[String],
    ) -> Result<(Found, Admission), StoreError> {
        let refunds: Vec<&Accepted> = refunds.collect();
        let mut told = Orders::new();
        for refund in &refunds {
            told.entry(order_id(refund).to_owned()).or_default();
        }
        for purchase in purchases {
            if let Some((order_id, line)) = shared_line(purchase)
                && let Some(order) = told.get_mut(&order_id)
            {
                order.sell(line, purchase.clone());
            }
        }
        let (rows, admission) = self
            .admitted("look for orders", async |client, admission| {
                Ok((found::look(client, &told, of_shop).await?, admission.clone()))
            })
            .await?;
        let Some(rest) = refunds.first().map(|refund| &refund.event) else {
            return Ok((Found::default(), admission));
        };
        Ok((Found::of(told, rows, rest)?, admission))
    }
}

/// The order that a refund is of.
fn order_id(refund: &Accepted) -> &str {
    let whole = refund.whole_order.as_ref().map(|order| &*order.order_id);
    whole.or(refund.event.order_id.as_deref()).unwrap_or_default()
}

/// What becomes of a refund, or why it cannot be paid back.
fn lines_of(refund: &Accepted, order: &Order) -> Result<Vec<Accepted>, Rejection> {
    let Some(whole) = &refund.whole_order else { return Ok(vec![order.part(refund)?]) };
    if !order.is_known() {
        let detail =
            format!("no purchase of order {} is stored; replay it once there is one", &*whole.order_id);
        return Err(unknown(detail));
    }
    match &whole.told.back {
        Back::All => order.whole(refund),
        Back::Sum { amount, currency } => order.sum(refund, (*amount, *currency, whole.amount_base)),
        Back::Product { item_id, quantity, cost } => {
            Ok(vec![order.product(refund, (&**item_id, *quantity, *cost))?])
        }
    }
}

fn unknown(detail: String) -> Rejection {
    Rejection { reason: Reason::UnknownOrder, field: "order_id", detail }
}
