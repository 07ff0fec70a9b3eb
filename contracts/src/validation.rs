//! The rules an event must pass at the edge; past it, an [`Event`] is known to keep them.

mod accepted;
mod draft;
mod readmit;

pub use accepted::{Accepted, Claim, PaidBack, VisitStart, WholeOrder};
pub use draft::{Back, Context, Draft, Line, OrderLine, Shopper, SourceId, Visit};
pub use readmit::readmit;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::admission;
use crate::event::{Currency, Event, Price, UNKNOWN_COUNTRY};
use crate::ids;
use crate::lateness::{self, Lateness};
use crate::money::{self, Cost, MoneyError, Rates};
use crate::printable::printable;
use crate::quarantine::Reason;
use crate::user::coarse_degrees;
use crate::visitor::Open;
use crate::vocabulary::{AgeBand, Channel, Device, EventName, Gender};

/// The highest age accepted, in years.
pub const MAX_AGE_YEARS: i32 = 130;
/// How far north or south a place can be, in degrees.
pub const MAX_LATITUDE_DEGREES: i32 = 90;
/// How far east or west a place can be, in degrees.
pub const MAX_LONGITUDE_DEGREES: i32 = 180;
/// The most units on one line.
pub const MAX_QUANTITY: i32 = 100_000;
/// The most lines in one order.
pub const MAX_ORDER_LINES: i32 = 1_000;

pub use crate::lateness::{EARLIEST_US, LATEST_US};

/// Why a draft is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Rejection {
    /// The kind of cause.
    pub reason: Reason,
    /// The field it is about.
    pub field: &'static str,
    /// What is wrong, for a person to read.
    pub detail: String,
}

fn reject(reason: Reason, field: &'static str, detail: impl Into<String>) -> Rejection {
    Rejection { reason, field, detail: detail.into() }
}

