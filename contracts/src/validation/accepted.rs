//! An event that passed every rule, as far as its sender tells it.

use uuid::Uuid;

use super::{Draft, Rejection, reject};
use crate::event::{Amount, Country, Event, Price};
use crate::ids;
use crate::quarantine::Reason;
use crate::record::Text;
use crate::visitor::{self, Found, Open};
use crate::vocabulary::EventName;

/// An event that passed, and what decides whether it is a repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The event as it is to be stored.
    pub event: Event,
    /// What it claims where its id was made from the source's; without one its id alone decides.
    pub claim: Option<Claim>,
    /// What PostgreSQL has to tell of it before it is stored; nothing where the source told everything.
    pub open: Option<Box<Open>>,
    /// For a refund that leaves the lines of its order to PostgreSQL. The event has no line then: PostgreSQL
    /// knows those of the purchase, and each that is paid back becomes an event
    /// [of this one](Accepted::line_paid_back).
    pub whole_order: Option<Box<WholeOrder>>,
    /// What it has to do with the start of its visit.
    pub visit_start: VisitStart,
    /// For a refund of a part: as it was told, since it is refused where more is paid back than is left of
    /// its order.
    pub part: Option<Box<Draft>>,
}

/// The order of a refund that leaves its lines to PostgreSQL.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeOrder {
    /// The order's id, as the shop has it.
    pub order_id: Text<64>,
    /// The refund as it was told, and [what of the order](super::Back) goes back.
    pub told: Draft,
    /// A sum that goes back in the base currency, at the rate of its day, where its currency is told.
    pub amount_base: Option<Amount>,
}

/// What of a line of an order goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaidBack {
    /// Units, at least one.
    pub quantity: i32,
    /// The price of one unit, as it is kept.
    pub price: Option<Price>,
    /// The sum in the base currency.
    pub amount_base: Option<Amount>,
}

/// What an event has to do with the `session_start` of its visit, by which visits are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VisitStart {
    /// Nothing: its source tells that, if anybody does.
    #[default]
    Told,
    /// The visit has one because of it, beside itself.
    Beside,
    /// It is the one.
    Itself,
    /// The visit has one because of it, and it is nothing else: a page that was seen.
    Seen,
}

/// The claim of an event to be the only one of its source with the source's id, whatever the time of another
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The id that was made for it.
    pub event_id: Uuid,
    /// The source's own UUIDv7 that did not [fit](ids::fits): with another time the event may stand under
    /// that.
    pub told: Option<Uuid>,
}

impl Accepted {
    /// What events that are repeats of each other have in common.
    #[must_use]
    pub fn identity(&self) -> Uuid {
        match self.claim {
            Some(_) => ids::identity(&self.event.event_id),
            None => self.event.event_id,
        }
    }

    /// The refund of one line of a purchase, where this one is of the whole order.
    ///
    /// # Errors
    /// When the purchase was after the refund, by more than clocks that were corrected differ.
    pub fn line_paid_back(&self, purchase: &Event, paid: PaidBack) -> Result<Self, Rejection> {
        let ahead_ms = (purchase.occurred_at - self.event.occurred_at).num_milliseconds();
        if ahead_ms > ids::EVENT_ID_TOLERANCE_MS {
            let detail = format!("the purchase was at {}, after the event", purchase.occurred_at);
            return Err(reject(Reason::Inconsistent, "occurred_at", detail));
        }
        let order_id = purchase.order_id.as_deref().unwrap_or_default();
        let shared = ids::refund_line(order_id, purchase.order_line.unwrap_or_default());
        let event_id = ids::rekeyed(self.event.occurred_at, ids::SHARED, &shared);
        let payment_type = self.event.payment_type.clone().or_else(|| purchase.payment_type.clone());
        let event = Event {
            event_id,
            item_id: purchase.item_id.clone(),
            item_name: purchase.item_name.clone(),
            category: purchase.category.clone(),
            brand: purchase.brand.clone(),
            price: paid.price,
            currency: purchase.currency,
            quantity: Some(paid.quantity),
            amount_base: paid.amount_base,
            rate: purchase.rate,
            rate_date: purchase.rate_date,
            order_id: purchase.order_id.clone(),
            order_line: purchase.order_line,
            order_lines: purchase.order_lines,
            payment_type,
            ..self.event.clone()
        };
        let claim = Some(Claim { event_id, told: None });
        Ok(Self {
            event,
            claim,
            open: self.open.clone(),
            whole_order: None,
            part: None,
            visit_start: VisitStart::Told,
        })
    }

    /// The start of its visit, as far as that is told: it counts once for the visit, whoever infers it.
    #[must_use]
    pub fn start_of_visit(&self) -> Self {
        let occurred_at = self.event.session_started_at;
        let event_id = ids::rekeyed(occurred_at, ids::SHARED, &ids::visit_start(&self.event.session_id));
        let event = Event {
            event_id,
            event_name: EventName::SessionStart,
            occurred_at,
            item_id: None,
            item_name: None,
            category: None,
            brand: None,
            price: None,
            currency: None,
            quantity: None,
            amount_base: None,
            rate: None,
            rate_date: None,
            order_id: None,
            order_line: None,
            order_lines: None,
            payment_type: None,
            ..self.event.clone()
        };
        Self { claim: Some(Claim { event_id, told: None }), ..Self::from(event) }
    }

    /// Takes the country that its request came from as its place, unless one is told or found.
    pub fn seen_in(&mut self, country: Country) {
        if self.open.as_ref().is_some_and(|open| open.is_place_open) {
            self.event.country = country;
        }
    }

    /// Fills what was open with what was found, after which nothing is.
    pub fn fill(&mut self, found: &Found) {
        if let Some(open) = self.open.take() {
            visitor::fill(&mut self.event, &open, found);
        }
    }
}

/// An event that came with an id of its own.
impl From<Event> for Accepted {
    fn from(event: Event) -> Self {
        Self { event, claim: None, open: None, whole_order: None, part: None, visit_start: VisitStart::Told }
    }
}
