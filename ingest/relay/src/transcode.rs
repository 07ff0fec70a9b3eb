//! PostgreSQL's binary row to Avro, bytes to bytes.
//!
//! A [`Transcoder`] is made once per table, when the log tells its shape: columns are matched to the
//! contract's fields by name, and a shape that differs is refused there. After that a row costs no
//! allocation; the caller's buffers are filled and reused.

use contracts::record::{Field, Kind};
use contracts::wire;
use contracts::{avro, pg_binary};
use uuid::Uuid;

use crate::pgoutput::{Cell, Relation, Tuple};

/// A table whose shape is not the contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A column that the contract has and the publication has not.
    #[error(
        "column {column} is not published; recreate the publication with `storepulse setup` on an empty system"
    )]
    Missing { column: &'static str },
    /// A column that the contract does not know.
    #[error("column {column} is published but not in the contract; remove it from the publication")]
    Unknown { column: String },
    /// A column of another type.
    #[error(
        "column {column} has the type with oid {actual}, but the contract says {expected_name} ({expected})"
    )]
    Type {
        column: &'static str,
        /// The oid it has.
        actual: u32,
        /// The oid it must have.
        expected: u32,
        /// The type's name.
        expected_name: String,
    },
}

/// A row that cannot be transcoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// More or fewer columns than its table's shape says.
    #[error("the row has {actual} columns, its table has {expected}")]
    Columns {
        /// Columns it has.
        actual: usize,
        /// Columns it must have.
        expected: usize,
    },
    /// Null where the contract allows none.
    #[error("{field} is null")]
    Null { field: &'static str },
    /// A value that is not in the log in binary.
    #[error("{field} was not sent in binary")]
    NotBinary { field: &'static str },
    /// Text that is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 { field: &'static str },
    /// More digits than the contract's decimal has.
    #[error("{field} does not fit {precision} digits")]
    Precision {
        field: &'static str,
        /// Digits allowed.
        precision: u8,
    },
    /// A value that is not what its type promises.
    #[error("{field} is not a value of its type")]
    Value {
        field: &'static str,
        /// What is wrong.
        #[source]
        source: pg_binary::DecodeError,
    },
}

/// How the rows of one table become records of one schema.
#[derive(Debug, Clone)]
pub struct Transcoder {
    fields: &'static [Field],
    /// For each field, which column of the row holds it.
    columns: Vec<usize>,
    /// The column that holds the record's key.
    key_column: usize,
    key_field: &'static str,
    schema_id: u32,
}

impl Transcoder {
    /// Matches a table's shape with a record's fields.
    ///
    /// # Errors
    /// When a column is missing, unknown or of another type.
    pub fn new(
        relation: &Relation,
        fields: &'static [Field],
        key_field: &'static str,
        schema_id: u32,
    ) -> Result<Self, ShapeError> {
        if let Some(column) = relation.columns.iter().find(|c| fields.iter().all(|f| f.name != c.name)) {
            return Err(ShapeError::Unknown { column: column.name.clone() });
        }
        let find = |name: &'static str| {
            relation
                .columns
                .iter()
                .position(|column| column.name == name)
                .ok_or(ShapeError::Missing { column: name })
        };
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let index = find(field.name)?;
            let actual = relation.columns[index].type_oid;
            let expected = type_oid(field.kind);
            if actual != expected {
                let expected_name = field.kind.postgres();
                return Err(ShapeError::Type { column: field.name, actual, expected, expected_name });
            }
            columns.push(index);
        }
        Ok(Self { fields, columns, key_column: find(key_field)?, key_field, schema_id })
    }

    /// Writes a row's key as text and its value in Confluent's wire format, replacing what the buffers held.
    ///
    /// # Errors
    /// When a value cannot be represented; the buffers then hold nothing of use.
    pub fn transcode(&self, row: &Tuple<'_>, key: &mut Vec<u8>, value: &mut Vec<u8>) -> Result<(), RowError> {
        self.check_len(row)?;
        value.clear();
        wire::write_header(value, self.schema_id);
        // Rows come in the table's order, which is the contract's; then no cell has to be looked up.
        let mut cells = row.cells();
        let mut next_column = 0;
        for (field, &column) in self.fields.iter().zip(&self.columns) {
            if column < next_column {
                cells = row.cells();
                next_column = 0;
            }
            let cell = cells.nth(column - next_column).unwrap_or(Cell::Unchanged);
            next_column = column + 1;
            write_field(field, cell, value)?;
            if column == self.key_column {
                self.write_key(cell, key)?;
            }
        }
        Ok(())
    }

    /// Writes only a row's key, as a deleted row has no more.
    ///
    /// # Errors
    /// When the key is not there.
    pub fn key(&self, row: &Tuple<'_>, key: &mut Vec<u8>) -> Result<(), RowError> {
        self.check_len(row)?;
        self.write_key(row.cells().nth(self.key_column).unwrap_or(Cell::Unchanged), key)
    }

    const fn check_len(&self, row: &Tuple<'_>) -> Result<(), RowError> {
        if row.len() == self.fields.len() {
            Ok(())
        } else {
            Err(RowError::Columns { actual: row.len(), expected: self.fields.len() })
        }
    }

    fn write_key(&self, cell: Cell<'_>, key: &mut Vec<u8>) -> Result<(), RowError> {
        let field = self.key_field;
        let Cell::Binary(bytes) = cell else { return Err(RowError::NotBinary { field }) };
        let id = pg_binary::array("uuid", bytes).map_err(|source| RowError::Value { field, source })?;
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        key.clear();
        key.extend_from_slice(Uuid::from_bytes(id).hyphenated().encode_lower(&mut text).as_bytes());
        Ok(())
    }
}

