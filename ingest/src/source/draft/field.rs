//! The fields of an event as a sender tells it, each declared once, and the draft that they make.

use std::borrow::Cow;
use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::Reason;
use contracts::event::Currency;
use contracts::money::{Cost, Exact};
use contracts::record::Text;
use contracts::validation::{Back, Context, Draft, Line, OrderLine, Rejection, Shopper, SourceId, Visit};
use contracts::vocabulary::EventName;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::field_type::{Field, Kind, Part, Value};
use super::{Fields, rejected};
use crate::source::context;

/// Hands every field of an event, as a sender tells it, to a macro. A row has the field's name, its number and type in the gRPC
/// message, its [`Kind`] and [`Part`], whether every event has it, and its value in a [`Draft`].
#[macro_export]
macro_rules! sender_fields {
    ($to:ident) => {
        $to! {
            /// A UUID, best a UUIDv7 of occurred_at; the key on which repeats are recognised, also where source_id is told beside it.
            event_id = 1 string, EventId, Event, false, |draft| match &draft.source_id {
                Some(SourceId::Uuid(id)) => Some(shown(id)),
                _ => None,
            };
            /// The sender's own id, where it is no UUID; one of the two is needed. Only a purchase may have none: order_id and
            /// order_line make its shared_id then.
            source_id = 2 string, Text, Event, false, |draft| match &draft.source_id {
                Some(SourceId::Text(id)) => Some(text(id)),
                _ => None,
            };
            /// An id that all keys of the shop share, instead of the other two: what a browser and a server both tell under it counts once.
            shared_id = 31 string, Text, Event, false, |draft| match &draft.source_id {
                Some(SourceId::Shared(id)) => Some(text(id)),
                _ => None,
            };
            event_name = 3 string, Text, Event, true, |draft| Some(text(draft.event_name.as_str()));
            occurred_at = 4 string, Time, Event, true, |draft| Some(instant(&draft.occurred_at));
            /// Who: the sender's id of the user, of at most 200 characters. A UUID is kept; of anything else a UUID is made, so that it stays here.
            user_id = 5 string, UserId, Event, false, |draft| draft.shopper.user_id.as_ref().map(shown);
            /// Who, where nobody signed in: what the sender remembers the browser or the app by. One of the two is needed. Told together
            /// they belong together from then on.
            anonymous_id = 30 string, AnonymousId, Event, false, |draft| draft.shopper.anonymous_id.as_deref().map(text);
            /// Facts about the user. What is left out is taken from what is known of the user, else it is unknown.
            gender = 6 string, Text, Event, false, |draft| draft.shopper.gender.map(|gender| text(gender.as_str()));
            age = 7 int32, Int, Event, false, |draft| draft.shopper.age.map(Value::Int);
            /// ISO 3166 alpha-2; ZZ is unknown. Country, city and coordinates are one fact: a part of it that is told is not completed.
            country = 8 string, Text, Event, false, |draft| draft.shopper.country.as_ref().map(|country| text(country.as_str()));
            city = 9 string, Text, Event, false, |draft| draft.shopper.city.as_deref().map(text);
            /// Degrees; stored to a tenth.
            latitude = 10 double, Double, Event, false, |draft| draft.shopper.latitude.map(Value::Double);
            longitude = 11 double, Double, Event, false, |draft| draft.shopper.longitude.map(Value::Double);
            /// The visit, by the sender's id. Left out, a visit ends with 30 minutes in which nothing happens.
            session_id = 12 string, SessionId, Event, false, |draft| draft.visit.session_id.as_ref().map(shown);
            /// When it began; else with its first event.
            session_started_at = 13 string, Time, Event, false, |draft| draft.visit.session_started_at.as_ref().map(instant);
            /// Whether there was a visit before; else whether one is known.
            returning = 14 bool, Bool, Event, false, |draft| draft.visit.returning.map(Value::Bool);
            device = 15 string, Text, Event, false, |draft| draft.visit.device.map(|device| text(device.as_str()));
            channel = 16 string, Text, Event, false, |draft| draft.visit.channel.map(|channel| text(channel.as_str()));
            /// For senders that tell no session_start: true stores one for the visit of the event, once, unless the event is a refund.
            infer_session_start = 35 bool, Bool, Event, false, |draft| draft.visit.infer_start.then_some(Value::Bool(true));
            /// What the browser or the app calls itself. It is not stored: the device follows from it where none is told, and an event of a
            /// program that names itself as one is ignored.
            user_agent = 32 string, Text, Event, false, |draft| circumstances_of(draft)?.user_agent.as_deref().map(text);
            /// The address of the page, with its parameters. It is not stored: the channel follows from it and the referrer where none is told.
            page_url = 33 string, Text, Event, false, |draft| circumstances_of(draft)?.page_url.as_deref().map(text);
            /// The address of the page before, as the browser tells it; empty where there was none. It is not stored.
            referrer = 34 string, Text, Event, false, |draft| circumstances_of(draft)?.referrer.as_deref().map(text);
            /// The product, where the event is about one.
            item_id = 17 string, Text, Product, false, |draft| item_id(draft).map(text);
            /// A label, as category and brand: what is no text in it is cleaned. Without one it is the item_id.
            item_name = 18 string, Text, Product, false, |draft| line(draft).map(|line| text(&line.item_name));
            /// Without one it is unknown.
            category = 19 string, Text, Product, false, |draft| line(draft).map(|line| text(&line.category));
            brand = 20 string, Text, Product, false, |draft| line(draft)?.brand.as_deref().map(text);
            /// The price of one unit, a decimal in the line's currency. It may have more digits than the currency: they count, and the
            /// line is rounded once. Instead of it the amount of the line may be told.
            price = 21 string, Decimal, Product, false, |draft| match &cost_of(draft)? {
                cost @ Cost::Unit(_) => Some(shown(cost.sum())),
                Cost::Line(_) => None,
            };
            /// What the whole line costs, as of weighed goods; instead of the price.
            amount = 29 string, Decimal, Product, false, |draft| match &cost_of(draft)? {
                cost @ Cost::Line(_) => Some(shown(cost.sum())),
                Cost::Unit(_) => None,
            };
            /// ISO 4217.
            currency = 22 string, Text, Product, false, |draft| currency(draft).map(|currency| text(currency.as_str()));
            quantity = 23 int32, Int, Product, false, |draft| quantity(draft).map(Value::Int);
            /// The order, for purchases and refunds. A refund that tells the order and nothing of a line or product pays back each line of it
            /// whose purchase is stored under the shared_id order/ORDER_ID/LINE. With an amount alone it pays back so much of the order, and
            /// with item_id and quantity alone what was paid for so many units. The currency is that of the order where none is told.
            order_id = 24 string, Text, Order, false, |draft| {
                order(draft).map(|order| text(&order.order_id)).or_else(|| draft.whole_order.as_deref().map(text))
            };
            /// Which line of the order, from 1.
            order_line = 25 int32, Int, Order, false, |draft| order(draft).map(|order| Value::Int(order.order_line));
            order_lines = 26 int32, Int, Order, false, |draft| order(draft).map(|order| Value::Int(order.order_lines));
            /// For a refund, when its purchase was: the rate of that day holds.
            purchased_at = 27 string, Time, Order, false, |draft| order(draft)?.purchased_at.as_ref().map(instant);
            payment_type = 28 string, Text, Event, false, |draft| draft.payment_type.as_deref().map(text);
        }
    };
}

