//! A scripted shopping day, told by unmodified clients of other vendors whose clock is an hour off, to a
//! collector that is killed twice meanwhile: each event counts once, and the figures are the script's.

mod plan;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use collector::keys::{NewKey, new_browser_key};
use ingest::clock::Clock;
use ingest::quarantine::{Plan as Replaying, Rules, replay};
use ingest::store::{Filter, Store};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::programs::chromium;
use crate::support::operated::Operated;
use crate::support::{Scene, connect, free_port, in_time, until};
use plan::{Plan, Row, SHOPPERS};

/// The slowest client waits some seconds between two attempts; what it runs on is installed once.
const WITHIN: Duration = Duration::from_secs(240);
const HOUR_MS: i64 = 3_600_000;
/// How far a corrected time may be off: as long as a request may be on its way on a machine at work.
const ON_ITS_WAY_MS: i64 = 15_000;

/// From so many rows on, a commit waits in PostgreSQL for the lock that the test holds: the collector has
/// asked for the commit, and hears nothing of it.
const GATE: &str = "
    create function gate() returns trigger language plpgsql as $$ begin
        if (select count(*) from raw.events) >= 20 then perform pg_advisory_xact_lock_shared(1); end if;
        return null;
    end $$;
    create constraint trigger gate after insert or update on ops.ledger
        deferrable initially deferred for each row execute function gate()";
const WAIT_AT_GATE: &str = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and not l.granted and d.datname = current_database()";
const ROWS: &str = "select count(*) from raw.events";
/// What is told without a time.
const UNTIMED: [&str; 2] = ["view_item look-0 1 2.50", "view_item look-1 1 2.50"];

/// Whose time is what the script's is.
#[derive(Clone, Copy, PartialEq)]
enum Times {
    /// Every message says by its sender's clock when it was sent.
    Corrected,
    /// Nothing tells how wrong they are.
    AsTold,
}

/// When a day was told.
struct Timing {
    /// When the client began, by its own clock.
    began_ms: i64,
    /// How long it took: what the script has at the end, GA4's client may tell as late as that.
    took_ms: i64,
}

