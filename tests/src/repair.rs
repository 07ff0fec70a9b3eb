//! Late records repaired, wrong figures put right, and everything computed again from PostgreSQL.

use contracts::cube::{GROUPINGS, write_time};
use contracts::endpoints::Endpoints;
use contracts::measure::MEASURE;
use contracts::namespace::REPAIR_LOCK;
use jobs::control;
use jobs::plans::{self, CUBE_QUERY};
use rust_decimal::Decimal;
use scylla::client::session::Session;
use scylla::value::CqlDecimal;
use serde_json::Value;

use crate::support::{Line, Sent, on_shared_stack, until};

/// Simulated shops live in the past, with a clock that stands still: nothing has to be waited for.
const MORNING: &str = "--rate 20 --duration 10m --start 2026-03-02T10:00:00Z";
const CLOSED: &str = "--at 2026-03-02T12:00:00Z";
const AFTERNOON: &str = "--rate 20 --duration 5m --start 2026-03-02T13:00:00Z";

/// Events, orders, gross and refunds over all minutes, as a reader of Cassandra adds them up.
async fn totals(session: &Session, endpoints: &Endpoints) -> (i64, i64, Decimal, Decimal) {
    let select = format!(
        "select sum(events), sum(orders), sum(gross), sum(refunds) from {}.activity_by_minute",
        endpoints.namespace.keyspace()
    );
    let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
    let (events, orders, gross, refunds) = rows.single_row::<(i64, i64, CqlDecimal, CqlDecimal)>().unwrap();
    (events, orders, audit::decimal(&gross).unwrap(), audit::decimal(&refunds).unwrap())
}

fn of_truth(truth: &Value) -> (i64, i64, Decimal, Decimal) {
    let count = |part: &str, name: &str| truth[part][name].as_i64().unwrap();
    let amount = |part: &str, name: &str| truth[part][name].as_str().unwrap().parse::<Decimal>().unwrap();
    (
        count("on_time", "events") + count("late", "events"),
        count("on_time", "orders") + count("late", "orders"),
        amount("on_time", "gross") + amount("late", "gross"),
        amount("on_time", "refunds") + amount("late", "refunds"),
    )
}

async fn cassandra(line: &Line) -> Session {
    provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap()
}

