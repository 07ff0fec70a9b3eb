use contracts::Event;
use contracts::validation::Rejection;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::*;
use crate::record::SenderRecord;

mod findings;
/// The tests over HTTP use the same.
#[path = "../../tests/ga4/mutated.rs"]
mod mutated;
mod refunds;

use mutated::{mutated, mutations};

const SOURCE: &str = "collector/web";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_772_366_400_000_000).unwrap()
}

fn items(body: &[u8]) -> Vec<Item> {
    Request::read(body, SOURCE, now()).unwrap().items().into_iter().map(|(_, item)| item).collect()
}

fn items_of(body: &Value) -> Vec<Item> {
    items(body.to_string().as_bytes())
}

fn judged(record: &Mapped) -> Result<Event, Rejection> {
    let accepted = crate::judged::accept(record, SOURCE, now(), &ingest::rates::built_in(), 64 * 1024, None);
    accepted.map(|(accepted, _)| accepted.event)
}

/// The records of a request whose only event this is.
fn records(event: &Value) -> Vec<Result<Event, Rejection>> {
    let mut items = items(json!({ "client_id": "x.y", "events": [event] }).to_string().as_bytes());
    let Some(Item::Records(records)) = items.pop() else { panic!("it has a place: {event}") };
    records.iter().map(judged).collect()
}

/// What a request is refused for, once.
fn refused(event: &Value) -> (Reason, &'static str) {
    let records = records(event);
    let [Err(Rejection { reason, field, .. })] = records.as_slice() else { panic!("{records:?}") };
    (*reason, field)
}

fn purchase() -> Value {
    json!({
        "name": "purchase",
        "params": {
            "currency": "USD", "transaction_id": "T_12345", "value": 72.05, "coupon": "SUMMER_FUN",
            "shipping": 3.33, "tax": 1.11, "session_id": "123", "engagement_time_msec": 100,
            "items": [
                { "item_id": "SKU_12345", "item_name": "Stan and Friends Tee", "affiliation": "Google Merchandise Store",
                  "coupon": "SUMMER_FUN", "discount": 2.22, "index": 0, "item_brand": "Google",
                  "item_category": "Apparel", "item_category2": "Adult", "item_variant": "green",
                  "price": 10.01, "quantity": 3 },
                { "item_id": "SKU_12346", "item_name": "Google Grey Women's Tee", "item_brand": "Google",
                  "item_category": "Apparel", "price": 21.01, "promotion_id": "P_12345", "quantity": 2 },
            ],
        },
    })
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value;
    event
}

#[test]
fn a_purchase_is_a_line_for_each_item() {
    let lines: Vec<Event> = records(&purchase()).into_iter().map(Result::unwrap).collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let (Some(id), Some(price), Some(order)) = (&line.item_id, line.price, &line.order_id) else {
                panic!()
            };
            let place = (line.order_line.unwrap(), line.order_lines.unwrap());
            (id.as_str(), price.to_string(), line.quantity.unwrap(), order.as_str(), place)
        })
        .collect();
    let expected = [
        ("SKU_12345", "10.01".to_owned(), 3, "T_12345", (1, 2)),
        ("SKU_12346", "21.01".to_owned(), 2, "T_12345", (2, 2)),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[0].brand.as_deref(), Some("Google"));
    assert_eq!(lines[0].user_id, ids::anonymous_visitor(SOURCE, "x.y"));
    assert_eq!(lines[0].session_id, ids::named_visit(SOURCE, &lines[0].user_id, "123"));
    // Whoever tells the order, it is the same.
    let shared = ids::rekeyed(now(), ids::SHARED, "order/T_12345/1");
    assert_eq!(lines[0].event_id, shared);
    // A value that disagrees with the items refuses nothing.
    assert!(records(&with(purchase(), "/params/value", json!(1))).iter().all(Result::is_ok));
}

