//! Reading the position back, and writing it.

use contracts::avro::ReadError;
use contracts::{RelayPosition, wire};
use rdkafka::message::Message;

use crate::config::RelayConfig;
use crate::error::{Fault, RelayError};
use crate::settled;

/// Appends a position as the positions topic holds it.
pub fn encode(position: &RelayPosition, schema_id: u32, out: &mut Vec<u8>) {
    out.clear();
    wire::write_header(out, schema_id);
    position.write_avro(out);
}

/// The last committed position of the slot, if there is one. Blocks.
pub(crate) fn read(config: &RelayConfig) -> Result<Option<RelayPosition>, Fault> {
    let topic = config.namespace.positions_topic();
    let slot = config.namespace.slot();
    let mut last = None;
    settled::read(config, &topic, |record| {
        if record.key() == Some(slot.as_bytes()) {
            let decode = |value| decode(value, config, &topic, record.offset());
            last = record.payload().map(decode).transpose()?;
        }
        Ok(())
    })?;
    Ok(last)
}

fn decode(value: &[u8], config: &RelayConfig, topic: &str, offset: i64) -> Result<RelayPosition, RelayError> {
    let unreadable =
        |source: ReadError| RelayError::PositionUnreadable { topic: topic.to_owned(), offset, source };
    let (actual, body) = wire::split(value).map_err(unreadable)?;
    let expected = config.position_schema_id;
    if actual != expected {
        return Err(RelayError::PositionSchema { topic: topic.to_owned(), offset, actual, expected });
    }
    RelayPosition::read_avro(body).map_err(unreadable)
}
