//! Verification against real PostgreSQL, Kafka and Cassandra. The tables are filled from a fold over the
//! events in Rust, a third way to the same figures; the relay's position is written by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use audit::{DifferenceKind, Figure, Options, SparkProgress, VerifyError, figures};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use contracts::cube::{CUBE, GROUPINGS, Grouping, MEASURE, NONE, grouping};
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::record::{Code, Column, Fixed, Text};
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, RelayPosition, ids, wire};
use futures::SinkExt;
use provision::Provisioned;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rust_decimal::Decimal;
use scylla::client::session::Session;
use scylla::value::{CqlDecimal, CqlTimestamp, CqlValue};
use uuid::Uuid;

async fn services() -> Endpoints {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let variables: HashMap<String, String> = stack.env().unwrap().into_iter().collect();
    Endpoints::from_lookup(|name| variables.get(name).cloned()).unwrap()
}

/// A set-up namespace with a relay that is past everything.
async fn in_namespace(body: impl AsyncFnOnce(Endpoints)) {
    let test = async |endpoints: Endpoints| {
        let provisioned = provision::apply(&endpoints).await.unwrap();
        publish_position(&endpoints, &provisioned, i64::MAX.cast_unsigned()).await;
        body(endpoints).await;
    };
    provision::in_scratch_namespace(&services().await, test).await.unwrap();
}

async fn publish_position(endpoints: &Endpoints, provisioned: &Provisioned, lsn: u64) {
    let position = RelayPosition {
        system_id: provisioned.system_id.clone(),
        timeline: provisioned.timeline,
        slot: provisioned.slot.clone(),
        publication_hash: provisioned.publication_hash.clone(),
        topic_generation: provisioned.generation,
        generation_id: provisioned.generation_id,
        lsn,
        partial_lsn: 0,
        partial_rows: 0,
    };
    let mut value = Vec::new();
    wire::write_header(&mut value, provisioned.position_schema_id);
    position.write_avro(&mut value);
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap();
    let topic = endpoints.namespace.positions_topic();
    let record = FutureRecord::to(&topic).key(&provisioned.slot).payload(&value);
    producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error).unwrap();
}

/// A job that has committed up to fixed offsets.
struct Committed(Option<BTreeMap<i32, i64>>);

impl SparkProgress for Committed {
    fn committed_offsets(&self, _topic: &str) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        Ok(self.0.clone())
    }
}

fn caught_up() -> Committed {
    Committed(Some(BTreeMap::new()))
}

const SOON: Options = Options { wait: Duration::from_secs(2), settle: Duration::from_secs(2) };

async fn verify(endpoints: &Endpoints) -> audit::Report {
    audit::verify(endpoints, &caught_up(), SOON, &|_| {}).await.unwrap()
}

fn start() -> DateTime<Utc> {
    // Across a day and an hour, so that partitions and windows meet their edges.
    "2026-11-22T23:58:30Z".parse().unwrap()
}

/// Events of three minutes that touch every name, grouping and edge; `late` ones beside.
fn events(count: i64) -> Vec<Event> {
    (0..count)
        .map(|index| {
            let occurred_at = start() + TimeDelta::microseconds(index * 180_000_000 / count + index % 7);
            let name = EventName::ALL[usize::try_from(index * 7 / 3 % 9).unwrap()];
            let of_order = matches!(name, EventName::Purchase | EventName::Refund);
            let item = !matches!(name, EventName::SessionStart | EventName::BeginCheckout);
            let age = i32::try_from(index % 80).unwrap();
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
                gender: Gender::ALL[usize::try_from(index % 3).unwrap()],
                age,
                age_band: AgeBand::of(age),
                country: Code::new(["DE", "FR", "GB", "NL"][usize::try_from(index % 4).unwrap()]).unwrap(),
                city: Text::new("Köln").unwrap(),
                latitude: 50.9,
                longitude: 7.0,
                device: Device::ALL[usize::try_from(index % 4).unwrap()],
                channel: Channel::ALL[usize::try_from(index % 8).unwrap()],
                item_id: item.then(|| Text::new(&text("item", index % 11)).unwrap()),
                // Names that code points and a collation put in different orders.
                item_name: item.then(|| {
                    Text::new(["Zebra", "apple", "Äpfel"][usize::try_from(index % 3).unwrap()]).unwrap()
                }),
                category: item.then(|| Text::new(&text("category", index % 3)).unwrap()),
                brand: None,
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
                payment_type: None,
            }
        })
        .collect()
}