#[test]
fn other_events_of_the_same_moment_are_no_repeats() {
    let ids = |name: &str, items: Value| {
        let params = json!({ "currency": "USD", "transaction_id": "T-1", "items": items });
        let body = json!({ "client_id": "x.y", "timestamp_micros": now().timestamp_micros(),
                           "events": [{ "name": name, "params": params }] });
        match items_of(&body).as_slice() {
            [Item::Records(records)] => ids::identity(&judged(&records[0]).unwrap().event_id).to_string(),
            [Item::Other(other)] => other.id.clone(),
            told => panic!("{told:?}"),
        }
    };
    let item = |price: u8| json!([{ "item_id": "a", "price": price }]);
    for name in ["view_item", "refund", "sign_up"] {
        assert_ne!(ids(name, item(1)), ids(name, item(2)), "{name}");
        assert_eq!(ids(name, item(1)), ids(name, item(1)), "{name}");
    }
    // An order is told once, whatever else it says.
    assert_eq!(ids("purchase", item(1)), ids("purchase", item(2)));
}

#[test]
fn a_list_and_a_checkout_are_one_event_whatever_is_in_them() {
    for name in ["view_item_list", "begin_checkout", "add_payment_info", "session_start"] {
        let mut event = with(purchase(), "/name", json!(name));
        event["params"]["payment_type"] = json!("Credit Card");
        let records = records(&event);
        assert!(matches!(records.as_slice(), [Ok(event)] if event.item_id.is_none()), "{name}: {records:?}");
    }
    for name in ["view_item", "add_to_cart", "remove_from_cart"] {
        let records = records(&with(purchase(), "/name", json!(name)));
        assert!(
            matches!(records.as_slice(), [Ok(one), Ok(_)] if one.order_id.is_none()),
            "{name}: {records:?}"
        );
    }
}