/// Simulates and gives the simulator's own truth.
async fn simulate(line: &Line, options: &str) -> (Sent, Value) {
    let ended = line.run(&format!("simulate {options} --truth")).await.succeeded();
    let truth: Value = serde_json::from_str(&ended.out).unwrap();
    let count = |name: &str| truth[name].as_i64().unwrap();
    let rejected = truth["rejected"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
    let sent = Sent {
        sent: count("sent"),
        committed: count("accepted"),
        repeated: count("repeated"),
        quarantined: rejected,
    };
    (sent, truth)
}

#[tokio::test(flavor = "multi_thread")]
async fn late_records_are_repaired_to_the_simulators_own_truth() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let dirty = "--late-pct 5 --repeated-pct 5 --malformed-pct 2 --hot-key-pct 20";
        let (sent, truth) = simulate(line, &format!("{MORNING} {dirty}")).await;
        let late = truth["late"]["events"].as_i64().unwrap();
        assert!(late > 0, "{truth}");
        let verified = line.run("verify").await.succeeded();
        assert!(verified.out.contains(&format!("{late} late events")), "{verified}");

        let differing = line.run(&format!("reconcile {CLOSED} --dry-run")).await.failed();
        assert!(differing.out.contains("nothing was changed"), "{differing}");
        let repaired = line.run(&format!("reconcile {CLOSED}")).await.succeeded();
        assert!(repaired.out.contains("put right at revision 2"), "{repaired}");
        let session = cassandra(line).await;
        assert_eq!(totals(&session, &line.endpoints).await, of_truth(&truth));
        // Now every committed record is verified, and none is left late.
        line.assert_verified(sent).await;
        let again = line.run(&format!("reconcile {CLOSED}")).await.succeeded();
        assert!(again.out.contains("are right"), "{again}");
        assert_eq!(line.count("select count(*) from ops.repair where family = 'cube'").await, 1);
        assert!(line.count("select count(*) from ops.repaired_figure").await > 0);

        // A figure that was raised and a row that nobody sold.
        let row = format!(
            "insert into {}.sales_by_category (day, category, minute, events) values \
             ('2026-03-02', 'ghosts', '2026-03-02T10:03:00Z', 7) using timestamp {}",
            line.endpoints.namespace.keyspace(),
            write_time(1_772_445_780_000_000, 9, 7),
        );
        session.query_unpaged(row, ()).await.unwrap();
        line.run("verify").await.failed();
        // The ghost carries revision 9: only a later one removes it.
        line.pg.execute("select setval('ops.revision', 20)", &[]).await.unwrap();
        let removed = line.run(&format!("reconcile {CLOSED}")).await.succeeded();
        assert!(
            removed
                .out
                .contains("sales_by_category 2026-03-02T10:03:00Z ghosts: the row should not be there"),
            "{removed}"
        );
        line.assert_verified(sent).await;

        // Windows that are not closed are refused, and so are those behind the retention floor.
        let open = line.run("reconcile --at 2026-03-02T10:15:00Z --to 2026-03-02T10:10:00Z").await.failed();
        assert!(open.err.contains("not closed yet"), "{open}");
        let mut client = control::connect(&line.endpoints.pg_url).await.unwrap();
        let floor = "2026-03-02T10:05:00Z".parse().unwrap();
        provision::retention::raise_floor(&mut client, floor).await.unwrap();
        let behind = line.run(&format!("reconcile {CLOSED} --from 2026-03-02T10:00:00Z")).await.failed();
        assert!(behind.err.contains("retention floor"), "{behind}");

        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_killed_half_way_and_run_again_ends_verified() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = line.simulate(&format!("{MORNING} --late-pct 5")).await;
        line.run("verify").await.succeeded();

        // Held, it keeps the rebuild from its first piece: one that dies while Spark writes a piece has not
        // recorded it yet.
        let lock = line.endpoints.namespace.advisory_lock(REPAIR_LOCK);
        line.pg.execute("select pg_advisory_lock($1)", &[&lock]).await.unwrap();
        let rebuild = line.start(&format!("rebuild {CLOSED}"));
        until("the windows are shared out", async || {
            let printed = rebuild.printed();
            if printed.contains("owns the windows") { Ok(()) } else { Err(printed) }
        })
        .await;
        rebuild.kill_9().await;
        line.pg.execute("select pg_advisory_unlock($1)", &[&lock]).await.unwrap();
        // Two plans are in force, each with its windows; figures and records stay right while a rebuild is
        // open.
        let plans = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap();
        let [old, new] = plans.as_slice() else { panic!("{plans:?}") };
        assert_eq!((old.generation, new.generation), (1, 2));
        assert_eq!((old.owned.to, old.owned.from), (new.owned.from, None));
        sent += line.simulate(AFTERNOON).await;
        line.run("verify").await.succeeded();

        let rebuilt = line.run(&format!("rebuild {CLOSED}")).await.succeeded();
        assert!(rebuilt.out.contains("rebuilt: generation 2, revision 2"), "{rebuilt}");
        let plans = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap();
        assert_eq!(plans.iter().map(|plan| plan.revision).collect::<Vec<_>>(), [2]);
        until("the job has gone over to the new plan alone", async || {
            let run = jobs::control::latest(&line.pg, CUBE_QUERY).await.unwrap().unwrap();
            if run.state == "running" { Ok(()) } else { Err(run.state) }
        })
        .await;
        // Late records were counted too, since the figures come from all that PostgreSQL has.
        line.assert_verified(sent).await;
        assert_every_row_has_revision(line, 2).await;

        sent += line.simulate("--rate 20 --duration 5m --seed 3 --start 2026-03-02T14:00:00Z").await;
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// Rows before and after the cut were written anew.
async fn assert_every_row_has_revision(line: &Line, revision: i64) {
    let session = cassandra(line).await;
    for grouping in GROUPINGS {
        let select = format!(
            "select minute, events, writetime({0}) from {1}.{2}",
            MEASURE.events,
            line.endpoints.namespace.keyspace(),
            grouping.table
        );
        let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        for row in rows.rows::<(scylla::value::CqlTimestamp, i64, i64)>().unwrap() {
            let (minute, events, at) = row.unwrap();
            assert_eq!(at, write_time(minute.0 * 1_000, revision, events), "{} {minute:?}", grouping.table);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_made_anew_and_nothing_is_missing() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = line.simulate(MORNING).await;
        line.run("verify").await.succeeded();
        relay.stop().await.succeeded();
        let slot = line.endpoints.namespace.slot();
        line.pg.execute("select pg_drop_replication_slot($1)", &[&slot]).await.unwrap();
        // Committed with no slot: it is in no log that anybody will read.
        sent += line.simulate("--rate 20 --duration 2m --seed 5 --start 2026-03-02T11:00:00Z").await;
        let refused = line.run("relay run").await.failed();
        assert!(refused.err.contains("does not exist"), "{refused}");

        let rebuilt = line.run(&format!("rebuild {CLOSED}")).await.succeeded();
        assert!(rebuilt.err.contains("the replication slot was made anew (it does not exist)"), "{rebuilt}");
        let relay = line.relay().await;
        sent += line.simulate(AFTERNOON).await;
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// By the machine's clock, so the windows before the cut take eleven minutes to close.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_events_are_rebuilt_while_new_ones_arrive() {
    if !crate::long_tests() {
        return;
    }
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let past = (chrono::Utc::now() - chrono::TimeDelta::hours(3)).format("%FT%TZ");
        let sent = line.simulate(&format!("--rate 200 --duration 84m --start {past} --late-pct 1")).await;
        assert!(sent.committed > 980_000, "{sent:?}");
        let simulation = line.start("simulate --rate 200 --duration forever --seed 9");
        let rebuilt =
            line.start("rebuild").ended_within(std::time::Duration::from_secs(1_800)).await.succeeded();
        assert!(rebuilt.out.contains("rebuilt: generation 2"), "{rebuilt}");
        let live = Sent::of(simulation.stop().await);
        line.run("verify").await.succeeded();
        let committed = line.count("select count(*) from raw.events").await;
        assert_eq!(committed, sent.committed + live.committed);
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