/// Judges a draft: every rule, the key, and the one conversion of money. What only PostgreSQL can tell of an
/// event that passed stays [open](Accepted::open).
///
/// `source` names where it comes from and takes part in a re-keyed id; `ingested_at` is the ingestor's clock.
///
/// # Errors
/// The first rule broken.
pub fn accept(
    draft: Draft,
    source: &str,
    ingested_at: DateTime<Utc>,
    rates: &Rates,
) -> Result<Accepted, Rejection> {
    let whole_order = draft.whole_order.clone().map(|order_id| (order_id, draft.clone()));
    let is_part = draft.event_name == EventName::Refund && whole_order.is_none();
    let part = is_part.then(|| Box::new(draft.clone()));
    let Draft { source_id, event_name, occurred_at, shopper, visit, line, order, back, payment_type, .. } =
        draft;
    let occurred_at = whole_us(occurred_at);
    let session_started_at = visit.session_started_at.map_or(occurred_at, whole_us);
    let source_id = source_id.or_else(|| shared_id(event_name, order.as_ref()));
    let (event_id, claim) = key(source_id, source, occurred_at)?;
    check_times(occurred_at, session_started_at, ingested_at)?;
    check_shopper(shopper.age, shopper.latitude, shopper.longitude)?;
    let (open, visitor_id) = open(&shopper, &visit, source)?;
    if whole_order.is_some() {
        check_whole_order(event_name, line.as_ref(), order.as_ref())?;
        check_back(&back)?;
    } else {
        check_order(event_name, line.as_ref(), order.as_ref())?;
    }
    if let Some(purchased_at) = order.as_ref().and_then(|order| order.purchased_at) {
        check_instant("purchased_at", purchased_at)?;
        if whole_us(purchased_at) > occurred_at {
            let detail = format!("the purchase was at {purchased_at}, after the event");
            return Err(reject(Reason::Inconsistent, "purchased_at", detail));
        }
    }

    let converted = match &line {
        None => None,
        Some(line) => {
            // A refund pays back what was paid: its purchase's day decides the rate.
            let priced_at = order.as_ref().and_then(|order| order.purchased_at).unwrap_or(occurred_at);
            let cost = (line.cost, line.quantity, line.currency);
            Some((kept_price(line.cost, line.quantity)?, convert(cost, priced_at, rates)?))
        }
    };
    let amount_base = match back {
        Back::Sum { amount, currency: Some(currency) } => {
            Some(convert((Cost::Line(amount), 1, currency), occurred_at, rates)?.0)
        }
        _ => None,
    };
    let whole_order =
        whole_order.map(|(order_id, told)| Box::new(WholeOrder { order_id, told, amount_base }));
    let (kept, converted) = converted.unzip();
    let (item_id, item_name, category, brand, price, currency, quantity) = match line {
        None => (None, None, None, None, None, None, None),
        Some(line) => (
            Some(line.item_id),
            Some(line.item_name),
            Some(line.category),
            line.brand,
            kept,
            Some(line.currency),
            Some(line.quantity),
        ),
    };
    let (order_id, order_line, order_lines) = match order {
        None => (None, None, None),
        Some(order) => (Some(order.order_id), Some(order.order_line), Some(order.order_lines)),
    };
    let event = Event {
        event_id,
        event_name,
        occurred_at,
        ingested_at,
        user_id: visitor_id,
        session_id: open.session_id.unwrap_or_else(|| ids::inferred_visit(&visitor_id, occurred_at)),
        session_started_at,
        returning: visit.returning.unwrap_or(false),
        gender: shopper.gender.unwrap_or(Gender::Unknown),
        age: shopper.age,
        age_band: AgeBand::of_known(shopper.age),
        country: shopper.country.unwrap_or(UNKNOWN_COUNTRY),
        city: shopper.city,
        latitude: shopper.latitude.map(coarse_degrees),
        longitude: shopper.longitude.map(coarse_degrees),
        device: visit.device.unwrap_or(Device::Unknown),
        channel: visit.channel.unwrap_or(Channel::Unknown),
        item_id,
        item_name,
        category,
        brand,
        price,
        currency,
        quantity,
        amount_base: converted.map(|(amount, _, _)| amount),
        rate: converted.map(|(_, rate, _)| rate),
        rate_date: converted.map(|(_, _, date)| date),
        order_id,
        order_line,
        order_lines,
        payment_type,
    };
    let visit_start = match event_name {
        _ if !visit.infer_start => VisitStart::Told,
        EventName::SessionStart => VisitStart::Itself,
        // The shop tells of it whenever it likes: nobody came for it.
        EventName::Refund => VisitStart::Told,
        _ => VisitStart::Beside,
    };
    let open = open.is_any_open().then(|| Box::new(open));
    Ok(Accepted { event, claim, open, whole_order, part, visit_start })
}

/// What a draft leaves open, and whose it is if nothing else is known of its visitor.
fn open(shopper: &Shopper, visit: &Visit, source: &str) -> Result<(Open, Uuid), Rejection> {
    let (user_id, anonymous_id) = shopper.ids(source);
    let Some(visitor_id) = user_id.or(anonymous_id) else {
        let detail = "is missing, and so is anonymous_id: one of the two is needed";
        return Err(reject(Reason::MissingField, "user_id", detail));
    };
    if admission::is_nobody(&visitor_id) {
        return Err(reject(Reason::InvalidField, "user_id", "it is of the form that belongs to nobody"));
    }
    // A browser's visit keeps its id when its visitor signs in.
    let teller = anonymous_id.unwrap_or(visitor_id);
    let Shopper { gender, age, country, city, latitude, longitude, .. } = shopper;
    let open = Open {
        user_id,
        anonymous_id,
        session_id: visit.session_id.as_ref().map(|id| id.visit(source, &teller)),
        is_start_open: visit.session_started_at.is_none(),
        is_returning_open: visit.returning.is_none(),
        is_gender_open: gender.is_none(),
        is_age_open: age.is_none(),
        is_place_open: country.is_none() && city.is_none() && latitude.is_none() && longitude.is_none(),
    };
    Ok((open, visitor_id))
}

