//! Rows for `raw.events` and `raw.users`.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::event::{Amount, Price, Rate};
use contracts::record::{Code, Text};
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, ids};
use futures::SinkExt;
use tokio_postgres::Client;
use uuid::Uuid;

/// Users the events are spread over.
pub const USERS: u32 = 97;

pub fn user_id(number: u32) -> Uuid {
    ids::user_id(&Uuid::from_u128(u128::from(number)))
}

/// The n-th event of a run; its `quantity` is n, so that order can be told.
pub fn event(number: u32, at: DateTime<Utc>) -> Event {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    let occurred_at = at + TimeDelta::microseconds(i64::from(number));
    let bought = number.is_multiple_of(3);
    Event {
        event_id: ids::v7(occurred_at, random),
        event_name: if bought { EventName::Purchase } else { EventName::ViewItem },
        occurred_at,
        // Over three minutes, so that counts by minute can go wrong.
        ingested_at: occurred_at + TimeDelta::seconds(i64::from(number % 7) * 20),
        user_id: user_id(number % USERS),
        session_id: Uuid::from_u128(u128::from(number / 10)),
        session_started_at: at,
        returning: number.is_multiple_of(2),
        gender: Gender::Other,
        // Of every third nothing is known.
        age: (!bought).then_some(33),
        age_band: AgeBand::of_known((!bought).then_some(33)),
        country: Code::new("DE").unwrap(),
        city: (!bought).then(|| Text::new("Nürnberg").unwrap()),
        latitude: (!bought).then_some(49.5),
        longitude: (!bought).then_some(11.1),
        device: Device::Mobile,
        channel: Channel::OrganicSearch,
        item_id: Some(Text::new("sku-000123").unwrap()),
        item_name: Some(Text::new("Enamel coffee pot, 1.5 l").unwrap()),
        category: Some(Text::new("kitchen").unwrap()),
        price: Some(Price::from_unscaled(1990).unwrap()),
        currency: Some(Code::new("EUR").unwrap()),
        quantity: Some(i32::try_from(number).unwrap()),
        amount_base: Some(Amount::from_unscaled(1990).unwrap()),
        rate: Some(Rate::from_unscaled(100_000_000).unwrap()),
        rate_date: Some(at.date_naive()),
        order_id: bought.then(|| Text::new("order-1").unwrap()),
        order_line: bought.then_some(1),
        order_lines: bought.then_some(1),
        ..Event::sample(occurred_at)
    }
}

pub fn events(numbers: std::ops::Range<u32>) -> Vec<Event> {
    let at = Utc::now();
    numbers.map(|number| event(number, at)).collect()
}

/// Stores a user, or changes the age of one that is there, as registration does.
pub async fn put_user(client: &Client, number: u32, age: i32) {
    let statement = "insert into raw.users (user_id, gender, age, age_band, country, city, latitude, longitude, \
                     registered_at, ingested_at, profile) \
                     values ($1, 'female', $2::integer, '25-34', 'FR', 'Lyon', 45.8, 4.8, now(), now(), \
                     '{\"email\": \"secret@example.org\"}') \
                     on conflict (user_id) do update set age = excluded.age";
    client.execute(statement, &[&user_id(number), &age]).await.unwrap();
}

/// Makes the partitions that events of about now need.
pub async fn prepare(client: &Client) {
    for days in [-1, 0, 1] {
        let day = (Utc::now() + TimeDelta::days(days)).date_naive();
        client.execute("select raw.ensure_events_partition($1)", &[&day]).await.unwrap();
    }
}

/// Copies events in one transaction.
pub async fn copy(client: &Client, events: &[Event]) {
    assert_eq!(try_copy(client, events).await.unwrap(), events.len() as u64);
}

/// The same where PostgreSQL may crash meanwhile.
pub async fn try_copy(client: &Client, events: &[Event]) -> Result<u64, tokio_postgres::Error> {
    let statement = format!("copy raw.events ({}) from stdin (format binary)", columns());
    let sink = client.copy_in(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    let mut buffer = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for event in events {
        buffer.extend_from_slice(&i16::try_from(Event::FIELDS.len()).unwrap().to_be_bytes());
        event.write_copy_fields(&mut buffer);
        if buffer.len() > 1 << 16 {
            sink.send(Bytes::from(std::mem::take(&mut buffer))).await?;
        }
    }
    buffer.extend_from_slice(&(-1i16).to_be_bytes());
    sink.send(Bytes::from(buffer)).await?;
    sink.finish().await
}

/// `returning` is a reserved word.
fn columns() -> String {
    Event::FIELDS.iter().map(|field| format!("\"{}\"", field.name)).collect::<Vec<_>>().join(", ")
}
