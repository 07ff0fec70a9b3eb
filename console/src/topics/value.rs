//! A decoded value, borrowed from the record and its schema, and how it is written: logical types as what
//! they mean.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde_json::{Map, Value as Json, json};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// `int` or `long`.
    Whole(i64),
    Float(f32),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Its unscaled value and how many digits stand after the point.
    Decimal(i128, u32),
    /// Days since 1970.
    Date(i64),
    /// A time of day.
    Time(i64, Unit),
    /// An instant since 1970 UTC.
    Instant(i64, Unit),
    /// A local time, of no zone.
    Local(i64, Unit),
    /// Months, days, milliseconds.
    Stretch(u32, u32, u32),
    Array(Vec<Value<'a>>),
    Map(Vec<(&'a str, Value<'a>)>),
    Record(Vec<(&'a str, Value<'a>)>),
}

/// What a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milli,
    Micro,
    Nano,
}

impl Unit {
    const fn a_second(self) -> i64 {
        match self {
            Self::Milli => 1_000,
            Self::Micro => 1_000_000,
            Self::Nano => 1_000_000_000,
        }
    }

    /// Seconds and the nanoseconds above them.
    fn split(self, value: i64) -> (i64, u32) {
        let rest = value.rem_euclid(self.a_second()) * (1_000_000_000 / self.a_second());
        (value.div_euclid(self.a_second()), u32::try_from(rest).unwrap_or(0))
    }
}

impl<'a> Value<'a> {
    /// A field of a record or map.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Self::Record(fields) | Self::Map(fields) => {
                fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The instant it is, where it is one.
    pub(crate) fn instant(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Instant(value, unit) => {
                let (seconds, nanos) = unit.split(*value);
                DateTime::from_timestamp(seconds, nanos)
            }
            _ => None,
        }
    }

    /// As people read it, and as conditions are compared with: nothing of null, arrays, maps and records.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Array(_) | Self::Map(_) | Self::Record(_) => return None,
            Self::Bool(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => (*text).to_owned(),
            Self::Bytes(bytes) => hex::encode(bytes),
            Self::Decimal(unscaled, scale) => decimal(*unscaled, *scale),
            Self::Date(days) => date(*days).map_or_else(|| format!("{days} days"), |date| date.to_string()),
            Self::Time(value, unit) => time(*value, *unit),
            Self::Instant(value, _) => self
                .instant()
                .map_or_else(|| value.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Local(value, unit) => {
                let (seconds, nanos) = unit.split(*value);
                DateTime::from_timestamp(seconds, nanos).map_or_else(
                    || value.to_string(),
                    |at| at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
                )
            }
            Self::Stretch(months, days, ms) => format!("{months} months {days} days {ms} ms"),
        })
    }

    /// As JSON: decimals, times and whole numbers beyond 2^53 are strings.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Whole(value) if value.unsigned_abs() <= 1 << 53 => json!(value),
            Self::Float(value) if value.is_finite() => json!(value),
            Self::Double(value) if value.is_finite() => json!(value),
            Self::Array(items) => Json::Array(items.iter().map(Self::json).collect()),
            Self::Map(fields) | Self::Record(fields) => Json::Object(
                fields.iter().map(|(name, value)| ((*name).to_owned(), value.json())).collect::<Map<_, _>>(),
            ),
            other => json!(other.text()),
        }
    }
}

fn decimal(unscaled: i128, scale: u32) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let scale = scale as usize;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

fn date(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
}

fn time(value: i64, unit: Unit) -> String {
    let (seconds, nanos) = unit.split(value);
    let at = u32::try_from(seconds)
        .ok()
        .and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
    at.map_or_else(|| value.to_string(), |at| at.format("%H:%M:%S%.f").to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    proptest! {
        #[test]
        fn decimals_are_written_as_rust_decimal_writes_them(unscaled: i64, scale in 0_u32..28) {
            let ours = Value::Decimal(i128::from(unscaled), scale).text().unwrap();
            prop_assert_eq!(ours, Decimal::from_i128_with_scale(i128::from(unscaled), scale).to_string());
        }

        #[test]
        fn any_number_is_written(value: i64, scale: u8) {
            for unit in [Unit::Milli, Unit::Micro, Unit::Nano] {
                for value in
                    [Value::Time(value, unit), Value::Instant(value, unit), Value::Local(value, unit)]
                {
                    prop_assert!(value.text().is_some());
                }
            }
            prop_assert!(Value::Date(value).text().is_some());
            prop_assert!(Value::Decimal(i128::from(value), u32::from(scale)).text().is_some());
        }
    }

    #[test]
    fn what_json_cannot_hold_is_a_string() {
        assert_eq!(Value::Whole(i64::MAX).json(), json!("9223372036854775807"));
        assert_eq!(Value::Double(f64::NAN).json(), json!("NaN"));
        assert_eq!(Value::Decimal(-5, 2).json(), json!("-0.05"));
        assert_eq!(Value::Instant(1_500, Unit::Milli).json(), json!("1970-01-01T00:00:01.500Z"));
    }
}
