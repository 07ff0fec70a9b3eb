use contracts::avro::ReadError;
use contracts::printable::{printable, printable_lines};
use contracts::{Event, User, wire};
use serde_json::Value;

/// A record's bytes for a person to read.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// A document of JSON.
    Json(Value),
    /// Confluent's wire format around a record of the contract.
    Avro {
        /// The registry's id of its schema, as the record claims.
        schema_id: u32,
        record: Value,
    },
    /// Confluent's wire format around something else.
    Undecodable {
        /// The registry's id of its schema, as the record claims.
        schema_id: u32,
        /// Why it is no event.
        error: ReadError,
        /// All of its bytes, as lines of hex.
        hex: String,
    },
    /// Readable text that is no document of JSON.
    Text(String),
    /// Anything else, as lines of hex.
    Hex(String),
}

/// Finds out what a record's bytes are.
#[must_use]
pub fn describe(bytes: &[u8]) -> Payload {
    if let Ok((schema_id, body)) = wire::split(bytes) {
        return match Event::read_avro(body) {
            Ok(event) => Payload::Avro { schema_id, record: as_json(&event) },
            Err(error) => match User::read_avro(body) {
                Ok(user) => Payload::Avro { schema_id, record: as_json(&user) },
                Err(_) => Payload::Undecodable { schema_id, error, hex: hex_dump(bytes) },
            },
        };
    }
    if let Ok(json) = serde_json::from_slice(bytes) {
        return Payload::Json(json);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()) => {
            Payload::Text(text.to_owned())
        }
        _ => Payload::Hex(hex_dump(bytes)),
    }
}

fn as_json(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).unwrap_or(Value::Null)
}

/// Offset, sixteen bytes, and those of them that are printable ASCII.
fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (line, sixteen) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = sixteen.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown: String = sixteen
            .iter()
            .map(|&byte| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '.' })
            .collect();
        dump += &format!("{:08x}  {:<47}  {shown}\n", line * 16, hex.join(" "));
    }
    dump
}

impl std::fmt::Display for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(json) => write!(f, "json\n{}", printable_lines(&format!("{json:#}"))),
            Self::Avro { schema_id, record } => {
                write!(f, "avro of schema {schema_id}\n{}", printable_lines(&format!("{record:#}")))
            }
            Self::Undecodable { schema_id, error, hex } => {
                write!(
                    f,
                    "avro of schema {schema_id}, which is no event of ours: {}\n{hex}",
                    printable(&error.to_string())
                )
            }
            Self::Text(text) => write!(f, "text\n{}", printable_lines(text)),
            Self::Hex(hex) => write!(f, "bytes\n{hex}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        assert!(matches!(describe(b"{\"a\":1}"), Payload::Json(_)));
        assert!(matches!(describe("half a {\n".as_bytes()), Payload::Text(_)));
        assert!(matches!(describe(&[0xff, 0]), Payload::Hex(_)));
        let json = "{\"name\":\"\\u001b[2J\u{9b}\u{202e}\"}";
        assert_eq!(
            describe(json.as_bytes()).to_string(),
            "json\n{\n  \"name\": \"\\u001b[2J\\u009b\\u202e\"\n}"
        );
        assert_eq!(describe("a\tb\u{202e}\n".as_bytes()).to_string(), "text\na\\u0009b\\u202e\n");
        let shown = describe(&[0, 0, 0, 0, 7, 72, b'a']).to_string();
        assert!(shown.starts_with("avro of schema 7, which is no event of ours: "), "{shown}");
        assert!(
            shown.ends_with("00000000  00 00 00 00 07 48 61                             .....Ha\n"),
            "{shown}"
        );
    }
}
