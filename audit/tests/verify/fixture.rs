//! Events, the tables they make, and the services they stand in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use audit::{Options, SparkProgress, VerifyError};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use contracts::cube::{CUBE, GROUPINGS, Grouping, NONE};
use contracts::endpoints::Endpoints;
use contracts::family::CUBE_FAMILY;
use contracts::measure::{Measure, Total};
use contracts::record::{Code, Fixed, Text};
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, ids, wire};
use futures::SinkExt;
use provision::Provisioned;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rust_decimal::Decimal;
use scylla::client::session::Session;
use scylla::value::{CqlDecimal, CqlTimestamp, CqlValue};
use uuid::Uuid;
/// The services that the environment names, or the warm stack's.
pub(crate) async fn services() -> Endpoints {
    if std::env::var(contracts::endpoints::variable::PG_URL).is_ok() {
        return Endpoints::from_env().unwrap();
    }
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    Endpoints::from_variables(&stack.env().unwrap()).unwrap()
}

/// A set-up namespace with a relay that is past everything.
pub(crate) async fn in_namespace(body: impl AsyncFnOnce(Endpoints)) {
    let test = async |endpoints: Endpoints| {
        let provisioned = provision::apply(&endpoints).await.unwrap();
        publish_position(&endpoints, &provisioned, i64::MAX.cast_unsigned()).await;
        body(endpoints).await;
    };
    provision::in_scratch_namespace(&services().await, test).await.unwrap();
}

pub(crate) async fn publish_position(endpoints: &Endpoints, provisioned: &Provisioned, lsn: u64) {
    let mut value = Vec::new();
    wire::write_header(&mut value, provisioned.assigned.position_schema_id);
    provisioned.position_at(lsn).write_avro(&mut value);
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap();
    let topic = endpoints.namespace.positions_topic();
    let record = FutureRecord::to(&topic).key(&provisioned.slot).payload(&value);
    producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error).unwrap();
}

/// A job that has committed up to fixed offsets.
pub(crate) struct Committed(pub(crate) Option<BTreeMap<i32, i64>>);

impl SparkProgress for Committed {
    fn committed_offsets(
        &self,
        _query: &str,
        _topic: &str,
    ) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        Ok(self.0.clone())
    }

    fn watermark(&self, _query: &str) -> Result<Option<DateTime<Utc>>, VerifyError> {
        Ok(None)
    }
}

pub(crate) fn caught_up() -> Committed {
    Committed(Some(BTreeMap::new()))
}

/// Of the cube: the families beside it are compared where Spark fills them, end to end.
pub(crate) const SOON: Options =
    Options { wait: Duration::from_secs(2), settle: Duration::from_secs(2), only: Some(&CUBE_FAMILY) };

pub(crate) async fn verify(endpoints: &Endpoints) -> audit::Report {
    audit::verify(endpoints, &caught_up(), SOON, &|_| {}).await.unwrap()
}

/// A row of `ops.verification`.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) snapshot_at: DateTime<Utc>,
    pub(crate) passed: bool,
    /// Rows over all tables.
    pub(crate) compared: i64,
    pub(crate) differences: serde_json::Value,
    pub(crate) differing: i64,
    pub(crate) late: i64,
}

/// What was recorded about verifications of the cube, in order.
pub(crate) async fn verdicts(endpoints: &Endpoints) -> Vec<Kept> {
    let client = provision::connect(&endpoints.pg_url).await.unwrap();
    let rows = client
        .query(
            "select started_at, snapshot_at, passed,
                 (select sum(value::bigint)::bigint from jsonb_each_text(compared)), differences, differing, late_outstanding
             from ops.verification
             where kind = 'verify' and family = 'cube' and by_whom = $1 and finished_at >= snapshot_at
             order by verification_id",
            &[&contracts::process_name::this()],
        )
        .await
        .unwrap();
    let kept = |row: &tokio_postgres::Row| Kept {
        started_at: row.get(0),
        snapshot_at: row.get(1),
        passed: row.get(2),
        compared: row.get(3),
        differences: row.get(4),
        differing: row.get(5),
        late: row.get(6),
    };
    rows.iter().map(kept).collect()
}

