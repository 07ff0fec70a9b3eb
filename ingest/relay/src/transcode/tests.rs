use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::event::{self, Amount, Price, Rate};
use contracts::record::{Code, Text};
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, User, topics, user};
use proptest::prelude::*;

use super::*;
use crate::pgoutput::{Column, Message};

const SCHEMA_ID: u32 = 77;

fn relation(fields: &[Field], order: &[usize]) -> Relation {
    let column =
        |field: &Field| Column { name: field.name.to_owned(), type_oid: type_oid(field.kind), key: false };
    let columns = order.iter().map(|index| column(&fields[*index])).collect();
    Relation { oid: 1, schema: "raw".into(), name: "t".into(), columns }
}

/// A COPY row's fields as pgoutput has them: a kind before each length, in the given order of columns.
fn insert(copy: &[u8], order: &[usize]) -> Vec<u8> {
    let mut cells = Vec::new();
    let mut rest = copy;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (cell, tail) = match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => (vec![b'n'], tail),
            Ok(count) => ([&b"b"[..], length, &tail[..count]].concat(), &tail[count..]),
        };
        cells.push(cell);
        rest = tail;
    }
    let mut message = vec![b'I', 0, 0, 0, 1, b'N'];
    message.extend_from_slice(&i16::try_from(cells.len()).unwrap().to_be_bytes());
    for index in order {
        message.extend_from_slice(&cells[*index]);
    }
    message
}

fn transcoded(transcoder: &Transcoder, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), RowError> {
    let Ok(Message::Insert { new, .. }) = Message::decode(message) else { panic!() };
    let (mut key, mut value) = (b"left over".to_vec(), b"left over".to_vec());
    transcoder.transcode(&new, &mut key, &mut value).map(|()| (key, value))
}

fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    prop_oneof!["[a-zA-Z0-9 ]{1,30}", "\\PC{1,30}"]
        .prop_filter_map("not a text", |text: String| Text::new(&text).ok())
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    (-60_000_000_000_000_000i64..200_000_000_000_000_000)
        .prop_map(|us| DateTime::from_timestamp_micros(us).unwrap())
}

fn decimal<const P: u8, const S: u8>() -> impl Strategy<Value = contracts::record::Fixed<P, S>> {
    let bound = 10i64.pow(u32::from(P)) - 1;
    prop_oneof![-bound..=bound, -100_000i64..100_000]
        .prop_map(|unscaled| contracts::record::Fixed::from_unscaled(unscaled).unwrap())
}

fn word<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn code<const N: usize>() -> impl Strategy<Value = Code<N>> {
    prop::collection::vec(b'A'..=b'Z', N)
        .prop_map(|letters| Code::new(std::str::from_utf8(&letters).unwrap()).unwrap())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn date() -> impl Strategy<Value = NaiveDate> {
    (-100_000i32..100_000).prop_map(|days| NaiveDate::from_epoch_days(days).unwrap())
}

prop_compose! {
    fn who()(
        gender in word(Gender::ALL), age: i32, age_band in word(AgeBand::ALL), country in code::<2>(),
        city in text::<100>(), latitude in any::<f64>(), longitude in any::<f64>(),
    ) -> (Gender, i32, AgeBand, Code<2>, Text<100>, f64, f64) {
        (gender, age, age_band, country, city, latitude, longitude)
    }
}

prop_compose! {
    fn product()(
        item_id in prop::option::of(text::<64>()), item_name in prop::option::of(text::<200>()),
        category in prop::option::of(text::<64>()), brand in prop::option::of(text::<64>()),
        price in prop::option::of(decimal::<12, 2>()), currency in prop::option::of(code::<3>()),
        quantity: Option<i32>, amount_base in prop::option::of(decimal::<14, 2>()),
        rate in prop::option::of(decimal::<18, 8>()), rate_date in prop::option::of(date()),
    ) -> Product {
        Product {
            item_id, item_name, category, brand, price, currency, quantity, amount_base, rate, rate_date,
        }
    }
}

#[derive(Debug)]
struct Product {
    item_id: Option<Text<64>>,
    item_name: Option<Text<200>>,
    category: Option<Text<64>>,
    brand: Option<Text<64>>,
    price: Option<Price>,
    currency: Option<Code<3>>,
    quantity: Option<i32>,
    amount_base: Option<Amount>,
    rate: Option<Rate>,
    rate_date: Option<NaiveDate>,
}

prop_compose! {
    fn any_event()(
        ids in (uuid(), uuid(), uuid()), times in (instant(), instant(), instant()),
        event_name in word(EventName::ALL), returning: bool, who in who(), known: [bool; 4],
        device in word(Device::ALL), channel in word(Channel::ALL), product in product(),
        order in (prop::option::of(text::<64>()), any::<Option<i32>>(), any::<Option<i32>>()),
        payment_type in prop::option::of(text::<32>()),
    ) -> Event {
        let (gender, age, age_band, country, city, latitude, longitude) = who;
        Event {
            event_id: ids.0, event_name, occurred_at: times.0, ingested_at: times.1, user_id: ids.1,
            session_id: ids.2, session_started_at: times.2, returning, gender, age: known[0].then_some(age),
            age_band, country, city: known[1].then_some(city), latitude: known[2].then_some(latitude),
            longitude: known[3].then_some(longitude), device, channel, item_id: product.item_id,
            item_name: product.item_name, category: product.category, brand: product.brand,
            price: product.price, currency: product.currency, quantity: product.quantity, amount_base: product.amount_base, rate: product.rate,
            rate_date: product.rate_date, order_id: order.0, order_line: order.1, order_lines: order.2,
            payment_type,
        }
    }
}

prop_compose! {
    fn any_user()(user_id in uuid(), who in who(), times in (instant(), instant())) -> User {
        let (gender, age, age_band, country, city, latitude, longitude) = who;
        User {
            user_id, gender, age, age_band, country, city, latitude, longitude,
            registered_at: times.0, ingested_at: times.1,
        }
    }
}

fn order(count: usize) -> impl Strategy<Value = Vec<usize>> {
    let straight: Vec<usize> = (0..count).collect();
    prop_oneof![Just(straight.clone()), Just(straight).prop_shuffle()]
}

fn oracle(schema: &serde_json::Value, body: &[u8]) -> Vec<(String, Value)> {
    let schema = apache_avro::Schema::parse(schema).unwrap();
    let mut rest = body;
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut rest).unwrap() else { panic!() };
    assert!(rest.is_empty());
    fields
}

