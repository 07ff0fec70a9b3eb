//! One event of a request as records of ours.

use chrono::{SecondsFormat, TimeDelta};
use contracts::Reason;
use contracts::ids;
use contracts::vocabulary::{Device, EventName};
use ingest::store::{OtherEvent, OtherKind};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::node::Node;
use super::{At, Sender, digest};
use crate::item::{Item, Mapped, sum_back};

/// Characters of the name of an event that is kept beside the figures; Google takes 40.
const MAX_OTHER_NAME_CHARS: usize = 100;

/// Why an event has no place anywhere: the cause, the protocol's name of the field, and what is wrong with
/// it.
type Refused = (Reason, &'static str, String);

/// What a name of ours is called in the protocol.
pub(super) fn told_as(field: &'static str) -> &'static str {
    match field {
        "event_name" => "events.name",
        "occurred_at" => "timestamp_micros",
        "anonymous_id" => "client_id",
        "session_id" => "events.params.session_id",
        "device" => "device.category",
        "country" => "user_location.country_id",
        "city" => "user_location.city",
        "item_id" => "events.params.items.item_id",
        "item_name" => "events.params.items.item_name",
        "category" => "events.params.items.item_category",
        "brand" => "events.params.items.item_brand",
        "price" => "events.params.items.price",
        "amount" => "events.params.value",
        "quantity" => "events.params.items.quantity",
        "currency" => "events.params.currency",
        "order_id" => "events.params.transaction_id",
        "order_line" | "order_lines" => "events.params.items",
        "page_url" => "events.params.page_location",
        "referrer" => "events.params.page_referrer",
        "payment_type" => "events.params.payment_type",
        other => other,
    }
}

/// A name of ours, where the protocol's is one.
pub(super) fn our_name(name: &str) -> Option<EventName> {
    name.parse().ok()
}

/// Whether an event has a record for each of its items. A list that was seen, and a checkout, are one event
/// whatever is in them.
pub(super) const fn has_lines(name: EventName) -> bool {
    match name {
        EventName::ViewItem
        | EventName::AddToCart
        | EventName::RemoveFromCart
        | EventName::Purchase
        | EventName::Refund => true,
        EventName::SessionStart
        | EventName::ViewItemList
        | EventName::BeginCheckout
        | EventName::AddPaymentInfo => false,
    }
}

/// Translates the n-th event of a request.
pub(super) fn item(raw: &RawValue, place: usize, sender: &Sender<'_>) -> Item {
    let bytes = raw.get().len();
    let refused = |reason, field, detail: String| {
        let mut record = Mapped::new(told_as, bytes);
        sender.tell_visitor(&mut record, &Node::Null);
        // So that whoever looks at it sees what came.
        record.set("ga4_event", raw.get());
        record.refuse(reason, field, detail);
        Item::Records(vec![record])
    };
    let event = match Node::read(raw.get().as_bytes()) {
        Ok(event @ Node::Object(_)) => event,
        _ => return refused(Reason::Malformed, "events", "the event is no object".to_owned()),
    };
    if let Some(name) = event.twice() {
        return refused(Reason::Malformed, "events", format!("{name} is there twice"));
    }
    let name = match event.get("name") {
        Node::Null => return refused(Reason::MissingField, "events.name", "is missing".to_owned()),
        Node::Text(name) if !name.is_empty() => name,
        _ => return refused(Reason::InvalidField, "events.name", "is no name".to_owned()),
    };
    let params = event.get("params");
    if !matches!(params, Node::Null | Node::Object(_)) {
        return refused(Reason::InvalidField, "events.params", "is no object".to_owned());
    }
    let at = match sender.at(&event) {
        Ok(at) => at,
        Err(detail) => return refused(Reason::InvalidField, "timestamp_micros", detail),
    };
    if sender.client_id.is_null() && sender.user_id.is_null() {
        return refused(Reason::MissingField, "client_id", "is missing, and so is user_id".to_owned());
    }
    let record = |our_name: EventName, line: usize, bytes: usize| {
        let mut record = Mapped::new(told_as, bytes);
        record
            .set(if at.is_told { "source_id" } else { "event_id" }, sender.id(at, (raw, place), name, line));
        record.set("event_name", our_name.as_str());
        record.set("occurred_at", at.at.to_rfc3339_opts(SecondsFormat::Micros, true));
        sender.tell_visitor(&mut record, params.get("session_id"));
        record.set("page_url", params.get("page_location").label());
        record.set("referrer", params.get("page_referrer").label());
        record.set("payment_type", params.get("payment_type").label());
        record
    };
    // Google makes `session_start` by itself and lets nobody send it. Whoever denies consent has a visitor
    // for each request, and no visit.
    let infers_start = sender.nobody.is_none();
    let Some(our_name) = our_name(name) else {
        return match sender.other(raw, name, place, at) {
            Ok(other) if infers_start && matches!(&**name, "page_view" | "screen_view") => {
                Item::Seen(other, Box::new(record(EventName::SessionStart, 0, bytes)))
            }
            Ok(other) => Item::Other(other),
            Err((reason, field, detail)) => refused(reason, field, detail),
        };
    };
    let common = |line: usize, bytes: usize| {
        let mut record = record(our_name, line, bytes);
        if infers_start {
            record.set("infer_session_start", true);
        }
        record
    };
    if !has_lines(our_name) {
        return Item::Records(vec![common(0, bytes)]);
    }
    let items = match params.get("items") {
        Node::List(items) if !items.is_empty() => items,
        // All of the order is paid back, or so much of it; PostgreSQL knows its lines.
        Node::Null | Node::List(_)
            if our_name == EventName::Refund && !params.get("transaction_id").is_null() =>
        {
            let mut record = common(0, bytes);
            record.set("order_id", params.get("transaction_id").told());
            let sum = sum_back(params.get("value").sum());
            if !sum.is_null() {
                record.set("amount", sum);
                record.set("currency", params.get("currency").told());
            }
            return Item::Records(vec![record]);
        }
        Node::Null | Node::List(_) => {
            let detail = format!("a {name} is about items, and has none");
            return refused(Reason::MissingField, "events.params.items", detail);
        }
        _ => return refused(Reason::InvalidField, "events.params.items", "is no list".to_owned()),
    };
    let records = items.iter().enumerate().map(|(index, item)| {
        let mut record = common(index, bytes / items.len());
        tell_item(&mut record, item, params);
        if matches!(our_name, EventName::Purchase | EventName::Refund) {
            tell_order(&mut record, our_name, params, (at, raw), (items, index));
        }
        record
    });
    Item::Records(records.collect())
}

fn tell_item(record: &mut Mapped, item: &Node<'_>, params: &Node<'_>) {
    if !matches!(item, Node::Object(_)) {
        record.refuse(Reason::InvalidField, "events.params.items", "an item is no object");
    }
    // Google asks for one of the two.
    let first = |names: [&str; 2]| names.map(|name| item.get(name)).into_iter().find(|told| !told.is_blank());
    record.set("item_id", first(["item_id", "item_name"]).map_or(Value::Null, Node::told));
    record.set("item_name", first(["item_name", "item_id"]).map_or(Value::Null, Node::label));
    record.set(
        "category",
        match item.get("item_category") {
            told if told.is_blank() => "unknown".into(),
            told => told.label(),
        },
    );
    record.set("brand", item.get("item_brand").label());
    record.set("price", item.get("price").sum());
    record.set(
        "quantity",
        match item.get("quantity") {
            Node::Null => 1.into(),
            told => told.whole(),
        },
    );
    let currency = match params.get("currency") {
        Node::Null => item.get("currency"),
        told => told,
    };
    record.set("currency", currency.told());
}

/// The order of the n-th of some lines.
fn tell_order(
    record: &mut Mapped,
    name: EventName,
    params: &Node<'_>,
    (at, raw): (At, &RawValue),
    (items, index): (&[Node<'_>], usize),
) {
    record.set("order_id", params.get("transaction_id").told());
    let line = i32::try_from(index + 1).unwrap_or(i32::MAX);
    record.set("order_line", line);
    record.set("order_lines", items.len());
    let Some(order_id) = params.get("transaction_id").text() else { return };
    let id = match name {
        EventName::Purchase => ids::order_line(order_id, line),
        // Nothing tells the same part again from another one: each is one, and its order bounds them.
        _ if !at.is_told => return,
        // A line may be paid back in parts, so that its item, its time and its bytes tell one part from
        // another: a refund has lines of its own.
        _ => {
            let item = |item: &Node<'_>| {
                item.get("item_id").text().or(item.get("item_name").text()).map(str::to_owned)
            };
            let this = item(&items[index]);
            let nth = items[..=index].iter().filter(|other| item(other) == this).count();
            let micros = at.at.timestamp_micros();
            format!("refund/{order_id}/{}/{nth}/{micros}/{}", this.unwrap_or_default(), digest(raw))
        }
    };
    record.set("event_id", Value::Null);
    record.set("source_id", Value::Null);
    record.set("shared_id", id);
}

impl Sender<'_> {
    /// Who it is, in which visit, where and with what.
    fn tell_visitor(&self, record: &mut Mapped, session_id: &Node<'_>) {
        match self.nobody {
            // Neither the ids nor the visit may join this request with another.
            Some(nobody) => record.set("anonymous_id", nobody.to_string()),
            None => {
                record.set("anonymous_id", self.client_id.told());
                record.set("user_id", self.user_id.told());
                record.set("session_id", session_id.clone().unless_blank().told());
            }
        }
        record.set("country", self.place.country.told());
        // A place is one fact: a city alone would be in no country.
        if !self.place.country.is_null() {
            record.set("city", self.place.city.label());
        }
        // A television, and what there will be.
        let device = self.device.text().map(|told| told.parse().unwrap_or(Device::Other).as_str());
        record.set("user_agent", self.user_agent.label());
        record.set("device", device.map_or_else(|| self.device.told(), Value::from));
    }

    /// An event that we have no word for.
    fn other(&self, raw: &RawValue, name: &str, place: usize, at: At) -> Result<Box<OtherEvent>, Refused> {
        if name.chars().count() > MAX_OTHER_NAME_CHARS || name.contains(char::is_control) {
            let detail =
                format!("is longer than {MAX_OTHER_NAME_CHARS} characters, or has some that cannot be shown");
            return Err((Reason::InvalidField, "events.name", detail));
        }
        if at.at > self.received_at + TimeDelta::minutes(1) {
            let detail = format!("{} is more than a minute after {}", at.at, self.received_at);
            return Err((Reason::Future, "timestamp_micros", detail));
        }
        let (user_id, anonymous_id) = self.visitor_ids()?;
        Ok(Box::new(OtherEvent {
            id: self.id(at, (raw, place), name, 0),
            dialect: "ga4",
            kind: OtherKind::Other,
            name: name.to_owned(),
            occurred_at: at.at,
            user_id,
            anonymous_id,
            tells: None,
            payload: raw.get().as_bytes().to_vec(),
        }))
    }

    /// The ids that events of ours have.
    fn visitor_ids(&self) -> Result<(Option<Uuid>, Option<Uuid>), Refused> {
        let mut record = Mapped::new(told_as, 0);
        self.tell_visitor(&mut record, &Node::Null);
        record.ids(self.source).map_err(|refused| (refused.reason, told_as(refused.field), refused.detail))
    }
}
