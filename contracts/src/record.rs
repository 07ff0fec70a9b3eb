//! Records whose fields are written once.
//!
//! [`record!`](macro@crate::record) turns a list of fields into the Rust struct, its field table ([`Field`]),
//! its typed column names ([`Column`]), its Avro body and its PostgreSQL binary COPY row.

mod code;
mod fixed;
mod number;
mod text;

pub use code::{Code, CodeError};
pub use fixed::{Fixed, FixedError, decimal_digits};
pub use number::{decimal_number, whole_number};
pub use text::{Text, TextError};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::avro::binary as avro;
use crate::avro::binary::{ReadError, Reader};
use crate::pg_binary;

/// The type of a field, from which each system's own type follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A UUID: `uuid` in PostgreSQL, a string of logical type `uuid` in Avro.
    Uuid,
    /// UTF-8 text of at most this many characters.
    Text {
        /// The longest value accepted, in characters.
        max_chars: usize,
    },
    /// True or false, one byte in both encodings.
    Bool,
    /// A 32-bit signed integer.
    Int,
    /// A 64-bit float; never used for money.
    Double,
    /// An exact decimal with `scale` digits after the point, `precision` in all.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// A UTC instant in µs.
    TimestampMicros,
    /// A calendar day.
    Date,
}

impl Kind {
    /// The PostgreSQL column type.
    #[must_use]
    pub fn postgres(self) -> String {
        match self {
            Kind::Uuid => "uuid".into(),
            Kind::Text { .. } => "text".into(),
            Kind::Bool => "boolean".into(),
            Kind::Int => "integer".into(),
            Kind::Double => "double precision".into(),
            Kind::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            Kind::TimestampMicros => "timestamp with time zone".into(),
            Kind::Date => "date".into(),
        }
    }

    /// The Spark SQL type that `from_avro` gives for it.
    #[must_use]
    pub fn spark(self) -> String {
        match self {
            Kind::Uuid | Kind::Text { .. } => "string".into(),
            Kind::Bool => "boolean".into(),
            Kind::Int => "int".into(),
            Kind::Double => "double".into(),
            Kind::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Kind::TimestampMicros => "timestamp".into(),
            Kind::Date => "date".into(),
        }
    }
}

/// What a text may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Anything that [`Text`] takes; of no meaning where the field is no text.
    Free,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Exactly this many upper-case ASCII letters.
    Letters(usize),
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name, in every system.
    pub name: &'static str,
    /// The type of its values, from which those of Avro, PostgreSQL and CQL follow.
    pub kind: Kind,
    /// What its text may be made of.
    pub spelling: Spelling,
    /// Whether it may be absent.
    pub nullable: bool,
    /// What it means.
    pub doc: &'static str,
}

/// The name of a column that exists: plans and generated SQL name columns only through values of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Column(&'static str);

