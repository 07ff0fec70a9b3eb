//! Refunds of whole orders: PostgreSQL tells the lines.
//!
//! A purchase that is told under the shared id of its order's line ([`ids::order_line`]) is found by that id alone: its identity stands
//! in `raw.event_identity`, and names the event. So no table of lines is needed, and no scan. The first lines are asked for; they tell how
//! many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use contracts::validation::{Accepted, MAX_ORDER_LINES, Rejection};
use contracts::vocabulary::EventName;
use contracts::{Event, Reason, ids};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::admission::Refused;
use super::connection::Store;
use super::error::StoreError;
use super::events::{Fresh, Written};
use super::quarantine::SetAside;
use super::replay::{Judgement, Verdict};
use super::rows::EncodedRows;
use super::screening::Screening;
use crate::source::draft;

/// Most orders have no more lines.
const FIRST_LINES: i32 = 8;

const IDS: &str = "select held.event_id from unnest($1::uuid[]) id join raw.event_identity held
    on substring(uuid_send(held.event_id) from 7) = substring(uuid_send(id) from 7)";

/// Handed in as an array, so that PostgreSQL looks into no partition but theirs. Sums are texts: nothing of them is lost.
const LINES: &str =
    "select event_id, occurred_at, order_id, order_line, order_lines, item_id, item_name, category, brand,
        price::text, currency, quantity, amount_base::text, rate::text, rate_date, payment_type
    from raw.events where event_id = any($1) and event_name = 'purchase'";

/// The lines of purchases, by order and line.
type Orders = HashMap<String, BTreeMap<i32, Event>>;

/// What became of the refunds of whole orders in a transaction.
#[derive(Default)]
pub(super) struct PaidBack {
    set_aside: Vec<SetAside>,
    refused: Refused,
    /// The refunds by their own ids, and those of their lines.
    lines: Vec<(Uuid, Vec<Uuid>)>,
}

impl PaidBack {
    /// Adds those that cannot be paid back to what is refused.
    pub(super) fn refused_of(&self, mut screened: Screening) -> Screening {
        screened.set_aside.extend_from_slice(&self.set_aside);
        screened.refused.extend(self.refused.clone());
        screened
    }

    /// A refund is new where one of its lines is.
    pub(super) fn told_of(&self, mut written: Written) -> Written {
        if let Fresh::Only(fresh) = &mut written.fresh {
            for (whole, lines) in &self.lines {
                if lines.iter().any(|line| fresh.contains(line)) {
                    fresh.insert(*whole);
                }
            }
        }
        written
    }

    fn refuse(&mut self, source: Option<&Arc<str>>, whole: &Accepted, rejection: Rejection) {
        let payload = whole.whole_order.as_ref().map(|order| draft::write(&order.1)).unwrap_or_default();
        self.set_aside.push(SetAside {
            source: source.map_or("store", |source| source).to_owned(),
            coordinates: format!("{:x}", Sha256::digest(&payload)),
            reason: rejection.reason,
            detail: rejection.to_string(),
            payload,
            user_id: Some(whole.event.user_id),
            quarantined_at: whole.event.ingested_at,
        });
        self.refused.insert(whole.event.event_id, rejection);
    }
}

impl Store {
    /// Puts the lines in place of refunds of whole orders. Purchases of the same transaction count too.
    pub(super) async fn tell_orders(&mut self, rows: &mut EncodedRows) -> Result<PaidBack, StoreError> {
        let whole = rows.take_whole();
        let mut paid_back = PaidBack::default();
        if whole.is_empty() {
            return Ok(paid_back);
        }
        let mut orders = self.orders(whole.iter().map(|(_, accepted)| accepted)).await?;
        for purchase in rows.purchases() {
            let Some((order_id, line)) = shared_line(purchase) else { continue };
            orders.entry(order_id).or_default().entry(line).or_insert_with(|| purchase.clone());
        }
        for (source, accepted) in whole {
            match lines_of(&accepted, &orders) {
                Err(rejection) => paid_back.refuse(source.as_ref(), &accepted, rejection),
                Ok(lines) => {
                    let ids = lines.iter().map(|line| line.event.event_id).collect();
                    if rows.take_lines(source.as_ref(), lines) {
                        paid_back.lines.push((accepted.event.event_id, ids));
                    } else {
                        let detail = "too many lines are paid back at once; replay it".to_owned();
                        paid_back.refuse(source.as_ref(), &accepted, unknown(detail));
                    }
                }
            }
        }
        Ok(paid_back)
    }

