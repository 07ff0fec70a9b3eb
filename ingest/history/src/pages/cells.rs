//! Columns as text, whatever a file holds them as.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date64Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use uuid::Uuid;

use super::encoding;

/// The values of a column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    texts: StringArray,
    held: Held,
    /// Values that hold what is no text, as [`encoding`] marks it.
    marked: Vec<usize>,
}

/// How a file holds the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Text,
    /// As times, in the ISO form.
    Time,
    /// As numbers with all their digits.
    Exact,
    /// As floats, of which those are exact that are less.
    Float {
        exact_below: u64,
    },
}

const DOUBLE: Held = Held::Float { exact_below: 1 << f64::MANTISSA_DIGITS };
const SINGLE: Held = Held::Float { exact_below: 1 << f32::MANTISSA_DIGITS };

impl Column {
    /// One without any value.
    pub(super) fn absent(rows: usize) -> Self {
        Self::held(StringArray::new_null(rows), Held::Text)
    }

    const fn held(texts: StringArray, held: Held) -> Self {
        Self { texts, held, marked: Vec::new() }
    }

    pub(crate) const fn how(&self) -> Held {
        self.held
    }

    pub(super) fn marked(&self) -> &[usize] {
        &self.marked
    }

    /// The same with control characters as they are, where JSON's strings held them unescaped.
    pub(super) fn without_controls(self) -> Self {
        let texts = self.texts.iter().map(|text| text.map(encoding::without_controls)).collect();
        Self { texts, ..self }
    }

    /// Whether no row has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.null_count() == self.texts.len()
    }

    /// A value without the spaces around it; nothing where there is none.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        if self.texts.is_null(at) {
            return None;
        }
        Some(self.texts.value(at).trim()).filter(|text| !text.is_empty())
    }

    /// Any array as text: integers and decimals digit by digit, floats as short as they are exact, times in
    /// the ISO form.
    pub(crate) fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        match array.data_type() {
            DataType::Utf8 => Ok(Self::held(array.as_string::<i32>().clone(), Held::Text)),
            // A column of whole numbers with gaps is one of floats in many tools: 12 must not become 12.0.
            DataType::Float64 => {
                Ok(Self::held(array.as_primitive::<Float64Type>().iter().map(double).collect(), DOUBLE))
            }
            // Of its own digits: as a double, 19.9 would be 19.899999618530273.
            DataType::Float32 => {
                Ok(Self::held(array.as_primitive::<Float32Type>().iter().map(single).collect(), SINGLE))
            }
            // 19.9 is 19.90625 there, and no text tells which was meant.
            DataType::Float16 => Err(ArrowError::CastError(
                "floats of 16 bits keep three digits: export the column as decimals, doubles or text"
                    .to_owned(),
            )),
            DataType::Dictionary(_, kind) => Self::of(&cast(array, kind)?),
            DataType::Timestamp(unit, zone) => Self::timestamps(array, *unit, zone.is_some()),
            DataType::Date32 => Self::days(array),
            DataType::Date64 => {
                const DAY_MS: i64 = 86_400_000;
                let ms = array.as_primitive::<Date64Type>();
                // Dates, but for a writer that keeps times in there.
                if ms.iter().flatten().all(|ms| ms % DAY_MS == 0) {
                    return Self::days(&cast(array, &DataType::Date32)?);
                }
                Self::timestamps(
                    &cast(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?,
                    TimeUnit::Millisecond,
                    false,
                )
            }
            DataType::FixedSizeBinary(16) => {
                let ids = array.as_fixed_size_binary().iter();
                Ok(Self::held(
                    ids.map(|id| Some(Uuid::from_slice(id?).ok()?.to_string())).collect(),
                    Held::Text,
                ))
            }
            DataType::Binary => Ok(Self::bytes(array.as_binary::<i32>().iter())),
            DataType::LargeBinary => Ok(Self::bytes(array.as_binary::<i64>().iter())),
            DataType::BinaryView => Ok(Self::bytes(array.as_binary_view().iter())),
            kind if kind.is_nested() => {
                Err(ArrowError::CastError(format!("a value was expected and it holds {kind}")))
            }
            kind => {
                // A value that has no text is an error and not an absent value.
                let options = CastOptions { safe: false, ..CastOptions::default() };
                let held = if kind.is_numeric() { Held::Exact } else { Held::Text };
                let texts = cast_with_options(array, &DataType::Utf8, &options)?;
                Ok(Self::held(texts.as_string::<i32>().clone(), held))
            }
        }
    }

    fn days(array: &ArrayRef) -> Result<Self, ArrowError> {
        let texts = cast(array, &DataType::Utf8)?.as_string::<i32>().clone();
        Ok(Self::held(texts, Held::Time))
    }

    fn timestamps(array: &ArrayRef, unit: TimeUnit, has_zone: bool) -> Result<Self, ArrowError> {
        let units = cast(array, &DataType::Int64)?;
        let texts = units.as_primitive::<Int64Type>().iter().map(|units| {
            let units = units?;
            let at = match unit {
                TimeUnit::Second => DateTime::from_timestamp(units, 0),
                TimeUnit::Millisecond => DateTime::from_timestamp_millis(units),
                TimeUnit::Microsecond => DateTime::from_timestamp_micros(units),
                TimeUnit::Nanosecond => DateTime::from_timestamp_micros(units.div_euclid(1_000)),
            };
            // One that no calendar has is refused as the number that it is, and not taken for absent.
            let Some(at) = at else { return Some(units.to_string()) };
            let mut text = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            if !has_zone {
                text.pop();
            }
            Some(text)
        });
        Ok(Self::held(texts.collect(), Held::Time))
    }

    /// Bytes are text, or a matter of their row alone.
    fn bytes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        let mut marked = Vec::new();
        let texts: StringArray = values
            .enumerate()
            .map(|(at, bytes)| match std::str::from_utf8(bytes?) {
                Ok(text) => Some(Cow::Borrowed(text)),
                Err(_) => {
                    marked.push(at);
                    Some(Cow::Owned(encoding::marked(bytes?)))
                }
            })
            .collect();
        Self { texts, held: Held::Text, marked }
    }
}

