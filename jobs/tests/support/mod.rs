//! Generated events, Kafka-shaped records of them, and rows read back.

pub(crate) mod in_file;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Event;
use contracts::event::{Amount, Price, Rate};
use contracts::record::Text;
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{ids, wire};
use jobs::checked::{Expected, Judge};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spark_connect_rs::functions::expr;
use spark_connect_rs::row::{Row, Value};
use spark_connect_rs::{DataFrame, DataType, SparkSession};
use uuid::Uuid;

pub(crate) const EXPECTED: Expected = Expected {
    event_schema_id: 0x0102_0304,
    generation_id: Uuid::from_u128(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
};

/// What judges records on a server that has the jar of this checkout.
pub(crate) const JUDGE: Judge = Judge::Function;

/// The first window of every generated set.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-03-01T23:58:00Z".parse().unwrap()
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("STOREPULSE_LONG_TESTS").is_some_and(|value| value == "1")
}

/// What a run generates its records from, told so that the run can be had again.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("STOREPULSE_SEED") {
        Ok(text) => text.parse().unwrap(),
        // What lands is tried with the same records each time; a long run looks for others.
        Err(_) if !is_long() => 1,
        Err(_) => u64::try_from(Utc::now().timestamp_millis()).unwrap(),
    };
    println!("STOREPULSE_SEED={seed}");
    seed
}

pub(crate) async fn session() -> SparkSession {
    let stack = stack::shared(std::sync::Arc::new(stack::PlainText)).await.unwrap();
    jobs::spark::connect(&stack.variable("SPARK_REMOTE").unwrap().unwrap()).await.unwrap()
}

/// Runs blocking client calls off the async runtime.
pub(crate) async fn on_spark<T: Send + 'static>(work: impl FnOnce(SparkSession) -> T + Send + 'static) -> T {
    let session = session().await;
    tokio::task::spawn_blocking(move || work(session)).await.unwrap()
}

fn text<const MAX: usize>(value: &str) -> Text<MAX> {
    Text::new(value).unwrap()
}

/// Events that reach every corner of the cube: all names, absent and odd dimensions, bounds of lateness and
/// of windows, amounts that would not survive a float.
pub(crate) fn events(seed: u64, count: usize) -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pool: Vec<Uuid> = (0..40).map(|_| Uuid::from_u128(rng.random())).collect();
    (0..count).map(|_| leaving_out(event(&mut rng, &pool), &mut rng)).collect()
}

/// One in six without something that ingest asks for and the contract lets be absent: topic and table may
/// hold it, and all who count have to count it alike.
fn leaving_out(mut event: Event, rng: &mut ChaCha8Rng) -> Event {
    match rng.random_range(0..48) {
        0 => event.item_id = None,
        1 => event.item_name = None,
        2 => event.category = None,
        3 => event.category = Some(text("of no product")),
        4 => event.quantity = None,
        5 => (event.price, event.currency) = (None, None),
        6 => event.amount_base = None,
        7 => (event.order_id, event.order_line, event.order_lines) = (None, None, None),
        _ => {}
    }
    event
}

