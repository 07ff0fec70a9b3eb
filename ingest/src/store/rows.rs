use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ledger::minute_us;
use contracts::validation::{Accepted, Claim, VisitStart};
use contracts::vocabulary::EventName;
use contracts::{Event, ids};
use uuid::Uuid;

use super::other_events::Kept;
use super::shared_line::shared_line;
use super::shop_order::ShopOrder;
use super::tally::{Counts, Tally};
use super::user_facts::UserStatement;

/// The most rows in one transaction: what the relay decodes and publishes as one unit stays small.
pub const MAX_ROWS_PER_COMMIT: usize = 10_000;

/// PostgreSQL's COPY signature, no flags, no header extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(super) const TRAILER: [u8; 2] = (-1i16).to_be_bytes();
/// A typical row takes 400 to 500 bytes.
const TYPICAL_ROW_BYTES: usize = 480;

/// Events as the rows of one binary COPY, at most [`MAX_ROWS_PER_COMMIT`] of them. Only what orders of shop
/// systems become may be more.
///
/// Encoding is apart from writing so that a source can encode on its own thread.
#[derive(Debug, Clone)]
pub struct EncodedRows {
    bytes: Vec<u8>,
    rows: usize,
    /// The days of the ids, which decide the partitions.
    days: BTreeSet<NaiveDate>,
    last_day_ms: (i64, i64),
    /// What is handed in, by minute of `ingested_at`.
    handed_in: Tally,
    /// Where rows came from, each with the first of its rows.
    sources: Vec<(usize, Arc<str>)>,
    earliest: DateTime<Utc>,
    /// Of the rows whose ids are made here, in their order.
    claims: Vec<Claim>,
    /// Events that PostgreSQL has to tell of before they are rows, behind the others, and where they came
    /// from.
    open: Vec<(Option<Arc<str>>, Accepted)>,
    /// What is judged by what is known of its order.
    of_orders: Box<OfOrders>,
    /// What has no place among the rows, and is stored with them.
    others: Vec<Kept>,
}

/// What of a transaction is judged by what is known of its order, each with where it came from.
#[derive(Debug, Clone, Default)]
struct OfOrders {
    /// Refunds, in the order in which they came: what is left of their orders PostgreSQL has to tell.
    refunds: Vec<(Option<Arc<str>>, Accepted)>,
    /// Orders of shop systems, of which PostgreSQL has to tell what was told before.
    shop_orders: Vec<(Option<Arc<str>>, ShopOrder)>,
}

/// Rows of one transaction, as they were handed in.
pub(super) struct Sealed {
    /// The whole COPY stream.
    pub(super) stream: Bytes,
    pub(super) days: BTreeSet<NaiveDate>,
    pub(super) handed_in: Tally,
    pub(super) sources: Vec<(usize, Arc<str>)>,
    pub(super) earliest: DateTime<Utc>,
    pub(super) claims: Vec<Claim>,
    pub(super) others: Vec<Kept>,
}

impl Default for EncodedRows {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl EncodedRows {
    /// No rows yet, with room for about this many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER.len() + TRAILER.len() + rows * TYPICAL_ROW_BYTES);
        bytes.extend_from_slice(HEADER);
        Self {
            bytes,
            rows: 0,
            days: BTreeSet::new(),
            last_day_ms: (0, 0),
            handed_in: Tally::default(),
            sources: Vec::new(),
            earliest: DateTime::<Utc>::MAX_UTC,
            claims: Vec::new(),
            open: Vec::new(),
            of_orders: Box::default(),
            others: Vec::new(),
        }
    }

    /// Names where its rows come from: under this a row stands in quarantine that is refused when it is
    /// committed.
    #[must_use]
    pub fn from_source(mut self, source: &str) -> Self {
        self.sources = vec![(0, source.into())];
        self
    }

    /// Takes an event as it was judged, or says `false` when full.
    #[must_use]
    pub fn take(&mut self, accepted: &Accepted) -> bool {
        let is_refund = accepted.event.event_name == EventName::Refund;
        // A purchase that nothing is open of waits as well: a refund of its order may come with it.
        let is_waiting = is_refund || shared_line(&accepted.event).is_some();
        if accepted.open.is_some() || accepted.visit_start != VisitStart::Told || is_waiting {
            if self.is_full() {
                return false;
            }
            let source = self.sources.last().map(|(_, source)| Arc::clone(source));
            let waiting = if is_refund { &mut self.of_orders.refunds } else { &mut self.open };
            waiting.push((source, accepted.clone()));
            return true;
        }
        let taken = self.push(&accepted.event);
        if taken {
            self.claims.extend(accepted.claim);
        }
        taken
    }

