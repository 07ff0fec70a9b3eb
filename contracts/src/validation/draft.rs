//! What a source tells of an event, typed but not yet judged.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::event::{Country, Currency};
use crate::ids;
use crate::money::{Cost, Exact};
use crate::record::Text;
use crate::visitor::{Name, SenderId};
use crate::vocabulary::{Channel, Device, EventName, Gender};

/// How a source names one of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceId {
    /// A UUID: kept as it is where it [fits](crate::ids::fits), re-keyed elsewhere.
    Uuid(Uuid),
    /// The source's own text: always re-keyed.
    Text(String),
    /// A text that all senders of the shop share, as of a line of an order that browser and server both tell:
    /// always re-keyed.
    Shared(String),
}

/// Who the shopper is, as far as an event may tell. One of the two ids is needed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shopper {
    /// The source's id of the user.
    pub user_id: Option<SenderId>,
    /// What the source remembers a browser or an app by, with or without a user.
    pub anonymous_id: Option<Name>,
    /// See [`Event::gender`](crate::Event::gender).
    pub gender: Option<Gender>,
    /// See [`Event::age`](crate::Event::age).
    pub age: Option<i32>,
    /// See [`Event::country`](crate::Event::country).
    pub country: Option<Country>,
    /// See [`Event::city`](crate::Event::city).
    pub city: Option<Text<100>>,
    /// Degrees; rounded to a tenth on acceptance.
    pub latitude: Option<f64>,
    /// Degrees; rounded to a tenth on acceptance.
    pub longitude: Option<f64>,
}

impl Shopper {
    /// The ids that a source's own stand for: of the user, and of the visitor by the browser or the app.
    #[must_use]
    pub fn ids(&self, source: &str) -> (Option<Uuid>, Option<Uuid>) {
        let anonymous_id = self.anonymous_id.as_ref().map(|name| ids::anonymous_visitor(source, name));
        (self.user_id.as_ref().map(|id| id.user(source)), anonymous_id)
    }
}

/// The visit an event belongs to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Visit {
    /// The source's id of it.
    pub session_id: Option<SenderId>,
    /// See [`Event::session_started_at`](crate::Event::session_started_at).
    pub session_started_at: Option<DateTime<Utc>>,
    /// See [`Event::returning`](crate::Event::returning).
    pub returning: Option<bool>,
    /// See [`Event::device`](crate::Event::device).
    pub device: Option<Device>,
    /// See [`Event::channel`](crate::Event::channel).
    pub channel: Option<Channel>,
    /// Whether an event that is the first of its visit stands for the visit's `session_start`, since the
    /// source tells none.
    pub infer_start: bool,
}

/// What is told of the circumstances of an event and stored nowhere: device and channel follow from it where
/// they are not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// What the browser or the app calls itself.
    pub user_agent: Option<String>,
    /// The address of the page, with its parameters.
    pub page_url: Option<String>,
    /// The address of the page before it; empty where there was none.
    pub referrer: Option<String>,
}

/// The product an event is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// See [`Event::item_id`](crate::Event::item_id).
    pub item_id: Text<64>,
    /// See [`Event::item_name`](crate::Event::item_name).
    pub item_name: Text<200>,
    /// See [`Event::category`](crate::Event::category).
    pub category: Text<64>,
    /// See [`Event::brand`](crate::Event::brand).
    pub brand: Option<Text<64>>,
    /// What one unit or the whole line costs; the stored price is rounded, and the amount computed from all
    /// digits.
    pub cost: Cost,
    /// See [`Event::currency`](crate::Event::currency).
    pub currency: Currency,
    /// See [`Event::quantity`](crate::Event::quantity).
    pub quantity: i32,
}

/// The order a purchase or refund belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderLine {
    /// See [`Event::order_id`](crate::Event::order_id).
    pub order_id: Text<64>,
    /// See [`Event::order_line`](crate::Event::order_line).
    pub order_line: i32,
    /// See [`Event::order_lines`](crate::Event::order_lines).
    pub order_lines: i32,
    /// For a refund, the day of the purchase it pays back: its rate holds.
    pub purchased_at: Option<DateTime<Utc>>,
}

/// What of an order goes back by a refund that leaves its lines, or what they cost, to PostgreSQL.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Back {
    /// All that is left.
    #[default]
    All,
    /// A sum, whatever for: all that is left where it is as much.
    Sum {
        /// How much, more than nothing.
        amount: Exact,
        /// Of which currency; else of that of the order.
        currency: Option<Currency>,
    },
    /// Units of a product.
    Product {
        /// See [`Event::item_id`](crate::Event::item_id).
        item_id: Text<64>,
        /// See [`Event::quantity`](crate::Event::quantity).
        quantity: i32,
        /// What goes back for them in the order's currency; else what was paid for them.
        cost: Option<Cost>,
    },
}

/// An event as a source tells it, typed but not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The source's id of it.
    pub source_id: Option<SourceId>,
    /// See [`Event::event_name`](crate::Event::event_name).
    pub event_name: EventName,
    /// See [`Event::occurred_at`](crate::Event::occurred_at).
    pub occurred_at: DateTime<Utc>,
    /// Who did it, and what is told of that user.
    pub shopper: Shopper,
    /// Which visit.
    pub visit: Visit,
    /// Under which circumstances, where anything is told of them.
    pub context: Option<Box<Context>>,
    /// The product, its price and how many; none where the event is about no product.
    pub line: Option<Line>,
    /// Its place in an order; purchases and refunds have one.
    pub order: Option<OrderLine>,
    /// For a refund that leaves its lines to PostgreSQL: the order of which `back` goes back. There is
    /// neither `line` nor `order` then.
    pub whole_order: Option<Text<64>>,
    /// What of `whole_order` goes back.
    pub back: Back,
    /// See [`Event::payment_type`](crate::Event::payment_type).
    pub payment_type: Option<Text<32>>,
}

impl Draft {
    /// An event with nothing but what every event has.
    #[must_use]
    pub const fn new(
        event_name: EventName,
        occurred_at: DateTime<Utc>,
        shopper: Shopper,
        visit: Visit,
    ) -> Self {
        Self {
            source_id: None,
            event_name,
            occurred_at,
            shopper,
            visit,
            context: None,
            line: None,
            order: None,
            whole_order: None,
            back: Back::All,
            payment_type: None,
        }
    }
}
