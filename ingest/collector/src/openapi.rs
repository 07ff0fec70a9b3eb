//! The description of the HTTP interface, rendered from the contract:
//! `cargo run -p collector --example render_openapi`.

mod ga4;
mod hooks;

use contracts::Event;
use contracts::record::{Field, Kind, Spelling};
use ingest::source::draft;
use serde_json::{Map, Value, json};

use crate::limits::Limits;
use crate::segment;
use crate::verdict::Verdict;

/// Where events go.
pub(crate) const EVENTS_PATH: &str = "/v1/events";
/// Where requests of GA4's Measurement Protocol go.
pub(crate) const GA4_PATH: &str = "/mp/collect";
/// Where they are only looked at.
pub(crate) const GA4_DEBUG_PATH: &str = "/debug/mp/collect";
/// Where webhooks go, by shop system and name.
pub(crate) const HOOKS_PATH: &str = "/v1/hooks";
/// Where this is described.
pub(crate) const OPENAPI_PATH: &str = "/v1/openapi.json";
/// Whether events are stored now.
pub(crate) const HEALTH_PATH: &str = "/v1/health";

/// The file as it is published and served.
pub const COMMITTED: &str = include_str!("../openapi.json");

/// Renders the description.
#[must_use]
pub fn render() -> Value {
    let limits = Limits::default();
    let mut description = described(&limits);
    for (part, more) in [
        ("/paths", segment::openapi::paths(preflight)),
        ("/paths", hooks::paths()),
        ("/components/schemas", segment::openapi::schemas()),
        ("/components/responses", segment::openapi::responses()),
    ] {
        if let Some(there) = description.pointer_mut(part).and_then(Value::as_object_mut) {
            there.extend(more);
        }
    }
    description
}

fn described(limits: &Limits) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Storepulse collector",
            "version": "1",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Shoppers' events of an online shop. An event is acknowledged once it is committed.",
        },
        "security": [{ "key": [] }, { "browser_key": [] }],
        "paths": {
            EVENTS_PATH: { "post": collect(limits), "options": preflight("preflight") },
            GA4_PATH: { "post": ga4::collect(), "options": preflight("ga4Preflight") },
            GA4_DEBUG_PATH: { "post": ga4::validate(), "options": preflight("ga4DebugPreflight") },
            OPENAPI_PATH: { "get": {
                "summary": "This description",
                "operationId": "describe",
                "security": [],
                "responses": { "200": {
                    "description": "OpenAPI 3.1",
                    "content": { "application/json": { "schema": { "type": "object" } } },
                } },
            } },
            HEALTH_PATH: { "get": {
                "summary": "Whether events are stored now",
                "operationId": "health",
                "security": [],
                "responses": {
                    "200": health("They are.", "serving"),
                    "503": health("They are not: PostgreSQL is away, or the collector is stopping.", "not_serving"),
                },
            } },
        },
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, made by `storepulse collect key <name>`. It opens nothing that can be read.",
                },
                "writeKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The same key as the user name, without a password.",
                },
                "browser_key": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "key",
                    "description": "A browser's key, made with `--origin`, where no header can be set: navigator.sendBeacon. A \
                                    server's key is refused there.",
                },
                "api_secret": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "api_secret",
                    "description": "An API key, where GA4's Measurement Protocol has it.",
                },
            },
            "schemas": {
                "Batch": {
                    "type": "object",
                    "required": ["events"],
                    "properties": { "events": {
                        "type": "array",
                        "maxItems": limits.request_events,
                        "items": reference("Event"),
                    } },
                },
                "Event": event(),
                "Answer": answer(),
                "Verdict": verdict(),
                "Problem": problem(),
                "Ga4Request": ga4::request(),
                "Ga4Validated": ga4::validated(),
            },
            "responses": {},
        },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn health(description: &str, word: &str) -> Value {
    let schema = json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "const": word } },
    });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn refused(description: &str, headers: &Value) -> Value {
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

fn preflight(operation_id: &str) -> Value {
    json!({
        "summary": "Whether a page of another origin may send",
        "operationId": operation_id,
        "security": [],
        "responses": {
            "204": { "description": "Pages of the origin may send with some key, or no page asks." },
            "403": refused("No key is for pages of the origin.", &json!({})),
        },
    })
}

fn collect(limits: &Limits) -> Value {
    let none = || json!({});
    let retry = || {
        json!({ "Retry-After": {
            "description": "Seconds until the same request may be sent again.",
            "schema": { "type": "integer", "minimum": 1 },
        } })
    };
    json!({
        "summary": "Stores a batch",
        "operationId": "collect",
        "description": format!(
            "Answered after the commit; events of one request are committed together. At most {} events and {} bytes, \
             also after unpacking, where the operator has not set other limits. A rejected event is kept in quarantine \
             and counts in no metric. What was not answered may be sent again: what was stored counts as repeated.",
            limits.request_events, limits.body_bytes
        ),
        "parameters": [{
            "name": "Content-Encoding",
            "in": "header",
            "required": false,
            "schema": { "type": "string", "enum": ["gzip", "identity"] },
        }],
        "requestBody": {
            "required": true,
            "content": {
                "application/json": { "schema": reference("Batch") },
                "text/plain": { "schema": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "description": "The same JSON: a page may post a text without a preflight.",
                } },
            },
        },
        "responses": {
            "200": {
                "description": "Each event has its verdict, in their order.",
                "content": { "application/json": { "schema": reference("Answer") } },
            },
            "400": refused("The request cannot be read. Sending it again changes nothing.", &none()),
            "401": refused("No API key, or an unknown one.", &json!({ "WWW-Authenticate": {
                "description": "Bearer",
                "schema": { "type": "string" },
            } })),
            "403": refused(
                "A browser's key without an `Origin` or for pages of other origins, or a server's key in the address.",
                &none(),
            ),
            "408": refused("The body came too slowly.", &none()),
            "413": refused("Too many bytes or events. Send smaller batches.", &none()),
            "415": refused("Neither application/json nor text/plain, or an encoding that is not read here.", &none()),
            "429": refused("Too fast for the key, or for the collector. Send it again after the time given.", &retry()),
            "500": refused("A defect of the collector.", &none()),
            "503": refused("Nothing is acknowledged: PostgreSQL is away, or the collector is stopping. Send it again.", &retry()),
        },
    })
}

