use chrono::{DateTime, TimeDelta};
use contracts::money::{Cost, Exact};
use contracts::validation::{Context, Line, OrderLine, Shopper, SourceId, Visit};
use contracts::visitor::SenderId;
use contracts::vocabulary::{Channel, Device, EventName, Gender};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use uuid::Uuid;

use super::*;

fn source_ids() -> impl Strategy<Value = Option<SourceId>> {
    prop_oneof![
        Just(None),
        any::<u128>().prop_map(|id| Some(SourceId::Uuid(Uuid::from_u128(id)))),
        any::<u128>().prop_map(|id| Some(SourceId::Text(Uuid::from_u128(id).to_string()))),
        ".{0,20}".prop_map(|id| Some(SourceId::Text(id))),
        ".{0,20}".prop_map(|id| Some(SourceId::Shared(id))),
    ]
}

fn drafts() -> impl Strategy<Value = Draft> {
    let cost = (any::<i64>(), 0..20u32, any::<bool>()).prop_map(|(digits, scale, of_line)| {
        let sum = Exact::from(rust_decimal::Decimal::new(digits, scale));
        if of_line { Cost::Line(sum) } else { Cost::Unit(sum) }
    });
    let line =
        (cost, any::<i32>(), prop::option::of("[a-zß-ž]{1,9}")).prop_map(|(cost, quantity, brand)| Line {
            item_id: "sku-1".parse().unwrap(),
            item_name: "Lämp \"x\"".parse().unwrap(),
            category: "home".parse().unwrap(),
            brand: brand.map(|brand| brand.parse().unwrap()),
            cost,
            currency: "XXX".parse().unwrap(),
            quantity,
        });
    let order = (any::<i32>(), any::<i32>(), prop::option::of(0..4_000_000_000_000_000i64)).prop_map(
        |(order_line, order_lines, purchased_us)| OrderLine {
            order_id: "o-1".parse().unwrap(),
            order_line,
            order_lines,
            purchased_at: purchased_us.map(|us| DateTime::from_timestamp_micros(us).unwrap()),
        },
    );
    (
        source_ids(),
        -4_000_000_000_000_000i64..9_000_000_000_000_000,
        shoppers(),
        (prop::option::of(sender_ids()), any::<[bool; 5]>()),
        prop::option::of(line),
        prop::option::of(order),
        prop::option::of(Just("card")),
        contexts(),
    )
        .prop_map(|(source_id, unix_us, shopper, (session_id, told), line, order, payment, context)| {
            let occurred_at = DateTime::from_timestamp_micros(unix_us).unwrap();
            Draft {
                source_id,
                event_name: EventName::Refund,
                occurred_at,
                shopper,
                visit: Visit {
                    session_id,
                    session_started_at: told[0].then(|| occurred_at + TimeDelta::nanoseconds(1)),
                    returning: told[1].then_some(true),
                    device: told[2].then_some(Device::Mobile),
                    channel: told[3].then_some(Channel::PaidSearch),
                    infer_start: told[4],
                },
                context,
                line,
                order,
                whole_order: None,
                back: Default::default(),
                payment_type: payment.map(|text| text.parse().unwrap()),
            }
        })
}

/// The user agent says nothing of a device, so that what is left out stays so.
fn contexts() -> impl Strategy<Value = Option<Box<Context>>> {
    let text = || prop::option::of("[a-zß-ž /?=]{0,9}");
    (text(), text()).prop_map(|(user_agent, page_url)| {
        let context = Context { user_agent, page_url, referrer: None };
        (context != Context::default()).then(|| Box::new(context))
    })
}

fn sender_ids() -> impl Strategy<Value = SenderId> {
    prop_oneof![
        any::<u128>().prop_map(|id| SenderId::Uuid(Uuid::from_u128(id))),
        "[a-zß-ž@.]{1,20}".prop_map(|name| SenderId::Name(name.parse().unwrap())),
    ]
}

