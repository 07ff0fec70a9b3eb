//! A record as it is shown: decoded, with what tells of a person shut.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::personal::{Class, class};
use contracts::wire;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::decode::decode;
use super::schema::{Known, Looked};
use super::value::Value;

/// How much of one text is shown, in characters.
const TEXT: usize = 8_192;
/// How much of an id is shown.
const OF_AN_ID: usize = 8;
/// How much is shown of bytes that are not understood: their beginning tells what they are, and of an event
/// not whose.
const OF_BYTES: usize = 16;

/// A record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(crate) offset: i64,
    /// The record's time.
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) schema_id: Option<u32>,
    pub(crate) format: Format,
    /// The fields, where it could be decoded. Decimals, times and numbers beyond 2^53 are strings.
    #[schema(value_type = Option<Object>)]
    pub(crate) decoded: Option<Json>,
    /// Why it could not.
    pub(crate) why_not: Option<String>,
    /// Its first bytes.
    pub(crate) hex: String,
    /// What is shut, in whole or in part; `*` is all of it.
    pub(crate) shut: Vec<String>,
    /// Key and value.
    pub(crate) size_bytes: usize,
    /// As `decoded`, for the page, in the schema's order.
    #[serde(skip)]
    pub(crate) fields: Vec<Field>,
}

/// A field as the page shows it.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Nothing where it is null, or shut whole.
    pub(crate) text: Option<String>,
    pub(crate) instant: Option<DateTime<Utc>>,
    pub(crate) shut: bool,
}

/// What a record's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Avro, by a schema of the registry.
    Avro,
    /// Nothing: in a compacted topic it removes its key.
    Tombstone,
    Json,
    Text,
    /// Bytes that are not understood.
    Bytes,
}

fn as_text<S: serde::Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// The record's time.
pub(crate) fn time(message: &BorrowedMessage<'_>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(message.timestamp().to_millis()?)
}

/// What a value was found to be.
pub(crate) enum Read<'a> {
    Avro(&'a Known, Value<'a>),
    Tombstone,
    /// With its schema's id, where it names one.
    Not(Option<u32>, String),
}

/// Reads a value by the schema it names.
pub(crate) fn read<'a>(payload: Option<&'a [u8]>, known: Option<&'a Looked>) -> Read<'a> {
    let Some(payload) = payload else { return Read::Tombstone };
    match (wire::split(payload), known) {
        (Ok((_, body)), Some(Ok(known))) => match decode(known, body) {
            Ok(value) => Read::Avro(known, value),
            Err(error) => Read::Not(Some(known.id), error.to_string()),
        },
        (Ok((id, _)), Some(Err(why))) => Read::Not(Some(id), why.to_string()),
        (Ok((id, _)), None) => Read::Not(Some(id), "its schema was not looked up".to_owned()),
        (Err(error), _) => Read::Not(None, format!("no schema is named: {error}")),
    }
}

impl Record {
    /// As it may be shown.
    pub(crate) fn of(message: &BorrowedMessage<'_>, read: &Read<'_>, ours: bool) -> Self {
        let payload = message.payload();
        let mut headers = BTreeMap::new();
        for header in message.headers().iter().flat_map(|headers| headers.iter()) {
            let open = header.key == wire::GENERATION_HEADER || header.key == wire::OPERATION_HEADER;
            let value = header.value.map(String::from_utf8_lossy).unwrap_or_default();
            headers.insert(cut(header.key), if open { cut(&value) } else { "shut".to_owned() });
        }
        let mut record = Self {
            partition: message.partition(),
            offset: message.offset(),
            at: time(message),
            key: message.key().map(|key| shown_key(key, ours)),
            headers,
            schema_id: None,
            format: Format::Bytes,
            decoded: None,
            why_not: None,
            hex: payload.map(|bytes| hex::encode(&bytes[..bytes.len().min(OF_BYTES)])).unwrap_or_default(),
            shut: Vec::new(),
            size_bytes: message.payload_len() + message.key_len(),
            fields: Vec::new(),
        };
        match read {
            Read::Tombstone => record.format = Format::Tombstone,
            Read::Avro(known, value) => {
                record.schema_id = Some(known.id);
                record.format = Format::Avro;
                record.show(known, value);
            }
            Read::Not(id, why) => {
                record.schema_id = *id;
                record.why_not = Some(why.clone());
                if id.is_none() {
                    record.guess(payload.unwrap_or_default());
                }
            }
        }
        record
    }

