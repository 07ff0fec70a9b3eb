//! One message.

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::Reason;
use contracts::ids;
use contracts::lateness::{EARLIEST_US, LATEST_US};
use contracts::printable::printable_within;
use contracts::validation::Shopper;
use contracts::vocabulary::EventName;
use ingest::source::draft::Fields as _;
use ingest::store::{OtherEvent, OtherKind, UserStatement};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::json::{self, Object, is_too_deep};
use super::product::{of_event, of_order, of_product, order, set_currency, set_product, whole_order};
use super::scrub::scrub;
use super::{Call, DIALECT, MESSAGE_BYTES, Received, traits};
use crate::item::{Item, Mapped};
use crate::record::SenderRecord as _;

/// Characters of an id, and of a name, that are kept.
const ID_CHARS: usize = 200;
/// Fields that tell how a message was sent, and not what it says: when it is sent again they are others.
const OF_DELIVERY: [&str; 3] = ["sentAt", "receivedAt", "_metadata"];

/// Our name of an event of the spec, by the names that the spec has had for it.
fn word(event: &str) -> Option<EventName> {
    Some(match event.trim().to_lowercase().as_str() {
        "product viewed" | "viewed product" => EventName::ViewItem,
        "product list viewed" | "viewed product category" => EventName::ViewItemList,
        "product added" | "added product" => EventName::AddToCart,
        "product removed" | "removed product" => EventName::RemoveFromCart,
        "checkout started" | "started order" => EventName::BeginCheckout,
        "payment info entered" => EventName::AddPaymentInfo,
        "order completed" | "completed order" => EventName::Purchase,
        "order refunded" | "refunded order" => EventName::Refund,
        _ if is_cancelled(event) => EventName::Refund,
        _ => return None,
    })
}

/// Whether an event pays all of its order back, whichever products it lists.
fn is_cancelled(event: &str) -> bool {
    ["order cancelled", "order canceled"].iter().any(|name| event.trim().eq_ignore_ascii_case(name))
}

fn refused(record: Mapped, reason: Reason, field: &'static str, detail: impl Into<String>) -> Item {
    let mut record = record;
    record.refuse(reason, field, detail);
    Item::Records(vec![record])
}

pub(super) fn too_large(raw: &RawValue) -> Item {
    let mut record = Mapped::new(of_event, 0);
    record.set_known_by(format!("{:x}", Sha256::digest(raw.get())));
    let detail = format!("it has {} bytes, {MESSAGE_BYTES} are read", raw.get().len());
    refused(record, Reason::Malformed, "message", detail)
}

pub(super) fn translate(raw: &RawValue, call: Option<Call>, received: &Received<'_>) -> Item {
    let mut record = Mapped::new(of_event, raw.get().len());
    let unread = |mut record: Mapped, detail: String| {
        record.set_known_by(format!("{:x}", Sha256::digest(raw.get())));
        refused(record, Reason::Malformed, "message", detail)
    };
    if is_too_deep(raw) {
        return unread(record, "it is nested too deeply".to_owned());
    }
    let message = match Object::read(raw.get().as_bytes()) {
        Ok(message) => message,
        Err(error) => return unread(record, error.to_string()),
    };
    set_common(&mut record, &message, received);
    let named = message.text("type");
    let call = call.or_else(|| Call::ALL.into_iter().find(|call| Some(call.name()) == named.as_deref()));
    let Some(call) = call else {
        let reason = if message.get("type").is_some() { Reason::InvalidField } else { Reason::MissingField };
        return refused(
            record,
            reason,
            "type",
            "it is none of track, page, screen, identify, alias and group",
        );
    };
    if call != Call::Track {
        return other(raw, &message, call, call.name(), record, received);
    }
    let Some(event) = message.text("event") else {
        let reason = if message.get("event").is_some() { Reason::InvalidField } else { Reason::MissingField };
        return refused(record, reason, "event", "a track tells what was done, as a text");
    };
    match word(&event) {
        Some(name) => Item::Records(records((name, &event), record, &message, received)),
        None => other(raw, &message, call, &event, record, received),
    }
}