/// Each fact is there or not.
fn shoppers() -> impl Strategy<Value = Shopper> {
    let finite = || any::<f64>().prop_filter("JSON has no other", |degrees| degrees.is_finite());
    (
        prop::option::of(sender_ids()),
        prop::option::of("[a-z]{1,9}"),
        any::<Option<i32>>(),
        prop::option::of(finite()),
        prop::option::of(finite()),
        any::<[bool; 3]>(),
    )
        .prop_map(|(user_id, anonymous_id, age, latitude, longitude, told)| Shopper {
            user_id,
            anonymous_id: anonymous_id.map(|name| name.parse().unwrap()),
            gender: told[0].then_some(Gender::Other),
            age,
            country: told[1].then(|| "CH".parse().unwrap()),
            city: told[2].then(|| "Zürich".parse().unwrap()),
            latitude,
            longitude,
        })
}

#[test]
fn the_names_are_those_that_are_written() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let draft = drafts().new_tree(&mut runner).unwrap().current();
    let written: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&write(&draft)).unwrap();
    let (mut names, mut written) =
        (FIELDS.iter().map(|field| field.name).collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    names.sort_unstable();
    written.sort_unstable();
    assert_eq!(names, written);
}

proptest! {
    #[test]
    fn a_draft_survives_both_ways(draft in drafts()) {
        prop_assert_eq!(read(&write(&draft)), Ok(draft));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = read(&bytes);
    }
}

#[test]
fn each_fault_has_its_reason() {
    let whole = |spoil: &str, by: &str| {
        let draft = r#"{"event_name":"view_item_list","occurred_at":"2026-03-01T00:00:00Z","user_id":
            "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","gender":"male","age":5,"country":"DE","city":"K","latitude":1,
            "longitude":2,"session_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","session_started_at":
            "2026-03-01T00:00:00Z","returning":true,"device":"other","channel":"other"}"#;
        read(draft.replacen(spoil, by, 1).as_bytes()).map_err(|rejection| (rejection.reason, rejection.field))
    };
    assert!(whole("", "").is_ok());
    assert_eq!(whole("{", "["), Err((Reason::Malformed, "record")));
    assert_eq!(whole("event_name", "name"), Err((Reason::MissingField, "event_name")));
    assert_eq!(whole("\"age\":5", "\"age\":\"5\""), Err((Reason::InvalidField, "age")));
    // Whose it is, is judged with the other rules.
    assert!(whole("user_id", "user").is_ok());
    assert_eq!(whole("\"male\"", "\"cat\""), Err((Reason::InvalidField, "gender")));
    assert_eq!(whole("\"latitude\":1", "\"latitude\":\"1\""), Err((Reason::InvalidField, "latitude")));
    assert_eq!(whole("{", "{\"price\":\"1.00\","), Err((Reason::MissingField, "item_id")));
    assert_eq!(whole("{", "{\"event_id\":7,"), Err((Reason::InvalidField, "event_id")));
    assert_eq!(whole("{", "{\"age\":6,"), Err((Reason::Malformed, "record")));
    assert!(whole("{", "{\"unknown\":6,\"unknown\":7,").is_ok());
}

const LINE_OF_TWO: &str = r#"{"event_name":"view_item","occurred_at":"2026-03-01T00:00:00Z","user_id":
    "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","gender":"male","age":5,"country":"DE","city":"K","latitude":1,
    "longitude":2,"session_id":"6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11","session_started_at":
    "2026-03-01T00:00:00Z","returning":true,"device":"other","channel":"other","item_id":"i",
    "item_name":"N","category":"C","currency":"EUR","quantity":2,"price":"1.50"}"#;

fn of_two(from: &str, to: &str) -> Result<Draft, (Reason, &'static str)> {
    assert!(LINE_OF_TWO.contains(from));
    read(LINE_OF_TWO.replacen(from, to, 1).as_bytes())
        .map_err(|rejection| (rejection.reason, rejection.field))
}

