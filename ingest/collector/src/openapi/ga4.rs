//! The routes of GA4's Measurement Protocol.

use serde_json::{Value, json};

use super::{reference, refused};
use crate::ga4::MAX_EVENTS;

pub(super) fn collect() -> Value {
    let description =
        "The request was read. Events that break a rule are in quarantine: nothing tells of them here.";
    post(
        "Stores a request of GA4's Measurement Protocol",
        "ga4Collect",
        "204",
        &json!({ "description": description }),
    )
}

pub(super) fn validate() -> Value {
    post(
        "Says what is wrong with such a request, and stores nothing",
        "ga4Validate",
        "200",
        &json!({
            "description": "What Google's validation server would find, and what the collector would refuse.",
            "content": { "application/json": { "schema": reference("Ga4Validated") } },
        }),
    )
}

fn post(summary: &str, operation_id: &str, status: &str, answer: &Value) -> Value {
    let none = || json!({});
    json!({
        "summary": summary,
        "operationId": operation_id,
        "security": [{ "api_secret": [] }, { "key": [] }],
        "parameters": [{
            "name": "measurement_id",
            "in": "query",
            "required": false,
            "description": "The stream in GA4. It is not looked at.",
            "schema": { "type": "string" },
        }],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": reference("Ga4Request") } },
        },
        "responses": {
            status: answer,
            "400": refused("The body cannot be unpacked.", &none()),
            "401": refused("No API key, or an unknown one.", &none()),
            "403": refused("A browser's key without an `Origin`, or for pages of other origins.", &none()),
            "408": refused("The body came too slowly.", &none()),
            "413": refused("More than 130 KiB or 25 events.", &none()),
            "415": refused("An encoding that is not read here.", &none()),
            "429": refused("Too fast for the key, or for the collector.", &none()),
            "500": refused("A defect of the collector.", &none()),
            "503": refused("Nothing is acknowledged: PostgreSQL is away, or the collector is stopping.", &none()),
        },
    })
}

pub(super) fn request() -> Value {
    json!({
        "type": "object",
        "description": "See Google's reference of the Measurement Protocol, and docs/ga4.md for what becomes of it.",
        "properties": {
            "client_id": { "type": "string" },
            "user_id": { "type": "string" },
            "timestamp_micros": { "type": "integer", "format": "int64" },
            "consent": { "type": "object" },
            "user_location": { "type": "object" },
            "device": { "type": "object" },
            "events": { "type": "array", "maxItems": MAX_EVENTS, "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": { "type": "string" },
                    "timestamp_micros": { "type": "integer", "format": "int64" },
                    "params": { "type": "object" },
                },
            } },
        },
    })
}

pub(super) fn validated() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["validationMessages"],
        "properties": { "validationMessages": { "type": "array", "items": {
            "type": "object",
            "required": ["fieldPath", "description", "validationCode"],
            "properties": { "fieldPath": text(), "description": text(), "validationCode": text() },
        } } },
    })
}
