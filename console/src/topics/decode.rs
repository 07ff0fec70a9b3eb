//! The bytes of a record's value: Confluent's wire format with an Avro body, text, nothing, or bytes that
//! nobody understands.
//!
//! The body is walked along its schema here and not by apache-avro, for three reasons. Bytes are hostile: a
//! schema that refers to itself is followed so deep only, an array of nothings is counted so far only, and no
//! length is believed that the data do not have. A record that ends too early is refused, which apache-avro
//! reads as nulls. And nothing is copied, so that a search is fast. In the tests apache-avro writes what is
//! read here.

use apache_avro::schema::{InnerDecimalSchema, Schema, UuidSchema};
use contracts::avro::{ReadError, Reader};

use super::schema::Known;
use super::value::{Unit, Value};

/// How deep values lie in values: a record in a record through a union is three steps.
const DEPTH: usize = 64;
/// How many items the arrays and maps of one record may have, and fields the records in it, together.
const ITEMS: usize = 100_000;

/// Why bytes are no value of their schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("{0}")]
    Avro(#[from] ReadError),
    #[error("branch {0} of a union that has {1} branches")]
    Branch(i64, usize),
    #[error("symbol {0} of an enumeration that has {1} symbols")]
    Symbol(i64, usize),
    #[error("{0} is neither 0 nor 1")]
    Bool(u8),
    #[error("values are nested more than {DEPTH} deep")]
    Deep,
    #[error("more than {ITEMS} values in one")]
    Many,
    #[error("{0} does not fit 32 bits")]
    Int(i64),
    #[error("the schema names {0:?}, which it does not define")]
    Undefined(String),
}

/// Decodes an Avro body whole.
pub(crate) fn decode<'a>(known: &'a Known, body: &'a [u8]) -> Result<Value<'a>, DecodeError> {
    let mut walk = Walk { known, reader: Reader::new(body), depth: 0, items: 0 };
    let value = walk.value(&known.schema)?;
    walk.reader.finish()?;
    Ok(value)
}

struct Walk<'a> {
    known: &'a Known,
    reader: Reader<'a>,
    depth: usize,
    items: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Schema) -> Result<Value<'a>, DecodeError> {
        Ok(match schema {
            Schema::Null => Value::Null,
            Schema::Boolean => match self.reader.array()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => return Err(DecodeError::Bool(other)),
            },
            Schema::Int => Value::Whole(self.int()?),
            Schema::Long => Value::Whole(self.reader.long()?),
            Schema::Float => Value::Float(f32::from_le_bytes(self.reader.array()?)),
            Schema::Double => Value::Double(f64::from_le_bytes(self.reader.array()?)),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => {
                Value::Bytes(self.reader.bytes()?)
            }
            Schema::String | Schema::Uuid(UuidSchema::String) => Value::Text(self.reader.str()?),
            Schema::Fixed(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Value::Bytes(self.reader.take(fixed.size)?)
            }
            Schema::Decimal(decimal) => {
                let bytes = match &decimal.inner {
                    InnerDecimalSchema::Bytes => self.reader.bytes()?,
                    InnerDecimalSchema::Fixed(fixed) => self.reader.take(fixed.size)?,
                };
                let scale = u32::try_from(decimal.scale).unwrap_or(u32::MAX);
                wide(bytes)
                    .filter(|_| scale <= 1_000)
                    .map_or(Value::Bytes(bytes), |unscaled| Value::Decimal(unscaled, scale))
            }
            Schema::Date => Value::Date(self.int()?),
            Schema::TimeMillis => Value::Time(self.int()?, Unit::Milli),
            Schema::TimeMicros => Value::Time(self.reader.long()?, Unit::Micro),
            Schema::TimestampMillis => Value::Instant(self.reader.long()?, Unit::Milli),
            Schema::TimestampMicros => Value::Instant(self.reader.long()?, Unit::Micro),
            Schema::TimestampNanos => Value::Instant(self.reader.long()?, Unit::Nano),
            Schema::LocalTimestampMillis => Value::Local(self.reader.long()?, Unit::Milli),
            Schema::LocalTimestampMicros => Value::Local(self.reader.long()?, Unit::Micro),
            Schema::LocalTimestampNanos => Value::Local(self.reader.long()?, Unit::Nano),
            Schema::Duration(_) => {
                let number = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
                let (months, days) = (number(self.reader.array()?), number(self.reader.array()?));
                Value::Stretch(months, days, number(self.reader.array()?))
            }
            Schema::Enum(words) => {
                let index = self.reader.long()?;
                let word = usize::try_from(index).ok().and_then(|index| words.symbols.get(index));
                Value::Text(word.ok_or(DecodeError::Symbol(index, words.symbols.len()))?)
            }
            Schema::Union(union) => {
                let index = self.reader.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| union.variants().get(index));
                self.deeper(branch.ok_or(DecodeError::Branch(index, union.variants().len()))?)?
            }
            Schema::Array(array) => {
                let mut items = Vec::new();
                while let Some(count) = self.block()? {
                    for _ in 0..count {
                        items.push(self.deeper(&array.items)?);
                    }
                }
                Value::Array(items)
            }
            Schema::Map(map) => {
                let mut items = Vec::new();
                while let Some(count) = self.block()? {
                    for _ in 0..count {
                        items.push((self.reader.str()?, self.deeper(&map.types)?));
                    }
                }
                Value::Map(items)
            }
            Schema::Record(record) => {
                self.count(record.fields.len())?;
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    fields.push((field.name.as_str(), self.deeper(&field.schema)?));
                }
                Value::Record(fields)
            }
            Schema::Ref { name } => {
                let named = self.known.names.get(name);
                self.deeper(named.ok_or_else(|| DecodeError::Undefined(name.to_string()))?)?
            }
        })
    }

    fn deeper(&mut self, schema: &'a Schema) -> Result<Value<'a>, DecodeError> {
        if self.depth == DEPTH {
            return Err(DecodeError::Deep);
        }
        self.depth += 1;
        let value = self.value(schema);
        self.depth -= 1;
        value
    }

    fn int(&mut self) -> Result<i64, DecodeError> {
        let value = self.reader.long()?;
        i32::try_from(value).map(i64::from).map_err(|_| DecodeError::Int(value))
    }

    /// How many items the next block of an array or map has; none at its end.
    fn block(&mut self) -> Result<Option<u64>, DecodeError> {
        let count = self.reader.long()?;
        if count < 0 {
            // The block's size in bytes, for those who skip it.
            self.reader.long()?;
        }
        let count = count.unsigned_abs();
        self.count(usize::try_from(count).unwrap_or(usize::MAX))?;
        Ok((count > 0).then_some(count))
    }

    fn count(&mut self, items: usize) -> Result<(), DecodeError> {
        self.items = self.items.saturating_add(items);
        if self.items > ITEMS { Err(DecodeError::Many) } else { Ok(()) }
    }
}

