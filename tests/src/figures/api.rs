//! `/api/v1/shop` against two other ways to the same figures: `audit::figures`, which reads Cassandra, and
//! SQL over `raw.events`.

use std::ops::Range;

use audit::figures::Totals;
use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use contracts::lateness::ON_TIME_SQL;
use rust_decimal::Decimal;
use scylla::client::session::Session;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Line, until, until_says};

/// Of a line that rests: its figures since a moment are the same whichever way they are read.
pub(super) async fn assert_api_tells_the_same(line: &Line, session: &Session, began: DateTime<Utc>) {
    let mut console = line.start("console --listen 127.0.0.1:0 --no-deliver");
    until_says(&mut console, "console on http://").await;
    let key = line.run("console key add figures").await.succeeded().out;
    let key =
        key.lines().find(|line| line.len() >= 40 && !line.contains(' ')).unwrap_or_else(|| panic!("{key}"));
    let printed = console.printed();
    let address =
        printed.split("console on http://").nth(1).and_then(|rest| rest.split(['/', '\n']).next()).unwrap();

    let minute = |at: DateTime<Utc>| at.duration_trunc(TimeDelta::minutes(1)).unwrap();
    // Late events reach ten minutes back.
    let (from, to) = (minute(began) - TimeDelta::minutes(15), minute(Utc::now()) + TimeDelta::minutes(1));
    for stretch in [
        from..to,
        // Amid quarters, which are in memory as minutes.
        minute(began) - TimeDelta::minutes(7)..minute(began) + TimeDelta::minutes(2),
        // So long that whole hours are read, with minutes at both ends.
        from - TimeDelta::hours(50)..to,
    ] {
        let raw = raw(line, &stretch).await;
        assert!(raw.events > 0, "{stretch:?} is empty");
        let audited =
            audit::figures::read(session, &line.endpoints.namespace, stretch.clone(), 1).await.unwrap();
        assert_eq!(audited.totals, raw, "{stretch:?}");
        // It reads Cassandra every few seconds, and not before somebody asks.
        until("the API tells the same", async || {
            let told = ask(address, key, &stretch).await?;
            if told == raw { Ok(()) } else { Err(format!("{stretch:?}: {told:?} instead of {raw:?}")) }
        })
        .await;
    }
    console.stop().await.succeeded();
}

/// What the API tells of a stretch; or what it said instead.
async fn ask(address: &str, key: &str, stretch: &Range<DateTime<Utc>>) -> Result<Totals, String> {
    let [from, to] = [stretch.start, stretch.end].map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    // In HTTP/1.0 an answer comes in one piece.
    let request = format!(
        "GET /api/v1/shop/totals?from={from}&to={to}&compare=none HTTP/1.0\r\nHost: {address}\r\n\
         Authorization: Bearer {key}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| answer.clone())?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(answer);
    }
    let body: Value = serde_json::from_str(body).unwrap();
    Ok(told(&body["data"]))
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
async fn raw(line: &Line, stretch: &Range<DateTime<Utc>>) -> Totals {
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
    let row = line.pg.query_one(&sql, &[&stretch.start, &stretch.end]).await.unwrap();
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
