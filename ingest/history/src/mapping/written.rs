//! A mapping as it is written in TOML, before it is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Format;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) source: Option<String>,
    pub(super) format: Option<Format>,
    pub(super) timezone: Option<String>,
    #[serde(default)]
    pub(super) csv: WrittenCsv,
    pub(super) lines: Option<String>,
    #[serde(default)]
    pub(super) pairs: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) skip: Vec<WrittenSkip>,
    #[serde(default)]
    pub(super) orders: WrittenOrders,
    pub(super) fields: BTreeMap<String, WrittenRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCsv {
    pub(super) delimiter: Option<char>,
    pub(super) quote: Option<char>,
}

/// Rows that are no events: those with one of these values in a column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSkip {
    pub(super) column: String,
    pub(super) values: Vec<Scalar>,
}

/// What lines that follow each other with one order id have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenOrders {
    #[serde(default)]
    pub(super) carry: Vec<String>,
    #[serde(default)]
    pub(super) number: bool,
}

/// Where a field comes from: `field = "column"`, or a table of what follows.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTable {
    pub(super) column: Option<String>,
    pub(super) columns: Option<Vec<String>>,
    pub(super) content: Option<Vec<String>>,
    pub(super) value: Option<Scalar>,
    pub(super) values: Option<BTreeMap<String, Scalar>>,
    pub(super) default: Option<Scalar>,
    pub(super) format: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) decimal: Option<char>,
    pub(super) unit: Option<String>,
    pub(super) negative: Option<String>,
    pub(super) refund_prefix: Option<String>,
    #[serde(default)]
    pub(super) as_written: bool,
    #[serde(default)]
    pub(super) keep: bool,
}

#[derive(Debug)]
pub(super) struct WrittenRule(pub(super) WrittenTable);

impl<'de> Deserialize<'de> for WrittenRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WrittenRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column's name, or a table with `column` or `value`")
            }

            fn visit_str<E>(self, column: &str) -> Result<WrittenRule, E> {
                Ok(WrittenRule(WrittenTable { column: Some(column.to_owned()), ..WrittenTable::default() }))
            }

            // Unlike an untagged enum this names the key that is not known.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenRule, A::Error> {
                WrittenTable::deserialize(MapAccessDeserializer::new(map)).map(WrittenRule)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A value as it would stand in a cell.
#[derive(Debug)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
