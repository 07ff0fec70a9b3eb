//! A message as it is kept: without IP addresses and credentials.

use std::net::{IpAddr, SocketAddr};

use serde_json::value::RawValue;

use super::json::{Object, text};

/// Fields that hold an address or a credential, wherever they stand.
const DROPPED: [&str; 12] = [
    "ip",
    "ip_address",
    "ipaddress",
    "request_ip",
    "client_ip",
    "remote_addr",
    "x-forwarded-for",
    "writekey",
    "write_key",
    "password",
    "authorization",
    "api_key",
];

/// Writes a message anew, with its `type`. A field that is known to hold an address or a credential is left
/// out, and a text that is an address, or a list of them, is null.
pub(super) fn scrub(message: &RawValue, kind: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(message.get().len());
    let Some(object) = Object::of(message) else { return kept };
    write_object(&object, Some(kind), &mut kept);
    kept
}

fn write_object(object: &Object<'_>, kind: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut is_first = true;
    let mut name_of = |name: &str, out: &mut Vec<u8>| {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
        out.push(b':');
    };
    if let Some(kind) = kind {
        name_of("type", out);
        out.extend_from_slice(serde_json::Value::from(kind).to_string().as_bytes());
    }
    for (name, raw) in object.fields() {
        let is_dropped = DROPPED.contains(&name.to_ascii_lowercase().as_str());
        if is_dropped || kind.is_some() && name == "type" {
            continue;
        }
        name_of(name, out);
        write(raw, out);
    }
    out.push(b'}');
}

fn write(raw: &RawValue, out: &mut Vec<u8>) {
    match raw.get().as_bytes().first() {
        Some(b'{') => match Object::of(raw) {
            Some(object) => write_object(&object, None, out),
            // What has a field twice cannot be looked through.
            None => out.extend_from_slice(b"null"),
        },
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
            out.push(b'[');
            for (place, raw) in list.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(raw, out);
            }
            out.push(b']');
        }
        Some(b'"') if text(raw).is_some_and(|text| is_address(&text)) => out.extend_from_slice(b"null"),
        _ => out.extend_from_slice(raw.get().as_bytes()),
    }
}

/// Whether a text is an address, with or without a port, or a list of such.
pub(crate) fn is_address(text: &str) -> bool {
    let is_one = |text: &str| {
        let text = text.trim();
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
    };
    text.split(',').all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_and_no_credential_is_kept() {
        let message = r#"{"writeKey":"k","type":"x","a":[1.10,{"IP":"8.8.8.8","b":" 203.0.113.9, ::1"}],
            "context":{"ip":"203.0.113.9","app":{"name":"InitechGlobal"}},"at":"203.0.113.9:443","big":12345678901234567890.10}"#;
        let message: &RawValue = serde_json::from_str(message).unwrap();
        let kept = String::from_utf8(scrub(message, "track")).unwrap();
        assert_eq!(
            kept,
            r#"{"type":"track","a":[1.10,{"b":null}],"at":null,"big":12345678901234567890.10,"context":{"app":{"name":"InitechGlobal"}}}"#
        );
    }
}