/// A column of instants, read without transcoding its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant {
    column: usize,
}

impl Instant {
    /// The column of a name in a table's shape.
    pub(crate) fn of(relation: &Relation, name: &str) -> Option<Self> {
        let column = relation.columns.iter().position(|column| column.name == name)?;
        Some(Self { column })
    }

    /// Its value in a row, in µs since 1970; nothing where it is not one of the years 1 to 9999.
    #[inline]
    pub(crate) fn read(self, row: &Tuple<'_>) -> Option<i64> {
        const YEARS_US: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;
        let Some(Cell::Binary(bytes)) = row.cells().nth(self.column) else { return None };
        pg_binary::read_timestamp(bytes).ok().filter(|unix_us| YEARS_US.contains(unix_us))
    }
}

fn write_field(field: &Field, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
    let bytes = match cell {
        Cell::Null if field.nullable => {
            // The first branch of the union `["null", type]`.
            avro::write_long(out, 0);
            return Ok(());
        }
        Cell::Null => return Err(RowError::Null { field: field.name }),
        Cell::Unchanged | Cell::Text(_) => return Err(RowError::NotBinary { field: field.name }),
        Cell::Binary(bytes) => bytes,
    };
    if field.nullable {
        avro::write_long(out, 1);
    }
    let value = |source| RowError::Value { field: field.name, source };
    match field.kind {
        Kind::Uuid => {
            avro::write_uuid(out, &Uuid::from_bytes(pg_binary::array("uuid", bytes).map_err(value)?));
        }
        Kind::Text { .. } => {
            let text = std::str::from_utf8(bytes).map_err(|_| RowError::NotUtf8 { field: field.name })?;
            avro::write_str(out, text);
        }
        Kind::Bool => {
            let [byte] = pg_binary::array("boolean", bytes).map_err(value)?;
            out.push(u8::from(byte != 0));
        }
        Kind::Int => {
            let number = i32::from_be_bytes(pg_binary::array("integer", bytes).map_err(value)?);
            avro::write_long(out, i64::from(number));
        }
        Kind::Double => {
            let bits = u64::from_be_bytes(pg_binary::array("double precision", bytes).map_err(value)?);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Kind::Decimal { precision, scale } => {
            let unscaled = pg_binary::read_numeric(bytes, scale).map_err(value)?;
            if 10u64.checked_pow(u32::from(precision)).is_some_and(|bound| unscaled.unsigned_abs() >= bound) {
                return Err(RowError::Precision { field: field.name, precision });
            }
            avro::write_decimal(out, unscaled);
        }
        Kind::TimestampMicros => {
            avro::write_long(out, pg_binary::read_timestamp(bytes).map_err(value)?);
        }
        Kind::Date => avro::write_long(out, i64::from(pg_binary::read_date(bytes).map_err(value)?)),
    }
    Ok(())
}

/// The oids of PostgreSQL's built-in types, fixed in its `pg_type.dat`.
const fn type_oid(kind: Kind) -> u32 {
    match kind {
        Kind::Bool => 16,
        Kind::Int => 23,
        Kind::Text { .. } => 25,
        Kind::Double => 701,
        Kind::Date => 1082,
        Kind::TimestampMicros => 1184,
        Kind::Decimal { .. } => 1700,
        Kind::Uuid => 2950,
    }
}

#[cfg(test)]
mod tests;
