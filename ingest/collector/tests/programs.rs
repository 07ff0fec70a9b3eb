//! Clients as they are: Chromium, and what shops send to GA4 with.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use collector::keys::new_browser_key;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Scene, free_port, until};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(file)
}

/// The Python in which the packages of a list are installed, once.
async fn python(name: &str, list: &Path) -> PathBuf {
    let mut install = Command::new(root().join("services/venv"));
    let output = install.arg(name).arg(list).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "services/venv {name}");
    Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("bin/python")
}

/// Runs a script, and reads the JSON that it prints.
async fn run(python: &Path, script: &str, variables: &[(&str, &str)]) -> Value {
    let script = std::fs::read_to_string(here(script)).unwrap();
    serde_json::from_str(&run_text(python, &script, variables).await).unwrap()
}

async fn run_text(python: &Path, script: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(python);
    command.args(["-c", script]).envs(variables.iter().copied()).env("TZ", "UTC").kill_on_drop(true);
    let output = command.output().await.unwrap();
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{errors}");
    printed.into_owned()
}

/// The rows that are stored, in an order of their values.
async fn stored(scene: &Scene) -> Vec<String> {
    let sql = "select jsonb_build_object('event_name', event_name, 'item_id', item_id, 'price', price::numeric(14, 4)::text,
                      'quantity', quantity, 'order_id', order_id, 'order_line', order_line,
                      'payment_type', payment_type)::text
               from raw.events where event_name <> 'session_start'";
    let rows = scene.client.query(sql, &[]).await.unwrap();
    let rows: Vec<Value> = rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect();
    sorted(&rows)
}

fn sorted(rows: &[Value]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn ga4mp_needs_another_host_and_key_and_nothing_else() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let python = python("ga4", &here("ga4.txt")).await;
    let address = format!("http://{}", collector.http);
    let sent = run(&python, "ga4.py", &[("KEY", &scene.key.key), ("COLLECTOR", &address)]).await;
    let sent = sent.as_array().unwrap();
    assert_eq!(sent.len(), 37);
    assert_eq!(stored(&scene).await, sorted(sent));
    // All of one user, in one visit, and none of the user's words.
    let sql = "select count(distinct (user_id, session_id)) from raw.events";
    assert_eq!(scene.count(sql).await, 1);
    let starts = "select count(*) from raw.events where event_name = 'session_start'";
    assert_eq!(scene.count(starts).await, 1);
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 0);

    // As the document has it, but for the port.
    let document = std::fs::read_to_string(root().join("docs/ga4.md")).unwrap();
    let mut examples = document.split("```python\n").filter_map(|rest| rest.split_once("```"));
    let (example, _) = examples.find(|(code, _)| code.contains("GtagMP")).unwrap();
    let example = example.replace("http://127.0.0.1:56080", &address);
    run_text(&python, &example, &[("KEY", &scene.key.key)]).await;
    assert_eq!(scene.count("select count(*) from raw.events where event_name <> 'session_start'").await, 38);
    collector.stop().await.unwrap();
}

pub(crate) fn chromium() -> String {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(
        Path::new(&chromium).exists(),
        "{chromium} is missing: apt-get install chromium, or set CHROMIUM"
    );
    chromium
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_chromium_sends_by_fetch_and_by_beacon() {
    let scene = Scene::new().await;
    // Free until now: the page needs its origin before it is served.
    let port = free_port();
    let shop = new_browser_key("shop", None, &[format!("http://localhost:{port}").parse().unwrap()]).unwrap();
    let collector = scene.collector_for(&[&shop, &scene.key]).await;
    let python = python("browser", &root().join("tests/browser/requirements.txt")).await;
    let chromium = chromium();
    let document = root().join("docs/browsers.md").display().to_string();
    let (address, port) = (format!("http://{}", collector.http), port.to_string());
    let variables = [
        ("KEY", shop.key.as_str()),
        ("SERVER_KEY", &scene.key.key),
        ("COLLECTOR", &address),
        ("PORT", &port),
        ("CHROMIUM", &chromium),
        ("DOCUMENT", &document),
    ];
    let heard = run(&python, "page.py", &variables).await;
    assert_eq!((&heard["beacon"], &heard["ga4"]), (&json!(true), &json!(204)), "{heard}");
    assert_eq!((&heard["fetch"][0], &heard["fetch"][1]["accepted"]), (&json!(200), &json!(1)), "{heard}");
    // The browser shows a page nothing of what was not meant for it.
    for what in ["server_key", "unknown_key", "stranger"] {
        assert_eq!(heard[what], Value::Null, "{what}: {heard}");
    }
    // A page hears nothing of its beacons. The document's example sent one as the page loaded, under both
    // origins.
    let names = "select string_agg(event_name, ' ' order by event_name) from raw.events";
    let expected = "begin_checkout begin_checkout purchase session_start session_start";
    until("the beacons are stored", async || {
        let found: Option<String> = scene.client.query_one(names, &[]).await.unwrap().get(0);
        found.as_deref() == Some(expected)
    })
    .await;
    let wrong =
        "select coalesce(sum(requests), 0)::bigint from ops.collector_refusal where cause = 'wrong_origin'";
    until("the beacon of the stranger is counted", async || scene.count(wrong).await == 1).await;
    collector.stop().await.unwrap();
}
