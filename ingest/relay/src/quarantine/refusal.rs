//! A refusal as Spark publishes it.

use contracts::avro::ReadError;
use contracts::quarantine::Refusal;
use contracts::wire;

/// A refusal and where the record stands that it is about.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A record on the quarantine topic that is no refusal of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotARefusal {
    #[error("the schema id is {actual}, not {expected}")]
    Schema { actual: u32, expected: u32 },
    #[error("the record is not a refusal")]
    Avro(#[from] ReadError),
    #[error("{0:?} is not a valid name of a topic")]
    Topic(String),
    #[error("the coordinates {0:?} are not partition/offset")]
    Coordinates(String),
}

impl Refused {
    /// Takes only what can be looked up and stored: anything else would be asked for again and again.
    pub(super) fn read(value: &[u8], schema_id: u32) -> Result<Self, NotARefusal> {
        let (actual, body) = wire::split(value)?;
        if actual != schema_id {
            return Err(NotARefusal::Schema { actual, expected: schema_id });
        }
        let refusal = Refusal::read_avro(body)?;
        // Kafka's own rule for the names of topics.
        if !refusal.source.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err(NotARefusal::Topic(refusal.source.to_string()));
        }
        let (partition, offset) = refusal
            .coordinates
            .split_once('/')
            .and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)))
            .filter(|(partition, offset): &(i32, i64)| *partition >= 0 && *offset >= 0)
            .ok_or_else(|| NotARefusal::Coordinates(refusal.coordinates.to_string()))?;
        Ok(Self { refusal, partition, offset })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contracts::Reason;
    use contracts::record::Text;
    use proptest::prelude::*;

    use super::*;

    fn written(coordinates: &str) -> Vec<u8> {
        written_of("shop.events.g1", coordinates)
    }

    fn written_of(topic: &str, coordinates: &str) -> Vec<u8> {
        let refusal = Refusal {
            source: Text::new(topic).unwrap(),
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
        assert_eq!(
            (refused.refusal.source.as_str(), refused.partition, refused.offset),
            ("shop.events.g1", 3, 99)
        );
        assert_eq!((refused.refusal.reason, refused.refusal.size_bytes), (Reason::BadMagicByte, 7));
        let nowhere = Refused::read(&written_of("a topic", "3/99"), 5);
        assert_eq!(nowhere, Err(NotARefusal::Topic("a topic".into())));
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
