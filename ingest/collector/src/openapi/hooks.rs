//! The routes of webhooks.

use serde_json::{Map, Value, json};

use super::{HOOKS_PATH, refused};
use crate::hooks::System;

pub(super) fn paths() -> Map<String, Value> {
    let path = |system: System| {
        (format!("{HOOKS_PATH}/{}/{{name}}", system.name()), json!({ "post": post(system) }))
    };
    System::ALL.map(path).into_iter().collect()
}

fn post(system: System) -> Value {
    let none = || json!({});
    let [signature, topic, id] = system.headers();
    let header = |name: &str, description: &str| {
        json!({ "name": name, "in": "header", "required": false, "description": description,
                "schema": { "type": "string" } })
    };
    json!({
        "summary": format!("Takes a webhook of {}", system.name()),
        "operationId": format!("{}Hook", system.name()),
        "security": [],
        "parameters": [
            { "name": "name", "in": "path", "required": true, "description": "The name in the file of secrets.",
              "schema": { "type": "string" } },
            header(signature, "HMAC-SHA256 of the body by the secret, in base64. A ping of WooCommerce has none."),
            header(topic, "What it is about."),
            header(id, "The id of the delivery."),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "type": "object" } } },
        },
        "responses": {
            "200": { "description": "It is committed. What breaks a rule is in quarantine." },
            "400": refused("The body cannot be unpacked.", &none()),
            "401": refused("No signature, a wrong one, or a name without a secret.", &none()),
            "408": refused("The body came too slowly.", &none()),
            "413": refused("More than 4 MiB.", &none()),
            "415": refused("An encoding that is not read here.", &none()),
            "429": refused("Too much for the collector.", &none()),
            "500": refused("A defect of the collector.", &none()),
            "503": refused("Nothing is acknowledged: PostgreSQL is away, or the collector is stopping.", &none()),
        },
    })
}
