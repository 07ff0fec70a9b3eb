//! Orders as PostgreSQL has them: their purchases by the ids of their lines, their refunds by an index.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::TimeDelta;
use contracts::event::Currency;
use contracts::money::Places;
use contracts::validation::MAX_ORDER_LINES;
use contracts::vocabulary::EventName;
use contracts::{Event, ids};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::Orders;
use super::order::Order;
use super::shop::{self, Known};
use crate::store::error::StoreError;
use crate::store::held::Seen;
use crate::store::identity;
use crate::store::shared_line::shared_line;

/// Most orders have no more lines.
const FIRST_LINES: i32 = 8;

/// A refund may be told with a time before that of its purchase, by clocks that differ.
const BEFORE_PURCHASE: TimeDelta = TimeDelta::days(1);

/// What is read of an event of an order. Sums are texts: nothing of them is lost.
macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select event_id, event_name, occurred_at, order_id, order_line, order_lines, item_id, item_name, category,
                brand, price::text, currency, quantity, amount_base::text, rate::text, rate_date, payment_type,
                user_id, session_id, session_started_at, \"returning\"
             from raw.events where ",
            $rest
        )
    };
}

/// Handed in as an array, so that PostgreSQL looks into no partition but theirs.
const LINES: &str = columns!("event_id = any($1) and event_name = 'purchase'");

/// The bound leaves out the partitions of the days before.
const REFUNDS: &str = columns!("event_name = 'refund' and order_id = any($1) and event_id >= $2");

/// Orders, and by what they are known.
#[derive(Default)]
pub(super) struct Found {
    pub(super) orders: Orders,
    /// What shop systems told of them before.
    pub(super) states: HashMap<String, Known>,
    refunds: HashMap<String, i64>,
    since: Uuid,
    absent: Vec<Uuid>,
    places: Places,
}

/// What PostgreSQL has of some orders.
pub(super) struct Rows {
    states: Vec<shop::Stored>,
    noted: Vec<shop::Noted>,
    purchases: Vec<Row>,
    refunds: Vec<Row>,
    since: Uuid,
    absent: Vec<Uuid>,
    places: Places,
}

/// What amounts of this database are rounded to. Without a base currency nothing is stored yet.
pub(super) async fn places(client: &Client) -> Result<Places, Error> {
    let row = client.query_opt("select value from ops.setting where name = 'base_currency'", &[]).await?;
    let base: Option<Currency> = row.and_then(|row| row.get::<_, &str>(0).parse().ok());
    Ok(base.and_then(Places::of).unwrap_or_default())
}

/// Looks for orders, of which some purchases may be known that are not stored yet.
pub(super) async fn look(client: &Client, told: &Orders, of_shop: &[String]) -> Result<Rows, Error> {
    let places = places(client).await?;
    let states = if of_shop.is_empty() { Vec::new() } else { shop::known(client, of_shop).await? };
    let first = told.keys().flat_map(|order| (1..=FIRST_LINES).map(move |line| (order.as_str(), line)));
    // An order that was told again before it was paid may have nothing at its first places.
    let mut asked: BTreeMap<String, i32> = states
        .iter()
        .filter(|state| state.last > FIRST_LINES)
        .map(|state| (state.order_id.clone(), state.last))
        .collect();
    let behind = asked
        .iter()
        .flat_map(|(order, last)| (FIRST_LINES + 1..=*last).map(move |line| (order.as_str(), line)));
    let mut absent = Vec::new();
    let mut purchases = lines(client, first.chain(behind), &mut absent).await?;
    // Lines that were added later are told by none of the first: behind a last one there may be more.
    let mut more = more_lines(&purchases, &asked)?;
    while !more.is_empty() {
        let wanted =
            more.iter().flat_map(|(order, range)| range.clone().map(move |line| (order.as_str(), line)));
        let rows = lines(client, wanted, &mut Vec::new()).await?;
        asked.extend(more.iter().map(|(order, range)| (order.clone(), *range.end())));
        more = more_lines(&rows, &asked)?;
        purchases.extend(rows);
    }
    // After the purchases: what is not found here came after them, and is judged again.
    let noted = if of_shop.is_empty() { Vec::new() } else { shop::noted(client, of_shop).await? };
    let mut known = HashSet::new();
    let mut sold_at = told.values().filter_map(|order| order.sold_at()).min();
    known.extend(told.iter().filter(|(_, order)| order.is_known()).map(|(id, _)| id.clone()));
    for row in &purchases {
        let at = row.try_get("occurred_at")?;
        sold_at = Some(sold_at.map_or(at, |before| before.min(at)));
        known.extend(row.try_get::<_, Option<String>>("order_id")?);
    }
    let Some(sold_at) = sold_at else {
        let (refunds, since) = (Vec::new(), Uuid::nil());
        return Ok(Rows { states, noted, purchases, refunds, since, absent, places });
    };
    let since = ids::v7_lower_bound((sold_at - BEFORE_PURCHASE).timestamp_millis());
    let known: Vec<String> = known.into_iter().collect();
    let refunds = client.query(REFUNDS, &[&known, &since]).await?;
    Ok(Rows { states, noted, purchases, refunds, since, absent, places })
}

