//! From records as they are told to rows and verdicts in waiting.

use chrono::{DateTime, Utc};
use contracts::Reason;
use contracts::money::Rates;
use contracts::printable::printable_within;
use contracts::validation::{self, Rejection};
use ingest::store::{Committed, EncodedRows, Fresh, KEPT_ONCE, Kept, OtherEvent, SetAside};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::record::SenderRecord;
use crate::refusal::Refusal;
use crate::verdict::Verdict;

/// The events of one request, judged: what is to be committed, and what is known about each.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) rows: EncodedRows,
    pub(crate) set_aside: Vec<SetAside>,
    /// How many have no place among the rows.
    others: usize,
    pub(crate) events: JudgedEvents,
}

/// For each event, in their order, the id it will be stored under or why it will not.
#[derive(Debug)]
pub(crate) struct JudgedEvents(Vec<Result<Uuid, Rejection>>);

/// Characters of what is wrong, quotation included.
const DETAIL_CHARS: usize = 200;

/// An event that is larger than any real one is not read; of its bytes so many are kept.
fn within(record: &impl SenderRecord, limit_bytes: usize) -> Result<(), Rejection> {
    let size_bytes = record.size_bytes();
    if size_bytes <= limit_bytes {
        return Ok(());
    }
    let detail = format!("it has {size_bytes} bytes, {limit_bytes} are read; those are kept");
    Err(Rejection { reason: Reason::Malformed, field: "event", detail })
}

impl Judged {
    /// Judges the records of a request; there are no more of them than rows in a commit.
    ///
    /// # Errors
    /// The first record that cannot be read at all: nothing of the request is taken.
    pub(crate) fn new<T: SenderRecord>(
        records: impl ExactSizeIterator<Item = Result<T, Refusal>>,
        source: &str,
        ingested_at: DateTime<Utc>,
        rates: &Rates,
        event_bytes: usize,
    ) -> Result<Self, Refusal> {
        let mut rows = EncodedRows::with_capacity(records.len()).from_source(source);
        let mut set_aside = Vec::new();
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            let record = record?;
            let accepted = within(&record, event_bytes)
                .and_then(|()| record.draft())
                .and_then(|draft| validation::accept(draft, source, ingested_at, rates));
            match accepted {
                Ok(accepted) => {
                    let taken = rows.take(&accepted);
                    debug_assert!(taken, "a request fits into a commit");
                    events.push(Ok(accepted.event.event_id));
                }
                Err(rejection) => {
                    // What breaks a rule is quoted, and may be anything.
                    let detail = printable_within(&rejection.detail, DETAIL_CHARS);
                    let field = record.told_as(rejection.field);
                    let rejection = Rejection { detail, field, ..rejection };
                    let mut payload = record.payload();
                    let user_id = record.visitor(source);
                    let coordinates = match record.known_by() {
                        Some(id) => format!("{KEPT_ONCE}{}", hex::encode(Sha256::digest(id))),
                        None => hex::encode(Sha256::digest(&payload)),
                    };
                    payload.truncate(event_bytes);
                    set_aside.push(SetAside {
                        source: source.to_owned(),
                        coordinates,
                        reason: rejection.reason,
                        detail: rejection.to_string(),
                        payload,
                        user_id,
                        quarantined_at: ingested_at,
                    });
                    events.push(Err(rejection));
                }
            }
        }
        Ok(Self { rows, set_aside, others: 0, events: JudgedEvents(events) })
    }

    /// Takes what has no place among the rows in, too.
    pub(crate) fn with_others(
        mut self,
        others: Vec<OtherEvent>,
        source: &str,
        received_at: DateTime<Utc>,
    ) -> Self {
        self.others = others.len();
        for event in others {
            let taken = self.rows.take_other(Kept { source: source.to_owned(), received_at, event });
            debug_assert!(taken, "a request fits into a commit");
        }
        self
    }

    /// How many events there are, rejected and other ones included.
    pub(crate) const fn len(&self) -> usize {
        self.events.0.len() + self.others
    }
}

impl JudgedEvents {
    /// The verdicts, once it is known which ids were new. Of several events with one id the first one that asks was it, so
    /// requests must ask in the order of their rows.
    pub(crate) fn verdicts(self, committed: &mut Committed) -> Vec<Verdict> {
        let Committed { fresh, repeats, refused } = committed;
        let event = |event: Result<Uuid, Rejection>| match event {
            Ok(event_id) => refused.get(&event_id).map_or(Ok(event_id), |rejection| Err(rejection.clone())),
            rejected => rejected,
        };
        let verdict = |judged: Result<Uuid, Rejection>| match (event(judged), &mut *fresh) {
            (Err(rejection), _) => rejection.into(),
            (Ok(event_id), Fresh::All) => Verdict::Accepted { event_id },
            (Ok(event_id), Fresh::Only(ids)) => match ids.remove(&event_id) {
                true => Verdict::Accepted { event_id },
                false => Verdict::Repeated { event_id: *repeats.get(&event_id).unwrap_or(&event_id) },
            },
        };
        self.0.into_iter().map(verdict).collect()
    }
}
