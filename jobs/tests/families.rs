//! The families beside the cube against folds written in plain Rust.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::{self, DISTINCT_RSD};
use contracts::event::Amount;
use contracts::family::{self, Family, HOURS, LIVE, ORDERS, PRODUCTS, REGISTRATIONS, SESSIONS};
use contracts::measure::{Aggregate, Counterpart, Measure, MeasureKind, Total};
use contracts::record::{Column, Text};
use contracts::vocabulary::{AgeBand, EventName, Gender};
use contracts::{Event, User, ids, wire};
use jobs::plans::Owned;
use jobs::registered::registrations;
use jobs::{checked, metrics};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spark_connect_rs::functions::expr;
use spark_connect_rs::row::{Row, Value};
use spark_connect_rs::{DataFrame, DataType, SparkSession};
use uuid::Uuid;

use crate::support::{self, EXPECTED, JUDGE, Record};

const REVISION: i64 = 5;
const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// A figure as the oracle says it.
#[derive(Debug, Clone, PartialEq)]
enum Figure {
    Exact(i64),
    About(usize),
    Hundredths(i128),
    Text(String),
    Flag(bool),
}

/// A row: its key's instant (µs) and dimensions, its figures by name, and how many records it folds.
type Rows = BTreeMap<(i64, Vec<String>), (BTreeMap<&'static str, Figure>, i64)>;

fn us(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// Visits over a day and a half: pauses around the gap to the µs, one visit longer than a day, several at one
/// instant.
fn events() -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut all = Vec::new();
    let gap_us = family::SESSION_GAP_US;
    for visit in 0..60u128 {
        let begun = support::start() + TimeDelta::microseconds(rng.random_range(0..6 * HOUR_US));
        let mut at = begun + TimeDelta::microseconds(rng.random_range(0..3) * MINUTE_US);
        for mut event in support::events(u64::try_from(visit).unwrap(), rng.random_range(1..12)) {
            event.user_id = Uuid::from_u128(visit % 20);
            event.session_id = Uuid::from_u128(1_000 + visit / 2);
            event.session_started_at = begun;
            event.occurred_at = at;
            event.ingested_at = at + TimeDelta::seconds(1);
            event.event_id = ids::v7(at, rng.random());
            event.amount_base =
                event.amount_base.map(|_| Amount::from_unscaled(rng.random_range(0..100_000)).unwrap());
            let pauses = [0, 1, MINUTE_US, gap_us - 1, gap_us, gap_us + 1, 3 * HOUR_US];
            let pause = if visit == 7 { 4 * HOUR_US } else { *pauses.choose(&mut rng).unwrap() };
            at += TimeDelta::microseconds(pause);
            all.push(event);
        }
    }
    all
}

fn amount(event: &Event) -> i128 {
    i128::from(event.amount_base.map_or(0, |amount| amount.unscaled()))
}

fn sum(events: &[&Event], name: EventName) -> i128 {
    events.iter().filter(|event| event.event_name == name).map(|event| amount(event)).sum()
}

/// The aggregates that a table has, over events.
fn aggregates(family: &Family, events: &[&Event]) -> BTreeMap<&'static str, Figure> {
    let figures = family.tables[0].measures.iter().filter_map(|measure| {
        let Measure::Of(aggregate) = *measure else { return None };
        Some((aggregate.column().name(), figure(aggregate, events)))
    });
    figures.collect()
}

fn figure(aggregate: Aggregate, events: &[&Event]) -> Figure {
    match (aggregate.kind(), aggregate.over(events)) {
        (MeasureKind::Distinct, Total::Count(count)) => Figure::About(usize::try_from(count).unwrap()),
        (_, Total::Count(count)) => Figure::Exact(count),
        (_, Total::Hundredths(sum)) => Figure::Hundredths(sum),
        (_, Total::Instant(at)) => Figure::Exact(us(at.unwrap())),
    }
}

fn folded(
    groups: BTreeMap<(i64, Vec<String>), Vec<&Event>>,
    fold: impl Fn(i64, &[&Event]) -> BTreeMap<&'static str, Figure>,
) -> Rows {
    let folded = |(key, events): ((i64, Vec<String>), Vec<&Event>)| {
        let row = (fold(key.0, &events), i64::try_from(events.len()).unwrap());
        (key, row)
    };
    groups.into_iter().map(folded).collect()
}

