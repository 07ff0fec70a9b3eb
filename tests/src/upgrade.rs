//! The upgrade over the change of the event (migration `V22`), by the steps of docs/rebuild.md: a system
//! of the version before it, with its data in every store, becomes one of this version. Nothing is lost,
//! nothing counts twice, and events of the new kind count.
//!
//! Both versions run from one folder, as in a checkout that was updated in place: the stack keeps its data
//! and ports, and what it is configured from is exchanged.

mod clients;
mod earlier;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::endpoints::Endpoints;
use contracts::wire;
use jobs::plans::{self, CUBE_QUERY};
use rdkafka::Message as _;
use serde_json::Value;
use stack::Apart;
use tests::chaos::{Committed, committed_ids};

use crate::ledger::total;
use crate::support::{Collector, Ended, Line, Process, Sent, Turn, records, storepulse, until};
use clients::{NEW_VISITS, Shop};

/// Of a day long past. The job counts this.
const COUNTED: &str =
    "--rate 20 --duration 10m --start 2026-03-02T10:00:00Z --late-pct 5 --repeated-pct 5 --malformed-pct 2";
/// The relay publishes this, and no job reads it.
const UNREAD: &str = "--rate 20 --duration 4m --seed 2 --start 2026-03-02T10:20:00Z";
/// Nobody has read this but PostgreSQL.
const UNPUBLISHED: &str = "--rate 20 --duration 2m --seed 3 --start 2026-03-02T10:30:00Z";
/// By the machine's clock, some of it of people of whom nothing but the country is known.
const GUESTS: &str = "--rate 20 --duration 60s --seed 4 --guests-pct 40";

/// How long a rebuild of these few events may take. The last windows before the cut close eleven minutes
/// after it.
const REBUILT_WITHIN: Duration = Duration::from_secs(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_system_with_events_of_the_earlier_kind_is_upgraded_and_loses_nothing() {
    if !crate::long_tests() {
        eprintln!("SKIPPED: the upgrade, which builds the version before V22; `make test-all` runs it");
        return;
    }
    let _turn = Turn::alone().await;
    let earlier = match tokio::task::spawn_blocking(earlier::build).await.unwrap() {
        Ok(earlier) => earlier,
        Err(why) => {
            eprintln!("SKIPPED: the upgrade: the version before V22 is not to be had: {why}");
            return;
        }
    };
    let mut step = Step::first("the earlier version is built");
    // Its stack, its processes and its data end with this value.
    let apart = stack::apart(storepulse()).unwrap();
    configure_from(&apart, &earlier.checkout);
    stack(&apart, &earlier.command, "up").await;
    let endpoints = Endpoints::from_variables(&apart.env().unwrap()).unwrap();
    step.done("the earlier version's stack is up");
    let before = Line::of(endpoints.clone(), earlier.command.clone()).await;
    let (shop, mut sent) = lived_in(&before).await;
    step.done("it has data, and is stopped");
    let topic = endpoints.namespace.events_topic(1);
    let of_before = by_schema(&before, &topic).await;
    stack(&apart, &earlier.command, "down").await;

    configure_from(&apart, &earlier::this_checkout());
    stack(&apart, &storepulse(), "up").await;
    step.done("this version's stack is up on the same data");
    let line = Line::of(endpoints, storepulse()).await;
    assert_eq!(line.count("select count(*) from raw.events").await, sent.committed);
    let set_up = line.run("setup").await.succeeded();
    for (kind, name) in [("migration", "V22"), ("migration", "V27"), ("table", "shop.pipeline_ledger")] {
        let told = |said: &str| said.contains(kind) && said.contains(name) && !said.contains("exists");
        assert!(set_up.out.lines().any(told), "{kind} {name}: {set_up}");
    }
    let collector = Collector::start(&line, &shop.keys, "").await;
    let relay = line.relay().await;
    // From where the earlier relay stopped, into the earlier topic, in the new schema.
    let of_both = until("the rows that no relay had read are published", async || {
        let of_both = by_schema(&line, &topic).await;
        if of_both.values().sum::<i64>() == sent.committed {
            Ok(of_both)
        } else {
            Err(format!("{of_both:?}"))
        }
    })
    .await;
    step.done("set up; collector and relay of this version run");
    let (schema, published) = of_before.first_key_value().unwrap();
    assert_eq!(
        (of_before.len(), of_both.len(), of_both[schema]),
        (1, 2, *published),
        "{of_before:?} {of_both:?}"
    );

    let job = rebuild(&line, sent).await;
    line.assert_verified(sent).await;
    step.done("rebuilt and verified");

    until_the_cut(&line).await;
    sent += shop.tell_again(&line, &collector).await;
    sent += shop.tell_of_strangers(&line, &collector).await;
    sent += line.simulate(GUESTS).await;
    line.assert_verified(sent).await;
    step.done("events of the new kind are verified");
    assert_unknown_values_count(&line).await;
    assert_nothing_lost(&line, sent).await;
    step.done("the ledger agrees, and each row is in one topic or more, once");
    collector.process.stop().await.succeeded();
    job.stop().await.succeeded();
    relay.stop().await.succeeded();
}

/// Says how long each part took.
struct Step(Instant);

impl Step {
    fn first(what: &str) -> Self {
        println!("{what}");
        Self(Instant::now())
    }

    fn done(&mut self, what: &str) {
        println!("{:4} s  {what}", self.0.elapsed().as_secs());
        self.0 = Instant::now();
    }
}

/// Exchanges what the stack is configured from, as an update of its checkout does.
fn configure_from(apart: &Apart, version: &Path) {
    for name in ["services", "spark"] {
        let link = apart.checkout().join(name);
        fs::remove_file(&link).unwrap();
        symlink(version.join(name), &link).unwrap();
    }
}

/// Starts or stops the stack by a version's command.
async fn stack(apart: &Apart, command: &Path, word: &str) {
    let mut stack = tokio::process::Command::new(command);
    stack.args(["stack", word]).env("STOREPULSE_CHECKOUT", apart.checkout());
    let output = stack.output().await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "stack {word}: {}", String::from_utf8_lossy(&printed));
}

