use super::super::hops::tests_support::{ago, away, batch, now, query, seen, snapshot, well};
use super::*;
use crate::watch::ops::{Batch, Fault, Ingest, Standing};
use FreshnessState::{Idle, Late, Live, Stalled, Unknown};

fn of(ops: Ops, name: &str) -> Freshness {
    freshness(&snapshot(ops), name, None, now())
}

fn quiet(mut ops: Ops) -> Ops {
    ops.queries =
        ops.queries.into_keys().map(|name| (name.clone(), query(&name, batch(&name, 700)))).collect();
    ops.run.as_mut().unwrap().progress.as_mut().unwrap().newest_event = Some(ago(701));
    ops.ingest = Ingest::default().read(now(), &[], Some(ago(780)));
    ops
}

#[test]
fn figures_of_a_line_that_is_well_are_live() {
    let live = of(well(), "cube");
    assert_eq!((live.state, live.as_of, live.age_ms), (Live, Some(ago(3)), Some(3_000)));
    assert_eq!(of(well(), "sessions").state, Live);
    // What the tables tell counts more than what the query reported; nothing is younger than now.
    let told = freshness(&snapshot(well()), "cube", Some(ago(-5)), now());
    assert_eq!((told.as_of, told.age_ms), (Some(ago(-5)), Some(0)));
}

#[test]
fn a_quiet_shop_is_idle_and_not_stale() {
    let idle = of(quiet(well()), "cube");
    assert_eq!((idle.state, idle.age_ms), (Idle, Some(701_000)));
    assert_eq!(of(quiet(well()), "hours").state, Idle);
}

#[test]
fn a_query_without_events_is_idle_while_others_are_live() {
    let mut ops = well();
    ops.queries.insert("registrations".into(), query("registrations", batch("registrations", 9_000)));
    assert_eq!((of(ops.clone(), "registrations").state, of(ops, "cube").state), (Idle, Live));
}

#[test]
fn what_waits_too_long_is_late() {
    let mut ops = well();
    let hangs = Batch { offsets_behind: 500, ..batch("hours", 20) };
    ops.queries.insert("hours".into(), query("hours", hangs));
    let late = of(ops, "hours");
    assert_eq!((late.state, late.why.unwrap().contains("500")), (Late, true));
    let mut ops = well();
    let trails = Batch { lag_p50_ms: Some(12_000), ..batch("cube", 2) };
    ops.queries.insert("cube".into(), query("cube", trails));
    assert_eq!(of(ops, "cube").state, Late);
}

#[test]
fn a_hop_that_stands_still_is_named() {
    let mut ops = well();
    ops.relay.as_mut().unwrap().reported_at = ago(30);
    let stalled = of(ops, "cube");
    assert_eq!((stalled.state, stalled.why.unwrap().starts_with("Relay stands still")), (Stalled, true));
    let mut ops = well();
    ops.queries.get_mut("orders").unwrap().told.state = "ended".into();
    let fault = Fault { query: "orders".into(), summary: "Lost task".into(), ..Fault::default() };
    ops.standing = std::sync::Arc::new(Standing { faults: vec![fault], ..Standing::default() });
    let ended = of(ops, "orders");
    assert_eq!((ended.state, ended.why.unwrap().contains("Lost task")), (Stalled, true));
}

#[test]
fn nothing_is_live_while_postgresql_does_not_answer() {
    let gone = Snapshot { ops: away(seen(well()), 20, "no answer within 2 s"), ..snapshot(well()) };
    let unknown = freshness(&gone, "cube", Some(ago(25)), now());
    assert_eq!((unknown.state, unknown.age_ms), (Unknown, Some(25_000)));
    assert!(unknown.why.unwrap().contains("no answer within 2 s"));
    assert_eq!(freshness(&Snapshot::default(), "cube", None, now()).state, Unknown);
}

#[test]
fn a_job_that_does_not_report_its_queries_tells_of_the_cube_alone() {
    let ops = Ops { queries: [].into(), ..well() };
    assert_eq!((of(ops.clone(), "cube").state, of(ops, "hours").state), (Live, Unknown));
}