/// The id of a purchase whose sender gives it none: who tells of the line first, browser or server, tells the
/// one that counts. Of one line there may be several refunds, so that those need ids.
fn shared_id(name: EventName, order: Option<&OrderLine>) -> Option<SourceId> {
    let OrderLine { order_id, order_line, .. } = order.filter(|_| name == EventName::Purchase)?;
    Some(SourceId::Shared(ids::order_line(order_id, *order_line)))
}

/// The id of an event, and what it claims where the id is made here.
fn key(
    source_id: Option<SourceId>,
    source: &str,
    occurred_at: DateTime<Utc>,
) -> Result<(Uuid, Option<Claim>), Rejection> {
    let (id, told, source) = match source_id {
        None => return Err(reject(Reason::MissingId, "event_id", "the event has no id")),
        Some(SourceId::Uuid(id)) if ids::fits(&id, occurred_at) => return Ok((id, None)),
        Some(SourceId::Uuid(id)) => (id.to_string(), ids::v7_unix_ms(&id).map(|_| id), source),
        Some(SourceId::Text(id) | SourceId::Shared(id)) if id.is_empty() => {
            return Err(reject(Reason::MissingId, "event_id", "the event's id is empty"));
        }
        Some(SourceId::Text(id)) => (id, None, source),
        Some(SourceId::Shared(id)) => (id, None, ids::SHARED),
    };
    let event_id = ids::rekeyed(occurred_at, source, &id);
    Ok((event_id, Some(Claim { event_id, told })))
}

/// An instant as every system keeps it, in whole µs.
fn whole_us(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

fn check_instant(field: &'static str, at: DateTime<Utc>) -> Result<(), Rejection> {
    if (EARLIEST_US..=LATEST_US).contains(&at.timestamp_micros()) {
        return Ok(());
    }
    Err(reject(Reason::InvalidField, field, format!("{at} is not between 1970 and 2200")))
}

fn check_times(
    occurred_at: DateTime<Utc>,
    session_started_at: DateTime<Utc>,
    ingested_at: DateTime<Utc>,
) -> Result<(), Rejection> {
    if lateness::judge(occurred_at, ingested_at) == Lateness::Future {
        let detail = format!("{occurred_at} is more than a minute after {ingested_at}");
        return Err(reject(Reason::Future, "occurred_at", detail));
    }
    check_instant("occurred_at", occurred_at)?;
    if session_started_at > occurred_at {
        let detail = format!("the session starts at {session_started_at}, after the event");
        return Err(reject(Reason::Inconsistent, "session_started_at", detail));
    }
    check_instant("session_started_at", session_started_at)
}

fn check_shopper(age: Option<i32>, latitude: Option<f64>, longitude: Option<f64>) -> Result<(), Rejection> {
    if let Some(age) = age.filter(|age| !(0..=MAX_AGE_YEARS).contains(age)) {
        let detail = format!("{age} is not between 0 and {MAX_AGE_YEARS}");
        return Err(reject(Reason::InvalidField, "age", detail));
    }
    let coordinates =
        [("latitude", latitude, MAX_LATITUDE_DEGREES), ("longitude", longitude, MAX_LONGITUDE_DEGREES)];
    for (field, degrees, bound) in coordinates {
        let bound = f64::from(bound);
        // Written so that NaN fails too.
        if let Some(degrees) = degrees.filter(|degrees| !(-bound..=bound).contains(degrees)) {
            let detail = format!("{degrees} is not between -{bound} and {bound}");
            return Err(reject(Reason::InvalidField, field, detail));
        }
    }
    Ok(())
}

fn check_order(name: EventName, line: Option<&Line>, order: Option<&OrderLine>) -> Result<(), Rejection> {
    let about_product = matches!(
        name,
        EventName::ViewItem
            | EventName::AddToCart
            | EventName::RemoveFromCart
            | EventName::Purchase
            | EventName::Refund
    );
    if about_product && line.is_none() {
        return Err(reject(Reason::MissingField, "item_id", format!("a {name} is about a product")));
    }
    if let Some(line) = line {
        check_units(line.quantity, Some(line.cost))?;
    }
    let of_order = matches!(name, EventName::Purchase | EventName::Refund);
    match order {
        None if of_order => {
            Err(reject(Reason::MissingField, "order_id", format!("a {name} belongs to an order")))
        }
        Some(_) if !of_order => {
            Err(reject(Reason::Inconsistent, "order_id", format!("a {name} belongs to no order")))
        }
        Some(order)
            if !(1..=MAX_ORDER_LINES).contains(&order.order_lines)
                || !(1..=order.order_lines).contains(&order.order_line) =>
        {
            let detail = match order.order_lines > MAX_ORDER_LINES {
                true => format!(
                    "order {} has more than the {MAX_ORDER_LINES} lines that are kept of one",
                    printable(&order.order_id)
                ),
                false => format!("line {} of {} lines", order.order_line, order.order_lines),
            };
            Err(reject(Reason::Inconsistent, "order_line", detail))
        }
        _ => Ok(()),
    }
}

fn check_units(quantity: i32, cost: Option<Cost>) -> Result<(), Rejection> {
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        let detail = format!("{quantity} is not between 1 and {MAX_QUANTITY}");
        return Err(reject(Reason::InvalidField, "quantity", detail));
    }
    match cost {
        Some(cost) if cost.sum().is_negative() => {
            Err(reject(Reason::InvalidField, cost.field(), format!("{} is negative", cost.sum())))
        }
        _ => Ok(()),
    }
}