/// What every record has: its id, its time and whose it is.
fn set_common(record: &mut Mapped, message: &Object<'_>, received: &Received<'_>) {
    let id = match message.get("messageId").map(json::any) {
        Some(Value::String(id)) if id.trim().is_empty() => None,
        told => told,
    };
    match &id {
        Some(Value::String(id)) => record.set_known_by(id.as_str()),
        _ => record.set_known_by(digest(message)),
    }
    let id = id.unwrap_or_else(|| own_id(record, message, received).into());
    record.set("source_id", id);
    record.set("user_id", message.get("userId").map_or(Value::Null, json::name));
    record.set("anonymous_id", message.get("anonymousId").map_or(Value::Null, json::name));
    record.set("occurred_at", occurred_at(message, received));
}

/// Whether a message says when it was.
fn is_dated(message: &Object<'_>) -> bool {
    ["originalTimestamp", "timestamp"].iter().any(|field| message.get(field).is_some())
}

/// What a message says. When it was sent is a part of that only where nothing else tells of its time: then it
/// tells two alike from each other.
fn digest(message: &Object<'_>) -> String {
    let is_dated = is_dated(message);
    let mut digest = Sha256::new();
    for (name, value) in message.fields() {
        if OF_DELIVERY.contains(&name) && (is_dated || name != "sentAt") {
            continue;
        }
        for part in [name, value.get()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    format!("{:x}", digest.finalize())
}

/// The id of a message that has none, as Segment's HTTP API allows. What says the same is the same message if
/// it says when it was; else nothing tells two alike from one that was sent twice, and each is one.
fn own_id(record: &Mapped, message: &Object<'_>, received: &Received<'_>) -> String {
    let is_timed = received.occurred_at.is_some() || is_dated(message) || message.get("sentAt").is_some();
    match record.known_by() {
        Some(digest) if is_timed => format!("sha256:{digest}"),
        _ => ids::v7(received.at, rand::random()).to_string(),
    }
}

/// What device and channel follow from, and the visit where an SDK tells it. Anything that is no text tells
/// nothing of them.
fn set_circumstances(record: &mut Mapped, context: &Object<'_>) {
    let page = context.object("page");
    for (field, told) in [
        ("user_agent", context.text("userAgent")),
        ("page_url", page.text("url")),
        ("referrer", page.text("referrer")),
    ] {
        record.set(field, told.map_or(Value::Null, Value::from));
    }
    // RudderStack's SDKs tell the visit, as the moment of its start.
    let session_id = context.get("sessionId").map(json::name).filter(Value::is_string);
    record.set("session_id", session_id.unwrap_or_default());
}

/// By our clock, which the sender's may be far from: what went by between the event and its sending is what
/// its sender knows. What cannot be read is given back as it is, to be refused by its name.
fn occurred_at(message: &Object<'_>, received: &Received<'_>) -> Value {
    let instant = |raw: &RawValue| DateTime::parse_from_rfc3339(json::text(raw)?.trim()).ok();
    let written = |at: DateTime<Utc>| Value::from(at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    if let Some(at) = received.occurred_at {
        return written(at);
    }
    let Some(told) = message.get("originalTimestamp").or_else(|| message.get("timestamp")) else {
        return written(received.at);
    };
    let Some(at) = instant(told) else { return json::any(told) };
    match message.get("sentAt").or(received.sent_at) {
        None => written(at.to_utc()),
        Some(sent_at) => match instant(sent_at) {
            // A century of difference is no clock's: it overflows nothing, and is judged as any other time.
            Some(sent_at) => written(received.at.checked_sub_signed(sent_at - at).unwrap_or(received.at)),
            None => json::any(sent_at),
        },
    }
}

/// A message that has a place among our events.
fn records(
    (name, event): (EventName, &str),
    common: Mapped,
    message: &Object<'_>,
    received: &Received<'_>,
) -> Vec<Mapped> {
    let properties = message.object("properties");
    let is_order = matches!(name, EventName::Purchase | EventName::Refund);
    let is_about_product =
        matches!(name, EventName::ViewItem | EventName::AddToCart | EventName::RemoveFromCart);
    let mut record = common.called(if is_about_product { of_product } else { of_order });
    record.set("event_name", name.as_str());
    // Nothing in the spec tells that a visit begins.
    record.set("infer_session_start", true);
    set_circumstances(&mut record, &message.object("context"));
    if matches!(name, EventName::Purchase | EventName::AddPaymentInfo) {
        record.set("payment_type", properties.get("payment_method").map_or(Value::Null, json::any));
    }
    if message.get("properties").is_some_and(|raw| !raw.get().starts_with('{')) {
        record.refuse(Reason::InvalidField, "properties", "it is no object");
    }
    if is_cancelled(event) {
        return vec![whole_order(&record, &properties)];
    }
    if is_order {
        return order(name, &record, &properties);
    }
    if is_about_product {
        set_product(&mut record, &properties);
        set_currency(&mut record, [&properties; 2], Some(received.base));
    }
    vec![record]
}

/// A message without a place among our events. It is judged as far as it is understood: whose it is, and when
/// it was.
fn other(
    raw: &RawValue,
    message: &Object<'_>,
    call: Call,
    name: &str,
    mut record: Mapped,
    received: &Received<'_>,
) -> Item {
    let told = record.optional("user_id").and_then(|user_id| {
        let anonymous_id = record.optional("anonymous_id")?;
        let occurred_at: Option<DateTime<Utc>> = record.optional("occurred_at")?;
        Ok((Shopper { user_id, anonymous_id, ..Shopper::default() }, occurred_at))
    });
    let (shopper, occurred_at) = match told {
        Ok((shopper, occurred_at)) => (shopper, occurred_at.unwrap_or(received.at)),
        Err(rejection) => {
            return refused(record, rejection.reason, of_event(rejection.field), rejection.detail);
        }
    };
    if !(EARLIEST_US..=LATEST_US).contains(&occurred_at.timestamp_micros()) {
        return refused(record, Reason::InvalidField, "timestamp", "it is not between 1970 and 2200");
    }
    let (user_id, mut anonymous_id) = shopper.ids(received.source);
    if user_id.or(anonymous_id).is_none() {
        let detail = "is missing, and so is anonymousId: one of the two is needed";
        return refused(record, Reason::MissingField, "userId", detail);
    }
    if [user_id, anonymous_id].into_iter().flatten().any(|id| contracts::admission::is_nobody(&id)) {
        return refused(record, Reason::InvalidField, "userId", "it is of the form that belongs to nobody");
    }
    if call == Call::Alias {
        record_alias(message, received.source, &mut anonymous_id);
        if user_id.is_none() || anonymous_id.is_none() {
            return refused(
                record,
                Reason::MissingField,
                "previousId",
                "an alias has a userId and a previousId",
            );
        }
    }
    let facts = match call {
        Call::Identify => traits::facts(&traits_of(message), occurred_at),
        _ => Default::default(),
    };
    let tells = user_id
        .filter(|_| matches!(call, Call::Identify | Call::Alias))
        .map(|user_id| Box::new(UserStatement { user_id, anonymous_id, at: occurred_at, facts }));
    let payload = scrub(raw, call.name());
    let other = Box::new(OtherEvent {
        id: id_of(message, &record, &payload),
        dialect: DIALECT,
        kind: OtherKind::Other,
        name: printable_within(name, ID_CHARS),
        occurred_at,
        user_id,
        anonymous_id,
        tells,
        payload,
    });
    match call {
        Call::Page | Call::Screen => {
            record.set("source_id", other.id.as_str());
            Item::Seen(other, Box::new(start(record, message)))
        }
        _ => Item::Other(other),
    }
}

/// The start of a visit, if one begins with this page.
fn start(mut record: Mapped, message: &Object<'_>) -> Mapped {
    record.set("event_name", EventName::SessionStart.as_str());
    set_circumstances(&mut record, &message.object("context"));
    record
}

/// Where Segment has traits, or where RudderStack has them.
fn traits_of<'a>(message: &Object<'a>) -> Object<'a> {
    match message.get("traits") {
        Some(_) => message.object("traits"),
        None => message.object("context").object("traits"),
    }
}

/// The id that was, which may be any word: it is a browser's as far as anybody knows.
fn record_alias(message: &Object<'_>, source: &str, anonymous_id: &mut Option<uuid::Uuid>) {
    let previous = message.get("previousId").map(json::name);
    let previous = previous.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok());
    let (_, previous) = Shopper { anonymous_id: previous, ..Shopper::default() }.ids(source);
    *anonymous_id = previous.or(*anonymous_id);
}

/// The id of its record; one that cannot be kept is made of what the message says.
fn id_of(message: &Object<'_>, record: &Mapped, payload: &[u8]) -> String {
    let told: Option<String> = record.optional("source_id").ok().flatten();
    let is_kept = |id: &String| !id.trim().is_empty() && id.chars().count() <= ID_CHARS && !id.contains('\0');
    let of_what_it_says = || match is_dated(message) {
        true => format!("sha256:{}", digest(message)),
        false => format!("sha256:{:x}", Sha256::digest(payload)),
    };
    told.filter(is_kept).unwrap_or_else(of_what_it_says)
}