impl Column {
    /// Used by [`record!`](macro@crate::record) and the cube's tables; a column is never made from a loose
    /// string.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as it stands in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Typed names of columns that belong to no record.
macro_rules! columns {
    ($(#[doc = $doc:literal])+ $const:ident : $type:ident {
        $( $(#[doc = $field_doc:literal])+ $field:ident, )+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $type { $( $(#[doc = $field_doc])+ pub $field: $crate::record::Column, )+ }
        $(#[doc = $doc])+
        pub const $const: $type = $type { $( $field: $crate::record::Column::new(stringify!($field)), )+ };
    };
}

pub(crate) use columns;

/// A Rust type that can stand in a record.
pub trait FieldType: Sized {
    /// The type of values as the contract has it.
    const KIND: Kind;
    /// What its text may be made of.
    const SPELLING: Spelling = Spelling::Free;
    /// Whether a value may be absent.
    const NULLABLE: bool = false;
    /// Appends the value in Avro's binary encoding.
    fn write_avro(&self, out: &mut Vec<u8>);
    /// Reads a value from Avro's binary encoding; the field's name is for the error.
    ///
    /// # Errors
    /// When the bytes hold no such value.
    fn read_avro(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, ReadError>;
    /// Appends the value in PostgreSQL's binary format, without its length.
    fn write_pg(&self, out: &mut Vec<u8>);
    /// Appends length and value, as a COPY field.
    fn write_pg_field(&self, out: &mut Vec<u8>) {
        pg_binary::write_field(out, |out| self.write_pg(out));
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    const SPELLING: Spelling = T::SPELLING;
    const NULLABLE: bool = true;

    fn write_avro(&self, out: &mut Vec<u8>) {
        match self {
            None => avro::write_long(out, 0),
            Some(value) => {
                avro::write_long(out, 1);
                value.write_avro(out);
            }
        }
    }

    fn read_avro(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, ReadError> {
        match reader.long()? {
            0 => Ok(None),
            1 => T::read_avro(reader, field).map(Some),
            branch => Err(bad_value(field, format_args!("has branch {branch} of a union of two"))),
        }
    }

    fn write_pg(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write_pg(out);
        }
    }

    fn write_pg_field(&self, out: &mut Vec<u8>) {
        match self {
            None => pg_binary::write_null(out),
            Some(value) => value.write_pg_field(out),
        }
    }
}

/// The error of a field whose bytes hold no value of it.
pub(crate) fn bad_value(field: &'static str, message: impl std::fmt::Display) -> ReadError {
    ReadError::Value { field, message: message.to_string() }
}

macro_rules! field_type {
    ($type:ty, $kind:expr,
     |$value:ident, $out:ident| avro $avro:expr, pg $pg:expr,
     |$reader:ident, $field:ident| $read:expr) => {
        impl FieldType for $type {
            const KIND: Kind = $kind;
            fn write_avro(&self, $out: &mut Vec<u8>) {
                let $value = self;
                $avro
            }
            fn read_avro($reader: &mut Reader<'_>, $field: &'static str) -> Result<Self, ReadError> {
                $read
            }
            fn write_pg(&self, $out: &mut Vec<u8>) {
                let $value = self;
                $pg
            }
        }
    };
}

field_type!(Uuid, Kind::Uuid,
    |v, out| avro avro::write_uuid(out, v), pg out.extend_from_slice(v.as_bytes()),
    |reader, field| reader.str()?.parse().map_err(|error| bad_value(field, error)));
field_type!(bool, Kind::Bool,
|v, out| avro out.push(u8::from(*v)), pg out.push(u8::from(*v)),
|reader, field| match reader.array()? {
    [0] => Ok(false),
    [1] => Ok(true),
    [other] => Err(bad_value(field, format_args!("{other} is neither 0 nor 1"))),
});
field_type!(i32, Kind::Int,
    |v, out| avro avro::write_long(out, i64::from(*v)), pg out.extend_from_slice(&v.to_be_bytes()),
    |reader, field| int(reader, field));
field_type!(f64, Kind::Double,
    |v, out| avro out.extend_from_slice(&v.to_le_bytes()), pg out.extend_from_slice(&v.to_be_bytes()),
    |reader, _field| reader.array().map(f64::from_le_bytes));
field_type!(DateTime<Utc>, Kind::TimestampMicros,
|v, out| avro avro::write_long(out, v.timestamp_micros()),
pg pg_binary::write_timestamp(out, v.timestamp_micros()),
|reader, field| {
    let unix_us = reader.long()?;
    DateTime::from_timestamp_micros(unix_us)
        .ok_or_else(|| bad_value(field, format_args!("{unix_us} µs is no instant")))
});
field_type!(NaiveDate, Kind::Date,
|v, out| avro avro::write_long(out, i64::from(pg_binary::days_since_unix_epoch(*v))),
pg pg_binary::write_date(out, pg_binary::days_since_unix_epoch(*v)),
|reader, field| {
    let days = int(reader, field)?;
    NaiveDate::from_epoch_days(days).ok_or_else(|| bad_value(field, format_args!("{days} days is no date")))
});

fn int(reader: &mut Reader<'_>, field: &'static str) -> Result<i32, ReadError> {
    let value = reader.long()?;
    i32::try_from(value).map_err(|_| bad_value(field, format_args!("{value} does not fit 32 bits")))
}

/// Defines a record and everything that follows from its fields.
///
/// Gives the struct, `Self::FIELDS`, `write_avro`, `write_copy_fields`, and a constant of the given name that
/// holds a typed [`Column`] for each field.
#[macro_export]
macro_rules! record {
    (
        $(#[doc = $record_doc:literal])+
        pub struct $record:ident, columns $columns:ident : $columns_type:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty, )+
        }
    ) => {
        $(#[doc = $record_doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $record { $( $(#[doc = $doc])+ pub $field: $type, )+ }

        #[doc = concat!("The columns of [`", stringify!($record), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $columns_type { $( $(#[doc = $doc])+ pub $field: $crate::record::Column, )+ }

        #[doc = concat!("Typed names of the columns of [`", stringify!($record), "`].")]
        pub const $columns: $columns_type =
            $columns_type { $( $field: $crate::record::Column::new(stringify!($field)), )+ };

        impl $record {
            /// The fields in contract order: the order of the Avro record and of the table.
            pub const FIELDS: &'static [$crate::record::Field] = &[ $( $crate::record::Field {
                name: stringify!($field),
                kind: <$type as $crate::record::FieldType>::KIND,
                spelling: <$type as $crate::record::FieldType>::SPELLING,
                nullable: <$type as $crate::record::FieldType>::NULLABLE,
                doc: concat!($($doc,)+).trim_ascii(),
            }, )+ ];

            /// Appends the record's Avro body (no Confluent header; see [`wire`]($crate::wire)).
            pub fn write_avro(&self, out: &mut Vec<u8>) {
                $( $crate::record::FieldType::write_avro(&self.$field, out); )+
            }

            /// Reads a record from its Avro body (no Confluent header), taking only what [`Self::write_avro`]
            /// would give for it: nothing follows, and no number is longer than it has to be.
            ///
            /// # Errors
            /// Names the first field that is not there or breaks its type's rule.
            pub fn read_avro(body: &[u8]) -> Result<Self, $crate::avro::binary::ReadError> {
                let mut reader = $crate::avro::binary::Reader::new(body);
                let record = Self {
                    $( $field: $crate::record::FieldType::read_avro(&mut reader, stringify!($field))?, )+
                };
                reader.finish()?;
                let mut canonical = Vec::with_capacity(body.len());
                record.write_avro(&mut canonical);
                if canonical == body {
                    Ok(record)
                } else {
                    Err($crate::avro::binary::ReadError::NotCanonical)
                }
            }

            /// Appends the record's fields as they stand in a binary COPY row, without the field count.
            pub fn write_copy_fields(&self, out: &mut Vec<u8>) {
                $( $crate::record::FieldType::write_pg_field(&self.$field, out); )+
            }

            /// The column names in contract order, comma-separated and quoted for PostgreSQL, which reserves
            /// the word `returning`.
            #[must_use]
            pub fn column_list() -> String {
                Self::FIELDS.iter().map(|field| format!("\"{}\"", field.name)).collect::<Vec<_>>().join(", ")
            }
        }
    };
}