/// Lets the earlier version work, and stops it as the first step of an upgrade says: with records that no job
/// has read, and rows that no relay has.
async fn lived_in(line: &Line) -> (Shop, Sent) {
    line.run("setup --quiet").await.succeeded();
    line.run("users --count 400 --source simulated").await.succeeded();
    let relay = line.relay().await;
    let job = line.job().await;
    let shop = Shop::with_keys(line).await;
    let collector = Collector::start(line, &shop.keys, "").await;
    let mut sent = line.simulate(COUNTED).await;
    sent += shop.tell(line, &collector).await;
    line.assert_verified(sent).await;
    assert!(sent.repeated > 0 && sent.quarantined > 0, "{sent:?}");

    line.run("job stop").await.succeeded();
    job.ended().await.succeeded();
    sent += line.simulate(UNREAD).await;
    let topic = line.endpoints.namespace.events_topic(1);
    until("the relay has published all", async || {
        let records =
            committed_ids(&line.endpoints, &topic).await.map_err(|error| error.to_string())?.records;
        if i64::try_from(records).unwrap() == sent.committed {
            Ok(())
        } else {
            Err(format!("{records} records"))
        }
    })
    .await;
    relay.stop().await.succeeded();
    sent += line.simulate(UNPUBLISHED).await;
    collector.process.stop().await.succeeded();
    let plan = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap().remove(0);
    let checkpoint = PathBuf::from(plan.checkpoint.trim_start_matches("file://"));
    assert!(fs::read_dir(checkpoint.join("commits")).unwrap().count() > 0, "{}", checkpoint.display());
    (shop, sent)
}

/// How many committed records of a topic each schema has.
async fn by_schema(line: &Line, topic: &str) -> BTreeMap<u32, i64> {
    let mut counts = BTreeMap::new();
    for record in records(&line.endpoints, topic).await {
        let (schema, _) = wire::split(record.payload().unwrap()).unwrap();
        *counts.entry(schema).or_default() += 1;
    }
    counts
}