    /// Takes what has no place among the rows, to be stored in the same transaction, or says `false` when
    /// full.
    #[must_use]
    pub fn take_other(&mut self, kept: Kept) -> bool {
        let has_room = !self.is_full();
        if has_room {
            self.others.push(kept);
        }
        has_room
    }

    /// Takes an order as a shop system tells it, or says `false` when full.
    #[must_use]
    pub fn take_shop_order(&mut self, order: ShopOrder) -> bool {
        let has_room = self.rows() + order.rows() <= MAX_ROWS_PER_COMMIT;
        if has_room {
            let source = self.sources.last().map(|(_, source)| Arc::clone(source));
            self.of_orders.shop_orders.push((source, order));
        }
        has_room
    }

    /// Takes an event that has an id of its own, or says `false` when full.
    #[must_use]
    pub fn push(&mut self, event: &Event) -> bool {
        let has_room = !self.is_full();
        if has_room {
            self.add(event);
        }
        has_room
    }

    fn add(&mut self, event: &Event) {
        #[expect(clippy::cast_possible_truncation, reason = "a record has a few dozen fields")]
        const FIELD_COUNT: [u8; 2] = (Event::FIELDS.len() as i16).to_be_bytes();
        self.bytes.extend_from_slice(&FIELD_COUNT);
        event.write_copy_fields(&mut self.bytes);
        self.rows += 1;
        self.note_day(&event.event_id);
        self.earliest = self.earliest.min(event.occurred_at);
        let minute = minute_us(event.ingested_at.timestamp_micros());
        self.handed_in.add(minute, Counts { records_in: 1, ..Counts::default() });
    }

    fn note_day(&mut self, event_id: &Uuid) {
        let unix_ms = ids::v7_unix_ms(event_id).unwrap_or(0);
        let (from, to) = self.last_day_ms;
        if (from..to).contains(&unix_ms) {
            return;
        }
        const DAY_MS: i64 = 86_400_000;
        let from = unix_ms.div_euclid(DAY_MS) * DAY_MS;
        self.last_day_ms = (from, from + DAY_MS);
        self.days.insert(crate::clock::from_micros(from * 1_000).date_naive());
    }