#[test]
fn what_we_have_no_word_for_is_kept_beside_the_figures() {
    // Google's own example.
    let body = json!({
        "client_id": "123456.7654321", "user_id": "ann@example.com",
        "events": [{ "name": "campaign_details", "params": {
            "campaign_id": "google_1234", "campaign": "Summer_fun", "source": "google", "medium": "cpc",
            "session_id": "123", "engagement_time_msec": "100" } }],
    });
    let items = items(body.to_string().as_bytes());
    let [Item::Other(other)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((other.dialect, other.name.as_str(), other.occurred_at), ("ga4", "campaign_details", now()));
    assert_eq!(other.anonymous_id, Some(ids::anonymous_visitor(SOURCE, "123456.7654321")));
    assert_eq!(other.user_id, Some(ids::named_user(SOURCE, "ann@example.com")));
    assert_eq!(serde_json::from_slice::<Value>(&other.payload).unwrap(), body["events"][0]);
}

#[test]
fn what_is_refused_is_named_as_google_names_it() {
    use Reason::{Future, InvalidField, Malformed, MissingField};
    let future = now().timestamp_micros() + 120_000_000;
    let item = |value: Value| with(purchase(), "/params/items", value);
    for (event, expected) in [
        (json!(7), (Malformed, "events")),
        (json!({}), (MissingField, "events.name")),
        (json!({ "name": 7 }), (InvalidField, "events.name")),
        (json!({ "name": "a\u{0}b" }), (InvalidField, "events.name")),
        (json!({ "name": "x".repeat(101) }), (InvalidField, "events.name")),
        (json!({ "name": "purchase", "params": [] }), (InvalidField, "events.params")),
        (item(Value::Null), (MissingField, "events.params.items")),
        (item(json!([])), (MissingField, "events.params.items")),
        (item(json!({})), (InvalidField, "events.params.items")),
        (item(json!([7])), (InvalidField, "events.params.items")),
        (item(json!([{ "price": 1 }])), (MissingField, "events.params.items.item_id")),
        (item(json!([{ "item_id": "a" }])), (MissingField, "events.params.items.price")),
        (item(json!([{ "item_id": "a", "price": "x" }])), (InvalidField, "events.params.items.price")),
        (item(json!([{ "item_id": "a", "price": -1 }])), (InvalidField, "events.params.items.price")),
        (
            item(json!([{ "item_id": "a", "price": 1, "quantity": 1.5 }])),
            (InvalidField, "events.params.items.quantity"),
        ),
        (item(json!([{ "item_id": ["a"], "price": 1 }])), (InvalidField, "events.params.items.item_id")),
        (with(purchase(), "/timestamp_micros", json!("noon")), (InvalidField, "timestamp_micros")),
        // Milliseconds.
        (
            with(purchase(), "/timestamp_micros", json!(1_772_366_400_000_i64)),
            (InvalidField, "timestamp_micros"),
        ),
        (json!({ "name": "x", "timestamp_micros": future }), (Future, "timestamp_micros")),
        (json!({ "name": "session_start", "timestamp_micros": future }), (Future, "timestamp_micros")),
    ] {
        assert_eq!(refused(&event), expected, "{event}");
    }
    for (name, field) in
        [("currency", "events.params.currency"), ("transaction_id", "events.params.transaction_id")]
    {
        let records = records(&with(purchase(), &format!("/params/{name}"), Value::Null));
        let is_named =
            |record: &Result<Event, Rejection>| record.as_ref().is_err_and(|refused| refused.field == field);
        assert!(records.len() == 2 && records.iter().all(is_named), "{records:?}");
    }
}

#[test]
fn a_request_that_cannot_be_read_is_one_record_for_quarantine() {
    for (body, field) in [
        (&b""[..], "events"),
        (b"\xff", "events"),
        (b"[]", "events"),
        (b"{}", "events"),
        (br#"{"events": 7}"#, "events"),
        (br#"{"events": {}}"#, "events.name"),
        (br#"{"events": [], "events": []}"#, "events"),
        (br#"{"events": [{"name": "purchase"}]}"#, "client_id"),
        (br#"{"client_id": "a", "events": [{"name": "x", "name": "y"}]}"#, "events"),
    ] {
        let items = items(body);
        let [Item::Records(records)] = items.as_slice() else { panic!("{items:?}") };
        let refused = judged(&records[0]).unwrap_err();
        assert_eq!(refused.field, field, "{refused}");
        // It says what came, and is refused again when it is judged again.
        assert!(ingest::source::draft::read(&records[0].payload()).is_err());
        assert!(String::from_utf8(records[0].payload()).unwrap().contains("ga4_"));
    }
    assert!(items(br#"{"client_id": "a", "events": []}"#).is_empty());
    let many =
        json!({ "client_id": "a", "events": vec![json!({ "name": "x" }); MAX_EVENTS + 1] }).to_string();
    assert!(matches!(
        Request::read(many.as_bytes(), SOURCE, now()),
        Err(Refusal::TooManyEvents { limit: 25 })
    ));
}

#[test]
fn whoever_denied_consent_is_counted_and_nothing_joins_their_requests() {
    let body = |consent: Value| {
        json!({
            "client_id": "x.y", "user_id": "ann", "consent": consent,
            "timestamp_micros": now().timestamp_micros(),
            "events": [{ "name": "session_start", "params": { "session_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12" } },
                       { "name": "begin_checkout" }],
        })
        .to_string()
    };
    let events = |consent: Value| -> Vec<Event> {
        let items = items(body(consent).as_bytes());
        let record = |item: &Item| match item {
            Item::Records(records) => judged(&records[0]).unwrap(),
            Item::Other(_) | Item::Seen(..) => panic!(),
        };
        items.iter().map(record).collect()
    };
    let known = events(json!({ "ad_user_data": "GRANTED" }));
    assert_eq!(known[0].user_id, ids::named_user(SOURCE, "ann"));
    for denied in
        [json!({ "ad_user_data": "DENIED" }), json!({ "ad_personalization": "denied" }), json!("DENIED")]
    {
        let (one, other) = (events(denied.clone()), events(denied));
        assert_eq!(one[0].user_id, one[1].user_id, "one request has one visitor");
        for (one, other) in one.iter().zip(&other) {
            assert_ne!(one.user_id, other.user_id);
            assert_ne!(one.session_id, other.session_id);
            assert_ne!(one.user_id, known[0].user_id);
            assert_eq!(one.event_id, other.event_id, "the same request again is still a repeat");
        }
        assert_ne!(one[0].session_id, known[0].session_id);
    }
    let Some(Item::Records(records)) = items(body(json!({ "ad_user_data": "DENIED" })).as_bytes()).pop()
    else {
        panic!()
    };
    let payload = String::from_utf8(records[0].payload()).unwrap();
    assert!(!payload.contains("x.y") && !payload.contains("ann"), "{payload}");
}

#[test]
fn an_empty_id_names_nobody() {
    let event = |ids: Value| {
        let mut body = json!({ "events": [{ "name": "begin_checkout", "params": { "session_id": " " } }] });
        body.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        let Some(Item::Records(records)) = items(body.to_string().as_bytes()).pop() else { panic!("{body}") };
        judged(&records[0])
    };
    let browser = ids::anonymous_visitor(SOURCE, "x.y");
    for none in ["", " "] {
        assert_eq!(event(json!({ "client_id": "x.y", "user_id": none })).unwrap().user_id, browser);
        let of_app = json!({ "client_id": none, "app_instance_id": "x.y" });
        assert_eq!(event(of_app).unwrap().user_id, browser);
        let of_user = json!({ "client_id": none, "user_id": "ann" });
        assert_eq!(event(of_user).unwrap().user_id, ids::named_user(SOURCE, "ann"));
        let nobody = event(json!({ "client_id": none, "user_id": none })).unwrap_err();
        assert_eq!((nobody.reason, nobody.field), (Reason::MissingField, "client_id"));
    }
}

#[test]
fn device_and_channel_follow_from_what_is_told_of_the_browser() {
    let body = json!({
        "client_id": "a", "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1",
        "events": [{ "name": "session_start", "params": {
            "page_location": "https://shop.example/?utm_source=news&utm_medium=email", "page_referrer": "" } }],
    });
    let items = items(body.to_string().as_bytes());
    let [Item::Records(records)] = items.as_slice() else { panic!("{items:?}") };
    let event = judged(&records[0]).unwrap();
    assert_eq!((event.device.as_str(), event.channel.as_str()), ("mobile", "email"));
}

#[test]
fn the_time_of_an_event_goes_before_that_of_its_request() {
    let at = now().timestamp_micros() - 5_000_000;
    let body = json!({ "client_id": "a", "timestamp_micros": at, "events": [
        { "name": "session_start" }, { "name": "session_start", "timestamp_micros": (at - 1).to_string() },
    ] });
    let items = items(body.to_string().as_bytes());
    let times = items.iter().map(|item| match item {
        Item::Records(records) => judged(&records[0]).unwrap().occurred_at.timestamp_micros(),
        Item::Other(_) | Item::Seen(..) => panic!(),
    });
    assert_eq!(times.collect::<Vec<_>>(), [at, at - 1]);
    // Older than Google takes: it is late, and its time stays.
    let old = now() - TimeDelta::days(30);
    let event = json!({ "name": "session_start", "timestamp_micros": old.timestamp_micros() });
    assert_eq!(records(&event)[0].as_ref().unwrap().occurred_at, old);
    // Without a time two alike are two.
    let event = json!({ "name": "session_start" });
    assert_ne!(records(&event)[0].as_ref().unwrap().event_id, records(&event)[0].as_ref().unwrap().event_id);
}

#[test]
fn whatever_comes_is_judged() {
    let mut rng = StdRng::seed_from_u64(4);
    let (mut accepted, mut refused, mut others) = (0, 0, 0);
    let mutations = mutations(5_000);
    for _ in 0..mutations {
        let body = mutated(&mut rng);
        let shown = String::from_utf8_lossy(&body);
        assert!(messages(&body, "", now()).len() < 200, "{shown}");
        let Ok(request) = Request::read(&body, SOURCE, now()) else { continue };
        for (_, item) in request.items() {
            match item {
                Item::Other(other) | Item::Seen(other, _) => others += usize::from(!other.id.is_empty()),
                Item::Records(records) => {
                    for record in records {
                        // What is set aside can be judged again, and comes out the same unless the protocol
                        // alone refused it.
                        let again = ingest::source::draft::read(&record.payload());
                        match judged(&record) {
                            Ok(_) => {
                                assert!(again.is_ok(), "{shown}");
                                accepted += 1;
                            }
                            Err(_) => refused += 1,
                        }
                    }
                }
            }
        }
    }
    assert!(accepted > mutations / 10 && refused > mutations / 10 && others > mutations / 10);
}
