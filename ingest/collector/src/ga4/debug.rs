//! What Google's validation server would say of a request; nothing of it is stored.

use contracts::Reason;
use serde::Serialize;

use super::node::Node;
use super::reserved::{is_event, is_name, is_param, is_user_property, max_value_chars};
use super::{MAX_AGE, MAX_EVENTS, Request, Sender, raw_pairs, single_or_list};

const MAX_PARAMS: usize = 25;
const MAX_ITEMS: usize = 200;
const MAX_USER_PROPERTIES: usize = 25;
/// Characters of the name of an event or a parameter.
const MAX_NAME_CHARS: usize = 40;
const MAX_PROPERTY_NAME_CHARS: usize = 24;
const MAX_PROPERTY_CHARS: usize = 36;

/// One finding, as Google writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) field_path: String,
    pub(crate) description: String,
    pub(crate) validation_code: &'static str,
}

const VALUE_INVALID: &str = "VALUE_INVALID";
const VALUE_REQUIRED: &str = "VALUE_REQUIRED";
const NAME_INVALID: &str = "NAME_INVALID";
const NAME_RESERVED: &str = "NAME_RESERVED";
const VALUE_OUT_OF_BOUNDS: &str = "VALUE_OUT_OF_BOUNDS";
const EXCEEDED_MAX_ENTITIES: &str = "EXCEEDED_MAX_ENTITIES";
const NAME_DUPLICATE: &str = "NAME_DUPLICATE";

/// The code for what our rules refuse a record for.
const fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingField | Reason::MissingId => VALUE_REQUIRED,
        Reason::Future | Reason::AmountOverflow => VALUE_OUT_OF_BOUNDS,
        _ => VALUE_INVALID,
    }
}

#[derive(Debug, Default)]
struct Findings(Vec<Message>);

impl Findings {
    fn add(&mut self, path: impl Into<String>, code: &'static str, description: impl Into<String>) {
        self.0.push(Message {
            field_path: path.into(),
            description: description.into(),
            validation_code: code,
        });
    }
}

/// What Google documents of a request with this query. What only our rules refuse is not in it.
pub(crate) fn messages(body: &[u8], query: &str, received_at: chrono::DateTime<chrono::Utc>) -> Vec<Message> {
    let mut found = Findings::default();
    let is_stream_named = query.split('&').any(|pair| {
        ["measurement_id=", "firebase_app_id="]
            .iter()
            .any(|name| pair.strip_prefix(name).is_some_and(|id| !id.is_empty()))
    });
    if !is_stream_named {
        found.add(
            "measurement_id",
            VALUE_REQUIRED,
            "The address names no measurement_id or firebase_app_id.",
        );
    }
    let Ok(pairs) = raw_pairs(body) else {
        found.add("", VALUE_INVALID, "The body is no JSON object.");
        return found.0;
    };
    for (place, (name, _)) in pairs.iter().enumerate() {
        if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
            found.add(name, NAME_DUPLICATE, format!("{name} is there twice."));
        }
    }
    let sender = Sender::of(&pairs, "", received_at);
    request(&mut found, &sender, &pairs);
    match pairs.iter().find(|(name, _)| name == "events").map(|(_, list)| single_or_list(list)) {
        None => found.add("events", VALUE_REQUIRED, "There is no list of events."),
        Some(None) => found.add("events", VALUE_INVALID, "events is no list."),
        Some(Some(events)) if events.len() > MAX_EVENTS => {
            let description = format!("There are {} events, of at most {MAX_EVENTS}.", events.len());
            found.add("events", EXCEEDED_MAX_ENTITIES, description);
        }
        Some(Some(events)) => {
            for (index, raw) in events.iter().enumerate() {
                match Node::read(raw.get().as_bytes()) {
                    Ok(event @ Node::Object(_)) => self::event(&mut found, &sender, index, &event),
                    _ => {
                        found.add(
                            "events",
                            VALUE_INVALID,
                            format!("Event at index: [{index}] is no object."),
                        );
                    }
                }
            }
        }
    }
    found.0
}

