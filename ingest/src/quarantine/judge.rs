use chrono::{DateTime, Utc};
use contracts::money::{Places, Rates};
use contracts::validation::{self, Accepted, Rejection};
use contracts::{Event, Namespace, Reason, wire};

use crate::source::{FILE_PREFIX, collector, context, draft, randomuser, simulator};
use crate::store::{Judgement, Quarantined};

/// By what records are judged.
#[derive(Debug)]
pub struct Rules {
    /// Whose topics and log.
    pub namespace: Namespace,
    /// What money is converted with.
    pub rates: Rates,
}

/// Where a record came from, by the name of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Draft,
    User,
    /// A row of a shop's file, whose meaning only a mapping tells.
    File,
    Log,
    QuarantineTopic,
    /// Any other: a topic of events, whatever its generation.
    Topic,
}

impl Rules {
    fn origin(&self, source: &str) -> Origin {
        match source {
            simulator::SOURCE => Origin::Draft,
            _ if collector::is_source(source) => Origin::Draft,
            randomuser::SOURCE => Origin::User,
            _ if source.starts_with(FILE_PREFIX) => Origin::File,
            _ if source == self.namespace.slot() => Origin::Log,
            _ if source == self.namespace.quarantine_topic() => Origin::QuarantineTopic,
            _ => Origin::Topic,
        }
    }
}

/// Says what a record is by today's rules; what passes comes in at `ingested_at`.
#[must_use]
pub fn judge(
    record: &Quarantined,
    payload: Option<&[u8]>,
    rules: &Rules,
    ingested_at: DateTime<Utc>,
) -> Judgement {
    let refused = |reason, detail: &str| Judgement::Refused { reason, detail: detail.to_owned() };
    let origin = rules.origin(&record.source);
    if origin == Origin::Log {
        return refused(
            record.reason,
            "the row is in PostgreSQL already, where the topics cannot hold it: correct it there, then run `storepulse rebuild`",
        );
    }
    if origin == Origin::File {
        return refused(
            record.reason,
            "it is a row of a file: run `storepulse ingest replay` on the file with a mapping that lets it pass, or with --again where \
             only rates have changed",
        );
    }
    if origin == Origin::QuarantineTopic {
        return refused(
            record.reason,
            "it is no refusal and no event: a stranger wrote it to the quarantine topic",
        );
    }
    let Some(payload) = payload else {
        return refused(record.reason, "no bytes are stored: the record had none, or retention removed them");
    };
    match origin {
        Origin::User => match std::str::from_utf8(payload) {
            Err(error) => refused(Reason::Malformed, &format!("record: {error}")),
            Ok(json) => match randomuser::read_record(json, ingested_at) {
                Ok(user) => Judgement::User(Box::new(user)),
                Err(bad) => refused(bad.reason, &bad.to_string()),
            },
        },
        Origin::Draft => match draft::read(payload) {
            Ok(draft) if context::is_of_bot(&draft) => refused(
                record.reason,
                "a program sent it that says of itself that it is no shopper: it has no place in the figures",
            ),
            draft => event(
                draft.and_then(|draft| validation::accept(draft, &record.source, ingested_at, &rules.rates)),
            ),
        },
        Origin::Topic | Origin::File | Origin::Log | Origin::QuarantineTopic => {
            event(topic_event(payload, ingested_at, rules.rates.places()).map(Accepted::from))
        }
    }
}

fn event(judged: Result<Accepted, Rejection>) -> Judgement {
    match judged {
        Ok(accepted) => Judgement::Event(Box::new(accepted)),
        Err(rejection) => Judgement::Refused { reason: rejection.reason, detail: rejection.to_string() },
    }
}

/// A Kafka record whose bytes are exactly those of an event is one, whatever its headers and its schema's id:
/// with another registry or generation these differ, and the bytes do not lie by accident.
fn topic_event(value: &[u8], ingested_at: DateTime<Utc>, places: Places) -> Result<Event, Rejection> {
    let undecodable = |reason, field, error: contracts::avro::ReadError| Rejection {
        reason,
        field,
        detail: error.to_string(),
    };
    let (_, body) = wire::split(value).map_err(|error| undecodable(Reason::BadMagicByte, "value", error))?;
    let event =
        Event::read_avro(body).map_err(|error| undecodable(Reason::UndecodableAvro, "body", error))?;
    validation::readmit(event, ingested_at, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    fn record(source: &str, reason: Reason) -> Quarantined {
        Quarantined {
            source: source.to_owned(),
            coordinates: "0/1".to_owned(),
            reason,
            detail: String::new(),
            size_bytes: 0,
            sha256: String::new(),
            quarantined_at: from_micros(0),
            replayed_at: None,
            outcome: None,
            outcome_reason: None,
            outcome_detail: None,
            record_id: None,
        }
    }

    #[test]
    fn what_cannot_be_judged_says_the_way_out() {
        let rules = Rules { namespace: Namespace::default(), rates: crate::rates::built_in() };
        let refused = |source: &str, reason, payload: Option<&[u8]>| match judge(
            &record(source, reason),
            payload,
            &rules,
            from_micros(0),
        ) {
            Judgement::Refused { reason, detail } => (reason, detail),
            other => panic!("{other:?}"),
        };
        let (reason, detail) = refused("shop_relay", Reason::UndecodableRow, Some(b"row"));
        assert_eq!(reason, Reason::UndecodableRow);
        assert!(detail.contains("storepulse rebuild"));
        let of_file = refused("file:acme", Reason::MissingRate, Some(b"a,b"));
        assert_eq!(of_file.0, Reason::MissingRate);
        assert!(of_file.1.contains("storepulse ingest replay"));
        assert_eq!(refused("shop.events.g1", Reason::OutOfRange, None).0, Reason::OutOfRange);
        assert_eq!(refused("shop.events.g1", Reason::BadMagicByte, Some(b"{}")).0, Reason::BadMagicByte);
        let truncated = refused("shop.events.g9", Reason::UndecodableAvro, Some(&[0, 0, 0, 0, 1, 72]));
        assert_eq!(truncated.0, Reason::UndecodableAvro);
        assert_eq!(refused("simulator", Reason::MissingId, Some(b"[1")).0, Reason::Malformed);
        assert_eq!(refused("collector/web", Reason::MissingId, Some(b"7")).0, Reason::Malformed);
        assert_eq!(refused("randomuser", Reason::MissingId, Some(&[0xff])).0, Reason::Malformed);
        assert_eq!(refused("randomuser", Reason::InvalidField, Some(b"{}")).0, Reason::MissingId);
    }
}
