//! The examples of Segment's public spec, as its documents have them (`spec.json`).

use std::collections::BTreeMap;

use contracts::Reason;
use contracts::validation::{Accepted, Rejection, accept};
use contracts::vocabulary::EventName;
use ingest::source::draft;
use ingest::store::OtherEvent;
use serde_json::{Value, json};

use super::*;
use crate::item::Mapped;
use crate::record::SenderRecord;

mod refunds;

const SOURCE: &str = "collector/web";

pub(super) fn received() -> Received<'static> {
    Received {
        source: SOURCE,
        at: "2015-12-10T04:08:31.909Z".parse().unwrap(),
        sent_at: None,
        occurred_at: None,
        base: "EUR".parse().unwrap(),
    }
}

pub(super) fn spec() -> Vec<Value> {
    serde_json::from_str(include_str!("spec.json")).unwrap()
}

fn example(name: &str) -> Value {
    let is_it = |message: &Value| message["event"] == name || message["type"] == name;
    spec().into_iter().find(is_it).unwrap()
}

fn items(message: &Value) -> Item {
    let text = message.to_string();
    translate(serde_json::from_str(&text).unwrap(), None, &received())
}

pub(super) fn judged(record: &Mapped) -> Result<Accepted, Rejection> {
    let rates = contracts::money::Rates::parse("EUR".parse().unwrap(), 10_000, "2015-01-01,USD,0.5").unwrap();
    let accepted = record.draft().and_then(|draft| accept(draft, SOURCE, received().at, &rates));
    accepted.map_err(|rejection| Rejection { field: record.told_as(rejection.field), ..rejection })
}

#[track_caller]
fn records(message: &Value) -> Vec<Result<Accepted, Rejection>> {
    match items(message) {
        Item::Records(records) => records.iter().map(judged).collect(),
        Item::Other(other) | Item::Seen(other, _) => panic!("{other:?}"),
    }
}

#[track_caller]
fn other(message: &Value) -> OtherEvent {
    match items(message) {
        Item::Other(other) | Item::Seen(other, _) => *other,
        Item::Records(records) => panic!("{records:?}"),
    }
}

#[track_caller]
fn refusal(message: &Value) -> (Reason, &'static str) {
    let mut records = records(message);
    assert_eq!(records.len(), 1);
    let rejection = records.remove(0).unwrap_err();
    (rejection.reason, rejection.field)
}

fn with(mut message: Value, at: &str, value: Value) -> Value {
    let (parent, name) = at.rsplit_once('/').unwrap();
    let parent = message.pointer_mut(parent).unwrap();
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(name)
    } else {
        parent.as_object_mut().unwrap().insert(name.into(), value)
    };
    message
}

#[test]
fn each_example_is_what_the_documents_say_it_is() {
    use EventName::*;
    let expected: BTreeMap<&str, (EventName, usize)> = BTreeMap::from([
        ("Product List Viewed", (ViewItemList, 1)),
        ("Product Viewed", (ViewItem, 1)),
        ("Product Added", (AddToCart, 1)),
        ("Product Removed", (RemoveFromCart, 1)),
        ("Checkout Started", (BeginCheckout, 1)),
        ("Payment Info Entered", (AddPaymentInfo, 1)),
        ("Order Completed", (Purchase, 2)),
        ("Order Refunded", (Refund, 2)),
        ("Order Cancelled", (Refund, 1)),
    ]);
    let mut others = Vec::new();
    for message in spec() {
        let name = message["event"].as_str().unwrap_or_else(|| message["type"].as_str().unwrap()).to_owned();
        match (expected.get(name.as_str()), items(&message)) {
            (Some((word, lines)), Item::Records(records)) => {
                assert_eq!(records.len(), *lines, "{name}");
                for record in &records {
                    let event = judged(record).unwrap().event;
                    assert_eq!(
                        (event.event_name, event.occurred_at),
                        (*word, "2015-12-10T04:08:31.733Z".parse().unwrap())
                    );
                }
            }
            (None, Item::Other(other) | Item::Seen(other, _)) => others.push(other.name),
            (_, item) => panic!("{name}: {item:?}"),
        }
    }
    let without_place = [
        "Products Searched",
        "Promotion Viewed",
        "Product Clicked",
        "Cart Viewed",
        "Checkout Step Viewed",
        "Coupon Entered",
        "Product Added to Wishlist",
        "identify",
        "page",
        "screen",
        "group",
        "alias",
    ];
    assert_eq!(others, without_place);
}

