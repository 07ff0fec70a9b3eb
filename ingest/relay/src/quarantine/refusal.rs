//! A refusal as Spark publishes it.

use contracts::avro::{ReadError, Reader};
use contracts::{Reason, wire};

/// What a refusal says; see [`contracts::quarantine::Refusal`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused<'a> {
    pub(super) topic: &'a str,
    pub(super) coordinates: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) reason: Reason,
    pub(super) size_bytes: i64,
    pub(super) sha256: &'a str,
}

/// A record on the quarantine topic that is no refusal of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotARefusal {
    #[error("the schema id is {actual}, not {expected}")]
    Schema { actual: u32, expected: u32 },
    #[error("the record is no refusal")]
    Avro(#[from] ReadError),
    #[error("the reason {0:?} is not known")]
    Reason(String),
    #[error("the coordinates {0:?} are not partition/offset")]
    Coordinates(String),
}

impl<'a> Refused<'a> {
    pub(super) fn read(value: &'a [u8], schema_id: u32) -> Result<Self, NotARefusal> {
        let (actual, body) = wire::split(value)?;
        if actual != schema_id {
            return Err(NotARefusal::Schema { actual, expected: schema_id });
        }
        let mut reader = Reader::new(body);
        let topic = reader.str()?;
        let coordinates = reader.str()?;
        let reason = reader.str()?;
        let size_bytes = reader.long()?;
        let sha256 = reader.str()?;
        // When it was refused; the table keeps when it was stored.
        reader.long()?;
        reader.finish()?;
        let reason = reason.parse().map_err(|_| NotARefusal::Reason(reason.to_owned()))?;
        let (partition, offset) = coordinates
            .split_once('/')
            .and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)))
            .filter(|(partition, offset): &(i32, i64)| *partition >= 0 && *offset >= 0)
            .ok_or_else(|| NotARefusal::Coordinates(coordinates.to_owned()))?;
        Ok(Self { topic, coordinates, partition, offset, reason, size_bytes, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contracts::quarantine::Refusal;
    use contracts::record::Text;
    use proptest::prelude::*;

    use super::*;

    fn written(coordinates: &str) -> Vec<u8> {
        let refusal = Refusal {
            source: Text::new("shop.events.g1").unwrap(),
            coordinates: Text::new(coordinates).unwrap(),
            reason: Reason::BadMagicByte,
            size_bytes: 7,
            sha256: Text::new(&"ab".repeat(32)).unwrap(),
            refused_at: DateTime::from_timestamp_micros(1).unwrap(),
        };
        let mut value = Vec::new();
        wire::write_header(&mut value, 5);
        refusal.write_avro(&mut value);
        value
    }

    #[test]
    fn reads_what_the_contract_writes() {
        let value = written("3/99");
        let refused = Refused::read(&value, 5).unwrap();
        assert_eq!((refused.topic, refused.partition, refused.offset), ("shop.events.g1", 3, 99));
        assert_eq!((refused.reason, refused.size_bytes), (Reason::BadMagicByte, 7));
        assert_eq!(Refused::read(&value, 6), Err(NotARefusal::Schema { actual: 5, expected: 6 }));
        for coordinates in ["3", "3/", "-1/4", "3/x"] {
            assert_eq!(
                Refused::read(&written(coordinates), 5),
                Err(NotARefusal::Coordinates(coordinates.into()))
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Refused::read(&bytes, 5);
            let _ = Refused::read(&[&[0, 0, 0, 0, 5], &bytes[..]].concat(), 5);
        }
    }
}