    /// Puts the lines in place of refunds of whole orders among verdicts.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn with_orders(&mut self, mut verdicts: Vec<Verdict>) -> Result<Vec<Verdict>, StoreError> {
        let whole = |verdict: &Verdict| match &verdict.judgement {
            Judgement::Event(accepted) if accepted.whole_order.is_some() => Some(accepted.as_ref().clone()),
            _ => None,
        };
        let told: Vec<Accepted> = verdicts.iter().filter_map(whole).collect();
        if told.is_empty() {
            return Ok(verdicts);
        }
        let orders = self.orders(told.iter()).await?;
        for verdict in &mut verdicts {
            let Some(accepted) = whole(verdict) else { continue };
            verdict.judgement = match lines_of(&accepted, &orders) {
                Ok(lines) => Judgement::Several(lines),
                Err(rejection) => {
                    Judgement::Refused { reason: rejection.reason, detail: rejection.to_string() }
                }
            };
        }
        Ok(verdicts)
    }

    /// The stored lines of the orders that these pay back.
    async fn orders<'a>(&mut self, whole: impl Iterator<Item = &'a Accepted>) -> Result<Orders, StoreError> {
        let mut base = None;
        let mut order_ids = BTreeSet::new();
        for accepted in whole {
            order_ids.extend(accepted.whole_order.as_ref().map(|order| order.0.to_string()));
            base.get_or_insert(&accepted.event);
        }
        let Some(base) = base else { return Ok(Orders::new()) };
        let rows = self
            .repeatable("look for the lines of orders", async |client| {
                let first =
                    order_ids.iter().flat_map(|order| (1..=FIRST_LINES).map(move |line| (order, line)));
                let mut rows = lines(client, first).await?;
                let mut more = BTreeMap::new();
                for row in &rows {
                    let (order, count): (Option<String>, Option<i32>) = (row.try_get(2)?, row.try_get(4)?);
                    if let (Some(order), Some(count)) = (order, count.filter(|count| *count > FIRST_LINES)) {
                        more.insert(order, count.min(MAX_ORDER_LINES));
                    }
                }
                let rest = more
                    .iter()
                    .flat_map(|(order, count)| (FIRST_LINES + 1..=*count).map(move |line| (order, line)));
                rows.extend(lines(client, rest).await?);
                Ok(rows)
            })
            .await?;
        let mut orders = Orders::new();
        for row in &rows {
            let purchase = purchase(row, base)?;
            if let Some((order_id, line)) = shared_line(&purchase) {
                orders.entry(order_id).or_default().insert(line, purchase);
            }
        }
        Ok(orders)
    }
}

async fn lines<'a>(
    client: &Client,
    wanted: impl Iterator<Item = (&'a String, i32)>,
) -> Result<Vec<Row>, Error> {
    // The time is no part of the identity.
    let at = chrono::DateTime::UNIX_EPOCH;
    let wanted: Vec<Uuid> =
        wanted.map(|(order, line)| ids::rekeyed(at, ids::SHARED, &ids::order_line(order, line))).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Uuid> = client.query(IDS, &[&wanted]).await?.iter().map(|row| row.get(0)).collect();
    client.query(LINES, &[&found]).await
}

/// The refunds of an order's lines, or why it cannot be paid back.
fn lines_of(whole: &Accepted, orders: &Orders) -> Result<Vec<Accepted>, Rejection> {
    let order_id = whole.whole_order.as_ref().map_or("", |order| &*order.0);
    match orders.get(order_id) {
        Some(lines) => lines.values().map(|purchase| whole.line_paid_back(purchase)).collect(),
        None => {
            Err(unknown(format!("no purchase of order {order_id} is stored; replay it once there is one")))
        }
    }
}

fn unknown(detail: String) -> Rejection {
    Rejection { reason: Reason::UnknownOrder, field: "order_id", detail }
}

/// The order and the line of a purchase that stands under their shared id.
fn shared_line(purchase: &Event) -> Option<(String, i32)> {
    let (order_id, line) = (purchase.order_id.as_deref()?, purchase.order_line?);
    let shared = ids::rekeyed(purchase.occurred_at, ids::SHARED, &ids::order_line(order_id, line));
    (ids::identity(&shared) == ids::identity(&purchase.event_id)).then(|| (order_id.to_owned(), line))
}

/// A purchase as far as it tells what is paid back; the rest is another event's.
fn purchase(row: &Row, rest: &Event) -> Result<Event, StoreError> {
    Ok(Event {
        event_id: row.get("event_id"),
        event_name: EventName::Purchase,
        occurred_at: row.get("occurred_at"),
        order_id: parsed(row, "order_id")?,
        order_line: row.get("order_line"),
        order_lines: row.get("order_lines"),
        item_id: parsed(row, "item_id")?,
        item_name: parsed(row, "item_name")?,
        category: parsed(row, "category")?,
        brand: parsed(row, "brand")?,
        price: parsed(row, "price")?,
        currency: parsed(row, "currency")?,
        quantity: row.get("quantity"),
        amount_base: parsed(row, "amount_base")?,
        rate: parsed(row, "rate")?,
        rate_date: row.get("rate_date"),
        payment_type: parsed(row, "payment_type")?,
        ..rest.clone()
    })
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    row: &Row,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let Some(text) = row.get::<_, Option<&str>>(column) else { return Ok(None) };
    let bad = |error: T::Err| StoreError::BadRow { table: "raw.events", column, detail: error.to_string() };
    text.parse().map(Some).map_err(bad)
}
