//! Lines of orders that are told otherwise than they are stored.
//!
//! Who tells a line first tells the one that counts: browser, server or shop system. One who tells it again
//! with other units or another sum is refused, so that somebody sees that the two differ.

use std::collections::HashMap;

use contracts::event::{Amount, Currency, Price, Rate};
use contracts::validation::Rejection;
use contracts::{Event, Reason, ids};
use rust_decimal::Decimal;
use serde_json::json;
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::PaidBack;
use crate::store::connection::Store;
use crate::store::error::StoreError;
use crate::store::identity;
use crate::store::quarantine::{SetAside, kept_once};
use crate::store::rows::EncodedRows;
use crate::store::shared_line::shared_line;

/// Handed in as an array, so that PostgreSQL looks into no partition but theirs.
const STORED: &str = "select event_id, quantity, price::text, currency, amount_base::text, rate::text
    from raw.events where event_id = any($1) and event_name = 'purchase'";

/// What is paid for a line.
#[derive(Debug, Clone, PartialEq)]
struct Paid {
    quantity: Option<i32>,
    price: Option<Price>,
    currency: Option<Currency>,
    amount_base: Option<Amount>,
    rate: Option<Rate>,
}

impl Paid {
    fn of(purchase: &Event) -> Self {
        let Event { quantity, price, currency, amount_base, rate, .. } = purchase;
        Self {
            quantity: *quantity,
            price: *price,
            currency: *currency,
            amount_base: *amount_base,
            rate: *rate,
        }
    }

    /// Nothing of a sum that cannot be read: then nothing is said of it.
    fn read(row: &Row) -> Option<Self> {
        let text = |column: &str| row.try_get::<_, Option<&str>>(column).ok().flatten();
        Some(Self {
            quantity: row.try_get("quantity").ok()?,
            price: text("price").and_then(|text| text.parse().ok()),
            currency: text("currency").and_then(|text| text.parse().ok()),
            amount_base: text("amount_base").and_then(|text| text.parse().ok()),
            rate: text("rate").and_then(|text| text.parse().ok()),
        })
    }

    /// Whether it is the same money for as many units. Told on another day it may be converted at another
    /// rate: then the price decides.
    fn agrees_with(&self, stored: &Self) -> bool {
        let is_same_sum = match self.rate == stored.rate {
            true => self.amount_base == stored.amount_base,
            false => self.price == stored.price,
        };
        self.quantity == stored.quantity && self.currency == stored.currency && is_same_sum
    }
}

impl std::fmt::Display for Paid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let price = self.price.map_or(Decimal::ZERO, |price| price.to_decimal());
        let currency = self.currency.map(|currency| currency.to_string()).unwrap_or_default();
        write!(f, "{} at {price} {currency}", self.quantity.unwrap_or(0))
    }
}

/// What is stored of lines, by the ids under which they are told.
async fn stored(client: &Client, told: &[Uuid]) -> Result<HashMap<Uuid, Paid>, Error> {
    let held = identity::held(client, told).await?;
    let holders: Vec<Uuid> = held.iter().map(|(_, holder)| *holder).collect();
    if holders.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = client.query(STORED, &[&holders]).await?;
    let paid: HashMap<Uuid, Paid> =
        rows.iter().filter_map(|row| Some((row.get(0), Paid::read(row)?))).collect();
    Ok(held.into_iter().filter_map(|(told, holder)| Some((told, paid.get(&holder)?.clone()))).collect())
}

impl Store {
    /// Refuses lines of orders that are stored with other units or another sum.
    pub(super) async fn refuse_contradictions(
        &mut self,
        rows: &mut EncodedRows,
        orders: &mut PaidBack,
    ) -> Result<(), StoreError> {
        let lines = rows.purchases().filter(|purchase| shared_line(purchase).is_some());
        let told: Vec<Uuid> = lines.map(|purchase| purchase.event_id).collect();
        if told.is_empty() {
            return Ok(());
        }
        let ask = async |client: &mut Client| stored(client, &told).await;
        let stored = self.repeatable("look for lines that are told again", ask).await?;
        rows.retain_waiting(|source, accepted| {
            let event = &accepted.event;
            let (Some(stored), Some((order_id, line))) = (stored.get(&event.event_id), shared_line(event))
            else {
                return true;
            };
            let told = Paid::of(event);
            if told.agrees_with(stored) {
                return true;
            }
            let detail = format!("line {line} of order {order_id} is stored as {stored}, and not as {told}");
            let rejection = Rejection { reason: Reason::Inconsistent, field: "amount", detail };
            orders.set_aside.push(SetAside {
                source: source.map_or("store", |source| source).to_owned(),
                coordinates: kept_once(format!("{}/{told}", ids::order_line(&order_id, line))),
                reason: rejection.reason,
                detail: rejection.to_string(),
                payload: payload(event, &order_id, line),
                user_id: Some(event.user_id),
                quarantined_at: event.ingested_at,
            });
            orders.refused.insert(event.event_id, rejection);
            false
        });
        Ok(())
    }
}

/// The line as it was told, in the JSON in which records are judged again: then it is a repeat.
fn payload(event: &Event, order_id: &str, line: i32) -> Vec<u8> {
    let payload = json!({
        "shared_id": ids::order_line(order_id, line), "event_name": event.event_name.as_str(),
        "occurred_at": event.occurred_at, "user_id": event.user_id, "country": event.country.as_str(),
        "device": event.device.as_str(), "channel": event.channel.as_str(), "item_id": event.item_id.as_deref(),
        "item_name": event.item_name.as_deref(), "category": event.category.as_deref(),
        "brand": event.brand.as_deref(), "price": event.price.map(|price| price.to_decimal().to_string()),
        "quantity": event.quantity, "currency": event.currency.map(|currency| currency.to_string()),
        "order_id": order_id, "order_line": line, "order_lines": event.order_lines,
        "payment_type": event.payment_type.as_deref(),
    });
    payload.to_string().into_bytes()
}