#[test]
fn a_product_is_a_line_with_its_digits() {
    let viewed = records(&example("Product Viewed")).remove(0).unwrap().event;
    assert_eq!(viewed.item_id.as_deref(), Some("507f1f77bcf86cd799439011"));
    assert_eq!(
        (viewed.item_name.as_deref(), viewed.brand.as_deref()),
        (Some("Monopoly: 3rd Edition"), Some("Hasbro"))
    );
    assert_eq!(
        (viewed.price.unwrap().to_string(), viewed.currency.unwrap().as_str()),
        ("18.99".to_owned(), "USD")
    );
    // Nobody says what this is priced in, and no money changes hands.
    let added = records(&example("Product Added")).remove(0).unwrap().event;
    assert_eq!(added.currency.unwrap().as_str(), "EUR");
    let mut exact = example("Product Viewed").to_string();
    exact = exact.replace("\"price\":18.99", "\"price\":0.100000000000000005551");
    let Item::Records(read) = translate(serde_json::from_str(&exact).unwrap(), None, &received()) else {
        panic!()
    };
    let draft = read[0].draft().unwrap();
    assert_eq!(draft.line.unwrap().cost.sum().to_string(), "0.100000000000000005551");
}

#[test]
fn a_quantity_may_be_a_text_and_is_one_where_nobody_tells_it() {
    for (name, at) in [
        ("Product Viewed", "/properties/quantity"),
        ("Product Added", "/properties/quantity"),
        ("Product Removed", "/properties/quantity"),
        ("Order Completed", "/properties/products/0/quantity"),
        ("Order Refunded", "/properties/products/0/quantity"),
    ] {
        for (told, quantity) in [(json!("2"), 2), (json!(" 3.0 "), 3), (Value::Null, 1)] {
            let event = records(&with(example(name), at, told.clone())).remove(0).unwrap().event;
            assert_eq!(event.quantity, Some(quantity), "{name}: {told}");
        }
        let words = records(&with(example(name), at, json!("two"))).remove(0).unwrap_err();
        assert!(words.reason == Reason::InvalidField && words.field.ends_with("quantity"), "{words}");
    }
}

#[test]
fn device_and_channel_follow_from_the_context() {
    let viewed = with(
        example("Product Viewed"),
        "/context/page/url",
        json!("https://shop.example/lamp?utm_source=news&utm_medium=email"),
    );
    let event = records(&viewed).remove(0).unwrap().event;
    assert_eq!((event.device.as_str(), event.channel.as_str()), ("mobile", "email"));
    // What is no text tells nothing, and costs nothing.
    let strange = with(example("Product Viewed"), "/context/userAgent", json!({ "a": 1 }));
    let event = records(&strange).remove(0).unwrap().event;
    assert_eq!(event.device.as_str(), "unknown");
}

#[test]
fn an_empty_id_names_nobody() {
    // RudderStack's SDK of browsers sends it until somebody signs in.
    let known = with(example("Product Viewed"), "/anonymousId", json!("browser-1"));
    let browser = contracts::ids::anonymous_visitor(SOURCE, "browser-1");
    for none in ["", "  "] {
        let viewed = records(&with(known.clone(), "/userId", json!(none))).remove(0).unwrap();
        assert_eq!(viewed.event.user_id, browser);
        assert_eq!(viewed.open.unwrap().user_id, None);
        let page = with(with(example("page"), "/userId", json!(none)), "/anonymousId", json!("browser-1"));
        assert_eq!((other(&page).user_id, other(&page).anonymous_id), (None, Some(browser)));
        // A user without a browser, too.
        let server = with(example("Product Viewed"), "/anonymousId", json!(none));
        assert_eq!(records(&server).remove(0).unwrap().open.unwrap().anonymous_id, None);
        let alias = with(with(example("alias"), "/anonymousId", Value::Null), "/previousId", json!(none));
        assert_eq!(refusal(&alias), (Reason::MissingField, "previousId"));
    }
}