pub(crate) fn start() -> DateTime<Utc> {
    // Across a day and an hour, so that partitions and windows meet their edges.
    "2026-11-22T23:58:30Z".parse().unwrap()
}

/// Events of three minutes that touch every name, grouping and edge; `late` ones beside.
pub(crate) fn events(count: i64) -> Vec<Event> {
    (0..count)
        .map(|index| {
            let occurred_at = start() + TimeDelta::microseconds(index * 180_000_000 / count + index % 7);
            let name = EventName::ALL[usize::try_from(index * 7 / 3 % 9).unwrap()];
            let of_order = matches!(name, EventName::Purchase | EventName::Refund);
            let item = !matches!(name, EventName::SessionStart | EventName::BeginCheckout);
            let age = (index % 4 != 3).then(|| i32::try_from(index % 80).unwrap());
            let quantity = i32::try_from(1 + index % 4).unwrap();
            let late = index % 50 == 49;
            let text = |stem: &str, number: i64| format!("{stem}-{number}");
            let user = u128::try_from(index / 5 % 400).unwrap();
            let mut random = [0; 10];
            random[..8].copy_from_slice(&index.to_be_bytes());
            Event {
                event_id: ids::v7(occurred_at, random),
                event_name: name,
                occurred_at,
                ingested_at: occurred_at
                    + TimeDelta::microseconds(if late { 600_000_001 } else { index % 600_000_001 }),
                user_id: Uuid::from_u128(user),
                session_id: Uuid::from_u128(user << 64 | u128::try_from(index % 3).unwrap()),
                session_started_at: occurred_at,
                returning: index % 2 == 0,
                gender: Gender::ALL[usize::try_from(index % 4).unwrap()],
                age,
                age_band: AgeBand::of_known(age),
                country: Code::new(["DE", "FR", "GB", "ZZ"][usize::try_from(index % 4).unwrap()]).unwrap(),
                city: (index % 2 == 0).then(|| Text::new("Köln").unwrap()),
                latitude: (index % 2 == 0).then_some(50.9),
                longitude: (index % 2 == 0).then_some(7.0),
                device: Device::ALL[usize::try_from(index % 5).unwrap()],
                channel: Channel::ALL[usize::try_from(index % 9).unwrap()],
                item_id: item.then(|| Text::new(&text("item", index % 11)).unwrap()),
                // Names that code points and a collation put in different orders.
                item_name: item.then(|| {
                    Text::new(["Zebra", "apple", "Äpfel"][usize::try_from(index % 3).unwrap()]).unwrap()
                }),
                category: item.then(|| Text::new(&text("category", index % 3)).unwrap()),
                price: item.then(|| Fixed::from_unscaled(index % 10_000).unwrap()),
                currency: item.then(|| Code::new("EUR").unwrap()),
                quantity: item.then_some(quantity),
                amount_base: item
                    .then(|| Fixed::from_unscaled(index % 10_000 * i64::from(quantity)).unwrap()),
                rate: item.then(|| Fixed::from_unscaled(100_000_000).unwrap()),
                rate_date: item.then(|| occurred_at.date_naive()),
                order_id: of_order.then(|| Text::new(&text("order", index)).unwrap()),
                order_line: of_order.then(|| i32::try_from(1 + index % 2).unwrap()),
                order_lines: of_order.then_some(2),
                ..Event::sample(occurred_at)
            }
        })
        .collect()
}

