//! From records as they are told to rows and verdicts in waiting.

use chrono::{DateTime, Utc};
use contracts::Reason;
use contracts::event::Country;
use contracts::money::Rates;
use contracts::printable::printable_within;
use contracts::validation::{self, Accepted, Rejection, VisitStart};
use ingest::source::context;
use ingest::source::draft::Fields as _;
use ingest::store::{
    Committed, EncodedRows, Fresh, Kept, LineRefund, OtherEvent, OtherKind, SetAside, ShopLine, ShopOrder,
    UnreadLine, UnreadRefund, kept_once,
};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::hooks::{ToldLine, ToldOrder, ToldRefund, ToldUnread};
use crate::item::Mapped;
use crate::record::SenderRecord;
use crate::verdict::Verdict;

/// The events of one request, judged: what is to be committed, and what is known about each.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) rows: EncodedRows,
    pub(crate) set_aside: Vec<SetAside>,
    /// How many have neither a place among the rows nor a verdict.
    others: usize,
    pub(crate) events: JudgedEvents,
}

/// For each event, in their order, what will become of it.
#[derive(Debug)]
pub(crate) struct JudgedEvents(Vec<Fate>);

/// What becomes of an event.
#[derive(Debug)]
enum Fate {
    /// It is stored under this id.
    Row(Uuid),
    /// It counts nowhere, because a program sent it.
    OfBot,
    Rejected(Rejection),
}

/// What our own API is called among the dialects.
const OWN: &str = "storepulse";
/// What a shop leaves out of the refund of a line. It refuses it, also when it is judged again: else what was
/// paid for the line would go back, which the shop does not say.
const UNTOLD: &str = "untold";
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

/// An event of a program, with the key on which its repeats are recognised, whatever their time.
fn of_bot(accepted: &Accepted, payload: Vec<u8>) -> OtherEvent {
    let open = accepted.open.as_deref();
    let told = open.map(|open| (open.user_id, open.anonymous_id));
    let (user_id, anonymous_id) = told.unwrap_or((Some(accepted.event.user_id), None));
    OtherEvent {
        id: accepted.identity().to_string(),
        dialect: OWN,
        kind: OtherKind::Bot,
        name: accepted.event.event_name.as_str().to_owned(),
        occurred_at: accepted.event.occurred_at,
        user_id,
        anonymous_id,
        tells: None,
        payload,
    }
}

/// Judges one record, and says whether a program sent it. What it is refused for is told in its sender's
/// words, and can be shown. `user_agent` is that of the request where the shopper's browser sent it.
pub(crate) fn accept(
    record: &impl SenderRecord,
    source: &str,
    ingested_at: DateTime<Utc>,
    rates: &Rates,
    event_bytes: usize,
    user_agent: Option<&str>,
) -> Result<(Accepted, bool), Rejection> {
    let accepted = within(record, event_bytes).and_then(|()| record.draft()).and_then(|mut draft| {
        if let Some(user_agent) = user_agent {
            context::sent_by(&mut draft, user_agent);
        }
        let is_of_bot = context::is_of_bot(&draft);
        Ok((validation::accept(draft, source, ingested_at, rates)?, is_of_bot))
    });
    accepted.map_err(|rejection| {
        // What breaks a rule is quoted, and may be anything.
        let detail = printable_within(&rejection.detail, DETAIL_CHARS);
        let field = record.told_as(rejection.field);
        Rejection { detail, field, ..rejection }
    })
}

/// A record that is refused, as it is set aside.
fn aside(
    record: &impl SenderRecord,
    rejection: &Rejection,
    source: &str,
    ingested_at: DateTime<Utc>,
    event_bytes: usize,
) -> SetAside {
    let mut payload = record.payload();
    let coordinates = match record.known_by() {
        Some(id) => kept_once(id),
        None => hex::encode(Sha256::digest(&payload)),
    };
    payload.truncate(event_bytes);
    SetAside {
        source: source.to_owned(),
        coordinates,
        reason: rejection.reason,
        detail: rejection.to_string(),
        payload,
        user_id: record.visitor(source),
        quarantined_at: ingested_at,
    }
}