#[test]
fn a_message_without_an_id_is_known_by_its_bytes() {
    let id = |message: &Value| records(message).remove(0).unwrap().identity();
    for name in ["Product Viewed", "Order Refunded"] {
        for none in [Value::Null, json!(""), json!(" ")] {
            let without = with(example(name), "/messageId", none);
            assert_eq!(id(&without), id(&without), "{name}");
            assert_ne!(id(&without), id(&with(without.clone(), "/userId", json!("another"))), "{name}");
            // Two alike that tell no time are two.
            let untimed = with(with(without, "/timestamp", Value::Null), "/sentAt", Value::Null);
            assert_ne!(id(&untimed), id(&untimed), "{name}");
        }
    }
    let lines = records(&with(example("Order Refunded"), "/messageId", Value::Null));
    let ids: std::collections::BTreeSet<_> = lines.into_iter().map(|line| line.unwrap().identity()).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_message_without_an_id_is_the_same_however_it_is_sent_again() {
    let sent = |name: &str, at: &str, metadata: Value| {
        let mut message = with(example(name), "/messageId", Value::Null);
        message["sentAt"] = at.into();
        message["_metadata"] = metadata;
        message
    };
    for name in ["Product Viewed", "Order Refunded"] {
        let id = |message: &Value| records(message).remove(0).unwrap().identity();
        let first = sent(name, "2015-12-10T04:08:31.905Z", json!({ "bundled": [] }));
        let again = sent(name, "2015-12-10T04:08:35.000Z", json!({ "bundled": [], "retryCount": 1 }));
        assert_eq!(id(&first), id(&again), "{name}");
        let other = with(again, "/timestamp", json!("2015-12-10T04:08:30Z"));
        assert_ne!(id(&first), id(&other), "{name}");
        // Where nothing else tells of its time, that of its sending tells it from others.
        let [first, again] = ["2015-12-10T04:08:31.905Z", "2015-12-10T04:08:31.906Z"]
            .map(|at| with(sent(name, at, Value::Null), "/timestamp", Value::Null));
        assert_eq!(id(&first), id(&first), "{name}");
        assert_ne!(id(&first), id(&again), "{name}");
    }
    // What has no place among the events is kept once.
    let kept = |at: &str| other(&sent("page", at, json!(at))).id;
    assert_eq!(kept("2015-12-10T04:08:31.905Z"), kept("2015-12-10T04:08:35.000Z"));
    // So is what is refused.
    let refused = |at: &str| {
        let message = with(sent("Product Viewed", at, json!(at)), "/properties/price", json!("much"));
        let Item::Records(records) = items(&message) else { panic!("{message}") };
        records[0].known_by().unwrap().to_owned()
    };
    assert_eq!(refused("2015-12-10T04:08:31.905Z"), refused("2015-12-10T04:08:35.000Z"));
}

#[test]
fn the_visit_that_rudderstack_tells_is_that_of_its_client() {
    let message = |name: &str, told: Value| {
        let message = with(example(name), "/anonymousId", json!("browser-1"));
        with(message, "/context/sessionId", told)
    };
    let viewed = |told: Value| records(&message("Product Viewed", told)).remove(0).unwrap();
    let browser = contracts::ids::anonymous_visitor(SOURCE, "browser-1");
    let visit = contracts::ids::named_visit(SOURCE, &browser, "1772366400123");
    for told in [json!(1_772_366_400_123_i64), json!("1772366400123")] {
        assert_eq!(viewed(told.clone()).open.unwrap().session_id, Some(visit));
        let Item::Seen(_, start) = items(&message("page", told)) else { panic!() };
        assert_eq!(judged(&start).unwrap().event.session_id, visit);
    }
    for none in [Value::Null, json!(""), json!({}), json!(true)] {
        assert_eq!(viewed(none).open.unwrap().session_id, None);
    }
}

#[test]
fn an_order_is_told_once_whoever_tells_it() {
    let completed = example("Order Completed");
    let ids = |message: &Value| -> Vec<_> {
        let Item::Records(records) = items(message) else { panic!() };
        let rates =
            contracts::money::Rates::parse("EUR".parse().unwrap(), 10_000, "2015-01-01,USD,0.5").unwrap();
        let accepted = |record: &Mapped| {
            accept(record.draft().unwrap(), "collector/server", received().at, &rates).unwrap()
        };
        records.iter().map(|record| accepted(record).identity()).collect()
    };
    let told: Vec<_> = records(&completed).into_iter().map(|line| line.unwrap()).collect();
    let again = with(with(completed, "/messageId", json!("other")), "/userId", json!("another"));
    assert_eq!(told.iter().map(Accepted::identity).collect::<Vec<_>>(), ids(&again));
    let lines: Vec<_> = told
        .iter()
        .map(|line| (line.event.order_line, line.event.order_lines, line.event.quantity))
        .collect();
    assert_eq!(lines, [(Some(1), Some(2), Some(1)), (Some(2), Some(2), Some(2))]);
    assert_eq!(told[1].event.amount_base.unwrap().to_string(), "3.00");
    // Of a part that is paid back, another message tells of another part.
    let refunded = example("Order Refunded");
    assert_ne!(ids(&refunded), ids(&with(refunded.clone(), "/messageId", json!("other"))));
}

#[test]
fn what_is_wrong_is_named_as_segment_names_it() {
    let (viewed, completed) = (example("Product Viewed"), example("Order Completed"));
    let cases = [
        (with(viewed.clone(), "/messageId", json!(7)), (Reason::InvalidField, "messageId")),
        (with(viewed.clone(), "/timestamp", json!("yesterday")), (Reason::InvalidField, "timestamp")),
        (with(viewed.clone(), "/sentAt", json!(7)), (Reason::InvalidField, "timestamp")),
        (with(viewed.clone(), "/userId", json!({})), (Reason::InvalidField, "userId")),
        (
            with(viewed.clone(), "/properties/product_id", json!({})),
            (Reason::InvalidField, "properties.product_id"),
        ),
        (with(viewed.clone(), "/properties/price", json!("$5")), (Reason::InvalidField, "properties.price")),
        (with(viewed.clone(), "/properties/price", Value::Null), (Reason::MissingField, "properties.price")),
        (
            with(viewed.clone(), "/properties/currency", json!("dollars")),
            (Reason::InvalidField, "properties.currency"),
        ),
        (with(viewed.clone(), "/properties", json!("none")), (Reason::InvalidField, "properties")),
        (with(viewed.clone(), "/event", Value::Null), (Reason::MissingField, "event")),
        (with(viewed.clone(), "/event", json!(7)), (Reason::InvalidField, "event")),
        (with(viewed, "/type", json!("tracked")), (Reason::InvalidField, "type")),
        (
            with(completed.clone(), "/properties/products", Value::Null),
            (Reason::MissingField, "properties.products"),
        ),
        (
            with(completed.clone(), "/properties/products", json!([7])),
            (Reason::InvalidField, "properties.products"),
        ),
        (
            with(example("page"), "/timestamp", json!("1815-12-10T04:08:31Z")),
            (Reason::InvalidField, "timestamp"),
        ),
        (json!([1]), (Reason::Malformed, "message")),
    ];
    for (message, expected) in cases {
        assert_eq!(refusal(&message), expected, "{message}");
    }
    // It would be there a thousand times.
    let long = with(example("Order Completed"), "/userId", json!("x".repeat(5_000)));
    assert_eq!(refusal(&long), (Reason::InvalidField, "properties"));
    for none in [Value::Null, json!(""), json!(" ")] {
        for message in [example("page"), example("Product Viewed")] {
            let nobody = with(with(message, "/userId", none.clone()), "/anonymousId", none.clone());
            assert_eq!(refusal(&nobody), (Reason::MissingField, "userId"));
        }
    }
    for line in records(&with(completed, "/properties/currency", Value::Null)) {
        assert_eq!(line.unwrap_err().field, "properties.currency");
    }
}

#[test]
fn what_was_refused_is_refused_again_for_what_is_missing() {
    let refused = with(example("Product Viewed"), "/properties/price", json!("$5"));
    let Item::Records(records) = items(&refused) else { panic!() };
    let payload = records[0].payload();
    assert_eq!(draft::read(&payload).unwrap_err().field, "price");
    assert!(!String::from_utf8(payload).unwrap().contains("8.8.8.8"));
}

#[test]
fn time_is_by_our_clock() {
    // The sender is an hour ahead, and sends what happened five seconds ago.
    let mut viewed = example("Product Viewed");
    viewed["timestamp"] = "2015-12-10T05:08:26Z".into();
    viewed["sentAt"] = "2015-12-10T05:08:31Z".into();
    let at = |message: &Value| records(message).remove(0).unwrap().event.occurred_at.to_rfc3339();
    assert_eq!(at(&viewed), "2015-12-10T04:08:26.909+00:00");
    viewed["originalTimestamp"] = "2015-12-10T06:08:30+01:00".into();
    assert_eq!(at(&viewed), "2015-12-10T04:08:30.909+00:00");
    let mut without = example("Product Viewed");
    for field in ["timestamp", "sentAt"] {
        without.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(at(&without), "2015-12-10T04:08:31.909+00:00");
}

#[test]
fn who_somebody_is_told_apart_from_what_happened() {
    let identify = other(&example("identify"));
    let tells = identify.tells.unwrap();
    assert_eq!((Some(tells.user_id), tells.anonymous_id), (identify.user_id, identify.anonymous_id));
    // A country that is no ISO code is not understood; the city is.
    assert_eq!((tells.facts.country, tells.facts.city.as_deref()), (None, Some("San Francisco")));
    // RudderStack's clients have them elsewhere.
    let mut elsewhere = example("identify");
    elsewhere["context"]["traits"] = elsewhere.as_object_mut().unwrap().remove("traits").unwrap();
    assert_eq!(other(&elsewhere).tells.unwrap().facts, tells.facts);
    let alias = other(&example("alias")).tells.unwrap();
    assert_eq!(
        alias.anonymous_id,
        Some(contracts::ids::anonymous_visitor(SOURCE, "39239-239239-239239-23923"))
    );
    let page = other(&example("page"));
    assert!(page.tells.is_none());
    let kept: Value = serde_json::from_slice(&page.payload).unwrap();
    assert_eq!((&kept["properties"], &kept["type"]), (&example("page")["properties"], &json!("page")));
    assert_eq!(kept["context"].get("ip"), None);
}
