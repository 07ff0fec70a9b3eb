//! Encoded rows, and those of them that the rules let in.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate};
use contracts::admission::Admission;
use contracts::event::EVENT;
use contracts::record::Column;
use contracts::validation::{Claim, Rejection};
use contracts::{Event, pg_binary};
use uuid::Uuid;

use super::admission::{self, Refused};
use super::other_events::{self, Kept};
use super::quarantine::SetAside;
use super::rows::{EncodedRows, HEADER, Sealed, TRAILER};
use super::tally::Tally;

/// The source of rows that name none.
const UNNAMED: &str = "store";

/// What of them may come in, and what not.
pub(super) struct Screening {
    pub(super) stream: Bytes,
    pub(super) days: BTreeSet<NaiveDate>,
    /// How many rows each minute of `ingested_at` has.
    pub(super) handed_in: Tally,
    pub(super) claims: Vec<Claim>,
    pub(super) set_aside: Vec<SetAside>,
    pub(super) refused: Refused,
    pub(super) others: Vec<Kept>,
}

/// What is read of a row to judge it.
struct Read<'a> {
    row: &'a [u8],
    event_id: Uuid,
    user_id: Uuid,
    occurred_us: i64,
    ingested_us: i64,
}

impl Sealed {
    /// Judges the rows; they are only looked at where one may be refused.
    pub(super) fn screen(&self, admission: &Admission) -> Screening {
        let mut screened = Screening {
            stream: self.stream.clone(),
            days: self.days.clone(),
            handed_in: self.handed_in.clone(),
            claims: self.claims.clone(),
            set_aside: Vec::new(),
            refused: Refused::new(),
            others: Vec::new(),
        };
        (screened.others, screened.set_aside) = other_events::screen(&self.others, admission);
        if admission.erased.is_none() && admission.floor.is_none_or(|floor| self.earliest >= floor) {
            return screened;
        }
        let mut kept = EncodedRows::with_capacity(0);
        // A user has many events in a batch.
        let mut erased: HashMap<Uuid, bool> = HashMap::new();
        let end = self.stream.len() - TRAILER.len();
        let mut rest = &self.stream[HEADER.len()..end];
        let mut number = 0;
        while let Some(read) = Read::next(&mut rest) {
            let is_erased = *erased.entry(read.user_id).or_insert_with(|| admission.is_erased(&read.user_id));
            let occurred_at = DateTime::from_timestamp_micros(read.occurred_us).unwrap_or_default();
            let judged = if is_erased {
                Err(admission::erased())
            } else {
                admission::before_floor(admission, occurred_at)
            };
            match judged {
                Ok(()) => kept.push_encoded(read.row, &read.event_id, read.ingested_us),
                Err(rejection) => screened.refuse(self.source(number), &read, rejection),
            }
            number += 1;
        }
        debug_assert!(rest.is_empty(), "rows are read as they were encoded");
        if !screened.refused.is_empty() {
            let Self { stream, days, handed_in, .. } = kept.sealed();
            screened.claims.retain(|claim| !screened.refused.contains_key(&claim.event_id));
            Screening { stream, days, handed_in, ..screened }
        } else {
            screened
        }
    }

    fn source(&self, row: usize) -> &str {
        let before = self.sources.partition_point(|(first, _)| *first <= row);
        before.checked_sub(1).map_or(UNNAMED, |last| &self.sources[last].1)
    }
}

impl Screening {
    fn refuse(&mut self, source: &str, read: &Read<'_>, rejection: Rejection) {
        self.set_aside.push(SetAside {
            source: source.to_owned(),
            coordinates: read.event_id.to_string(),
            reason: rejection.reason,
            detail: rejection.to_string(),
            payload: Vec::new(),
            user_id: None,
            quarantined_at: DateTime::from_timestamp_micros(read.ingested_us).unwrap_or_default(),
        });
        self.refused.insert(read.event_id, rejection);
    }
}

impl<'a> Read<'a> {
    /// The next row of a binary COPY; nothing at its end.
    fn next(rest: &mut &'a [u8]) -> Option<Self> {
        let whole = *rest;
        let fields = usize::from(u16::from_be_bytes(whole.first_chunk().copied()?));
        let mut after = whole.get(2..)?;
        let mut values: [&[u8]; Event::FIELDS.len()] = [&[]; Event::FIELDS.len()];
        for value in values.iter_mut().take(fields) {
            let length = i32::from_be_bytes(after.first_chunk().copied()?);
            after = after.get(4..)?;
            // A null has the length -1 and no bytes.
            let length = usize::try_from(length).unwrap_or(0);
            (*value, after) = after.split_at_checked(length)?;
        }
        let value = |column: Column| {
            let place = Event::FIELDS.iter().position(|field| field.name == column.name())?;
            values.get(place).copied()
        };
        let read = Self {
            row: whole.get(..whole.len() - after.len())?,
            event_id: Uuid::from_slice(value(EVENT.event_id)?).ok()?,
            user_id: Uuid::from_slice(value(EVENT.user_id)?).ok()?,
            occurred_us: pg_binary::read_timestamp(value(EVENT.occurred_at)?).ok()?,
            ingested_us: pg_binary::read_timestamp(value(EVENT.ingested_at)?).ok()?,
        };
        *rest = after;
        Some(read)
    }
}
