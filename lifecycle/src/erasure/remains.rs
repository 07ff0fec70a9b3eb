//! What an erasure leaves for a while, and until when.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Namespace;
use contracts::topics::{EVENTS_RETENTION_DAYS, USERS_COMPACTED_WITHIN_DAYS};

/// What stays of an erased person in one place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Remains {
    pub place: String,
    pub what: &'static str,
    /// When it has gone at the latest, where that is known.
    pub until: Option<DateTime<Utc>>,
    /// What that depends on.
    pub provided: &'static str,
}

/// Of an erasure at this time.
pub(super) fn told(now: DateTime<Utc>, namespace: &Namespace) -> Vec<Remains> {
    // A segment is begun anew after a week at the latest, and goes with its newest record.
    let events_days = 2 * i64::from(EVENTS_RETENTION_DAYS);
    let after_days = |days: i64| Some(now + TimeDelta::days(days));
    vec![
        Remains {
            place: format!("kafka: {}…", namespace.events_topic(1).trim_end_matches('1')),
            what: "events with the old user and visit ids",
            until: after_days(events_days),
            provided: "Kafka's topic keeps its settings",
        },
        Remains {
            place: format!("kafka: {}", namespace.users_topic()),
            what: "earlier states of the user, without name and address",
            until: after_days(i64::from(USERS_COMPACTED_WITHIN_DAYS)),
            provided: "later users come: a segment that nobody writes to is not compacted",
        },
        Remains {
            place: "spark: checkpoints of the plans in force".to_owned(),
            what: "ids in the state of open visits",
            until: None,
            provided: "an hour after the last event, and after a hundred more micro-batches",
        },
        Remains {
            place: "cassandra: data files".to_owned(),
            what: "deleted rows of tables by user, which no query finds",
            until: None,
            provided: "10 days (gc_grace_seconds), then the next compaction",
        },
        Remains {
            place: "postgresql: dead rows and the log".to_owned(),
            what: "what was replaced or deleted, which no query finds",
            until: None,
            provided: "vacuum, and the reuse of the log's segments",
        },
        Remains {
            place: "backups, and files that records were read from".to_owned(),
            what: "everything of before",
            until: None,
            provided: "yours to expire; after a restore erase again",
        },
    ]
}
