//! The rules again, for an event that was finished once: what a topic holds, decoded.

use chrono::{DateTime, Utc};

use super::{Line, OrderLine, Rejection, check_order, check_shopper, check_times, reject};
use crate::event::Event;
use crate::money::{Cost, Places};
use crate::quarantine::Reason;
use crate::user::coarse_degrees;
use crate::vocabulary::AgeBand;
use crate::{ids, money};

/// Judges a finished event as [`accept`](super::accept) judges a draft, and takes it in at `ingested_at`.
///
/// Its ids and its money stay as they are: money was converted once, and is only held to its own rate and to
/// the places of the base currency.
///
/// # Errors
/// The first rule broken.
pub fn readmit(event: Event, ingested_at: DateTime<Utc>, places: Places) -> Result<Event, Rejection> {
    if !ids::fits(&event.event_id, event.occurred_at) {
        let detail = format!("{} is no UUIDv7 of {}", event.event_id, event.occurred_at);
        return Err(reject(Reason::InvalidField, "event_id", detail));
    }
    check_times(event.occurred_at, event.session_started_at, ingested_at)?;
    check_shopper(event.age, event.latitude, event.longitude)?;
    if event.age_band != AgeBand::of_known(event.age) {
        let age = event.age.map_or_else(|| "an unknown age".to_owned(), |age| format!("{age} years"));
        let detail = format!("{} is not the band of {age}", event.age_band);
        return Err(reject(Reason::Inconsistent, "age_band", detail));
    }
    let line = line(&event)?;
    check_order(event.event_name, line.as_ref(), order(&event)?.as_ref())?;
    check_money(&event, places)?;
    Ok(Event {
        ingested_at,
        latitude: event.latitude.map(coarse_degrees),
        longitude: event.longitude.map(coarse_degrees),
        ..event
    })
}

fn line(event: &Event) -> Result<Option<Line>, Rejection> {
    match event {
        Event {
            item_id: Some(item_id),
            item_name: Some(item_name),
            category: Some(category),
            price: Some(price),
            currency: Some(currency),
            quantity: Some(quantity),
            brand,
            ..
        } => Ok(Some(Line {
            item_id: item_id.clone(),
            item_name: item_name.clone(),
            category: category.clone(),
            brand: brand.clone(),
            cost: Cost::Unit((*price).into()),
            currency: *currency,
            quantity: *quantity,
        })),
        Event {
            item_id: None,
            item_name: None,
            category: None,
            price: None,
            currency: None,
            quantity: None,
            ..
        } => Ok(None),
        _ => Err(reject(Reason::Inconsistent, "item_id", "only some of the product's fields are there")),
    }
}

fn order(event: &Event) -> Result<Option<OrderLine>, Rejection> {
    match (&event.order_id, event.order_line, event.order_lines) {
        (None, None, None) => Ok(None),
        (Some(order_id), Some(order_line), Some(order_lines)) => {
            Ok(Some(OrderLine { order_id: order_id.clone(), order_line, order_lines, purchased_at: None }))
        }
        _ => Err(reject(Reason::Inconsistent, "order_id", "only some of the order's fields are there")),
    }
}

/// A source may have told a price of more digits than are kept, so that the amount is held to what the kept
/// price allows.
fn check_money(event: &Event, places: Places) -> Result<(), Rejection> {
    let disagrees = |detail: String| Err(reject(Reason::Inconsistent, "amount_base", detail));
    match (event.price, event.quantity, event.amount_base, event.rate, event.rate_date) {
        (None, None, None, None, None) => Ok(()),
        (Some(price), Some(quantity), Some(amount), Some(rate), Some(_)) => {
            match money::amounts_base(price, quantity, rate, places) {
                Ok(allowed) if rate.unscaled() > 0 && allowed.contains(&amount) => Ok(()),
                Ok(allowed) => {
                    let (least, most) = allowed.into_inner();
                    disagrees(format!("{amount} is not between {least} and {most} at a rate of {rate}"))
                }
                Err(error) => Err(reject(Reason::AmountOverflow, "price", error.to_string())),
            }
        }
        _ => disagrees("money and product are not there together".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Amount, Price, Rate};
    use crate::vocabulary::{Channel, Device, EventName, Gender};
    use uuid::Uuid;

    fn purchase() -> Event {
        let occurred_at = DateTime::from_timestamp_micros(1_770_000_000_000_000).unwrap();
        Event {
            event_id: ids::v7(occurred_at, [7; 10]),
            event_name: EventName::Purchase,
            occurred_at,
            ingested_at: occurred_at,
            user_id: Uuid::from_u128(1),
            session_id: Uuid::from_u128(2),
            session_started_at: occurred_at,
            returning: false,
            gender: Gender::Other,
            age: Some(40),
            age_band: AgeBand::of(40),
            country: "DE".parse().unwrap(),
            city: Some("Köln".parse().unwrap()),
            latitude: Some(50.94),
            longitude: Some(6.9),
            device: Device::Tablet,
            channel: Channel::Email,
            item_id: Some("i".parse().unwrap()),
            item_name: Some("Lamp".parse().unwrap()),
            category: Some("home".parse().unwrap()),
            price: Some(Price::from_unscaled(1_999).unwrap()),
            currency: Some("USD".parse().unwrap()),
            quantity: Some(3),
            amount_base: Some(Amount::from_unscaled(5_517).unwrap()),
            rate: Some(Rate::from_unscaled(92_000_000).unwrap()),
            rate_date: Some(occurred_at.date_naive()),
            order_id: Some("o".parse().unwrap()),
            order_line: Some(1),
            order_lines: Some(2),
            ..Event::sample(occurred_at)
        }
    }

    #[test]
    fn what_was_accepted_once_comes_in_again_now() {
        let event = purchase();
        let now = event.occurred_at + chrono::TimeDelta::hours(5);
        let mut body = Vec::new();
        event.write_avro(&mut body);
        let back = readmit(Event::read_avro(&body).unwrap(), now, Places::CENTS).unwrap();
        assert_eq!(back, Event { ingested_at: now, latitude: Some(50.9), ..event });
    }

    #[test]
    fn each_broken_rule_is_named() {
        type Case = (&'static str, Reason, fn(&mut Event));
        let cases: [Case; 10] = [
            ("event_id", Reason::InvalidField, |e| e.event_id = Uuid::from_u128(9)),
            ("occurred_at", Reason::Future, |e| {
                e.occurred_at += chrono::TimeDelta::days(1);
                e.event_id = ids::v7(e.occurred_at, [0; 10]);
            }),
            ("age", Reason::InvalidField, |e| e.age = Some(131)),
            ("age_band", Reason::Inconsistent, |e| e.age = Some(17)),
            ("age_band", Reason::Inconsistent, |e| e.age = None),
            ("latitude", Reason::InvalidField, |e| e.latitude = Some(f64::NAN)),
            ("item_id", Reason::Inconsistent, |e| e.category = None),
            ("order_id", Reason::Inconsistent, |e| e.order_line = None),
            ("amount_base", Reason::Inconsistent, |e| e.amount_base = Amount::from_unscaled(5_520).ok()),
            ("amount_base", Reason::Inconsistent, |e| e.rate = None),
        ];
        for (field, reason, spoil) in cases {
            let mut event = purchase();
            let now = event.occurred_at;
            spoil(&mut event);
            let rejection = readmit(event, now, Places::CENTS).unwrap_err();
            assert_eq!((rejection.field, rejection.reason), (field, reason), "{rejection}");
        }
    }
}