/// Which lines are to be asked for behind those that were found, some at a time.
fn more_lines(
    found: &[Row],
    asked: &BTreeMap<String, i32>,
) -> Result<BTreeMap<String, RangeInclusive<i32>>, Error> {
    let mut more = BTreeMap::new();
    for row in found {
        let order: Option<String> = row.try_get("order_id")?;
        let (line, count): (Option<i32>, Option<i32>) =
            (row.try_get("order_line")?, row.try_get("order_lines")?);
        let Some(order) = order else { continue };
        let upto = asked.get(&order).copied().unwrap_or(FIRST_LINES);
        let last = line.filter(|line| *line == upto).map_or(0, |line| line + FIRST_LINES);
        let last = last.max(count.unwrap_or(0)).min(MAX_ORDER_LINES);
        // In whole groups, so that the last one that is asked for is seldom one that is there.
        let last = (last + FIRST_LINES - 1) / FIRST_LINES * FIRST_LINES;
        if last > upto {
            let range = more.entry(order).or_insert(upto + 1..=last);
            *range = upto + 1..=last.max(*range.end());
        }
    }
    Ok(more)
}

/// The purchases of lines, and the ids of those that nobody has told of.
async fn lines<'a>(
    client: &Client,
    wanted: impl Iterator<Item = (&'a str, i32)>,
    absent: &mut Vec<Uuid>,
) -> Result<Vec<Row>, Error> {
    // The time is no part of the identity.
    let at = chrono::DateTime::UNIX_EPOCH;
    let wanted: Vec<Uuid> =
        wanted.map(|(order, line)| ids::rekeyed(at, ids::SHARED, &ids::order_line(order, line))).collect();
    let (told, found): (HashSet<Uuid>, Vec<Uuid>) =
        identity::held(client, &wanted).await?.into_iter().unzip();
    absent.extend(wanted.iter().filter(|id| !told.contains(id)));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    client.query(LINES, &[&found]).await
}

impl Found {
    /// Puts together what was told and what is stored. What is not read of an event is another one's.
    pub(super) fn of(told: Orders, rows: Rows, rest: &Event) -> Result<Self, StoreError> {
        let Rows { states, noted, purchases, refunds, since, absent, places } = rows;
        let mut orders: Orders = told.keys().map(|order_id| (order_id.clone(), Order::new(places))).collect();
        for row in &purchases {
            let purchase = event(row, EventName::Purchase, rest)?;
            if let Some((order_id, line)) = shared_line(&purchase)
                && let Some(order) = orders.get_mut(&order_id)
            {
                order.sell(line, purchase);
            }
        }
        // What is stored counts, and what comes with it only where nothing is.
        for (order_id, of_batch) in told {
            if let Some(order) = orders.get_mut(&order_id) {
                of_batch.into_purchases().for_each(|(line, purchase)| order.sell(line, purchase));
            }
        }
        let mut counts = HashMap::new();
        for row in &refunds {
            let refund = event(row, EventName::Refund, rest)?;
            let Some(order_id) = refund.order_id.as_deref().map(str::to_owned) else { continue };
            *counts.entry(order_id.clone()).or_insert(0) += 1;
            if let Some(order) = orders.get_mut(&order_id) {
                order.pay_back(refund);
            }
        }
        let known = states.iter().map(|state| Ok((state.order_id.clone(), state.read()?)));
        let mut states: HashMap<String, Known> = known.collect::<Result<_, StoreError>>()?;
        for of_line in noted {
            states.entry(of_line.order_id.clone()).or_default().note(of_line);
        }
        Ok(Self { orders, states, refunds: counts, since, absent, places })
    }

    /// An order; one that is not known is one of which nothing is.
    pub(super) fn order(&mut self, order_id: &str) -> &mut Order {
        let places = self.places;
        self.orders.entry(order_id.to_owned()).or_insert_with(|| Order::new(places))
    }

    /// By what refunds of these orders are judged.
    pub(super) fn seen(&self) -> Seen {
        let (orders, refunds) = self
            .orders
            .iter()
            .map(|(order_id, order)| {
                let count = order.is_known().then(|| self.refunds.get(order_id).copied().unwrap_or(0));
                (order_id.clone(), count)
            })
            .unzip();
        Seen { orders, refunds, since: self.since, absent: self.absent.clone() }
    }
}

/// An event as far as it tells what was paid; the rest is another event's.
fn event(row: &Row, event_name: EventName, rest: &Event) -> Result<Event, StoreError> {
    Ok(Event {
        event_id: row.get("event_id"),
        event_name,
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
        user_id: row.get("user_id"),
        session_id: row.get("session_id"),
        session_started_at: row.get("session_started_at"),
        returning: row.get("returning"),
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