fn field<'a>(fields: &'a [(String, Value)], name: &str) -> &'a Value {
    let (_, value) = fields.iter().find(|(field, _)| field == name).unwrap();
    match value {
        Value::Union(_, inner) => inner,
        plain => plain,
    }
}

fn unscaled(value: &Value) -> Option<i64> {
    match value {
        Value::Null => None,
        Value::Decimal(decimal) => {
            let bytes = Vec::<u8>::try_from(decimal).unwrap();
            let filler = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut wide = [filler; 8];
            wide[8 - bytes.len()..].copy_from_slice(&bytes);
            Some(i64::from_be_bytes(wide))
        }
        other => panic!("{other:?} is no decimal"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_event_arrives_as_the_contract_writes_it(event in any_event(), order in order(Event::FIELDS.len())) {
        let relation = relation(Event::FIELDS, &order);
        let transcoder =
            Transcoder::new(&relation, Event::FIELDS, event::EVENT.user_id.name(), SCHEMA_ID).unwrap();
        let mut copy = Vec::new();
        event.write_copy_fields(&mut copy);
        let (key, value) = transcoded(&transcoder, &insert(&copy, &order)).unwrap();

        prop_assert_eq!(key, event.user_id.to_string().into_bytes());
        let mut expected = Vec::new();
        wire::write_header(&mut expected, SCHEMA_ID);
        event.write_avro(&mut expected);
        prop_assert_eq!(&value, &expected);

        let (id, body) = wire::split(&value).unwrap();
        prop_assert_eq!(id, SCHEMA_ID);
        let read = oracle(&topics::event_schema(), body);
        prop_assert_eq!(field(&read, "event_id"), &Value::Uuid(event.event_id));
        prop_assert_eq!(field(&read, "event_name"), &Value::String(event.event_name.to_string()));
        prop_assert_eq!(
            field(&read, "occurred_at"),
            &Value::TimestampMicros(event.occurred_at.timestamp_micros())
        );
        prop_assert_eq!(field(&read, "returning"), &Value::Boolean(event.returning));
        let absent = Value::Null;
        prop_assert_eq!(field(&read, "age"), &event.age.map_or(absent.clone(), Value::Int));
        prop_assert_eq!(
            field(&read, "city"),
            &event.city.map_or(absent.clone(), |v| Value::String(v.to_string()))
        );
        let latitude = match field(&read, "latitude") {
            Value::Double(latitude) => Some(latitude.to_bits()),
            absent => (*absent != Value::Null).then(|| panic!("{absent:?}")),
        };
        prop_assert_eq!(latitude, event.latitude.map(f64::to_bits));
        prop_assert_eq!(
            field(&read, "brand"),
            &event.brand.map_or(absent.clone(), |v| Value::String(v.to_string()))
        );
        prop_assert_eq!(field(&read, "quantity"), &event.quantity.map_or(absent.clone(), Value::Int));
        prop_assert_eq!(
            field(&read, "rate_date"),
            &event.rate_date.map_or(absent, |v| Value::Date(v.to_epoch_days()))
        );
        prop_assert_eq!(unscaled(field(&read, "price")), event.price.map(Price::unscaled));
        prop_assert_eq!(unscaled(field(&read, "amount_base")), event.amount_base.map(Amount::unscaled));
        prop_assert_eq!(unscaled(field(&read, "rate")), event.rate.map(Rate::unscaled));
    }

    #[test]
    fn a_user_arrives_as_the_contract_writes_it(user in any_user(), order in order(User::FIELDS.len())) {
        let relation = relation(User::FIELDS, &order);
        let transcoder =
            Transcoder::new(&relation, User::FIELDS, user::USER.user_id.name(), SCHEMA_ID).unwrap();
        let mut copy = Vec::new();
        user.write_copy_fields(&mut copy);
        let message = insert(&copy, &order);
        let (key, value) = transcoded(&transcoder, &message).unwrap();
        let mut expected = Vec::new();
        wire::write_header(&mut expected, SCHEMA_ID);
        user.write_avro(&mut expected);
        prop_assert_eq!(&value, &expected);
        prop_assert_eq!(
            oracle(&topics::user_schema(), &value[wire::HEADER_BYTES..]).len(),
            User::FIELDS.len()
        );

        let Ok(Message::Insert { new, .. }) = Message::decode(&message) else { panic!() };
        let mut key_only = Vec::new();
        transcoder.key(&new, &mut key_only).unwrap();
        prop_assert_eq!(key_only, key);
    }

    #[test]
    fn any_cells_are_transcoded_or_refused(
        cells in prop::collection::vec(
            prop::option::weighted(0.9, prop::collection::vec(any::<u8>(), 0..20)),
            User::FIELDS.len(),
        ),
    ) {
        let order: Vec<usize> = (0..User::FIELDS.len()).collect();
        let transcoder =
            Transcoder::new(&relation(User::FIELDS, &order), User::FIELDS, "user_id", SCHEMA_ID).unwrap();
        let mut copy = Vec::new();
        for cell in cells {
            match cell {
                None => pg_binary::write_null(&mut copy),
                Some(bytes) => pg_binary::write_field(&mut copy, |out| out.extend_from_slice(&bytes)),
            }
        }
        let _ = transcoded(&transcoder, &insert(&copy, &order));
    }
}

#[test]
fn another_shape_is_refused_and_named() {
    let order: Vec<usize> = (0..User::FIELDS.len()).collect();
    let shape = |change: &dyn Fn(&mut Relation)| {
        let mut relation = relation(User::FIELDS, &order);
        change(&mut relation);
        Transcoder::new(&relation, User::FIELDS, "user_id", SCHEMA_ID).unwrap_err()
    };
    assert_eq!(shape(&|relation| drop(relation.columns.remove(2))), ShapeError::Missing { column: "age" });
    assert_eq!(
        shape(&|relation| relation.columns.push(Column {
            name: "profile".into(),
            type_oid: 3802,
            key: false
        })),
        ShapeError::Unknown { column: "profile".into() }
    );
    let wrong = shape(&|relation| relation.columns[2].type_oid = 20);
    assert_eq!(wrong.to_string(), "column age has the type with oid 20, but the contract says integer (23)");
}

#[test]
fn what_the_contract_cannot_hold_is_refused() {
    let order: Vec<usize> = (0..Event::FIELDS.len()).collect();
    let transcoder =
        Transcoder::new(&relation(Event::FIELDS, &order), Event::FIELDS, "user_id", SCHEMA_ID).unwrap();
    let refused = |field: &str, bytes: Option<&[u8]>| {
        let mut copy = Vec::new();
        for known in Event::FIELDS {
            match (known.name == field, bytes, known.kind) {
                (true, None, _) => pg_binary::write_null(&mut copy),
                (true, Some(bytes), _) => {
                    pg_binary::write_field(&mut copy, |out| out.extend_from_slice(bytes));
                }
                (false, _, Kind::Uuid) => {
                    pg_binary::write_field(&mut copy, |out| out.extend_from_slice(&[7; 16]));
                }
                (false, _, Kind::TimestampMicros | Kind::Double) => {
                    pg_binary::write_field(&mut copy, |out| out.extend_from_slice(&[0; 8]));
                }
                (false, _, Kind::Int | Kind::Date) => {
                    pg_binary::write_field(&mut copy, |out| out.extend_from_slice(&[0; 4]));
                }
                (false, _, Kind::Bool) => pg_binary::write_field(&mut copy, |out| out.push(1)),
                (false, _, Kind::Text { .. }) => {
                    pg_binary::write_field(&mut copy, |out| out.extend_from_slice(b"text"));
                }
                (false, _, Kind::Decimal { scale, .. }) => {
                    pg_binary::write_field(&mut copy, |out| pg_binary::write_numeric(out, 5, scale));
                }
            }
        }
        transcoded(&transcoder, &insert(&copy, &order))
    };
    assert!(refused("nothing", None).is_ok());
    assert_eq!(refused("country", None).unwrap_err(), RowError::Null { field: "country" });
    assert!(refused("brand", None).is_ok() && refused("city", None).is_ok());
    assert_eq!(refused("city", Some(&[0xff])).unwrap_err(), RowError::NotUtf8 { field: "city" });
    let infinity = i64::MAX.to_be_bytes();
    assert!(matches!(
        refused("occurred_at", Some(&infinity)).unwrap_err(),
        RowError::Value { field: "occurred_at", .. }
    ));
    let mut wide = Vec::new();
    pg_binary::write_numeric(&mut wide, 1_000_000_000_000, 2);
    assert_eq!(
        refused("price", Some(&wide)).unwrap_err(),
        RowError::Precision { field: "price", precision: 12 }
    );
}