    /// Shows fields by their classes.
    fn show(&mut self, known: &Known, value: &Value<'_>) {
        let Value::Record(fields) = value else {
            self.shut.push("*".to_owned());
            return;
        };
        let mut decoded = Map::new();
        for (name, value) in fields {
            let class = if known.of_the_contract { class(name) } else { None };
            let (json, text) = match class {
                _ if *value == Value::Null => (Json::Null, None),
                Some(Class::Open) => shown(value),
                Some(Class::Id) => {
                    let beginning = value.text().map(|id| beginning(&id));
                    (beginning.clone().into(), beginning)
                }
                Some(Class::Degrees) => {
                    let whole = value.text().and_then(|text| text.parse::<f64>().ok()).map(f64::round);
                    (whole.into(), whole.map(|degrees| format!("{degrees:.0}°")))
                }
                Some(Class::Place) | None => (Json::Null, None),
            };
            let shut = class != Some(Class::Open) && *value != Value::Null;
            if shut {
                self.shut.push((*name).to_owned());
            }
            self.fields.push(Field { name: (*name).to_owned(), text, instant: value.instant(), shut });
            decoded.insert((*name).to_owned(), json);
        }
        self.decoded = Some(Json::Object(decoded));
    }

    /// Says of what no schema is known whether it is text; what it says stays shut.
    fn guess(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty() && !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
        let Some(text) = text else { return };
        let json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        self.format = if json { Format::Json } else { Format::Text };
        self.why_not = Some(format!("it is {} that names no schema", if json { "JSON" } else { "text" }));
        self.shut.push("*".to_owned());
        // Their beginning is what they say.
        self.hex = String::new();
    }
}

/// A value and its text, long texts cut.
fn shown(value: &Value<'_>) -> (Json, Option<String>) {
    match value {
        Value::Text(text) => (cut(text).into(), Some(cut(text))),
        Value::Bytes(bytes) => {
            let text = hex::encode(&bytes[..bytes.len().min(TEXT / 2)]);
            (text.clone().into(), Some(text))
        }
        Value::Array(_) | Value::Map(_) | Value::Record(_) => {
            let json = value.json();
            let text = json.to_string();
            if text.len() > TEXT { (cut(&text).into(), Some(cut(&text))) } else { (json, Some(text)) }
        }
        value => (value.json(), value.text()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn beginning(id: &str) -> String {
    match id.char_indices().nth(OF_AN_ID) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => "…".to_owned(),
    }
}

/// Of the contract's topics keys are ids of users, or names that tell of nobody; of others they may be
/// anything.
fn shown_key(key: &[u8], ours: bool) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if ours && uuid::Uuid::try_parse(text).is_err() => cut(text),
        Ok(text) if ours => beginning(text),
        Ok(_) => "shut".to_owned(),
        Err(_) => format!("{} bytes", key.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            partition: 0,
            offset: 0,
            at: None,
            key: None,
            headers: BTreeMap::new(),
            schema_id: None,
            format: Format::Bytes,
            decoded: None,
            why_not: None,
            hex: String::new(),
            shut: Vec::new(),
            size_bytes: 0,
            fields: Vec::new(),
        }
    }

    const FIELDS: &str = r#"[{"name":"user_id","type":"string"},{"name":"city","type":"string"},
        {"name":"latitude","type":"double"},{"name":"country","type":"string"},{"name":"email","type":"string"}]"#;

    fn value() -> Value<'static> {
        Value::Record(vec![
            ("user_id", Value::Text("6d0ac2ce-0000-5000-8000-000000000001")),
            ("city", Value::Text("Bern")),
            ("latitude", Value::Double(46.9)),
            ("country", Value::Text("CH")),
            ("email", Value::Text("a@b.example")),
        ])
    }

    fn known(namespace: &str) -> Known {
        let text =
            format!(r#"{{"type":"record","name":"User","namespace":"{namespace}","fields":{FIELDS}}}"#);
        Known::parse(7, &text).unwrap()
    }

    #[test]
    fn what_tells_of_a_person_is_shut() {
        let mut record = record();
        record.show(&known("org.storepulse"), &value());
        let expected = serde_json::json!({
            "user_id": "6d0ac2ce…", "city": null, "latitude": 47.0, "country": "CH", "email": null,
        });
        assert_eq!(record.decoded, Some(expected));
        assert_eq!(record.shut, ["user_id", "city", "latitude", "email"]);
    }

    #[test]
    fn of_a_foreign_schema_names_alone_are_shown() {
        let mut record = record();
        record.show(&known("org.elsewhere"), &value());
        assert!(record.fields.iter().all(|field| field.text.is_none() && field.shut));
        assert!(!serde_json::to_string(&record).unwrap().contains("CH"));
    }

    #[test]
    fn text_without_a_schema_is_named_and_shut() {
        let mut shut = record();
        shut.guess(br#"{"email":"a@b.example"}"#);
        assert_eq!((shut.format, shut.shut.len()), (Format::Json, 1));
        assert!(!serde_json::to_string(&shut).unwrap().contains("b.example"));
        let mut bytes = record();
        bytes.guess(&[0xff, 0x00]);
        assert_eq!(bytes.format, Format::Bytes);
    }

    #[test]
    fn keys_of_persons_are_shut() {
        assert_eq!(shown_key(b"6d0ac2ce-0000-5000-8000-000000000001", true), "6d0ac2ce…");
        assert_eq!(shown_key(b"shop_relay", true), "shop_relay");
        assert_eq!(shown_key(b"a@b.example", false), "shut");
        assert_eq!(shown_key(&[0xff, 0xfe], false), "2 bytes");
    }
}