async fn store(endpoints: &Endpoints, events: &[Event]) {
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

type Table = BTreeMap<(DateTime<Utc>, Vec<String>), Vec<Event>>;

/// The on-time events of each row of a table.
fn rows(grouping: &Grouping, events: &[Event]) -> Table {
    let mut rows = Table::new();
    for event in events {
        if event.ingested_at - event.occurred_at > TimeDelta::minutes(10) {
            continue;
        }
        if grouping.only_items && event.item_id.is_none() {
            continue;
        }
        let minute = event.occurred_at.with_second(0).unwrap().with_nanosecond(0).unwrap();
        let text = |text: Option<&str>| text.unwrap_or(NONE).to_owned();
        let dimensions = grouping.dimensions.iter().map(|&column| {
            [
                (EVENT.country, text(Some(event.country.as_str()))),
                (EVENT.gender, text(Some(event.gender.as_str()))),
                (EVENT.age_band, text(Some(event.age_band.as_str()))),
                (EVENT.item_id, text(event.item_id.as_deref())),
                (EVENT.item_name, text(event.item_name.as_deref())),
                (EVENT.category, text(event.category.as_deref())),
                (EVENT.channel, text(Some(event.channel.as_str()))),
                (EVENT.device, text(Some(event.device.as_str()))),
            ]
            .into_iter()
            .find_map(|(known, text)| (known == column).then_some(text))
            .unwrap()
        });
        rows.entry((minute, dimensions.collect())).or_default().push(event.clone());
    }
    rows
}

fn money(events: &[Event], name: EventName) -> Decimal {
    events.iter().filter(|e| e.event_name == name).filter_map(|e| e.amount_base).map(Fixed::to_decimal).sum()
}

/// A measure of a row, folded in Rust.
fn figure(measure: Column, events: &[Event]) -> CqlValue {
    let count = |name| events.iter().filter(|event| event.event_name == name).count();
    let bigint = |count: usize| CqlValue::BigInt(i64::try_from(count).unwrap());
    let decimal = |amount: Decimal| {
        let mut amount = amount;
        amount.rescale(2);
        CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_slice_and_exponent(
            &amount.mantissa().to_be_bytes(),
            2,
        ))
    };
    let purchases = || events.iter().filter(|event| event.event_name == EventName::Purchase);
    if measure == MEASURE.events {
        bigint(events.len())
    } else if measure == MEASURE.session_starts {
        bigint(count(EventName::SessionStart))
    } else if measure == MEASURE.sessions {
        bigint(events.iter().map(|event| event.session_id).collect::<BTreeSet<_>>().len())
    } else if measure == MEASURE.users {
        bigint(events.iter().map(|event| event.user_id).collect::<BTreeSet<_>>().len())
    } else if measure == MEASURE.item_views {
        bigint(count(EventName::ViewItem))
    } else if measure == MEASURE.cart_adds {
        bigint(count(EventName::AddToCart))
    } else if measure == MEASURE.checkouts {
        bigint(count(EventName::BeginCheckout))
    } else if measure == MEASURE.orders {
        bigint(purchases().filter(|event| event.order_line == Some(1)).count())
    } else if measure == MEASURE.order_lines {
        bigint(count(EventName::Purchase))
    } else if measure == MEASURE.units {
        CqlValue::BigInt(purchases().filter_map(|event| event.quantity).map(i64::from).sum())
    } else if measure == MEASURE.gross {
        decimal(money(events, EventName::Purchase))
    } else if measure == MEASURE.refunds {
        decimal(money(events, EventName::Refund))
    } else if measure == MEASURE.net {
        decimal(money(events, EventName::Purchase) - money(events, EventName::Refund))
    } else {
        assert_eq!(measure, MEASURE.last_occurred_at);
        let last = events.iter().map(|event| event.occurred_at).max().unwrap();
        CqlValue::Timestamp(CqlTimestamp(last.timestamp_millis()))
    }
}

