//! Credentials in a record of the API, which are kept nowhere: neither in a profile nor in quarantine.

use crate::source::scrub::{self, Scrubbed};

/// Names of fields, at whatever depth they stand.
const CREDENTIALS: [&str; 5] = ["password", "salt", "md5", "sha1", "sha256"];

/// Takes them out.
pub(super) fn without(text: &str) -> Scrubbed {
    scrub::without(text, &CREDENTIALS, |_| false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(of: &str) -> String {
        without(of).text
    }

    #[test]
    fn what_is_left_is_as_it_came() {
        assert_eq!(
            text(r#"{"login": {"uuid" : "u", "password":"p" , "username":"x"}}"#),
            r#"{"login": {"uuid" : "u",  "username":"x"}}"#
        );
        assert_eq!(text(r#"{"a":1,"salt":"s"}"#), r#"{"a":1}"#);
        assert_eq!(text(r#"{"md5":{"x":["}","]"]},"a":1}"#), r#"{"a":1}"#);
        assert_eq!(text(r#"{"sha1":12}"#), "{}");
        assert_eq!(text(r#"{"p\u0061ssword":"x","b":"password"}"#), r#"{"b":"password"}"#);
        assert_eq!(text("no json at all"), "no json at all");
        let scrubbed = without(r#"[{"salt":"a"},{"salt":"b","sha256":null}]"#);
        assert_eq!(
            (scrubbed.text.as_str(), scrubbed.note().as_str()),
            ("[{},{}]", "; kept without salt, sha256")
        );
    }

    #[test]
    fn of_half_a_record_they_go_too() {
        assert_eq!(text(r#"{"a":1,"password":"hunt"#), r#"{"a":1"#);
        assert_eq!(text(r#"{"a":1,"password":"hunter\"2","b"#), r#"{"a":1,"b"#);
        assert_eq!(text(r#"{"a":1,"password"#), r#"{"a":1,"password"#);
        assert_eq!(text(r#"{"password": {"x": "y""#), "{");
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name =
                prop_oneof!["[a-z]{1,4}", prop::sample::select(&CREDENTIALS[..]).prop_map(str::to_owned)];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn bare(value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(bare).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()))
                    .map(|(name, value)| (name, bare(value)))
                    .collect(),
            ),
            other => other,
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_without_them(value in anything()) {
            for written in [value.to_string(), format!("{value:#}")] {
                let left: Value = serde_json::from_str(&text(&written)).unwrap();
                prop_assert_eq!(&left, &bare(value.clone()));
            }
        }

        #[test]
        fn no_part_of_one_is_left_wherever_a_record_is_cut(cut in 0_usize..90) {
            let whole = json!({"a": 1, "login": {"password": "hunter2", "salt": "qzqzqz", "uuid": "u"}}).to_string();
            let left = text(&whole[..cut.min(whole.len())]);
            prop_assert!(!left.contains("hu") && !left.contains('q'), "{}", left);
        }

        #[test]
        fn any_text_is_read(of: String) {
            let _ = without(&of);
        }
    }
}
