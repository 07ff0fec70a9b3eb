//! Confluent's wire format: a zero byte, the schema's id as big-endian `u32`, the Avro body.

use crate::avro::ReadError;

/// The first byte of every value.
pub const MAGIC: u8 = 0;
/// Bytes before the Avro body.
pub const HEADER_BYTES: usize = 5;
/// The Kafka header that names the topic generation a record belongs to, as the generation's UUID in text;
/// a record without the right one was not written by the relay.
pub const GENERATION_HEADER: &str = "storepulse-generation";
/// The Kafka header on `users` that tells an insert (`i`) from an update (`u`).
pub const OPERATION_HEADER: &str = "storepulse-operation";

/// Appends the header of a value whose schema has this id.
pub fn write_header(out: &mut Vec<u8>, schema_id: u32) {
    out.push(MAGIC);
    out.extend_from_slice(&schema_id.to_be_bytes());
}

/// Splits a value into its schema's id and its Avro body.
///
/// # Errors
/// When it is too short or does not start with the magic byte.
pub fn split(value: &[u8]) -> Result<(u32, &[u8]), ReadError> {
    match value {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [MAGIC, ..] | [] => Err(ReadError::Truncated),
        [magic, ..] => Err(ReadError::Value {
            field: "magic byte",
            message: format!("is {magic:#04x}, not {MAGIC:#04x}"),
        }),
    }
}