/// Where products are that nobody tells a category of.
pub const UNKNOWN_CATEGORY: &str = "unknown";

macro_rules! table {
    ($( $(#[doc = $doc:literal])* $name:ident = $number:literal $type:ident, $kind:ident, $part:ident, $required:literal, $of:expr; )+) => {
        /// Every field, in the order in which [`write`](super::write()) gives them.
        pub const FIELDS: &[Field] = &[$( Field {
            name: stringify!($name),
            number: $number,
            message_type: stringify!($type),
            kind: Kind::$kind,
            part: Part::$part,
            required: $required,
            doc: &[$($doc.trim_ascii()),*],
            of: $of,
        }, )+];

        /// Where a field stands in [`FIELDS`]. Comparing a name with each costs less than hashing it: most differ in length.
        pub(super) fn place(name: &str) -> Option<usize> {
            #[expect(non_camel_case_types, reason = "each is called as its field is")]
            enum Place { $($name),+ }
            $( if name == stringify!($name) { return Some(Place::$name as usize); } )+
            None
        }
    };
}

sender_fields!(table);

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn shown<'a>(value: impl Display) -> Value<'a> {
    Value::Text(Cow::Owned(value.to_string()))
}

fn instant<'a>(at: &DateTime<Utc>) -> Value<'a> {
    Value::Text(Cow::Owned(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}

fn circumstances_of(draft: &Draft) -> Option<&Context> {
    draft.context.as_deref()
}

fn item_id(draft: &Draft) -> Option<&str> {
    match &draft.back {
        Back::Product { item_id, .. } => Some(item_id),
        _ => line(draft).map(|line| &*line.item_id),
    }
}

fn cost_of(draft: &Draft) -> Option<Cost> {
    match &draft.back {
        Back::Sum { amount, .. } => Some(Cost::Line(*amount)),
        Back::Product { cost, .. } => *cost,
        Back::All => line(draft).map(|line| line.cost),
    }
}

fn currency(draft: &Draft) -> Option<&Currency> {
    match &draft.back {
        Back::Sum { currency, .. } => currency.as_ref(),
        _ => line(draft).map(|line| &line.currency),
    }
}

fn quantity(draft: &Draft) -> Option<i32> {
    match &draft.back {
        Back::Product { quantity, .. } => Some(*quantity),
        _ => line(draft).map(|line| line.quantity),
    }
}

const fn line(draft: &Draft) -> Option<&Line> {
    draft.line.as_ref()
}

const fn order(draft: &Draft) -> Option<&OrderLine> {
    draft.order.as_ref()
}

/// Makes a draft out of fields: typed, but not yet judged.
///
/// # Errors
/// [`Reason::MissingField`] and [`Reason::InvalidField`] for the first field that is not there or not of its type.
pub fn assemble(fields: &impl Fields) -> Result<Draft, Rejection> {
    let (event_id, source_id) = (fields.optional("event_id")?, fields.optional("source_id")?);
    let source_id = match (fields.optional("shared_id")?, event_id) {
        (Some(id), _) => Some(SourceId::Shared(id)),
        (None, Some(id)) => Some(SourceId::Uuid(id)),
        (None, None) => source_id.map(SourceId::Text),
    };
    let back = back(fields)?;
    let line = if some_of(fields, Part::Product) && back.is_none() {
        let item_id: Text<64> = required(fields, "item_id")?;
        Some(Line {
            item_name: label(fields, "item_name").unwrap_or_else(|| named_by(&item_id)),
            category: label(fields, "category").unwrap_or_else(unknown),
            brand: label(fields, "brand"),
            item_id,
            cost: cost(fields)?,
            currency: required(fields, "currency")?,
            quantity: whole(fields, "quantity")?,
        })
    } else {
        None
    };
    let order = if some_of(fields, Part::Order) && back.is_none() {
        Some(OrderLine {
            order_id: required(fields, "order_id")?,
            order_line: whole(fields, "order_line")?,
            order_lines: whole(fields, "order_lines")?,
            purchased_at: fields.optional("purchased_at")?,
        })
    } else {
        None
    };
    let mut draft = Draft {
        source_id,
        event_name: required(fields, "event_name")?,
        occurred_at: required(fields, "occurred_at")?,
        shopper: Shopper {
            user_id: fields.optional("user_id")?,
            anonymous_id: fields.optional("anonymous_id")?,
            gender: fields.optional("gender")?,
            age: fields.whole("age")?,
            country: fields.optional("country")?,
            city: label(fields, "city"),
            latitude: fields.degrees("latitude")?,
            longitude: fields.degrees("longitude")?,
        },
        visit: Visit {
            session_id: fields.optional("session_id")?,
            session_started_at: fields.optional("session_started_at")?,
            returning: fields.optional("returning")?,
            device: fields.optional("device")?,
            channel: fields.optional("channel")?,
            infer_start: fields.optional("infer_session_start")?.unwrap_or(false),
        },
        context: circumstances(fields),
        line,
        order,
        whole_order: if back.is_some() { fields.optional("order_id")? } else { None },
        back: back.unwrap_or_default(),
        payment_type: label(fields, "payment_type"),
    };
    context::complete(&mut draft);
    Ok(draft)
}

/// What is told of the circumstances. Programs cut such texts anywhere, which must not cost the record.
fn circumstances(fields: &impl Fields) -> Option<Box<Context>> {
    let told = Context {
        user_agent: fields.label("user_agent"),
        page_url: fields.label("page_url"),
        referrer: fields.label("referrer"),
    };
    (told != Context::default()).then(|| Box::new(told))
}

/// What goes back of an order by a refund that tells no line of it, or not what that cost.
fn back(fields: &impl Fields) -> Result<Option<Back>, Rejection> {
    let is_refund = matches!(fields.optional("event_name"), Ok(Some(EventName::Refund)));
    if !is_refund || !fields.has("order_id") {
        return Ok(None);
    }
    let of_lines = FIELDS.iter().filter(|field| field.part != Part::Event && field.name != "order_id");
    let told: Vec<&str> = of_lines.map(|field| field.name).filter(|name| fields.has(name)).collect();
    let has_cost = fields.has("price") || fields.has("amount");
    Ok(if told.is_empty() {
        Some(Back::All)
    } else if fields.has("amount") && told.iter().all(|name| matches!(*name, "amount" | "currency")) {
        Some(Back::Sum { amount: required(fields, "amount")?, currency: fields.optional("currency")? })
    } else if fields.has("item_id") && !(has_cost && fields.has("currency")) {
        // What is not needed is held to its type.
        for name in ["order_line", "order_lines"] {
            fields.whole(name)?;
        }
        fields.optional::<Currency>("currency")?;
        fields.optional::<DateTime<Utc>>("purchased_at")?;
        let cost = if has_cost { Some(cost(fields)?) } else { None };
        let (item_id, quantity) = (required(fields, "item_id")?, whole(fields, "quantity")?);
        Some(Back::Product { item_id, quantity, cost })
    } else {
        None
    })
}

/// Whose a record is, where it names somebody in the source's own words, whatever else is wrong with it.
#[must_use]
pub fn visitor_of(fields: &impl Fields, source: &str) -> Option<Uuid> {
    let shopper = Shopper {
        user_id: fields.optional("user_id").ok().flatten(),
        anonymous_id: fields.optional("anonymous_id").ok().flatten(),
        ..Shopper::default()
    };
    let (user_id, anonymous_id) = shopper.ids(source);
    user_id.or(anonymous_id)
}

fn some_of(fields: &impl Fields, part: Part) -> bool {
    FIELDS.iter().filter(|field| field.part == part).any(|field| fields.has(field.name))
}

fn required<T: DeserializeOwned>(fields: &impl Fields, field: &'static str) -> Result<T, Rejection> {
    present(field, fields.optional(field)?)
}

fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Rejection> {
    value.ok_or_else(|| rejected(Reason::MissingField, field, "is missing".to_owned()))
}

fn whole(fields: &impl Fields, field: &'static str) -> Result<i32, Rejection> {
    present(field, fields.whole(field)?)
}

/// What a line costs, told in one of two ways, or in both where they say the same.
fn cost(fields: &impl Fields) -> Result<Cost, Rejection> {
    let (price, amount) = (fields.optional::<Exact>("price")?, fields.optional::<Exact>("amount")?);
    match (price, amount) {
        (Some(price), None) => Ok(Cost::Unit(price)),
        (None, Some(amount)) => Ok(Cost::Line(amount)),
        (None, None) => Err(rejected(
            Reason::MissingField,
            "price",
            "is missing, and so is the line's amount: one of the two is needed".to_owned(),
        )),
        (Some(price), Some(amount)) => {
            let quantity = whole(fields, "quantity")?;
            let product = price.to_decimal().checked_mul(quantity.into());
            if product == Some(amount.to_decimal()) {
                return Ok(Cost::Unit(price));
            }
            let detail =
                format!("the line's amount is {amount} and not {quantity} x {price}: tell one of the two");
            Err(rejected(Reason::Inconsistent, "amount", detail))
        }
    }
}

/// A label that says something. One without anything in it, or of another type, is none.
fn label<const MAX: usize>(fields: &impl Fields, field: &'static str) -> Option<Text<MAX>> {
    Text::label(&fields.label(field)?).ok()
}

/// What a product is called that has no name.
#[expect(clippy::expect_used, reason = "what fits 64 characters fits 200")]
fn named_by(item_id: &Text<64>) -> Text<200> {
    Text::new(item_id).expect("an id is a text of fewer characters than a name may have")
}

/// The category of what has none.
#[expect(clippy::expect_used, reason = "a word of seven letters")]
fn unknown() -> Text<64> {
    Text::new(UNKNOWN_CATEGORY).expect("it is a word")
}
