//! Segment's paths in the description of the HTTP interface.

use serde_json::{Map, Value, json};

use super::{BATCH_BYTES, Call, MESSAGE_BYTES};

/// Where batches go: by their name, by their letter as the SDK of browsers has it, and as older SDKs have it.
pub(crate) const BATCH_PATHS: [&str; 3] = ["/v1/batch", "/v1/b", "/v1/import"];

/// The paths, each by its name and by its letter.
pub(crate) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for path in BATCH_PATHS {
        let batch = json!({
            "type": "object",
            "required": ["batch"],
            "properties": {
                "batch": { "type": "array", "items": message() },
                "sentAt": sent_at(),
                "writeKey": write_key(),
            },
        });
        paths.insert(path.to_owned(), json!({ "post": call("Segment: a batch of messages", path, &batch) }));
    }
    for of in Call::ALL {
        for path in [format!("/v1/{}", of.name()), format!("/v1/{:.1}", of.name())] {
            paths.insert(path.clone(), json!({ "post": call(of.summary(), &path, &message()) }));
        }
    }
    paths
}

fn sent_at() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "description": "When it was sent, by the sender's clock: times are corrected by it.",
    })
}

fn write_key() -> Value {
    json!({ "type": "string", "description": "The key, where no header has it." })
}

/// A message as far as it is read; docs/collect.md lists what its properties become.
fn message() -> Value {
    json!({
        "type": "object",
        "properties": {
            "messageId": { "type": "string", "description": "On it repeats are recognised." },
            "type": { "type": "string", "enum": Call::ALL.map(Call::name) },
            "event": { "type": "string", "description": "What a track tells, by the e-commerce spec." },
            "userId": { "type": "string" },
            "anonymousId": { "type": "string" },
            "timestamp": { "type": "string", "format": "date-time" },
            "sentAt": sent_at(),
            "properties": { "type": "object" },
            "traits": { "type": "object" },
            "context": { "type": "object" },
            "writeKey": write_key(),
        },
    })
}

fn call(summary: &str, path: &str, schema: &Value) -> Value {
    let answer = |description: &str| {
        let schema = json!({
            "type": "object",
            "required": ["success"],
            "properties": {
                "success": { "type": "boolean" },
                "code": { "type": "string" },
                "message": { "type": "string" },
            },
        });
        json!({ "description": description, "content": { "application/json": { "schema": schema } } })
    };
    let retry = |description: &str| {
        let mut answer = answer(description);
        answer["headers"] = json!({ "Retry-After": {
            "description": "Seconds until the same request may be sent again.",
            "schema": { "type": "integer", "minimum": 1 },
        } });
        answer
    };
    json!({
        "summary": summary,
        "operationId": format!("segment_{}", path.trim_start_matches("/v1/")),
        "description": format!(
            "Answered after the commit. At most {BATCH_BYTES} bytes, also after unpacking, and {MESSAGE_BYTES} bytes a message. \
             A message that is refused is kept in quarantine."
        ),
        "security": [{ "writeKey": [] }, { "key": [] }, {}],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema }, "text/plain": { "schema": schema } },
        },
        "responses": {
            "200": answer("It is committed."),
            "400": answer("It cannot be read, or is too large. Sending it again changes nothing."),
            "401": answer("No key, or an unknown one."),
            "408": answer("The body came too slowly."),
            "429": retry("Too fast for the key, or for the collector."),
            "500": answer("A defect of the collector."),
            "503": retry("Nothing is acknowledged: PostgreSQL is away, or the collector is stopping."),
        },
    })
}