pub(crate) async fn store(endpoints: &Endpoints, events: &[Event]) {
    let client = provision::connect(&endpoints.pg_url).await.unwrap();
    client
        .batch_execute(
            "select raw.ensure_events_partition(date '2026-11-21' + n) from generate_series(0, 3) n",
        )
        .await
        .unwrap();
    let mut copy = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for event in events {
        copy.extend_from_slice(&i16::try_from(Event::FIELDS.len()).unwrap().to_be_bytes());
        event.write_copy_fields(&mut copy);
    }
    copy.extend_from_slice(&(-1i16).to_be_bytes());
    let statement = format!("copy raw.events ({}) from stdin (format binary)", Event::column_list());
    let sink = client.copy_in(&statement).await.unwrap();
    futures::pin_mut!(sink);
    sink.send(bytes::Bytes::from(copy)).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), u64::try_from(events.len()).unwrap());
}

pub(crate) type Table = BTreeMap<(DateTime<Utc>, Vec<String>), Vec<Event>>;

/// The on-time events of each row of a table.
pub(crate) fn rows(grouping: &Grouping, events: &[Event]) -> Table {
    let mut rows = Table::new();
    for event in events {
        if event.ingested_at - event.occurred_at > TimeDelta::minutes(10) {
            continue;
        }
        if grouping.only_items && event.item_id.is_none() {
            continue;
        }
        let minute = event.occurred_at.with_second(0).unwrap().with_nanosecond(0).unwrap();
        let fields = serde_json::to_value(event).unwrap();
        let dimensions = grouping.dimensions.iter().map(|column| match &fields[column.name()] {
            serde_json::Value::Null => NONE.to_owned(),
            serde_json::Value::String(text) => text.clone(),
            other => panic!("{column} is {other}, which is no dimension"),
        });
        rows.entry((minute, dimensions.collect())).or_default().push(event.clone());
    }
    rows
}

pub(crate) fn money(events: &[Event], name: EventName) -> Decimal {
    events.iter().filter(|e| e.event_name == name).filter_map(|e| e.amount_base).map(Fixed::to_decimal).sum()
}

/// A measure of a row, folded in Rust.
pub(crate) fn figure(measure: Measure, events: &[Event]) -> CqlValue {
    let Measure::Of(aggregate) = measure else { panic!("the cube has no {measure:?}") };
    match aggregate.over(&events.iter().collect::<Vec<_>>()) {
        Total::Count(count) => CqlValue::BigInt(count),
        Total::Hundredths(hundredths) => CqlValue::Decimal(
            CqlDecimal::from_signed_be_bytes_slice_and_exponent(&hundredths.to_be_bytes(), 2),
        ),
        Total::Instant(last) => CqlValue::Timestamp(CqlTimestamp(last.unwrap().timestamp_millis())),
    }
}

/// Writes every row of every table.
pub(crate) async fn fill(endpoints: &Endpoints, session: &Session, events: &[Event]) -> usize {
    let mut written = 0;
    for grouping in GROUPINGS {
        let columns = grouping.columns();
        let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
        let statement = format!(
            "insert into {}.{} ({}) values ({})",
            endpoints.namespace.keyspace(),
            grouping.table,
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        let prepared = session.prepare(statement).await.unwrap();
        for ((minute, dimensions), events) in rows(grouping, events) {
            let values: Vec<CqlValue> = columns
                .iter()
                .map(|&column| {
                    if column == CUBE.day {
                        CqlValue::Date(minute.date_naive().into())
                    } else if column == CUBE.hour {
                        CqlValue::Int(i32::try_from(minute.hour()).unwrap())
                    } else if column == CUBE.minute {
                        CqlValue::Timestamp(CqlTimestamp(minute.timestamp_millis()))
                    } else if let Some(index) = grouping.dimensions.iter().position(|known| *known == column)
                    {
                        CqlValue::Text(dimensions[index].clone())
                    } else {
                        let of = |measure: &&Measure| measure.column() == column;
                        figure(*grouping.measures.iter().find(of).unwrap(), &events)
                    }
                })
                .collect();
            session.execute_unpaged(&prepared, values).await.unwrap();
            written += 1;
        }
    }
    written
}

pub(crate) async fn cassandra(endpoints: &Endpoints) -> Session {
    provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap()
}