    /// Takes another's rows too, or gives the other back where both do not fit.
    ///
    /// # Errors
    /// The other, untouched.
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        if self.rows() + other.rows() > MAX_ROWS_PER_COMMIT {
            return Err(other);
        }
        if self.rows() == 0 {
            *self = other;
            return Ok(());
        }
        self.bytes.extend_from_slice(&other.bytes[HEADER.len()..]);
        self.sources.extend(other.sources.into_iter().map(|(row, source)| (self.rows + row, source)));
        self.earliest = self.earliest.min(other.earliest);
        self.rows += other.rows;
        self.claims.extend(other.claims);
        self.open.extend(other.open);
        self.of_orders.refunds.extend(other.of_orders.refunds);
        self.of_orders.shop_orders.extend(other.of_orders.shop_orders);
        self.others.extend(other.others);
        self.days.extend(other.days);
        self.handed_in.merge(&other.handed_in);
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        let of_shop: usize = self.of_orders.shop_orders.iter().map(|(_, order)| order.rows()).sum();
        self.rows + self.open.len() + self.of_orders.refunds.len() + self.others.len() + of_shop
    }

    /// Whether no further row fits into the transaction.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows() >= MAX_ROWS_PER_COMMIT
    }

    /// The events that PostgreSQL has to tell of.
    pub(super) fn open(&mut self) -> impl Iterator<Item = &mut Accepted> {
        let of_shop = self.of_orders.shop_orders.iter_mut().flat_map(|(_, order)| {
            let lines = order.lines.iter_mut().map(|line| &mut line.purchase);
            let refunds = order.line_refunds.iter_mut().map(|line| &mut line.refund);
            lines.chain(refunds).chain([order.refund.as_mut()])
        });
        self.open.iter_mut().chain(&mut self.of_orders.refunds).map(|(_, accepted)| accepted).chain(of_shop)
    }

    /// What senders told apart from events.
    pub(super) fn told(&self) -> Vec<UserStatement> {
        self.others.iter().filter_map(|kept| kept.event.tells.as_deref().cloned()).collect()
    }

    /// The purchases that are not rows yet.
    pub(super) fn purchases(&self) -> impl Iterator<Item = &Event> {
        let events = self.open.iter().map(|(_, accepted)| &accepted.event);
        events.filter(|event| event.event_name == EventName::Purchase)
    }

    /// Whether there are refunds or orders of shop systems among them.
    pub(super) fn has_refunds(&self) -> bool {
        !self.of_orders.refunds.is_empty() || !self.of_orders.shop_orders.is_empty()
    }

    /// Takes the orders of shop systems out.
    pub(super) fn take_shop_orders(&mut self) -> Vec<(Option<Arc<str>>, ShopOrder)> {
        std::mem::take(&mut self.of_orders.shop_orders)
    }

    /// Takes the refunds out.
    pub(super) fn take_refunds(&mut self) -> Vec<(Option<Arc<str>>, Accepted)> {
        std::mem::take(&mut self.of_orders.refunds)
    }

    /// Takes the lines in that a refund is of, or says `false` where they do not fit.
    pub(super) fn take_lines(&mut self, source: Option<&Arc<str>>, lines: Vec<Accepted>) -> bool {
        let fits = self.rows() + lines.len() <= MAX_ROWS_PER_COMMIT;
        if fits {
            self.put_lines(source, lines);
        }
        fits
    }

    /// Takes in what an order of a shop system became. That can be more than room was kept for, as the places
    /// of its lines are known only here: an order does not wait, and rather makes the commit larger.
    pub(super) fn put_lines(&mut self, source: Option<&Arc<str>>, lines: Vec<Accepted>) {
        self.open.extend(lines.into_iter().map(|line| (source.cloned(), line)));
    }

    /// The same of an order of which nothing is new.
    pub(super) fn put_other(&mut self, kept: Kept) {
        self.others.push(kept);
    }

    /// The events that wait to be rows, but for refunds.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Accepted> {
        self.open.iter().map(|(_, accepted)| accepted)
    }

    /// Puts other events in place of each. There may be more of them than fit otherwise.
    pub(super) fn replace_waiting(&mut self, mut by: impl FnMut(Accepted) -> Vec<Accepted>) {
        let replaced = std::mem::take(&mut self.open).into_iter();
        self.open = replaced
            .flat_map(|(source, accepted)| {
                by(accepted).into_iter().map(move |accepted| (source.clone(), accepted))
            })
            .collect();
    }

    /// Keeps some of the events that wait to be rows; each is told with where it came from.
    pub(super) fn retain_waiting(&mut self, mut keeps: impl FnMut(Option<&Arc<str>>, &Accepted) -> bool) {
        self.open.retain(|(source, accepted)| keeps(source.as_ref(), accepted));
    }

    /// What has no place among the rows.
    pub(super) fn others(&self) -> impl Iterator<Item = &Kept> {
        self.others.iter()
    }

    /// Makes rows of the events that were open and are filled.
    pub(super) fn close(&mut self) {
        for (source, accepted) in std::mem::take(&mut self.open) {
            debug_assert!(accepted.open.is_none(), "what is open is filled first");
            if let Some(source) = source {
                self.sources.push((self.rows, source));
            }
            self.add(&accepted.event);
            self.claims.extend(accepted.claim);
        }
    }

    /// What the rows are, ready to be sent as often as it takes.
    pub(super) fn sealed(mut self) -> Sealed {
        debug_assert!(
            self.open.is_empty() && self.of_orders.refunds.is_empty(),
            "what is open is told of first"
        );
        self.bytes.extend_from_slice(&TRAILER);
        let Self { bytes, days, handed_in, sources, earliest, claims, others, .. } = self;
        Sealed { stream: bytes.into(), days, handed_in, sources, earliest, claims, others }
    }

    /// Takes a row as it was encoded.
    pub(super) fn push_encoded(&mut self, row: &[u8], event_id: &Uuid, ingested_us: i64) {
        self.bytes.extend_from_slice(row);
        self.rows += 1;
        self.note_day(event_id);
        self.handed_in.add(minute_us(ingested_us), Counts { records_in: 1, ..Counts::default() });
    }

    /// The days whose partitions the rows need.
    pub(super) const fn days(&self) -> &BTreeSet<NaiveDate> {
        &self.days
    }

    /// The whole COPY stream.
    #[must_use]
    pub fn into_copy_stream(mut self) -> Bytes {
        self.bytes.extend_from_slice(&TRAILER);
        self.bytes.into()
    }
}
