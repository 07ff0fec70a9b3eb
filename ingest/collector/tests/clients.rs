//! Unmodified clients of other vendors tell a shopping day (`tests/clients`); what is stored is what they
//! told.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use contracts::ids;
use serde_json::Value;
use tokio::process::Command;

use crate::support::{Collector, Scene};

/// Installing what they run on takes the longest, once.
const WITHIN: Duration = Duration::from_secs(240);

/// What the day came to, by event, product and quantity.
const DAY: [&str; 8] = [
    "add_to_cart uno 2 3.10 CHF 1",
    "begin_checkout 1",
    "purchase monopoly 1 19.00 CHF 1",
    "purchase uno 2 3.10 CHF 1",
    "refund monopoly 1 19.00 CHF 1",
    "refund uno 2 3.10 CHF 1",
    "session_start 1",
    "view_item uno 1 3.10 CHF 1",
];

async fn tell(client: &str, scene: &Scene, collector: &Collector) {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/run");
    let mut command = Command::new(run);
    command.args([client, &format!("http://{}", collector.http)]).env("KEY", &scene.key.key);
    let told = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let told = tokio::time::timeout(WITHIN, told).await.expect("it takes too long").unwrap();
    assert!(told.status.success(), "{client}: {}", String::from_utf8_lossy(&told.stderr));
}

async fn texts(scene: &Scene, sql: &str) -> Vec<String> {
    scene.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn assert_day(client: &str) {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    tell(client, &scene, &collector).await;
    let refused = texts(&scene, "select detail from raw.quarantine").await;
    assert!(refused.is_empty(), "{client}: {refused:?}");
    let events =
        "select concat_ws(' ', event_name, item_id, quantity, price, currency, count(*)) from raw.events
                  group by event_name, item_id, quantity, price, currency order by 1";
    assert_eq!(texts(&scene, events).await, DAY, "{client}");
    let others = texts(&scene, "select name from raw.other_events order by 1").await;
    assert_eq!(others, ["Coupon Entered", "identify", "page"], "{client}");
    let ann = ids::named_user("collector/web", &format!("ann-{client}@example.com"));
    let who = "select distinct concat_ws(' ', user_id, gender, country, city) from raw.events";
    assert_eq!(texts(&scene, who).await, [format!("{ann} female CH Bern")], "{client}");
    let address =
        "select count(*) from raw.other_events where position('203.0.113.77'::bytea in payload) > 0";
    assert_eq!(scene.count(address).await, 0, "{client}");
    assert_eq!(scene.ledger().await, [11, 8, 0, 0], "{client}");
    // The same day again is another day: its messages have other ids, and the order is the same one.
    tell(client, &scene, &collector).await;
    let orders = "select count(*) from raw.events where order_id is not null";
    assert_eq!(scene.count(orders).await, 4, "{client}");
    collector.stop().await.unwrap();
}

#[test]
fn every_package_of_node_has_its_digest_and_no_address() {
    let locks = [
        include_str!("../../../tests/clients/package-lock.json"),
        include_str!("../../../shop/package-lock.json"),
    ];
    for lock in locks {
        let lock: Value = serde_json::from_str(lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 1);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].is_string() && package.get("resolved").is_none(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_for_python() {
    assert_day("segment").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rudder_for_python() {
    assert_day("rudder").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_for_node() {
    if Command::new("npm").arg("--version").stdout(Stdio::null()).status().await.is_err() {
        // Past the capture of the test harness: a test that did not run must be seen.
        let skipped =
            "\nSKIPPED: Segment's client for Node, since npm is not installed: apt-get install npm\n";
        std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
        return;
    }
    assert_day("node").await;
}