/// Writes every row of every table.
async fn fill(endpoints: &Endpoints, session: &Session, events: &[Event]) -> usize {
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
                        figure(column, &events)
                    }
                })
                .collect();
            session.execute_unpaged(&prepared, values).await.unwrap();
            written += 1;
        }
    }
    written
}

async fn cassandra(endpoints: &Endpoints) -> Session {
    provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap()
}

#[tokio::test]
async fn right_tables_pass_and_one_cent_is_found() {
    in_namespace(async |endpoints| {
        let events = events(6_000);
        store(&endpoints, &events).await;
        let session = cassandra(&endpoints).await;
        let written = fill(&endpoints, &session, &events).await;
        let report = verify(&endpoints).await;
        assert!(report.passed(), "{report}");
        assert_eq!(report.rows_verified, written);
        assert_eq!(report.late_events, 120);
        assert_eq!(report.events_verified, 6_000 - 120);
        assert!(report.to_string().starts_with("verified 5880 events in "), "{report}");

        let keyspace = endpoints.namespace.keyspace();
        let cent = format!(
            "update {keyspace}.activity_by_country set gross = 0.01 \
             where country = 'NL' and day = '2026-11-23' and minute = '2026-11-23 00:00:00Z'"
        );
        session.query_unpaged(cent, ()).await.unwrap();
        let report = verify(&endpoints).await;
        assert!(!report.passed());
        let [difference] = report.differences.as_slice() else { panic!("{report}") };
        assert_eq!(difference.table, "activity_by_country");
        assert_eq!(difference.key.to_string(), "2026-11-23T00:00:00Z NL");
        let DifferenceKind::Figure { measure: "gross", found, .. } = &difference.kind else {
            panic!("{report}")
        };
        assert_eq!(found, &Figure::Money(Decimal::new(1, 2)));
        assert!(report.to_string().contains("gross is 0.01, expected "), "{report}");
    })
    .await;
}

#[tokio::test]
async fn rows_too_many_missing_or_with_nulls_fail() {
    in_namespace(async |endpoints| {
        let events = events(500);
        store(&endpoints, &events).await;
        let session = cassandra(&endpoints).await;
        fill(&endpoints, &session, &events).await;
        let keyspace = endpoints.namespace.keyspace();
        for statement in [
            // A day on which nothing happened.
            "insert into KS.activity_by_minute (day, minute, events) values ('2025-01-01', '2025-01-01 00:00:00Z', 1)",
            "delete from KS.engagement_by_channel where day = '2026-11-22' and minute = '2026-11-22 23:59:00Z' \
             and channel = 'direct' and device = 'desktop'",
            "delete units from KS.sales_by_category where day = '2026-11-22' and minute = '2026-11-22 23:59:00Z' \
             and category = 'category-1'",
        ] {
            session.query_unpaged(statement.replace("KS", keyspace), ()).await.unwrap();
        }
        let report = verify(&endpoints).await;
        let told: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert_eq!(told[0], "activity_by_minute 2025-01-01T00:00:00Z: the row should not be there");
        assert!(told[1].starts_with("sales_by_category 2026-11-22T23:59:00Z category-1: units is nothing"), "{told:?}");
        assert_eq!(told[2], "engagement_by_channel 2026-11-22T23:59:00Z direct desktop: the row is missing");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_compares_nothing_fails() {
    in_namespace(async |endpoints| {
        let report = verify(&endpoints).await;
        assert!(!report.passed());
        assert_eq!(report.to_string(), "not verified: there was nothing to compare");
    })
    .await;
}

#[tokio::test]
async fn a_relay_or_a_job_that_is_behind_is_named() {
    let test = async |endpoints: Endpoints| {
        let provisioned = provision::apply(&endpoints).await.unwrap();
        let error = audit::verify(&endpoints, &caught_up(), SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::RelayBehind { .. }), "{error}");

        publish_position(&endpoints, &provisioned, i64::MAX.cast_unsigned()).await;
        let error = audit::verify(&endpoints, &Committed(None), SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::SparkBehind { behind: 0, .. }), "{error}");
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap();
        let topic = endpoints.namespace.events_topic(1);
        for partition in [0, 0, 3] {
            let record = FutureRecord::<str, str>::to(&topic).partition(partition).payload("x");
            producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error).unwrap();
        }
        let one = Committed(Some([(0, 1)].into()));
        let error = audit::verify(&endpoints, &one, SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::SparkBehind { behind: 2, .. }), "{error}");
    };
    provision::in_scratch_namespace(&services().await, test).await.unwrap();
}

