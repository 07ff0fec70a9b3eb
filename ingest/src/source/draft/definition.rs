//! The fields in the definition of the gRPC message: `cargo run -p ingest --example render_proto`.

use std::fmt::Write as _;

use super::FIELDS;

/// What the message of an event begins with; everything before it is written by hand.
const EVENT: &str = "message Event {\n";

/// Renders a definition anew: what is written by hand as it stands, and the fields by their numbers.
#[must_use]
pub fn render(definition: &str) -> String {
    let (by_hand, _) = definition.split_once(EVENT).unwrap_or((definition, ""));
    let mut fields: Vec<_> = FIELDS.iter().collect();
    fields.sort_by_key(|field| field.number);
    let mut text = format!("{by_hand}{EVENT}");
    let mut before = None;
    for field in fields {
        if before.is_some_and(|part| part != field.part) {
            text.push('\n');
        }
        before = Some(field.part);
        for line in field.doc {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  // {line}");
        }
        let _ = writeln!(text, "  optional {} {} = {};", field.message_type, field.name, field.number);
    }
    text.push_str("}\n");
    text
}