/// The fields that the sender gives: those of the stored event but what is computed, and what only a sender
/// knows.
fn event() -> Value {
    let mut properties = Map::new();
    for field in draft::FIELDS {
        let stored = Event::FIELDS.iter().find(|stored| stored.name == field.name);
        // What is kept of an id is not what is told.
        let is_own_id = field.kind.is_id() && field.name != "event_id";
        let schema = match stored.filter(|_| !is_own_id) {
            Some(stored) => property(stored, field),
            None => told_only(field),
        };
        properties.insert(field.name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": "One line of a shopper's behaviour. No personal data beyond coarse demographics. Fields that are \
                        not known are passed over; null counts as absent.",
        "required": required(),
        "allOf": [one_of(&["event_id", "source_id", "shared_id", "order_id"]), one_of(&["user_id", "anonymous_id"])],
        "properties": properties,
    })
}

/// Of some ids one is needed, and all may be there.
fn one_of(ids: &[&str]) -> Value {
    json!({ "anyOf": ids.iter().map(|id| json!({ "required": [id] })).collect::<Vec<_>>() })
}

/// Those that every event has.
fn required() -> Vec<&'static str> {
    draft::FIELDS.iter().filter(|field| field.required).map(|field| field.name).collect()
}

/// A field that is not stored under its name.
fn told_only(field: &draft::Field) -> Value {
    let mut schema = match field.kind {
        draft::Kind::Decimal => json!({ "type": "string", "pattern": SUM }),
        draft::Kind::Time => json!({ "type": "string", "format": "date-time" }),
        draft::Kind::Int => json!({ "type": "integer", "format": "int32" }),
        draft::Kind::Double => json!({ "type": "number", "format": "double" }),
        draft::Kind::Bool => json!({ "type": "boolean" }),
        draft::Kind::Text if TEXTS.contains(&field.name) => json!({ "type": "string" }),
        draft::Kind::Text | draft::Kind::EventId => json!({ "type": "string", "minLength": 1 }),
        draft::Kind::UserId | draft::Kind::AnonymousId | draft::Kind::SessionId => {
            json!({ "type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS })
        }
    };
    schema["description"] = field.doc.join(" ").into();
    schema
}

/// Texts that may be empty.
const TEXTS: [&str; 3] = ["user_agent", "page_url", "referrer"];

/// Of a sender's ids of users, browsers and visits.
const MAX_NAME_CHARS: usize = 200;

/// Sums may have more digits than are kept: they count, and a line is rounded once.
const SUM: &str = "^[0-9]{1,10}(\\.[0-9]{1,18})?$";

/// What a sender is told of a field counts, where anything is.
fn property(field: &Field, told: &draft::Field) -> Value {
    if field.name == "price" {
        return json!({
            "type": "string",
            "pattern": SUM,
            "description": "Price of one unit in the line's currency, with all its digits: the line is rounded once. The amount of the \
                            line may stand instead.",
        });
    }
    if field.name == "event_id" {
        return json!({
            "type": "string",
            "format": "uuid",
            "description": format!("{} It decides also where source_id is told beside it.", field.doc),
        });
    }
    let mut schema = match field.kind {
        Kind::Uuid => json!({ "type": "string", "format": "uuid" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int => json!({ "type": "integer", "format": "int32" }),
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::TimestampMicros => json!({ "type": "string", "format": "date-time" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Decimal { precision, scale } => {
            let whole = precision - scale;
            json!({ "type": "string", "pattern": format!("^[0-9]{{1,{whole}}}(\\.[0-9]{{1,{scale}}})?$") })
        }
        Kind::Text { max_chars } => match field.spelling {
            Spelling::Free => json!({ "type": "string", "minLength": 1, "maxLength": max_chars }),
            Spelling::Words(words) => json!({ "type": "string", "enum": words }),
            Spelling::Letters(letters) => {
                json!({ "type": "string", "pattern": format!("^[A-Z]{{{letters}}}$") })
            }
        },
    };
    let doc = if told.doc.is_empty() { field.doc.to_owned() } else { told.doc.join(" ") };
    schema["description"] = doc.into();
    schema
}

fn answer() -> Value {
    let count = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    json!({
        "type": "object",
        "required": ["accepted", "repeated", "ignored", "rejected", "verdicts"],
        "properties": {
            "accepted": count("Events that are new, and committed."),
            "repeated": count("Events whose id was there already; nothing was stored."),
            "ignored": count("Events of programs that name themselves as such; they are kept apart."),
            "rejected": count("Events that break a rule; they are kept in quarantine."),
            "verdicts": {
                "type": "array",
                "description": "One for each event, in their order.",
                "items": reference("Verdict"),
            },
        },
    })
}

fn verdict() -> Value {
    json!({
        "type": "object",
        "required": ["verdict"],
        "properties": {
            "verdict": { "type": "string", "enum": Verdict::WORDS },
            "event_id": {
                "type": "string",
                "format": "uuid",
                "description": "What it is stored under; where its own id is no UUIDv7 of its time, another one.",
            },
            "reason": {
                "type": "string",
                "enum": reasons().collect::<Vec<_>>(),
                "description": "For a rejected event: the kind of cause. For an ignored one: bot.",
            },
            "field": { "type": "string", "description": "For a rejected event: the field it is about." },
            "detail": { "type": "string", "description": "For a rejected event: what is wrong, for a person to read." },
        },
    })
}

fn reasons() -> impl Iterator<Item = &'static str> {
    contracts::Reason::ALL.iter().map(|reason| reason.as_str()).chain([Verdict::BOT])
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "retry_after_ms": {
                "type": "integer",
                "minimum": 1,
                "description": "When the same request may be sent again.",
            },
        },
    })
}

/// The file's text for a description.
#[must_use]
pub fn text(description: &Value) -> String {
    format!("{description:#}\n")
}