/// Fills the tables while the first snapshot is being waited for: what moved settles, and nothing else does.
#[tokio::test]
async fn rows_that_move_during_the_run_are_read_again() {
    in_namespace(async |endpoints| {
        let mut all = events(1_000);
        let session = cassandra(&endpoints).await;
        let later = all.split_off(700);
        store(&endpoints, &all).await;
        fill(&endpoints, &session, &all).await;
        let patient = Options { wait: Duration::from_secs(10), settle: Duration::from_secs(30) };
        let (arrived, arrive) = tokio::sync::oneshot::channel();
        let arrived = std::sync::Mutex::new(Some(arrived));
        // The later events arrive before the tables are read; their rows only when these are read again.
        let spark = Blocking { endpoints: endpoints.clone(), later: later.clone() };
        let run = async {
            audit::verify(&endpoints, &spark, patient, &|phase| {
                if let audit::Phase::Settling { .. } = phase
                    && let Some(arrived) = arrived.lock().unwrap().take()
                {
                    arrived.send(()).unwrap();
                }
            })
            .await
            .unwrap()
        };
        let sink = async {
            arrive.await.unwrap();
            all.extend(later.clone());
            fill(&endpoints, &session, &all).await;
        };
        let (report, ()) = tokio::join!(run, sink);
        assert!(report.passed(), "{report}");
        assert_eq!(report.events_verified, 980);
    })
    .await;
}

/// Commits more events at the moment that Spark is asked, after the first snapshot.
struct Blocking {
    endpoints: Endpoints,
    later: Vec<Event>,
}

impl SparkProgress for Blocking {
    fn committed_offsets(&self, _topic: &str) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(store(&self.endpoints, &self.later));
            });
        });
        Ok(Some(BTreeMap::new()))
    }
}

#[tokio::test]
async fn leading_figures_are_read_back() {
    in_namespace(async |endpoints| {
        let events = events(3_000);
        let session = cassandra(&endpoints).await;
        fill(&endpoints, &session, &events).await;
        let span = start() - TimeDelta::minutes(1)..start() + TimeDelta::minutes(5);
        let leading = figures::read(&session, &endpoints.namespace, span, 5).await.unwrap();
        let on_time: Vec<_> =
            rows(grouping("activity_by_minute").unwrap(), &events).into_values().flatten().collect();
        assert_eq!(leading.totals.events, i64::try_from(on_time.len()).unwrap());
        let gross = money(&on_time, EventName::Purchase);
        assert_eq!(leading.totals.gross, gross);
        assert_eq!(leading.countries.len(), 4);
        assert_eq!(leading.countries.iter().map(|country| country.totals.gross).sum::<Decimal>(), gross);
        assert!(leading.countries.is_sorted_by(|a, b| a.totals.net >= b.totals.net));
        assert_eq!(
            leading.demographics.iter().map(|group| group.totals.events).sum::<i64>(),
            leading.totals.events
        );
        assert_eq!(leading.products.len(), 5);
        assert!(leading.products.iter().all(|product| !product.item_name.is_empty()));
        assert_eq!(leading.totals.funnel()[4].count, leading.totals.orders);

        let before = start() - TimeDelta::days(2)..start() - TimeDelta::days(1);
        assert_eq!(
            figures::read(&session, &endpoints.namespace, before, 5).await.unwrap(),
            figures::Figures::default()
        );
    })
    .await;
}