/// Rebuilds every figure; the job of this version starts when it may, and not before.
async fn rebuild(line: &Line, sent: Sent) -> Process {
    assert_of_another_plan(&line.run("job run").await.failed());
    let mut rebuild = line.start("rebuild");
    until("the windows are shared out", async || {
        let printed = rebuild.printed();
        if !rebuild.is_running() || printed.contains("revision 2 owns the windows from") {
            return Ok(());
        }
        Err(printed)
    })
    .await;
    let job = line.job().await;
    let rebuilt = rebuild.ended_within(REBUILT_WITHIN).await.succeeded();
    // Those that no job had read, and late ones, too.
    let all = format!("rebuilt: generation 2, revision 2, {} events written in batch", sent.committed);
    assert!(rebuilt.out.contains(&all), "{all}: {rebuilt}");
    let plans = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap();
    assert_eq!(plans.iter().map(|plan| plan.revision).collect::<Vec<_>>(), [2]);
    job
}

/// From here on windows are the new stream's.
async fn until_the_cut(line: &Line) {
    let cut = "select cut_minute from ops.rebuild order by generation desc limit 1";
    let cut: DateTime<Utc> = line.pg.query_one(cut, &[]).await.unwrap().get(0);
    until("the cut is past", async || if Utc::now() > cut { Ok(()) } else { Err(cut.to_string()) }).await;
}

fn assert_of_another_plan(refused: &Ended) {
    for words in ["belongs to another plan", "storepulse rebuild"] {
        assert!(refused.err.contains(words), "{words}: {refused}");
    }
}

/// What nobody could say of an event before is in PostgreSQL, and where figures are read.
async fn assert_unknown_values_count(line: &Line) {
    let unknown =
        "gender = 'unknown' and age_band = 'unknown' and num_nulls(age, city, latitude, longitude) = 4";
    let guests = line.count(&format!("select count(*) from raw.events where {unknown}")).await;
    let nowhere =
        line.count(&format!("select count(*) from raw.events where {unknown} and country = 'ZZ'")).await;
    assert!(guests > nowhere && nowhere > 0, "{guests} without an age, {nowhere} of them without a country");
    let session = provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap();
    let keyspace = line.endpoints.namespace.keyspace();
    for (table, of_unknown, wanted) in [
        ("demographics_by_minute", "gender = 'unknown' and age_band = 'unknown'", guests),
        ("activity_by_country", "country = 'ZZ'", nowhere),
    ] {
        let select = format!("select sum(events) from {keyspace}.{table} where {of_unknown} allow filtering");
        let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        assert_eq!(rows.single_row::<(i64,)>().unwrap().0, wanted, "{table}");
    }
}

/// Ledger, PostgreSQL and Kafka agree on every event.
async fn assert_nothing_lost(line: &Line, sent: Sent) {
    let ledger = line.run("ledger --include-open --json").await.succeeded();
    let ledger: Value = serde_json::from_str(&ledger.out).unwrap();
    for (stage, count, known) in [
        ("ingest", "records_in", sent.sent),
        ("ingest", "records_out", sent.committed),
        ("ingest", "repeated", sent.repeated),
        ("ingest", "quarantined", sent.quarantined),
        ("store", "records_out", sent.committed),
    ] {
        assert_eq!(total(&ledger, stage, count), known, "{stage} {count}: {ledger:#}");
    }
    let stored = line.pg.query("select event_id from raw.events", &[]).await.unwrap();
    let mut published = Committed::default();
    for generation in 1..=2 {
        let topic = line.endpoints.namespace.events_topic(generation);
        let of_topic = committed_ids(&line.endpoints, &topic).await.unwrap();
        assert_eq!(of_topic.repeated, 0, "generation {generation}");
        published.ids.extend(of_topic.ids);
    }
    let missing = stored.iter().filter(|row| !published.ids.contains(&row.get(0))).count();
    assert_eq!((missing, stored.len()), (0, published.ids.len()));
    let visits =
        "select count(distinct session_id) from raw.events where gender = 'unknown' and country = 'ZZ'";
    assert_eq!(line.count(visits).await, NEW_VISITS);
}
