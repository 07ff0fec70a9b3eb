//! Columns as text, whatever a file holds them as.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use uuid::Uuid;

/// The values of a column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    texts: StringArray,
    /// Whether they are times that the file holds as such, in the ISO form.
    pub(crate) is_time: bool,
}

impl Column {
    /// One without any value.
    pub(super) fn absent(rows: usize) -> Self {
        Self { texts: StringArray::new_null(rows), is_time: false }
    }

    /// A value without the spaces around it; nothing where there is none.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        if self.texts.is_null(at) {
            return None;
        }
        Some(self.texts.value(at).trim()).filter(|text| !text.is_empty())
    }

    /// Any array as text: integers and decimals digit by digit, floats as short as they are exact, times in the ISO form.
    pub(crate) fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let plain = |texts: StringArray| Ok(Self { texts, is_time: false });
        match array.data_type() {
            DataType::Utf8 => plain(array.as_string::<i32>().clone()),
            // A column of whole numbers with gaps is one of floats in many tools: 12 must not become 12.0.
            DataType::Float64 => plain(array.as_primitive::<Float64Type>().iter().map(float).collect()),
            DataType::Float32 => plain(array.as_primitive::<Float32Type>().iter().map(float).collect()),
            DataType::Float16 => Self::of(&cast(array, &DataType::Float32)?),
            DataType::Timestamp(_, zone) => {
                let unit = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                let unit = cast(array, &unit)?;
                let has_zone = zone.is_some();
                let texts = unit.as_primitive::<TimestampMicrosecondType>().iter().map(|us| {
                    let at = DateTime::from_timestamp_micros(us?)?;
                    let mut text = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                    if !has_zone {
                        text.pop();
                    }
                    Some(text)
                });
                Ok(Self { texts: texts.collect(), is_time: true })
            }
            DataType::Date32 | DataType::Date64 => {
                let days = cast(array, &DataType::Date32)?;
                let texts = cast(&days, &DataType::Utf8)?.as_string::<i32>().clone();
                Ok(Self { texts, is_time: true })
            }
            DataType::FixedSizeBinary(16) => {
                let ids = array.as_fixed_size_binary().iter();
                plain(ids.map(|id| Some(Uuid::from_slice(id?).ok()?.to_string())).collect())
            }
            _ => {
                // A value that has no text is an error and not an absent value.
                let options = CastOptions { safe: false, ..CastOptions::default() };
                plain(cast_with_options(array, &DataType::Utf8, &options)?.as_string::<i32>().clone())
            }
        }
    }
}

fn float<T: Into<f64>>(value: Option<T>) -> Option<String> {
    // What tables write for no number.
    value.map(Into::into).filter(|value| !value.is_nan()).map(|value| value.to_string())
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
