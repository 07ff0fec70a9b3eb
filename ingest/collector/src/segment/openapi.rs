//! Segment's paths in the description of the HTTP interface.

use serde_json::{Map, Value, json};

use super::{BATCH_BYTES, Call, MESSAGE_BYTES};

/// Where batches go: by their name, by their letter as the SDK of browsers has it, and as older SDKs have it.
pub(crate) const BATCH_PATHS: [&str; 3] = ["/v1/batch", "/v1/b", "/v1/import"];

/// What is answered: status, name, meaning, and whether the same may be sent again.
const ANSWERS: [(&str, &str, &str, bool); 8] = [
    ("200", "SegmentCommitted", "It is committed.", false),
    (
        "400",
        "SegmentMalformed",
        "It cannot be read, or is too large. Sending it again changes nothing.",
        false,
    ),
    ("401", "SegmentUnauthorized", "No key, or an unknown one.", false),
    ("403", "SegmentForbidden", "The key is for pages of other origins.", false),
    ("408", "SegmentTooSlow", "The body came too slowly.", false),
    ("429", "SegmentTooFast", "Too fast for the key, or for the collector.", true),
    ("500", "SegmentDefect", "A defect of the collector.", false),
    (
        "503",
        "SegmentUnavailable",
        "Nothing is acknowledged: PostgreSQL is away, or the collector is stopping.",
        true,
    ),
];

fn reference(part: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{part}/{name}") })
}

/// The paths, each by its name and by its letter. `preflight` describes that of a path by the id of the
/// operation.
pub(crate) fn paths(preflight: impl Fn(&str) -> Value) -> Map<String, Value> {
    let mut paths = Map::new();
    let options = |path: &str| preflight(&format!("{}Preflight", operation_id(path)));
    for path in BATCH_PATHS {
        let call = call("Segment: a batch of messages", path, &reference("schemas", "SegmentBatch"));
        paths.insert(path.to_owned(), json!({ "post": call, "options": options(path) }));
    }
    for of in Call::ALL {
        for path in [format!("/v1/{}", of.name()), format!("/v1/{:.1}", of.name())] {
            let call = call(of.summary(), &path, &reference("schemas", "SegmentMessage"));
            let options = options(&path);
            paths.insert(path, json!({ "post": call, "options": options }));
        }
    }
    paths
}

/// What these send and are answered.
pub(crate) fn schemas() -> Map<String, Value> {
    Map::from_iter([
        ("SegmentBatch".to_owned(), batch()),
        ("SegmentMessage".to_owned(), message()),
        ("SegmentAnswer".to_owned(), answer()),
    ])
}

/// The answers, by their names.
pub(crate) fn responses() -> Map<String, Value> {
    let answers = ANSWERS.into_iter().map(|(_, name, meaning, may_come_again)| {
        let content = json!({ "application/json": { "schema": reference("schemas", "SegmentAnswer") } });
        let mut answer = json!({ "description": meaning, "content": content });
        if may_come_again {
            answer["headers"] = json!({ "Retry-After": {
                "description": "Seconds until the same request may be sent again.",
                "schema": { "type": "integer", "minimum": 1 },
            } });
        }
        (name.to_owned(), answer)
    });
    answers.collect()
}

fn operation_id(path: &str) -> String {
    format!("segment_{}", path.trim_start_matches("/v1/"))
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

fn batch() -> Value {
    let messages = json!({ "type": "array", "items": reference("schemas", "SegmentMessage") });
    json!({
        "type": "object",
        "required": ["batch"],
        "properties": { "batch": messages, "sentAt": sent_at(), "writeKey": write_key() },
    })
}

/// A message as far as it is read; docs/segment.md lists what its properties become.
fn message() -> Value {
    json!({
        "type": "object",
        "properties": {
            "messageId": { "type": "string", "description": "On it repeats are recognised." },
            "type": { "type": "string", "enum": Call::ALL.map(Call::name) },
            "event": { "type": "string", "description": "What a track tells, by the e-commerce spec." },
            "userId": { "type": "string" },
            "anonymousId": { "type": "string" },
            "previousId": { "type": "string" },
            "timestamp": { "type": "string", "format": "date-time" },
            "sentAt": sent_at(),
            "properties": { "type": "object" },
            "traits": { "type": "object" },
            "context": { "type": "object" },
            "writeKey": write_key(),
        },
    })
}

fn answer() -> Value {
    json!({
        "type": "object",
        "required": ["success"],
        "properties": {
            "success": { "type": "boolean" },
            "code": { "type": "string", "description": "For a refusal: its kind." },
            "message": { "type": "string", "description": "For a refusal: what is wrong, for a person to read." },
        },
    })
}

fn call(summary: &str, path: &str, schema: &Value) -> Value {
    let responses =
        ANSWERS.into_iter().map(|(status, name, ..)| (status.to_owned(), reference("responses", name)));
    json!({
        "summary": summary,
        "operationId": operation_id(path),
        "description": format!(
            "Answered after the commit. At most {BATCH_BYTES} bytes, also after unpacking, and {MESSAGE_BYTES} bytes a message. \
             A message that is refused is kept in quarantine."
        ),
        "security": [{ "writeKey": [] }, { "key": [] }, {}],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema }, "text/plain": { "schema": schema } },
        },
        "responses": responses.collect::<Map<_, _>>(),
    })
}