/// What tables write for no number is none.
fn double(value: Option<f64>) -> Option<String> {
    value.filter(|value| !value.is_nan()).map(|value| value.to_string())
}

fn single(value: Option<f32>) -> Option<String> {
    value.filter(|value| !value.is_nan()).map(|value| value.to_string())
}

/// The column of a name; a dot leads into a column of columns.
pub(super) fn resolve(batch: &RecordBatch, name: &str) -> Option<ArrayRef> {
    batch.column_by_name(name).map(Arc::clone).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        within(batch.column_by_name(outer)?.as_struct_opt()?, inner)
    })
}

fn within(outer: &StructArray, name: &str) -> Option<ArrayRef> {
    let inner = match outer.column_by_name(name) {
        Some(inner) => Arc::clone(inner),
        None => {
            let (next, rest) = name.split_once('.')?;
            within(outer.column_by_name(next)?.as_struct_opt()?, rest)?
        }
    };
    // Where the outer value is absent, so is the inner one, whatever stands in its place.
    let nulls = NullBuffer::union(outer.nulls(), inner.nulls());
    let data = inner.to_data().into_builder().nulls(nulls).build().ok()?;
    Some(make_array(data))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Float32Array, Float64Array, Int32Array};

    use super::*;

    #[test]
    fn a_value_is_held_as_it_is_whatever_packs_it() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![17850.0, f64::NAN]));
        let packed = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0, 1, 0]), values);
        let column = Column::of(&(Arc::new(packed) as ArrayRef)).unwrap();
        assert_eq!((column.text(0), column.text(1), column.how()), (Some("17850"), None, DOUBLE));
        let single: ArrayRef = Arc::new(Float32Array::from(vec![19.9]));
        assert_eq!(Column::of(&single).unwrap().text(0), Some("19.9"));
        let half = cast(&single, &DataType::Float16).unwrap();
        assert!(Column::of(&half).unwrap_err().to_string().contains("three digits"));
    }
}
