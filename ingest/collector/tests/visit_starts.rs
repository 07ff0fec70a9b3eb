//! Visits of clients that tell no start of visits: each counts once, with the first event or page of it.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use contracts::money::Rates;
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::segment::{message, product, track};
use crate::support::Scene;

fn at(mut message: Value, at: DateTime<Utc>) -> Value {
    message["timestamp"] = json!(at);
    message
}

/// What is stored, as `event minute`.
async fn stored(scene: &Scene, began: DateTime<Utc>) -> Vec<String> {
    let sql =
        "select event_name || ' ' || round(extract(epoch from occurred_at - $1) / 60)::text from raw.events
               order by occurred_at, event_name";
    let rows = scene.client.query(sql, &[&began]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_of_segments_begins_with_its_first_page_or_event() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let began = Utc::now() - TimeDelta::hours(3);
    let after = |minutes: i64| began + TimeDelta::minutes(minutes);
    let batch = [
        at(message("page", "m-1", json!({ "name": "Home" })), after(0)),
        at(track("m-2", "Product Viewed", product("uno", 3.10, 1)), after(10)),
        at(message("page", "m-3", json!({ "name": "Cart" })), after(20)),
        // After a pause of more than half an hour, by an event.
        at(track("m-4", "Product Viewed", product("uno", 3.10, 1)), after(60)),
        at(message("screen", "m-5", json!({ "name": "Home" })), after(61)),
        // A refund is told by the shop: nobody came for it.
        at(
            track(
                "m-6",
                "Order Refunded",
                json!({ "order_id": "o-1", "currency": "CHF", "products": [product("uno", 3.10, 1)] }),
            ),
            after(120),
        ),
        // A program's page is no visit.
        at(
            message(
                "page",
                "m-7",
                json!({ "anonymousId": "bot", "context": { "userAgent": "Googlebot/2.1" } }),
            ),
            after(130),
        ),
    ];
    // In pieces as well, and again: the visits stay the same.
    for messages in [&batch[..1], &batch[..4], &batch[..], &batch[3..]] {
        scene.batch(&collector, messages).await;
    }
    let expected = ["session_start 0", "view_item 10", "session_start 60", "view_item 60", "refund 120"];
    assert_eq!(stored(&scene, began).await, expected);
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 0);
    assert_eq!(scene.count("select count(*) from raw.other_events").await, 4);
    let starts = "select count(distinct session_id) from raw.events where event_name = 'session_start'
                  and occurred_at = session_started_at and item_id is null and order_id is null";
    assert_eq!(scene.count(starts).await, 2);
    let [records_in, records_out, repeated, set_aside] = scene.ledger().await;
    assert_eq!((records_out, set_aside), (5, 0));
    let others = scene.count("select coalesce(sum(other), 0)::bigint from ops.ledger").await;
    assert_eq!(records_in, records_out + repeated + others);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_a_client_tells_is_the_only_one() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let now = Utc::now() - TimeDelta::minutes(5);
    let event = |id: &str, name: &str, visitor: &str, infers: bool| {
        json!({ "source_id": id, "event_name": name, "occurred_at": now, "anonymous_id": visitor,
                "infer_session_start": infers })
    };
    let events = [
        event("a-1", "session_start", "a", true),
        event("a-2", "begin_checkout", "a", true),
        event("b-1", "begin_checkout", "b", false),
        event("c-1", "begin_checkout", "c", true),
        event("c-2", "begin_checkout", "c", true),
    ];
    for accepted in [5, 0] {
        let (status, answer) = scene.post(&collector, &events).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(accepted)), "{answer}");
    }
    let sql = "select event_name || ' ' || count(*) from raw.events group by event_name order by 1";
    assert_eq!(scene.texts(sql).await, ["begin_checkout 4", "session_start 2"]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_begins_with_a_replayed_event_counts() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    // No rate is known of this currency.
    let mut viewed = product("uno", 3.10, 1);
    viewed["currency"] = json!("XXX");
    scene.batch(&collector, &[track("m-1", "Product Viewed", viewed)]).await;
    assert_eq!(scene.count("select count(*) from raw.events").await, 0);
    let rates = Rates::parse("EUR".parse().unwrap(), 10_000, "2020-01-01,XXX,0.5").unwrap();
    let rules = Rules { namespace: contracts::Namespace::default(), rates };
    let plan = Plan { filter: Filter::default(), rules, dry_run: false };
    let mut store = Store::connect(&scene.url).await.unwrap();
    let replayed =
        replay(&mut store, &plan, &Clock::wall(), &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!(replayed.accepted, 1, "{replayed:?}");
    assert_eq!(
        scene.texts("select event_name from raw.events order by 1").await,
        ["session_start", "view_item"]
    );
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_an_earlier_time_begins_no_visit() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let now = (Utc::now() - TimeDelta::minutes(5)).duration_trunc(TimeDelta::milliseconds(1)).unwrap();
    let event = |micros: i64| {
        json!({ "source_id": "a-1", "event_name": "begin_checkout", "occurred_at": now + TimeDelta::microseconds(micros),
                "anonymous_id": "a", "infer_session_start": true })
    };
    // Within the millisecond, whose id is the same, and before it.
    for micros in [500, 200, -3_000, 900] {
        scene.post(&collector, &[event(micros), event(micros - 1)]).await;
    }
    let sql = "select event_name || ' ' || count(*) from raw.events group by event_name order by 1";
    assert_eq!(scene.texts(sql).await, ["begin_checkout 1", "session_start 1"]);
    assert_eq!(scene.count("select count(*) from raw.visit").await, 1);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_overtake_each_other_begin_one_visit() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let now = Utc::now() - TimeDelta::hours(2);
    let event = |id: &str, ms: i64| {
        json!({ "source_id": id, "event_name": "begin_checkout", "occurred_at": now + TimeDelta::milliseconds(ms),
                "anonymous_id": "a", "infer_session_start": true })
    };
    for (id, ms) in [("a-1", 0), ("a-2", -3), ("a-3", 4), ("a-4", -2_000), ("a-5", 60 * 60_000)] {
        let (_, answer) = scene.post(&collector, &[event(id, ms)]).await;
        assert_eq!(answer["accepted"], 1, "{answer}");
    }
    let sql = "select event_name || ' ' || count(*) from raw.events group by event_name order by 1";
    assert_eq!(scene.texts(sql).await, ["begin_checkout 5", "session_start 2"]);
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_at_once_begins_its_visit() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let now = Utc::now() - TimeDelta::minutes(5);
    let event = |ms: i64| {
        json!({ "source_id": "a-1", "event_name": "begin_checkout", "occurred_at": now + TimeDelta::milliseconds(ms),
                "anonymous_id": "a", "infer_session_start": true })
    };
    let (_, answer) = scene.post(&collector, &[event(0), event(-7)]).await;
    assert_eq!((&answer["accepted"], &answer["repeated"]), (&json!(1), &json!(1)), "{answer}");
    let sql = "select event_name || ' ' || count(*) from raw.events e join raw.visit v
                   on v.visitor_id = e.user_id and v.started_at = e.session_started_at group by event_name order by 1";
    assert_eq!(scene.texts(sql).await, ["begin_checkout 1", "session_start 1"]);
    collector.stop().await.unwrap();
}
