//! Deliveries without IP addresses, for what is kept of those that cannot be read.

use ingest::source::scrub::{Scrubbed, without as scrubbed};

use crate::segment::scrub::is_address;

/// Fields that hold one, at whatever depth they stand.
const ADDRESSES: [&str; 9] = [
    "browser_ip",
    "client_ip",
    "customer_ip",
    "customer_ip_address",
    "ip",
    "ip_address",
    "remote_addr",
    "remote_ip",
    "x-forwarded-for",
];

/// A body as text, without the fields and the texts that are addresses.
pub(super) fn without(body: &[u8]) -> Scrubbed {
    scrubbed(&String::from_utf8_lossy(body), &ADDRESSES, is_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_kept_and_what_else_there_is_stays_as_it_came() {
        let body = r#"{"id": 7, "browser_ip":"203.0.113.7", "client_details" : {"browser_ip":null, "user_agent":"A/1.2.3.4"},
            "meta_data": [{"value": "2001:db8::7", "key":"seen"}, "203.0.113.8, 10.0.0.1"], "Customer_IP_Address": "x"}"#;
        let kept = without(body.as_bytes());
        assert_eq!(
            kept.text,
            r#"{"id": 7,  "client_details" : { "user_agent":"A/1.2.3.4"},
            "meta_data": [{"value": null, "key":"seen"}, null]}"#
        );
        assert_eq!(kept.note(), "; kept without browser_ip, values, customer_ip_address");
        // What breaks off, and what is no text.
        assert_eq!(without(b"{\"id\":7,\"browser_ip\":\"203.0.1").text, "{\"id\":7");
        let kept = without(b"\xff \"203.0.113.7\"");
        assert_eq!((kept.text.as_str(), kept.note().as_str()), ("\u{fffd} null", "; kept without values"));
        assert_eq!(without(b"no address: 7").note(), "");
    }
}