impl Judged {
    /// Judges the records of a request; there are no more of them than rows in a commit.
    pub(crate) fn new<T: SenderRecord>(
        records: impl ExactSizeIterator<Item = T>,
        source: &str,
        ingested_at: DateTime<Utc>,
        rates: &Rates,
        event_bytes: usize,
        country: Option<Country>,
        user_agent: Option<&str>,
    ) -> Self {
        let mut rows = EncodedRows::with_capacity(records.len()).from_source(source);
        let mut set_aside = Vec::new();
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            match accept(&record, source, ingested_at, rates, event_bytes, user_agent) {
                Ok((accepted, true)) => {
                    let event = of_bot(&accepted, record.payload());
                    let kept = Kept { source: source.to_owned(), received_at: ingested_at, event };
                    let taken = rows.take_other(kept);
                    debug_assert!(taken, "a request fits into a commit");
                    events.push(Fate::OfBot);
                }
                Ok((mut accepted, false)) => {
                    if let Some(country) = country {
                        accepted.seen_in(country);
                    }
                    let taken = rows.take(&accepted);
                    debug_assert!(taken, "a request fits into a commit");
                    events.push(Fate::Row(accepted.event.event_id));
                }
                Err(rejection) => {
                    set_aside.push(aside(&record, &rejection, source, ingested_at, event_bytes));
                    events.push(Fate::Rejected(rejection));
                }
            }
        }
        Self { rows, set_aside, others: 0, events: JudgedEvents(events) }
    }

    /// Takes what may be the start of a visit in, too, or says `false` where there is no room for it. What a
    /// program saw is none; and whatever else is wrong with it, the page that was seen is kept.
    pub(crate) fn take_start(
        &mut self,
        start: Result<(Accepted, bool), Rejection>,
        country: Option<Country>,
    ) -> bool {
        let Ok((mut start, false)) = start else { return true };
        if let Some(country) = country {
            start.seen_in(country);
        }
        start.visit_start = VisitStart::Seen;
        self.rows.take(&start)
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

    /// Takes in an order as a shop system tells it. A line that is refused stays as it was told before.
    pub(crate) fn with_order(
        mut self,
        told: ToldOrder,
        source: &str,
        ingested_at: DateTime<Utc>,
        rates: &Rates,
        event_bytes: usize,
    ) -> Self {
        // A delivery is as large as all of its lines.
        let event_bytes_of_all = usize::MAX;
        let judge = |record: &Mapped| accept(record, source, ingested_at, rates, event_bytes_of_all, None);
        let aside = |record: &Mapped, why: &Rejection| aside(record, why, source, ingested_at, event_bytes);
        let refund = match judge(&told.refund) {
            Ok((refund, _)) => Box::new(refund),
            Err(rejection) => {
                // Nothing can be booked of an order of which even that cannot be told.
                self.set_aside.push(aside(&told.refund, &rejection));
                self.others += 1;
                return self;
            }
        };
        let (mut lines, mut unread) = (Vec::with_capacity(told.lines.len()), Vec::new());
        for ToldLine { key, quantity, amount, by_units, purchase } in told.lines {
            match judge(&purchase) {
                Ok((accepted, _)) => {
                    lines.push(ShopLine { key, quantity, amount, by_units, purchase: accepted });
                }
                Err(rejection) => {
                    let place: Option<i32> = purchase.optional("order_line").ok().flatten();
                    let (key, place) = (Some(key), place.unwrap_or(1));
                    let is_sold = ShopLine::sells(quantity, amount.to_decimal());
                    let aside = is_sold.then(|| aside(&purchase, &rejection));
                    unread.push(UnreadLine { key, place, sold: Some((quantity, amount)), aside });
                }
            }
        }
        for ToldUnread { key, place, is_sold, purchase } in told.unread {
            if let Err(rejection) = judge(&purchase) {
                let aside = is_sold.then(|| aside(&purchase, &rejection));
                let sold = (!is_sold).then_some((0, Decimal::ZERO.into()));
                unread.push(UnreadLine { key, place, sold, aside });
            }
        }
        let (mut line_refunds, mut unread_refunds) = (Vec::new(), Vec::new());
        for ToldRefund { key, of, is_whole, mut refund } in told.line_refunds {
            for field in ["amount", "currency"] {
                if refund.has("item_id") && !refund.has(field) {
                    refund.set(field, UNTOLD);
                }
            }
            match judge(&refund) {
                Ok((refund, _)) => line_refunds.push(LineRefund { key, of, refund }),
                Err(why) => {
                    let aside = aside(&refund, &why);
                    unread_refunds.push(UnreadRefund { of, is_whole, aside });
                }
            }
        }
        let order = ShopOrder {
            order_id: told.order_id,
            created_at: told.created_at,
            as_of: told.as_of,
            rank: told.rank,
            is_void: told.is_void,
            lines,
            unread,
            line_refunds,
            unread_refunds,
            sums: told.sums,
            refund,
            otherwise: Box::new(told.otherwise),
        };
        self.others += order.rows();
        let has_room = self.rows.take_shop_order(order);
        debug_assert!(has_room, "a delivery fits into a commit");
        self
    }

    /// How many events there are, rejected and other ones included.
    pub(crate) const fn len(&self) -> usize {
        self.events.0.len() + self.others
    }
}

impl JudgedEvents {
    /// The verdicts, once it is known which ids were new. Of several events with one id the first one that
    /// asks was it, so requests must ask in the order of their rows.
    pub(crate) fn verdicts(self, committed: &mut Committed) -> Vec<Verdict> {
        let Committed { fresh, repeats, refused } = committed;
        let fate = |fate: Fate| match fate {
            Fate::Row(event_id) => refused.get(&event_id).cloned().map_or(fate, Fate::Rejected),
            other => other,
        };
        let verdict = |judged: Fate| match (fate(judged), &mut *fresh) {
            (Fate::Rejected(rejection), _) => rejection.into(),
            (Fate::OfBot, _) => Verdict::Ignored { reason: Verdict::BOT },
            (Fate::Row(event_id), Fresh::All) => Verdict::Accepted { event_id },
            (Fate::Row(event_id), Fresh::Only(ids)) => match ids.remove(&event_id) {
                true => Verdict::Accepted { event_id },
                false => Verdict::Repeated { event_id: *repeats.get(&event_id).unwrap_or(&event_id) },
            },
        };
        self.0.into_iter().map(verdict).collect()
    }
}