/// A client at work.
fn tell(
    client: &str,
    parts: Vec<Value>,
    to: &Operated,
    key: &NewKey,
    port: u16,
    offset_ms: i64,
) -> JoinHandle<Timing> {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/run");
    let mut command = Command::new(run);
    command.args([client, &format!("http://{}", to.http), "shopping"]).env("KEY", &key.key).env("TZ", "UTC");
    command.env("CLOCK_OFFSET_MS", offset_ms.to_string()).env("PORT", port.to_string());
    if client == "next" {
        command.env("CHROMIUM", chromium());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let (client, parts) = (client.to_owned(), Value::from(parts).to_string());
    tokio::spawn(async move {
        let (mut child, spawned) = (command.spawn().unwrap(), Instant::now());
        child.stdin.take().unwrap().write_all(parts.as_bytes()).await.unwrap();
        let told = tokio::time::timeout(WITHIN, child.wait_with_output()).await;
        let told = told.expect("it takes too long").unwrap();
        assert!(told.status.success(), "{client}: {}", String::from_utf8_lossy(&told.stderr));
        let began_us: i64 = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
        let took_ms = spawned.elapsed().as_millis().try_into().unwrap();
        Timing { began_ms: began_us / 1000, took_ms }
    })
}

/// Whoever holds the gate shut.
async fn shut_gate(scene: &Scene) -> tokio_postgres::Client {
    let holder = connect(&scene.url).await;
    holder.batch_execute(GATE).await.unwrap();
    holder.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    holder
}

/// Kills the collector after a commit and before its answer, then another one before its commit, and starts a
/// third one, all on the same address, while the client tells its day.
async fn kill_twice(
    scene: &Scene,
    holder: tokio_postgres::Client,
    mut first: Child,
    collector: &Operated,
    telling: &JoinHandle<Timing>,
) -> Child {
    stack::until("a commit waits at the gate", WITHIN, async || {
        assert!(!telling.is_finished(), "the client ended");
        let waits = scene.count(WAIT_AT_GATE).await == 1;
        waits.then_some(()).ok_or("none waits")
    })
    .await;
    let answered = scene.count(ROWS).await;
    first.kill().await.unwrap();
    holder.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    until("what nobody was answered is committed", async || scene.count(ROWS).await > answered).await;

    // The next rows wait, but not whoever looks whether they are there.
    holder.batch_execute("begin; lock raw.events in share mode").await.unwrap();
    let mut second = collector.start().await;
    in_time(scene.until_a_commit_waits()).await;
    second.kill().await.unwrap();
    holder.batch_execute("rollback").await.unwrap();
    assert!(!telling.is_finished(), "it was killed midway");
    collector.start().await
}

/// The rows but those that begin a visit, with their times in milliseconds.
async fn stored(scene: &Scene) -> Vec<(String, i64)> {
    let sql = "select concat_ws(' ', event_name, item_id, quantity, price::numeric(14, 2), order_id),
                      (extract(epoch from occurred_at) * 1000)::bigint
               from raw.events where event_name <> 'session_start'";
    let rows = scene.client.query(sql, &[]).await.unwrap();
    let mut rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    // As the script has them: what is longer ago comes later.
    rows.sort_by(|(what, at), (other, later)| (what, later).cmp(&(other, at)));
    rows
}

/// Rows are those of the script, at its times.
#[track_caller]
fn assert_told(rows: &[(String, i64)], script: &[Row], timing: &Timing, within_ms: i64) {
    let whats = |(what, _): &(String, i64)| what.clone();
    assert_eq!(
        rows.iter().map(whats).collect::<Vec<_>>(),
        script.iter().map(|row| row.what.clone()).collect::<Vec<_>>()
    );
    for ((what, at_ms), row) in rows.iter().zip(script) {
        let off_ms = at_ms - (timing.began_ms - i64::from(row.ago_s) * 1000);
        let late_ms = if row.ago_s == 0 { within_ms.max(timing.took_ms) } else { within_ms };
        assert!((1 - within_ms..late_ms).contains(&off_ms), "{what} is {off_ms} ms off");
    }
}

async fn assert_figures(client: &str, scene: &Scene, plan: &Plan, timing: &Timing) {
    assert_told(&stored(scene).await, &plan.rows, timing, ON_ITS_WAY_MS);
    let orders = "select count(distinct order_id) from raw.events where event_name = 'purchase'";
    assert_eq!(scene.count(orders).await, plan.orders, "{client}");
    let left =
        "select (100 * sum(case event_name when 'refund' then -amount_base else amount_base end))::bigint
                from raw.events where event_name in ('purchase', 'refund')";
    assert_eq!(scene.count(left).await, plan.left_cents, "{client}");
    let starts = "select count(*) from raw.events where event_name = 'session_start'";
    assert_eq!(scene.count(starts).await, plan.visits, "{client}");
}

/// A whole day of a client.
async fn assert_day(client: &str, offset_ms: i64, times: Times) {
    let scene = Scene::on_warm_stack().await;
    let port = free_port();
    let of_page = new_browser_key("web", None, &[format!("http://localhost:{port}").parse().unwrap()]);
    let of_page = of_page.unwrap();
    let key = if client == "next" { &of_page } else { &scene.key };
    let collector = Operated::new(&scene, key);
    let holder = shut_gate(&scene).await;
    let first = collector.start().await;
    let plan = Plan::new();
    let telling = tell(client, plan.parts.clone(), &collector, key, port, offset_ms);
    let third = kill_twice(&scene, holder, first, &collector, &telling).await;
    let mut told = telling.await.unwrap();
    drop(third);

    if times == Times::Corrected {
        told.began_ms -= offset_ms;
    }
    assert_figures(client, &scene, &plan, &told).await;
    // GA4 has no call that tells who somebody is.
    let others = plan.pages + if client == "ga4" { 0 } else { plan.identified };
    assert_eq!(scene.count("select count(*) from raw.other_events").await, others, "{client}");
    let [_, committed, repeated, quarantined] = scene.ledger().await;
    assert_eq!((committed, quarantined), (scene.count(ROWS).await, 0), "{client}");
    // What was committed and not answered came again.
    assert!(repeated > 0, "{client}");
}

/// The long tests have the clock wrong in the other direction, too.
fn is_long() -> bool {
    std::env::var_os("STOREPULSE_LONG_TESTS").is_some()
}

fn has_npm(what: &str) -> bool {
    let has = std::process::Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has {
        // Past the capture of the test harness: a test that did not run must be seen.
        let skipped =
            format!("\nSKIPPED: the day of {what}, since npm is not installed: apt-get install npm\n");
        std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
    }
    has
}

async fn assert_corrected(client: &str, offset_ms: i64) {
    assert_day(client, offset_ms, Times::Corrected).await;
    if is_long() {
        assert_day(client, -offset_ms, Times::Corrected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_for_python_an_hour_ahead() {
    assert_corrected("segment", HOUR_MS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rudder_for_python_an_hour_behind() {
    assert_corrected("rudder", -HOUR_MS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_for_node_an_hour_ahead() {
    if has_npm("Segment's client for Node") {
        assert_corrected("node", HOUR_MS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_for_browsers_an_hour_behind() {
    if has_npm("Segment's SDK for browsers") {
        assert_corrected("next", -HOUR_MS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ga4_an_hour_behind_is_stored_an_hour_early() {
    assert_day("ga4", -HOUR_MS, Times::AsTold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ga4_an_hour_ahead_is_set_aside_until_its_time_comes_unless_it_tells_no_time() {
    let scene = Scene::on_warm_stack().await;
    let collector = Operated::new(&scene, &scene.key);
    let running = collector.start().await;
    let plan = Plan::new();
    let mut parts = plan.parts.clone();
    let mut untimed = parts[SHOPPERS].clone();
    untimed["shopper"] = "now@example.com".into();
    untimed["steps"].as_array_mut().unwrap().truncate(2);
    untimed["steps"].as_array_mut().unwrap().iter_mut().for_each(|step| step["ago_s"] = Value::Null);
    parts.push(untimed);
    let sent_ms = Utc::now().timestamp_millis();
    let told = tell("ga4", parts, &collector, &scene.key, free_port(), HOUR_MS).await.unwrap();
    drop(running);

    // What happened an hour ago and longer is in the past by the wrong clock, too.
    let (past, ahead): (Vec<Row>, Vec<Row>) = plan.rows.iter().cloned().partition(|row| row.ago_s >= 3600);
    let rows = stored(&scene).await;
    let (now, timed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, at_ms)| *at_ms >= sent_ms);
    assert_eq!(now.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), UNTIMED);
    assert!(now.iter().all(|(_, at_ms)| *at_ms <= Utc::now().timestamp_millis()), "{now:?}");
    // GA4's client tells whole seconds.
    assert_told(&timed, &past, &told, 1001);
    // A whole refund is one record before anybody knows the lines.
    let wholes = ahead.iter().filter(|row| row.what.starts_with("refund uno-")).count();
    let pages = SHOPPERS - 1;
    let set_aside = scene.count("select count(*) from raw.quarantine where reason = 'future'").await;
    assert_eq!(set_aside, i64::try_from(ahead.len() - wholes + pages).unwrap());
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, set_aside);

    replay_later(&scene).await;
    let mut rows = stored(&scene).await;
    rows.retain(|row| !now.contains(row));
    assert_told(&rows, &plan.rows, &told, 1001);
}

/// Judges what was set aside by the clock of two hours later; whole refunds once their orders are there.
async fn replay_later(scene: &Scene) {
    let rules = Rules { namespace: contracts::Namespace::default(), rates: ingest::rates::built_in() };
    let replaying = Replaying { filter: Filter::default(), rules, dry_run: false };
    let mut store = Store::connect(&scene.url).await.unwrap();
    let clock = Clock::starting_at(Utc::now() + TimeDelta::hours(2));
    for _ in 0..2 {
        replay(&mut store, &replaying, &clock, &CancellationToken::new(), |_| {}).await.unwrap();
    }
}
