//! A shop's past: a file of old events through the whole line into windows that closed long ago.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::long_tests;
use crate::support::{Sent, on_shared_stack};

const MAPPING: &str = r#"
source = "acme"
timezone = "Europe/Berlin"
csv = { delimiter = ";" }
[fields]
event_id = "id"
event_name = { column = "type", values = { visit = "session_start", order = "purchase" } }
occurred_at = { column = "at", format = "%d.%m.%Y %H:%M:%S" }
session_started_at = { column = "at", format = "%d.%m.%Y %H:%M:%S" }
user_id = "customer"
session_id = "customer"
gender = { value = "other" }
age = { value = 40 }
country = { value = "DE" }
city = { value = "Köln" }
latitude = { value = 50.94 }
longitude = { value = 6.96 }
returning = { value = false }
device = { value = "desktop" }
channel = { value = "direct" }
item_id = "sku"
item_name = "sku"
category = { value = "lamps" }
price = { column = "price", decimal = "," }
currency = { value = "EUR" }
quantity = { value = 1 }
order_id = "order"
order_line = { value = 1 }
order_lines = { value = 1 }
"#;

/// Five minutes of a day, and a row that breaks a rule.
fn export(day: &str) -> String {
    let mut text = "id;type;at;customer;sku;price;order\n".to_owned();
    for second in 0..300 {
        let at = format!("{day} 10:{:02}:{:02}", second / 60, second % 60);
        let customer = second % 40;
        text += &match second % 2 {
            0 => format!("{day}/{second};visit;{at};c{customer};;;\n"),
            _ => {
                let (lamp, price) = (second % 7, second % 90);
                format!("{day}/{second};order;{at};c{customer};lamp {lamp};1.0{price:02},50;o{second}\n")
            }
        };
    }
    text + &format!("{day}/bad;order;{day};c1;lamp;free;o\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_old_events_fills_the_windows_that_it_names() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mapping = line.file("shop.toml", MAPPING);
        let first = line.file("2019.csv", &export("04.03.2019"));
        let checked =
            line.run(&format!("ingest replay --check {first} --mapping {mapping}")).await.succeeded();
        assert!(checked.out.contains("301 rows read = 300 that pass + 1 rejected"), "{checked}");
        assert_eq!(line.count("select count(*) from raw.events").await, 0);

        let replayed = line.run(&format!("ingest replay {first} --mapping {mapping}")).await.succeeded();
        assert!(
            replayed.out.contains("301 rows read = 300 accepted + 0 repeated + 1 rejected"),
            "{replayed}"
        );
        let command = replayed.out.lines().find_map(|line| line.trim().strip_prefix("storepulse reconcile "));
        let command = command.unwrap_or_else(|| panic!("{replayed}"));
        assert_eq!(command, "--from 2019-03-04T09:00:00Z --to 2019-03-04T09:05:00Z");
        let repaired = line.run(&format!("reconcile {command}")).await.succeeded();
        assert!(repaired.out.contains("put right"), "{repaired}");

        // Another year fills its own windows; the first one, in the same command, has nothing left to do.
        let second = line.file("2020.csv", &export("04.03.2020"));
        let words = format!("ingest replay {first} {second} --mapping {mapping} --reconcile");
        let replayed = line.run(&words).await.succeeded();
        assert!(
            replayed.out.contains("602 rows read = 600 accepted + 0 repeated + 2 rejected"),
            "{replayed}"
        );
        assert_eq!(line.count("select count(*) from raw.quarantine where source = 'file:acme'").await, 2);
        line.assert_verified(Sent { sent: 602, committed: 600, repeated: 0, quarantined: 0 }).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// One order every half minute for a year, in the columns of [`MAPPING`].
fn year(orders: i64) -> String {
    let from: DateTime<Utc> = "2025-01-01T00:00:00Z".parse().unwrap();
    let step = TimeDelta::days(365) / i32::try_from(orders).unwrap();
    let mut text = "id;type;at;customer;sku;price;order\n".to_owned();
    for order in 0..orders {
        let at = (from + step * i32::try_from(order).unwrap()).format("%d.%m.%Y %H:%M:%S");
        let (customer, lamp, price) = (order * 7919 % 50_000, order % 40, 100 + order % 9_900);
        writeln!(text, "o{order};order;{at};c{customer};lamp {lamp};{price},50;o{order}").unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_a_million_orders_is_in_every_table_once() {
    if !long_tests() {
        eprintln!("SKIPPED: a year of a million orders, which takes minutes; `make test-all` runs it");
        return;
    }
    const ORDERS: i64 = 1_000_000;
    const LONG: Duration = Duration::from_secs(1_800);
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        // The shop's zone is UTC, so that no hour is missing or double.
        let mapping = line.file("shop.toml", &MAPPING.replace("Europe/Berlin", "UTC"));
        let file = line.file("year.csv", &year(ORDERS));
        let words = format!("ingest replay {file} --mapping {mapping} --reconcile");
        let replayed = line.start(&words).ended_within(LONG).await.succeeded();
        let all = format!("{ORDERS} rows read = {ORDERS} accepted + 0 repeated + 0 rejected");
        assert!(replayed.out.contains(&all), "{replayed}");
        let sent = Sent { sent: ORDERS, committed: ORDERS, repeated: 0, quarantined: 0 };
        line.assert_verified(sent).await;

        let words = format!("ingest replay {file} --mapping {mapping} --again --reconcile");
        let again = line.start(&words).ended_within(LONG).await.succeeded();
        let none = format!("{ORDERS} rows read = 0 accepted + {ORDERS} repeated + 0 rejected");
        assert!(again.out.contains(&none), "{again}");
        assert_eq!(line.count("select count(*) from raw.events").await, ORDERS);
        assert_eq!(line.count("select count(*) from ops.ledger where quarantined > 0").await, 0);
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
