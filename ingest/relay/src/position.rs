//! Reading the position back, and writing it.

use std::time::{Duration, Instant};

use contracts::avro::ReadError;
use contracts::{RelayPosition, wire};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};

use crate::config::RelayConfig;
use crate::error::{Fault, Interrupted, RelayError};
use crate::readback;

/// How long the topic may be unknown to a broker that has just started.
const MISSING: Duration = Duration::from_secs(10);
/// Names the last beat of `ops.relay_status` before the position; see [`crate::status`].
const BEAT_HEADER: &str = "beat";

/// A position as it stands in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) position: RelayPosition,
    /// The last beat before it; nothing in a first position, which set-up writes.
    pub(crate) beat: Option<i64>,
}

/// The headers of a position.
pub(crate) fn headers(beat: i64) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: BEAT_HEADER, value: Some(&beat.to_string()) })
}

fn beat_of(headers: Option<&impl Headers>) -> Option<i64> {
    let header = headers?.iter().find(|header| header.key == BEAT_HEADER)?;
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}

/// Appends a position as the positions topic holds it.
pub fn encode(position: &RelayPosition, schema_id: u32, out: &mut Vec<u8>) {
    out.clear();
    wire::write_header(out, schema_id);
    position.write_avro(out);
}

/// The last committed position of the slot, if there is one. Blocks.
pub(crate) fn read(config: &RelayConfig) -> Result<Option<Stored>, Fault> {
    let deadline = Instant::now() + MISSING;
    loop {
        match read_once(config) {
            Err(Fault::Retry(Interrupted::TopicMissing { topic })) => {
                if Instant::now() >= deadline {
                    return Err(RelayError::PositionsTopicMissing { topic }.into());
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            read => return read,
        }
    }
}

fn read_once(config: &RelayConfig) -> Result<Option<Stored>, Fault> {
    let topic = config.namespace.positions_topic();
    let slot = config.namespace.slot();
    let mut last = None;
    readback::read(config, &topic, |record| {
        if record.key() == Some(slot.as_bytes()) {
            let decode = |value| decode(value, config, &topic, record.offset());
            let position = record.payload().map(decode).transpose()?;
            last = position.map(|position| Stored { position, beat: beat_of(record.headers()) });
        }
        Ok(())
    })?;
    Ok(last)
}

fn decode(value: &[u8], config: &RelayConfig, topic: &str, offset: i64) -> Result<RelayPosition, RelayError> {
    let unreadable =
        |source: ReadError| RelayError::PositionUnreadable { topic: topic.to_owned(), offset, source };
    let (actual, body) = wire::split(value).map_err(unreadable)?;
    let expected = config.assigned.position_schema_id;
    if actual != expected {
        return Err(RelayError::PositionSchema { topic: topic.to_owned(), offset, actual, expected });
    }
    RelayPosition::read_avro(body).map_err(unreadable)
}