fn hours(events: &[Event]) -> Rows {
    let mut groups = BTreeMap::<_, Vec<&Event>>::new();
    for event in events {
        groups.entry((us(event.occurred_at).div_euclid(HOUR_US) * HOUR_US, vec![])).or_default().push(event);
    }
    folded(groups, |_, events| aggregates(&HOURS, events))
}

fn live(events: &[Event]) -> Rows {
    let mut groups = BTreeMap::<_, Vec<&Event>>::new();
    for event in events {
        // Ends are half-minutes; an event is in those after it and at most five minutes away.
        let first = us(event.occurred_at).div_euclid(MINUTE_US / 2) * (MINUTE_US / 2) + MINUTE_US / 2;
        for end in (0..10).map(|half| first + half * MINUTE_US / 2) {
            groups.entry((end, vec![])).or_default().push(event);
        }
    }
    folded(groups, |_, events| aggregates(&LIVE, events))
}

fn products(events: &[Event]) -> Rows {
    let mut groups = BTreeMap::<_, Vec<&Event>>::new();
    for event in events {
        let Some(item) = &event.item_id else { continue };
        let hour = us(event.occurred_at).div_euclid(HOUR_US) * HOUR_US;
        let name = event.item_name.as_ref().map_or_else(|| cube::NONE.to_owned(), ToString::to_string);
        let product = vec![item.to_string(), name];
        for key in [hour, hour + HOUR_US] {
            groups.entry((key, product.clone())).or_default().push(event);
        }
    }
    folded(groups, |hour, events| {
        let (now, before): (Vec<&Event>, Vec<&Event>) =
            events.iter().partition(|event| us(event.occurred_at) >= hour);
        let mut figures = aggregates(&PRODUCTS, &now);
        figures.insert("events", figure(Aggregate::Events, events));
        for counterpart in Counterpart::ALL {
            figures.insert(counterpart.column().name(), figure(counterpart.aggregate(), &before));
        }
        figures
    })
}

fn orders(events: &[Event]) -> Rows {
    let lines =
        events.iter().filter(|event| matches!(event.event_name, EventName::Purchase | EventName::Refund));
    let or_none = |text: Option<String>| Figure::Text(text.unwrap_or_else(|| cube::NONE.to_owned()));
    let row = |event: &Event| {
        let key = (us(event.occurred_at), vec![event.user_id.to_string(), event.event_id.to_string()]);
        let figures = BTreeMap::from([
            ("event_name", Figure::Text(event.event_name.to_string())),
            ("order_id", or_none(event.order_id.as_ref().map(ToString::to_string))),
            ("order_line", Figure::Exact(event.order_line.unwrap_or_default().into())),
            ("order_lines", Figure::Exact(event.order_lines.unwrap_or_default().into())),
            ("item_id", or_none(event.item_id.as_ref().map(ToString::to_string))),
            ("item_name", or_none(event.item_name.as_ref().map(ToString::to_string))),
            ("category", or_none(event.category.as_ref().map(ToString::to_string))),
            ("quantity", Figure::Exact(event.quantity.unwrap_or_default().into())),
            ("price", Figure::Hundredths(event.price.map_or(0, |price| price.unscaled().into()))),
            ("currency", or_none(event.currency.map(|currency| currency.to_string()))),
            ("amount_base", Figure::Hundredths(amount(event))),
            ("payment_type", or_none(event.payment_type.as_ref().map(ToString::to_string))),
        ]);
        (key, (figures, 1))
    };
    lines.map(row).collect()
}

fn sessions(events: &[Event]) -> Rows {
    let mut visits = BTreeMap::<_, Vec<&Event>>::new();
    for event in events {
        if us(event.occurred_at) - us(event.session_started_at) < family::SESSION_LONGEST_US {
            let begun_ms = us(event.session_started_at).div_euclid(1_000);
            let visit = (event.user_id, event.session_id, begun_ms);
            visits.entry(visit).or_default().push(event);
        }
    }
    let mut rows = Rows::new();
    for ((user, session, begun_ms), mut events) in visits {
        events.sort_by_key(|event| (event.occurred_at, event.event_id));
        for part in events.chunk_by(|a, b| us(b.occurred_at) - us(a.occurred_at) <= family::SESSION_GAP_US) {
            let first = part[0];
            let begun_us = (begun_ms * 1_000).to_string();
            let key = (us(first.occurred_at), vec![user.to_string(), session.to_string(), begun_us]);
            rows.insert(key, (session_figures(part), i64::try_from(part.len()).unwrap()));
        }
    }
    rows
}

