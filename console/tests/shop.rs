//! `/api/v1/shop` against two other ways to the same figures: `audit::figures`, which reads Cassandra, and
//! SQL over `raw.events`.
//!
//! Needs a shop that has run for some hours, at the services that the environment names, and only reads of
//! it: `cargo test -p console --test main shop -- --ignored`.

use std::ops::Range;

use audit::figures::Totals;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use console::accounts;
use contracts::endpoints::Endpoints;
use contracts::lateness::ON_TIME_SQL;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

/// The name of the key that it reads the API with.
const KEY: &str = "shop-test";

/// Stretches that are over in every respect, of which each is read from somewhere else.
fn stretches(now: DateTime<Utc>, first: DateTime<Utc>) -> Vec<Range<DateTime<Utc>>> {
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap() - TimeDelta::hours(1);
    let minutes = TimeDelta::minutes;
    [
        // Whole quarters; amid quarters, which are in memory as minutes; days, which are read as hours with
        // minutes at both ends.
        hour - minutes(60)..hour,
        hour - minutes(97)..hour - minutes(11),
        hour - TimeDelta::hours(23)..hour,
        hour - minutes(50 * 60 + 7)..hour - minutes(13),
    ]
    .into_iter()
    .filter(|stretch| stretch.start >= first)
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "reads a shop that has run for hours"]
async fn totals_are_those_of_the_audit_and_of_the_raw_events() {
    let endpoints = Endpoints::from_env().unwrap();
    let (mut postgres, connection) = tokio_postgres::connect(&endpoints.pg_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let cassandra = provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap();
    let stop = CancellationToken::new();
    let serving = console::serve(crate::access::config(&endpoints), stop.clone()).await.unwrap();
    let base = format!("http://{}/api/v1/shop", serving.address);
    let server = tokio::spawn(serving.run());

    // One that an earlier run left is let in no more: what was kept of it is its digest.
    let _ = accounts::revoke_key(&mut postgres, KEY).await;
    let key = accounts::add_key(&mut postgres, KEY).await.unwrap();
    let http = reqwest::Client::new();

    let first: DateTime<Utc> =
        postgres.query_one("select min(occurred_at) from raw.events", &[]).await.unwrap().get(0);
    let stretches = stretches(Utc::now(), first);
    assert!(!stretches.is_empty(), "the shop has not run for three hours");
    for stretch in stretches {
        let url = format!("{base}/totals?from={}&to={}&compare=none", zulu(stretch.start), zulu(stretch.end));
        let answer = http.get(&url).bearer_auth(&key).send().await.unwrap();
        let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
        let audited =
            audit::figures::read(&cassandra, &endpoints.namespace, stretch.clone(), 1).await.unwrap().totals;
        let raw = raw(&postgres, &stretch).await;
        println!("{stretch:?}: {} events, {} orders, net {}", raw.events, raw.orders, raw.net);
        assert!(raw.events > 0 && raw.orders > 0, "{stretch:?} is empty");
        assert_eq!(told(&answer["data"]), raw, "{stretch:?}: {answer}");
        assert_eq!(audited, raw, "{stretch:?}");
    }

    accounts::revoke_key(&mut postgres, KEY).await.unwrap();
    stop.cancel();
    server.await.unwrap().unwrap();
}

fn zulu(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn told(data: &Value) -> Totals {
    let text = |measure: &str| data[measure]["value"].as_str().unwrap_or_else(|| panic!("{measure}: {data}"));
    let count = |measure: &str| text(measure).parse::<i64>().unwrap();
    let money = |measure: &str| text(measure).parse::<Decimal>().unwrap();
    Totals {
        events: count("events"),
        session_starts: count("visits"),
        item_views: count("item_views"),
        cart_adds: count("cart_adds"),
        checkouts: count("checkouts"),
        orders: count("orders"),
        units: count("units"),
        gross: money("gross"),
        refunds: money("refunds"),
        net: money("net"),
    }
}

/// Said anew, in SQL: what was in time, and what was late and repaired since.
async fn raw(postgres: &tokio_postgres::Client, stretch: &Range<DateTime<Utc>>) -> Totals {
    let named = |name: &str| format!("count(*) filter (where event_name = '{name}')");
    let amount =
        |name: &str| format!("coalesce(sum(amount_base) filter (where event_name = '{name}'), 0.00)");
    let sql = format!(
        "select count(*), {visits}, {views}, {carts}, {checkouts},
            count(*) filter (where event_name = 'purchase' and order_line = 1),
            coalesce(sum(quantity) filter (where event_name = 'purchase'), 0)::bigint,
            {gross}, {refunds}
        from raw.events e where occurred_at >= $1 and occurred_at < $2 and ({ON_TIME_SQL} or exists (
            select from ops.repair r where r.family = 'cube' and e.occurred_at >= r.from_minute
                and e.occurred_at < r.to_minute and pg_visible_in_snapshot(e.tx, r.snapshot)))",
        visits = named("session_start"),
        views = named("view_item"),
        carts = named("add_to_cart"),
        checkouts = named("begin_checkout"),
        gross = amount("purchase"),
        refunds = amount("refund"),
    );
    let row = postgres.query_one(&sql, &[&stretch.start, &stretch.end]).await.unwrap();
    let (gross, refunds): (Decimal, Decimal) = (row.get(7), row.get(8));
    Totals {
        events: row.get(0),
        session_starts: row.get(1),
        item_views: row.get(2),
        cart_adds: row.get(3),
        checkouts: row.get(4),
        orders: row.get(5),
        units: row.get(6),
        gross,
        refunds,
        net: gross - refunds,
    }
}