/// What goes back of an order is more than nothing, and can be kept.
fn check_back(back: &Back) -> Result<(), Rejection> {
    match back {
        Back::All => Ok(()),
        Back::Sum { amount, .. } if amount.is_negative() || amount.to_decimal().is_zero() => {
            Err(reject(Reason::InvalidField, "amount", format!("{amount} is no sum that goes back")))
        }
        Back::Sum { .. } => Ok(()),
        Back::Product { quantity, cost, .. } => {
            check_units(*quantity, *cost)?;
            cost.map_or(Ok(()), |cost| kept_price(cost, *quantity).map(drop))
        }
    }
}

/// Only a refund is of a whole order, and tells no line of it.
fn check_whole_order(
    name: EventName,
    line: Option<&Line>,
    order: Option<&OrderLine>,
) -> Result<(), Rejection> {
    match (name, line, order) {
        (EventName::Refund, None, None) => Ok(()),
        _ => Err(reject(Reason::Inconsistent, "order_id", "only a refund without lines is of a whole order")),
    }
}

/// The price of one unit as it is kept.
fn kept_price(cost: Cost, quantity: i32) -> Result<Price, Rejection> {
    cost.price(quantity).map_err(|error| reject(Reason::InvalidField, cost.field(), error.to_string()))
}

type Converted = (crate::event::Amount, crate::event::Rate, chrono::NaiveDate);

fn convert(
    (cost, quantity, currency): (Cost, i32, Currency),
    priced_at: DateTime<Utc>,
    rates: &Rates,
) -> Result<Converted, Rejection> {
    let money = |error: MoneyError| {
        let (reason, field) = match &error {
            MoneyError::MissingRate { .. } => (Reason::MissingRate, "currency"),
            MoneyError::Overflow { .. } => (Reason::AmountOverflow, cost.field()),
        };
        reject(reason, field, error.to_string())
    };
    let (rate, rate_date) = rates.rate(currency, priced_at.date_naive()).map_err(money)?;
    let amount = money::amount_base(cost, quantity, rate, rates.places()).map_err(money)?;
    Ok((amount, rate, rate_date))
}