/// A big-endian two's complement of at most 128 bits.
fn wide(bytes: &[u8]) -> Option<i128> {
    let start = 16_usize.checked_sub(bytes.len())?;
    let mut wide = [if *bytes.first()? & 0x80 == 0 { 0x00 } else { 0xff }; 16];
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value as Oracle;
    use contracts::topics::event_schema;
    use contracts::{Event, avro};
    use proptest::prelude::*;

    use super::*;

    fn known(schema: &str) -> Known {
        Known::parse(1, schema).unwrap()
    }

    #[test]
    fn an_event_is_read_as_the_contract_writes_it() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "event_id": "0199c5a0-0000-7000-8000-000000000001", "event_name": "purchase",
            "occurred_at": "2026-11-28T10:00:01.000001Z", "ingested_at": "2026-11-28T10:00:09Z",
            "user_id": "6d0ac2ce-0000-5000-8000-000000000001",
            "session_id": "0199c5a0-0000-7000-8000-000000000002",
            "session_started_at": "2026-11-28T09:59:00Z", "returning": true, "gender": "other", "age": 30,
            "age_band": "25-34", "country": "CH", "city": "Bern", "latitude": 46.9, "longitude": -7.4,
            "device": "desktop", "channel": "direct", "item_id": "AUD-7", "item_name": "Lamp",
            "category": "Audio", "brand": null, "price": "219.00", "currency": "EUR", "quantity": -1,
            "amount_base": "-219.00", "rate": "1", "rate_date": "2026-11-28", "order_id": "o-1",
            "order_line": 1, "order_lines": 2, "payment_type": "card",
        }))
        .unwrap();
        let mut body = Vec::new();
        event.write_avro(&mut body);
        let known = known(&event_schema().to_string());
        let read = decode(&known, &body).unwrap();
        let text = |field: &str| read.get(field).unwrap().text();
        assert_eq!(text("occurred_at").as_deref(), Some("2026-11-28T10:00:01.000001Z"));
        assert_eq!(text("amount_base").as_deref(), Some("-219.00"));
        assert_eq!(text("rate").as_deref(), Some("1.00000000"));
        assert_eq!(text("rate_date").as_deref(), Some("2026-11-28"));
        assert_eq!(text("longitude").as_deref(), Some("-7.4"));
        assert_eq!(text("brand"), None);
        for short in 0..body.len() {
            assert!(decode(&known, &body[..short]).is_err(), "{short} bytes of {}", body.len());
        }
        body.push(0);
        assert!(matches!(decode(&known, &body), Err(DecodeError::Avro(ReadError::Trailing(1)))));
    }

    #[test]
    fn a_claim_of_two_gigabytes_is_refused() {
        let known = known(r#"{"type":"record","name":"R","fields":[{"name":"text","type":"string"}]}"#);
        let mut body = Vec::new();
        avro::write_long(&mut body, 2 << 30);
        assert!(matches!(decode(&known, &body), Err(DecodeError::Avro(ReadError::Length(_)))));
    }

    #[test]
    fn an_array_of_nothings_is_counted_so_far_only() {
        let known = known(r#"{"type":"array","items":"null"}"#);
        for count in [i64::MAX, i64::MIN, 1 << 40] {
            let mut body = Vec::new();
            avro::write_long(&mut body, count);
            avro::write_long(&mut body, 0);
            assert_eq!(decode(&known, &body), Err(DecodeError::Many));
        }
    }

    #[test]
    fn a_list_that_goes_on_for_ever_is_not_followed() {
        let known =
            known(r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#);
        assert_eq!(decode(&known, &vec![2; 1 << 20]), Err(DecodeError::Deep));
        assert!(decode(&known, &[2, 2, 0]).is_ok());
    }

    #[test]
    fn text_that_is_no_text_is_refused() {
        assert!(decode(&known(r#""string""#), &[2, 0xff]).is_err());
        assert!(decode(&known(r#""boolean""#), &[2]).is_err());
        assert!(decode(&known(r#"["null"]"#), &[2]).is_err());
        assert!(decode(&known(r#""int""#), &[0x80, 0x80, 0x80, 0x80, 0x20]).is_err());
    }

    const ALL_KINDS: &str = r#"{"type":"record","name":"All","fields":[
        {"name":"flag","type":"boolean"},{"name":"int","type":"int"},{"name":"long","type":"long"},
        {"name":"double","type":"double"},{"name":"text","type":"string"},{"name":"bytes","type":"bytes"},
        {"name":"maybe","type":["null","long"]},
        {"name":"word","type":{"type":"enum","name":"W","symbols":["a","b"]}},
        {"name":"list","type":{"type":"array","items":"int"}},
        {"name":"map","type":{"type":"map","values":"string"}},
        {"name":"fixed","type":{"type":"fixed","name":"F","size":3}},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"again","type":{"type":"array","items":"F"}}]}"#;

    prop_compose! {
        fn record()(
            flag: bool, int: i32, long: i64, double in -1e9..1e9, text: String, bytes: Vec<u8>,
            maybe: Option<i64>, word in 0_u32..2, list: Vec<i32>,
            map in prop::collection::hash_map(".*", ".*", 0..4), fixed: [u8; 3], at: i64,
        ) -> Oracle {
            let maybe = match maybe {
                Some(long) => Oracle::Union(1, Box::new(Oracle::Long(long))),
                None => Oracle::Union(0, Box::new(Oracle::Null)),
            };
            let symbol = ["a", "b"][word as usize].to_owned();
            let map = map.into_iter().map(|(key, value)| (key, Oracle::String(value))).collect();
            Oracle::Record(vec![
                ("flag".into(), Oracle::Boolean(flag)), ("int".into(), Oracle::Int(int)),
                ("long".into(), Oracle::Long(long)), ("double".into(), Oracle::Double(double)),
                ("text".into(), Oracle::String(text)), ("bytes".into(), Oracle::Bytes(bytes)),
                ("maybe".into(), maybe), ("word".into(), Oracle::Enum(word, symbol)),
                ("list".into(), Oracle::Array(list.into_iter().map(Oracle::Int).collect())),
                ("map".into(), Oracle::Map(map)), ("fixed".into(), Oracle::Fixed(3, fixed.to_vec())),
                ("at".into(), Oracle::TimestampMillis(at)),
                ("again".into(), Oracle::Array(vec![Oracle::Fixed(3, fixed.to_vec())])),
            ])
        }
    }

    fn same(ours: &Value<'_>, oracle: &Oracle) -> bool {
        match (ours, oracle) {
            (Value::Null, Oracle::Null) => true,
            (Value::Bool(ours), Oracle::Boolean(theirs)) => ours == theirs,
            (Value::Whole(ours), Oracle::Int(theirs)) => *ours == i64::from(*theirs),
            (Value::Whole(ours), Oracle::Long(theirs))
            | (Value::Instant(ours, Unit::Milli), Oracle::TimestampMillis(theirs)) => ours == theirs,
            (Value::Double(ours), Oracle::Double(theirs)) => ours.to_bits() == theirs.to_bits(),
            (Value::Text(ours), Oracle::String(theirs) | Oracle::Enum(_, theirs)) => ours == theirs,
            (Value::Bytes(ours), Oracle::Bytes(theirs) | Oracle::Fixed(_, theirs)) => ours == theirs,
            (ours, Oracle::Union(_, theirs)) => same(ours, theirs),
            (Value::Array(ours), Oracle::Array(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
            }
            (Value::Map(ours), Oracle::Map(theirs)) => {
                ours.len() == theirs.len() && ours.iter().all(|(key, value)| same(value, &theirs[*key]))
            }
            (Value::Record(ours), Oracle::Record(theirs)) => {
                ours.iter().zip(theirs).all(|(ours, theirs)| ours.0 == theirs.0 && same(&ours.1, &theirs.1))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_apache_avro_writes_is_read(record in record()) {
            let known = known(ALL_KINDS);
            let body = apache_avro::writer::datum::GenericDatumWriter::builder(&known.schema)
                .build().unwrap().write_value_to_vec(record.clone()).unwrap();
            let read = decode(&known, &body).unwrap();
            prop_assert!(same(&read, &record), "{read:?} is not {record:?}");
        }

        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = decode(&known(ALL_KINDS), &body).map(|value| value.json());
            let _ = decode(&known(&event_schema().to_string()), &body).map(|value| value.json());
        }
    }
}