#[test]
fn a_line_costs_what_one_unit_or_the_line_does_and_never_two_sums() {
    let cost = |to: &str| of_two("\"price\":\"1.50\"", to).map(|draft| draft.line.unwrap().cost);
    let unit = |text: &str| Cost::Unit(text.parse().unwrap());
    assert_eq!(cost("\"price\":\"1.50\""), Ok(unit("1.50")));
    assert_eq!(cost("\"price\":\"1.4999\""), Ok(unit("1.4999")));
    assert_eq!(cost("\"amount\":\"2.99\""), Ok(Cost::Line("2.99".parse().unwrap())));
    assert_eq!(cost("\"price\":\"1.50\",\"amount\":\"3\""), Ok(unit("1.50")));
    let both = cost("\"price\":\"1.50\",\"amount\":\"2.99\"");
    assert_eq!(both, Err((Reason::Inconsistent, "amount")));
    assert_eq!(cost("\"brand\":\"b\""), Err((Reason::MissingField, "price")));
    assert_eq!(cost("\"price\":1.5"), Err((Reason::InvalidField, "price")));
    assert_eq!(cost("\"price\":\"1_5\""), Err((Reason::InvalidField, "price")));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let quantity = |text: &str| {
        of_two("\"quantity\":2", &format!("\"quantity\":{text}")).map(|draft| draft.line.unwrap().quantity)
    };
    for (text, expected) in [
        ("2", 2),
        ("2.0", 2),
        ("2e0", 2),
        ("20E-1", 2),
        ("0.2e+1", 2),
        ("-0.0", 0),
        ("-7.000", -7),
        ("2147483647.0", i32::MAX),
        ("0e99", 0),
    ] {
        assert_eq!(quantity(text), Ok(expected), "{text}");
    }
    for text in ["2.5", "\"2\"", "2147483648", "1e10", "1e400", "1e-1", "true", "9.3e99999999999", "[2]"] {
        assert_eq!(quantity(text), Err((Reason::InvalidField, "quantity")), "{text}");
    }
}

#[test]
fn whose_a_record_is_shows_whatever_else_is_wrong() {
    let of = |json: &str| visitor(json.as_bytes(), "collector/web");
    let named = contracts::ids::named_user("collector/web", "ada");
    assert_eq!(of(r#"{"user_id":"ada","anonymous_id":"b1","event_name":7}"#), Some(named));
    let browser = contracts::ids::anonymous_visitor("collector/web", "b1");
    assert_eq!(of(r#"{"user_id":7,"anonymous_id":"b1"}"#), Some(browser));
    assert_eq!(of(r#"{"event_name":"purchase"}"#), None);
    assert_eq!(of("[]"), None);
}

#[test]
fn a_label_never_costs_an_event() {
    let name = |text: &str| of_two("\"N\"", text).map(|draft| draft.line.unwrap().item_name.to_string());
    assert_eq!(name("\"a\\u0007b\\n\"").as_deref(), Ok("a b"));
    let long = name(&format!("\"{}\"", "x".repeat(300))).unwrap();
    assert_eq!((long.chars().count(), long.chars().last()), (200, Some('…')));
    assert_eq!(name("\"a\\ud83d\"").as_deref(), Ok("a\u{fffd}"));
    assert_eq!(name("\"\\u0007\"").as_deref(), Ok("\u{fffd}"));
    for (told, called) in
        [("\"\"", "i"), ("\"\\n\"", "i"), ("null", "i"), ("[104]", "i"), ("{}", "i"), ("5.0", "5.0")]
    {
        assert_eq!(name(told).as_deref(), Ok(called), "{told}");
    }
    for nothing in ["\"\"", "null", "true", "[]", "{\"a\":1}"] {
        let line = of_two("\"category\":\"C\"", &format!("\"category\":{nothing},\"brand\":{nothing}"));
        let line = line.unwrap().line.unwrap();
        assert_eq!((line.category.as_str(), line.brand), ("unknown", None), "{nothing}");
        let draft =
            of_two("\"city\":\"K\"", &format!("\"city\":{nothing},\"payment_type\":{nothing}")).unwrap();
        assert_eq!((draft.shopper.city, draft.payment_type), (None, None), "{nothing}");
    }
    // What is a key and no label is refused as before.
    assert_eq!(of_two("\"i\"", "\"a\\nb\"").err(), Some((Reason::InvalidField, "item_id")));
}