fn event(rng: &mut ChaCha8Rng, pool: &[Uuid]) -> Event {
    let pick = |rng: &mut ChaCha8Rng, all: &[&'static str]| *all.choose(rng).unwrap();
    // Five minutes around midnight; every tenth event stands exactly on a window's edge.
    let offset_us = rng.random_range(0..300_000_000i64);
    let on_edge = if rng.random_ratio(1, 10) { offset_us - offset_us % 60_000_000 } else { offset_us };
    let occurred_at = start() + TimeDelta::microseconds(on_edge);
    let delay_us = *[-60_000_001i64, -60_000_000, 0, 1_500_000, 3_000_000, 600_000_000, 600_000_001]
        .choose(rng)
        .unwrap();
    let event_name = *EventName::ALL.choose(rng).unwrap();
    let ordered = matches!(event_name, EventName::Purchase | EventName::Refund);
    let about_item = ordered || rng.random_ratio(1, 2);
    let known = rng.random_ratio(4, 5);
    let age = known.then(|| rng.random_range(0..=100));
    let order_lines = rng.random_range(1..=3);
    let item = pick(rng, &["sku-1", "sku-2", "Ünïcode-3", "quote'4"]);
    let mut random = [0; 10];
    rng.fill(&mut random);
    Event {
        event_id: ids::v7(occurred_at, random),
        event_name,
        occurred_at,
        ingested_at: occurred_at + TimeDelta::microseconds(delay_us),
        user_id: *pool.choose(rng).unwrap(),
        session_id: *pool.choose(rng).unwrap(),
        session_started_at: occurred_at,
        returning: rng.random(),
        gender: *Gender::ALL.choose(rng).unwrap(),
        age,
        age_band: AgeBand::of_known(age),
        country: pick(rng, &["DE", "FR", "IN", "ZZ"]).parse().unwrap(),
        city: known.then(|| text("Zürich")),
        latitude: known.then_some(47.4),
        longitude: known.then_some(-8.5),
        device: *Device::ALL.choose(rng).unwrap(),
        channel: *Channel::ALL.choose(rng).unwrap(),
        item_id: about_item.then(|| text(item)),
        item_name: about_item.then(|| text(pick(rng, &["Lamp", "lamp", "Łamp", "Zebra"]))),
        category: (about_item && rng.random_ratio(9, 10)).then(|| text(pick(rng, &["home", "garden"]))),
        price: about_item.then(|| Price::from_unscaled(rng.random_range(0..100_000)).unwrap()),
        currency: about_item.then(|| "EUR".parse().unwrap()),
        quantity: about_item.then(|| rng.random_range(1..=9)),
        amount_base: about_item.then(|| Amount::from_unscaled(rng.random_range(0..99_999_999_999)).unwrap()),
        rate: about_item.then(|| Rate::from_unscaled(100_000_000).unwrap()),
        rate_date: about_item.then(|| occurred_at.date_naive()),
        order_id: ordered.then(|| text("o-1")),
        order_line: ordered.then(|| rng.random_range(1..=order_lines)),
        order_lines: ordered.then_some(order_lines),
        ..Event::sample(occurred_at)
    }
}

/// A value as the relay writes it.
pub(crate) fn wire_value(event: &Event) -> Vec<u8> {
    let mut value = Vec::new();
    wire::write_header(&mut value, EXPECTED.event_schema_id);
    event.write_avro(&mut value);
    value
}

/// One Kafka record: its value and the generation its header names.
pub(crate) struct Record {
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) generation: Option<String>,
}

impl Record {
    pub(crate) fn of(event: &Event) -> Self {
        Self { value: Some(wire_value(event)), generation: Some(EXPECTED.generation_id.to_string()) }
    }
}

/// When Kafka is told that a record was made: twenty a minute.
pub(crate) fn record_time(offset: usize) -> DateTime<Utc> {
    start() + TimeDelta::seconds(3 * i64::try_from(offset).unwrap())
}

/// Records in the shape of Spark's Kafka source; offsets count from 0.
pub(crate) fn kafka_records(session: &SparkSession, records: &[Record]) -> DataFrame {
    let names: Vec<String> =
        ["topic", "partition", "offset", "timestamp", "value", "generation"].map(str::to_owned).to_vec();
    let rows = records
        .iter()
        .enumerate()
        .map(|(offset, record)| {
            let values = vec![
                Value::String("t.events.g1".into()),
                Value::Integer(3),
                Value::Long(i64::try_from(offset).unwrap()),
                Value::Timestamp(record_time(offset).timestamp_micros()),
                record.value.clone().map_or(Value::Null, Value::Binary),
                record.generation.clone().map_or(Value::Null, Value::String),
            ];
            Row::new(names.clone(), values)
        })
        .collect();
    let schema = DataType::from_ddl(
        "topic string, partition int, offset bigint, timestamp timestamp, value binary, generation string",
    )
    .unwrap();
    with_headers(&session.create_dataframe(rows, schema).unwrap())
}

pub(crate) fn with_headers(records: &DataFrame) -> DataFrame {
    let headers = format!(
        "case when generation is not null then array(struct('{}' as key, encode(generation, 'UTF-8') as value)) end",
        wire::GENERATION_HEADER
    );
    records.with_column("headers", expr(&headers))
}

pub(crate) fn string(row: &Row, name: &str) -> String {
    match row.get_by_name(name) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

pub(crate) fn long(row: &Row, name: &str) -> i64 {
    match row.get_by_name(name) {
        Some(Value::Long(value) | Value::Timestamp(value)) => *value,
        Some(Value::Integer(value)) => i64::from(*value),
        other => panic!("{name} is {other:?}"),
    }
}

/// A decimal of two digits, in hundredths.
pub(crate) fn hundredths(row: &Row, name: &str) -> i128 {
    match row.get_by_name(name) {
        Some(Value::Decimal { value, .. }) => {
            let (whole, fraction) = value.split_once('.').unwrap_or((value, "00"));
            assert_eq!(fraction.len(), 2, "{name} = {value}");
            format!("{whole}{fraction}").parse().unwrap()
        }
        other => panic!("{name} is {other:?}"),
    }
}