/// What is told of all events.
fn request(found: &mut Findings, sender: &Sender<'_>, pairs: &[(String, &serde_json::value::RawValue)]) {
    let get = |name: &str| {
        let raw = pairs.iter().find(|(known, _)| known == name).map(|(_, raw)| raw.get());
        raw.and_then(|raw| Node::read(raw.as_bytes()).ok()).unwrap_or(Node::Null)
    };
    match &sender.client_id {
        Node::Null => {
            found.add("client_id", VALUE_REQUIRED, "The request has no client_id or app_instance_id.");
        }
        told if told.text().is_none() => {
            found.add("client_id", VALUE_INVALID, "client_id is no text.");
        }
        _ => {}
    }
    let consent = get("consent");
    if !matches!(consent, Node::Null | Node::Object(_)) {
        found.add("consent", VALUE_INVALID, "consent is no object.");
    }
    for name in ["ad_user_data", "ad_personalization"] {
        let told = consent.get(name);
        if !told.is_null() && !matches!(told.text(), Some("GRANTED" | "DENIED")) {
            found.add(format!("consent.{name}"), VALUE_INVALID, format!("{name} is GRANTED or DENIED."));
        }
    }
    if !matches!(get("non_personalized_ads"), Node::Null | Node::Bool(_)) {
        found.add("non_personalized_ads", VALUE_INVALID, "non_personalized_ads is true or false.");
    }
    let properties = get("user_properties");
    if !matches!(properties, Node::Null | Node::Object(_)) {
        found.add("user_properties", VALUE_INVALID, "user_properties is no object.");
    }
    if properties.pairs().len() > MAX_USER_PROPERTIES {
        let description =
            format!("There are {} properties, of at most {MAX_USER_PROPERTIES}.", properties.pairs().len());
        found.add("user_properties", EXCEEDED_MAX_ENTITIES, description);
    }
    if let Some(name) = properties.twice() {
        found.add(format!("user_properties.{name}"), NAME_DUPLICATE, format!("{name} is there twice."));
    }
    for (name, value) in properties.pairs() {
        let path = format!("user_properties.{name}");
        if is_user_property(name) {
            found.add(&path, NAME_RESERVED, format!("The name [{name}] is reserved."));
        } else if !is_name(name, MAX_PROPERTY_NAME_CHARS) {
            let how = "A name begins with a letter and has at most 24 letters, digits and underscores.";
            found.add(&path, NAME_INVALID, format!("The name [{name}] is invalid. {how}"));
        }
        match value.get("value") {
            Node::Null => found.add(path, VALUE_REQUIRED, format!("{name} has no value.")),
            told if told.text().is_some_and(|text| text.chars().count() > MAX_PROPERTY_CHARS) => {
                let description = format!("{name} has more than {MAX_PROPERTY_CHARS} characters.");
                found.add(path, VALUE_OUT_OF_BOUNDS, description);
            }
            _ => {}
        }
    }
}

fn event(found: &mut Findings, sender: &Sender<'_>, index: usize, event: &Node<'_>) {
    let here = format!("Event at index: [{index}]");
    match event.get("name") {
        Node::Null => found.add("events.name", VALUE_REQUIRED, format!("{here} has no name.")),
        Node::Text(name) if is_event(name) && !name.starts_with('_') => {
            found.add("events", NAME_RESERVED, format!("{here} has the name [{name}], which is reserved."));
        }
        Node::Text(name) if !is_name(name, MAX_NAME_CHARS) => {
            let how = "Names begin with a letter and have at most 40 letters, digits and underscores.";
            found.add("events", NAME_INVALID, format!("{here} has invalid name [{name}]. {how}"));
        }
        Node::Text(_) => {}
        _ => found.add("events.name", VALUE_INVALID, format!("{here} has a name that is no text.")),
    }
    if let Some(name) = event.twice() {
        found.add(format!("events.{name}"), NAME_DUPLICATE, format!("{here} has {name} twice."));
    }
    match sender.at(event) {
        Err(detail) => {
            found.add("timestamp_micros", VALUE_INVALID, format!("{here}: timestamp_micros {detail}."));
        }
        Ok(at) if at.at < sender.received_at - MAX_AGE => {
            let description = format!("{here} is older than 72 hours: here it is late, and Google moves it.");
            found.add("timestamp_micros", VALUE_OUT_OF_BOUNDS, description);
        }
        Ok(_) => {}
    }
    let params = event.get("params");
    if params.pairs().len() > MAX_PARAMS {
        let description = format!("{here} has {} parameters, of at most {MAX_PARAMS}.", params.pairs().len());
        found.add("events.params", EXCEEDED_MAX_ENTITIES, description);
    }
    for (name, value) in params.pairs() {
        let path = format!("events.params.{name}");
        if is_param(name) {
            found.add(path, NAME_RESERVED, format!("{here} has the parameter [{name}], which is reserved."));
        } else if !is_name(name, MAX_NAME_CHARS) {
            found.add(path, NAME_INVALID, format!("{here} has a parameter with invalid name [{name}]."));
        } else if value.text().is_some_and(|text| text.chars().count() > max_value_chars(name)) {
            let most = max_value_chars(name);
            found.add(path, VALUE_OUT_OF_BOUNDS, format!("{here}: {name} has more than {most} characters."));
        }
    }
    if !params.get("value").is_null() && params.get("currency").is_null() {
        let description = format!("{here} has a value without a currency.");
        found.add("events.params.currency", VALUE_REQUIRED, description);
    }
    if params.get("items").list().is_some_and(|items| items.len() > MAX_ITEMS) {
        found.add(
            "events.params.items",
            EXCEEDED_MAX_ENTITIES,
            format!("{here} has more than {MAX_ITEMS} items."),
        );
    }
}

impl Request<'_> {
    /// A finding of our own rules about one of its events.
    pub(crate) fn message(place: usize, reason: Reason, field: &str, detail: &str) -> Message {
        Message {
            field_path: field.to_owned(),
            description: format!("Event at index: [{place}]: {field} {detail}."),
            validation_code: code(reason),
        }
    }
}
