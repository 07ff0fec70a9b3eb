//! Avro: schemas derived from records, and the [binary] encoding.

pub mod binary;

use serde_json::{Value, json};

use crate::record::{Field, Kind};

pub use binary::{ReadError, Reader, write_bytes, write_decimal, write_long, write_str, write_uuid};

/// The namespace of every Avro record.
pub const NAMESPACE: &str = "org.storepulse";

/// The Avro schema of a record, as registered.
#[must_use]
pub fn schema(record: &str, doc: &str, fields: &[Field]) -> Value {
    json!({
        "type": "record",
        "name": record,
        "namespace": NAMESPACE,
        "doc": doc,
        "fields": fields.iter().map(field_schema).collect::<Vec<_>>(),
    })
}

fn field_schema(field: &Field) -> Value {
    let bare = match field.kind {
        Kind::Uuid => json!({"type": "string", "logicalType": "uuid"}),
        Kind::Text { .. } => json!("string"),
        Kind::Bool => json!("boolean"),
        Kind::Int => json!("int"),
        Kind::Double => json!("double"),
        Kind::Decimal { precision, scale } => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        Kind::TimestampMicros => json!({"type": "long", "logicalType": "timestamp-micros"}),
        Kind::Date => json!({"type": "int", "logicalType": "date"}),
    };
    if field.nullable {
        json!({"name": field.name, "doc": field.doc, "type": ["null", bare], "default": null})
    } else {
        json!({"name": field.name, "doc": field.doc, "type": bare})
    }
}