fn session_figures(part: &[&Event]) -> BTreeMap<&'static str, Figure> {
    let (first, last) = (part[0], part[part.len() - 1]);
    let any = |names: &[EventName]| part.iter().any(|event| names.contains(&event.event_name));
    let bought = any(&[EventName::Purchase]);
    let furthest = if bought {
        "purchase"
    } else if any(&[EventName::BeginCheckout, EventName::AddPaymentInfo]) {
        "checkout"
    } else if any(&[EventName::AddToCart]) {
        "cart"
    } else if any(&[EventName::ViewItem, EventName::ViewItemList]) {
        "browse"
    } else {
        "visit"
    };
    let abandoned = if matches!(furthest, "purchase" | "visit") { cube::NONE } else { furthest };
    let in_cart = sum(part, EventName::AddToCart) - sum(part, EventName::RemoveFromCart);
    let others = part.iter().filter(|event| event.event_name != EventName::SessionStart).count();
    let unix_ms = |at: DateTime<Utc>| us(at).div_euclid(1_000);
    let text = |value: &dyn std::fmt::Display| Figure::Text(value.to_string());
    let mut figures = aggregates(&SESSIONS, part);
    figures.extend([
        ("ended_at", Figure::Exact(us(last.occurred_at))),
        ("duration_ms", Figure::Exact(unix_ms(last.occurred_at) - unix_ms(first.occurred_at))),
        ("bounce", Figure::Flag(others <= 1)),
        ("furthest_step", text(&furthest)),
        ("abandoned_at", text(&abandoned)),
        ("value_at_risk", Figure::Hundredths(if bought { 0 } else { in_cart.max(0) })),
        ("country", text(&first.country)),
        ("device", text(&first.device)),
        ("channel", text(&first.channel)),
    ]);
    figures
}

fn found(family: &Family, rows: &[Row]) -> Rows {
    let table = &family.tables[0];
    let row = |row: &Row| {
        assert_eq!(support::string(row, "route"), table.table);
        let at = support::long(row, table.at.name());
        let dimension = |column: &Column| match row.get_by_name(column.name()) {
            Some(Value::Timestamp(us)) => us.to_string(),
            _ => support::string(row, column.name()),
        };
        let dimensions = table.dimensions.iter().map(dimension).collect();
        let figures = table.measures.iter().map(|measure| {
            let name = measure.column().name();
            let figure = match measure.kind() {
                MeasureKind::Count | MeasureKind::Instant => Figure::Exact(support::long(row, name)),
                MeasureKind::Distinct => Figure::About(usize::try_from(support::long(row, name)).unwrap()),
                MeasureKind::Money => Figure::Hundredths(support::hundredths(row, name)),
                MeasureKind::Text => Figure::Text(support::string(row, name)),
                MeasureKind::Flag => match row.get_by_name(name) {
                    Some(Value::Bool(flag)) => Figure::Flag(*flag),
                    other => panic!("{name} is {other:?}"),
                },
            };
            (name, figure)
        });
        let version = support::long(row, "write_time") - at - REVISION * cube::REVISION_STEP;
        ((at, dimensions), (figures.collect(), version))
    };
    rows.iter().map(row).collect()
}

fn agree(expected: &Figure, found: &Figure) -> bool {
    match (expected, found) {
        (Figure::About(exact), Figure::About(estimate)) => {
            (*estimate as f64 - *exact as f64).abs() <= f64::max(3.0, 5.0 * DISTINCT_RSD * *exact as f64)
        }
        _ => expected == found,
    }
}

