//! What the validation of a request finds.

use serde_json::{Value, json};

use super::{messages, now, purchase};

#[test]
fn findings_have_googles_codes() {
    let codes = |query: &str, body: &str| -> Vec<(String, &'static str)> {
        let messages = messages(body.as_bytes(), query, now());
        messages.into_iter().map(|message| (message.field_path, message.validation_code)).collect()
    };
    let stream = "measurement_id=G-1&api_secret=x";
    let of = |event: Value| codes(stream, &json!({ "client_id": "a", "events": [event] }).to_string());
    assert_eq!(of(purchase()), []);
    assert_eq!(
        codes("api_secret=x", r#"{"client_id":"a","events":[]}"#),
        [("measurement_id".to_owned(), "VALUE_REQUIRED")]
    );
    // Google's own example.
    assert_eq!(of(json!({ "name": "_badEventName", "params": {} })), [("events".to_owned(), "NAME_INVALID")]);
    let long = "x".repeat(101);
    let old = now().timestamp_micros() - 73 * 3_600_000_000;
    let many: serde_json::Map<String, Value> = (0..26).map(|n| (format!("p{n}"), json!(n))).collect();
    for (event, path, code) in [
        (json!({ "name": "session_start" }), "events", "NAME_RESERVED"),
        (json!({ "name": "ga_x" }), "events", "NAME_RESERVED"),
        (json!({ "name": "a b" }), "events", "NAME_INVALID"),
        (json!({ "name": "x".repeat(41) }), "events", "NAME_INVALID"),
        (json!({}), "events.name", "VALUE_REQUIRED"),
        (json!({ "name": "x", "params": { "google_x": 1 } }), "events.params.google_x", "NAME_RESERVED"),
        (json!({ "name": "x", "params": { "1x": 1 } }), "events.params.1x", "NAME_INVALID"),
        (json!({ "name": "x", "params": { "p": long } }), "events.params.p", "VALUE_OUT_OF_BOUNDS"),
        (json!({ "name": "x", "params": { "value": 1 } }), "events.params.currency", "VALUE_REQUIRED"),
        (json!({ "name": "x", "params": many }), "events.params", "EXCEEDED_MAX_ENTITIES"),
        (json!({ "name": "x", "timestamp_micros": old }), "timestamp_micros", "VALUE_OUT_OF_BOUNDS"),
        (json!({ "name": "x", "timestamp_micros": 7 }), "timestamp_micros", "VALUE_INVALID"),
        (json!(7), "events", "VALUE_INVALID"),
    ] {
        assert_eq!(of(event.clone()), [(path.to_owned(), code)], "{event}");
    }
    let twice = r#"{"client_id":"a","events":[{"name":"x","params":{"p":1,"p":2}}]}"#;
    assert_eq!(codes(stream, twice), [("events.p".to_owned(), "NAME_DUPLICATE")]);
    for (body, path, code) in [
        ("{", "", "VALUE_INVALID"),
        (r#"{"client_id":"a"}"#, "events", "VALUE_REQUIRED"),
        (r#"{"client_id":"a","events":7}"#, "events", "VALUE_INVALID"),
        (r#"{"events":[]}"#, "client_id", "VALUE_REQUIRED"),
        (r#"{"client_id":[],"events":[]}"#, "client_id", "VALUE_INVALID"),
        (
            r#"{"client_id":"a","events":[],"consent":{"ad_user_data":"NO"}}"#,
            "consent.ad_user_data",
            "VALUE_INVALID",
        ),
        (
            r#"{"client_id":"a","events":[],"user_properties":{"user_id":{"value":1}}}"#,
            "user_properties.user_id",
            "NAME_RESERVED",
        ),
        (
            r#"{"client_id":"a","events":[],"user_properties":{"a":{}}}"#,
            "user_properties.a",
            "VALUE_REQUIRED",
        ),
        (r#"{"client_id":"a","client_id":"b","events":[]}"#, "client_id", "NAME_DUPLICATE"),
    ] {
        assert_eq!(codes(stream, body)[0], (path.to_owned(), code), "{body}");
    }
    let many = json!({ "client_id": "a", "events": vec![json!({ "name": "x" }); 26] }).to_string();
    assert_eq!(codes(stream, &many), [("events".to_owned(), "EXCEEDED_MAX_ENTITIES")]);
}