async fn compare(family: &'static Family, oracle: impl Fn(&[Event]) -> Rows) {
    let events = events();
    let expected = oracle(&events);
    assert!(expected.len() > 10, "{} has {} rows to compare", family.name, expected.len());
    let rows = support::on_spark(move |session| {
        let records: Vec<Record> = events.iter().map(Record::of).collect();
        let stream = support::kafka_records(&session, &records);
        let on_time = checked::on_time(&checked::events(&stream, &EXPECTED, JUDGE));
        metrics::rows(&on_time, family, REVISION, Owned::default()).unwrap().collect().unwrap()
    })
    .await;
    let found = found(family, &rows);
    assert_eq!(rows.len(), found.len(), "{}: keys are there once", family.name);
    let keys = |rows: &Rows| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&expected), "{}", family.name);
    for (key, (figures, records)) in &expected {
        let (stored, version) = &found[key];
        assert_eq!(version, records, "{} {key:?}: records folded", family.name);
        for (name, figure) in figures {
            assert!(
                agree(figure, &stored[name]),
                "{} {key:?} {name}: {:?}, not {figure:?}",
                family.name,
                stored[name]
            );
        }
        assert_eq!(stored.len(), figures.len(), "{}: the oracle knows every measure", family.name);
    }
}

#[tokio::test]
async fn hours_are_what_the_oracle_says() {
    compare(&HOURS, hours).await;
}

#[tokio::test]
async fn live_windows_are_what_the_oracle_says() {
    compare(&LIVE, live).await;
}

#[tokio::test]
async fn products_and_their_hour_before_are_what_the_oracle_says() {
    compare(&PRODUCTS, products).await;
}

#[tokio::test]
async fn order_lines_are_what_the_oracle_says() {
    compare(&ORDERS, orders).await;
}

#[tokio::test]
async fn sessions_are_what_the_oracle_says() {
    compare(&SESSIONS, sessions).await;
}

/// Users as the relay writes them, with the letter of the operation in a header.
fn user_records(session: &SparkSession, users: &[(User, &str)]) -> DataFrame {
    let names = ["value", "operation"].map(str::to_owned).to_vec();
    let rows = users.iter().map(|(user, operation)| {
        let mut value = Vec::new();
        wire::write_header(&mut value, USER_SCHEMA_ID);
        user.write_avro(&mut value);
        Row::new(names.clone(), vec![Value::Binary(value), Value::String((*operation).to_owned())])
    });
    let schema = DataType::from_ddl("value binary, operation string").unwrap();
    let headers =
        format!("array(struct('{}' as key, encode(operation, 'UTF-8') as value))", wire::OPERATION_HEADER);
    session.create_dataframe(rows.collect(), schema).unwrap().with_column("headers", expr(&headers))
}

const USER_SCHEMA_ID: u32 = 0x0a0b_0c0d;

fn user(index: i64) -> User {
    User {
        user_id: Uuid::from_u128(index.unsigned_abs().into()),
        gender: Gender::Other,
        age: 40,
        age_band: AgeBand::of(40),
        country: ["DE", "FR"][usize::try_from(index % 2).unwrap()].parse().unwrap(),
        city: Text::new("Köln").unwrap(),
        latitude: 50.9,
        longitude: 7.0,
        registered_at: support::start() - TimeDelta::days(900),
        ingested_at: support::start() + TimeDelta::seconds(20 * index),
    }
}

#[tokio::test]
async fn registrations_are_the_inserts_of_users_by_minute() {
    let users: Vec<(User, &str)> =
        (0..60).map(|index| (user(index), if index % 5 == 0 { "u" } else { "i" })).collect();
    let mut expected = Rows::new();
    for (user, _) in users.iter().filter(|(_, operation)| *operation == "i") {
        let minute = us(user.ingested_at).div_euclid(MINUTE_US) * MINUTE_US;
        let row = expected.entry((minute, vec![user.country.to_string()])).or_default();
        row.1 += 1;
        row.0 = BTreeMap::from([("registrations", Figure::Exact(row.1))]);
    }
    let rows = support::on_spark(move |session| {
        let records = user_records(&session, &users);
        let other = registrations(&records, USER_SCHEMA_ID + 1).count().unwrap();
        assert_eq!(other, 0, "a value of another schema is no user");
        let inserted = registrations(&records, USER_SCHEMA_ID);
        metrics::rows(&inserted, &REGISTRATIONS, REVISION, Owned::default()).unwrap().collect().unwrap()
    })
    .await;
    assert_eq!(found(&REGISTRATIONS, &rows), expected);
}
