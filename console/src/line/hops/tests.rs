use super::tests_support::{ago, away, batch, now, query, seen, snapshot, well};
use super::*;
use crate::watch::ops::{Fault, Ops, Relay, Run, Standing};

fn states(snapshot: &Snapshot) -> Vec<HopState> {
    hops(snapshot, now()).iter().map(|hop| hop.state).collect()
}

fn hop(snapshot: &Snapshot, name: HopName) -> Hop {
    hops(snapshot, now()).into_iter().find(|hop| hop.hop == name).unwrap()
}

fn relay(change: impl FnOnce(&mut Relay)) -> Snapshot {
    let mut ops = well();
    change(ops.relay.as_mut().unwrap());
    snapshot(ops)
}

fn job(change: impl FnOnce(&mut Run)) -> Snapshot {
    let mut ops = well();
    change(ops.run.as_mut().unwrap());
    snapshot(ops)
}

use HopState::{Late, Runs, Stopped, Unknown, Waits};

#[test]
fn a_line_that_is_well_runs() {
    let well = snapshot(well());
    assert_eq!(states(&well), [Runs; 6]);
    assert_eq!(hop(&well, HopName::Senders).rate_per_s, Some(30.0));
    assert_eq!(hop(&well, HopName::Spark).lag_ms, Some(Lag { p50: Some(1_200), p99: Some(2_700) }));
}

#[test]
fn nothing_is_known_before_anything_was_asked() {
    assert_eq!(states(&Snapshot::default()), [Unknown; 6]);
}

#[test]
fn what_a_job_has_not_counted_yet_is_not_0() {
    let mut begins = well();
    begins.queries.clear();
    assert!(hop(&snapshot(begins.clone()), HopName::Spark).behind.is_none());
    begins.run.as_mut().unwrap().progress.as_mut().unwrap().batch_id = Some(0);
    assert_eq!(hop(&snapshot(begins), HopName::Spark).behind.unwrap().offsets, Some(0));
}

#[test]
fn a_killed_relay_is_silent_since_its_last_report() {
    let killed = relay(|relay| relay.reported_at = ago(9));
    assert_eq!(states(&killed), [Runs, Runs, Stopped, Waits, Waits, Waits]);
    let hop = hop(&killed, HopName::Relay);
    assert_eq!((hop.since, hop.since_is), (Some(ago(9)), Some(SinceIs::Reported)));
    assert!(hop.seen.unwrap().contains("streaming"));
    assert_eq!(states(&relay(|relay| relay.reported_at = ago(5))), [Runs; 6]);
}

#[test]
fn a_relay_that_stopped_says_why_in_its_own_words() {
    let stopped = relay(|relay| {
        relay.state = "stopped".into();
        relay.detail = "replication slot \"shop_relay\" is lost".into();
        relay.reported_at = ago(900);
        relay.state_since = None;
    });
    let hop = hop(&stopped, HopName::Relay);
    assert_eq!((hop.state, hop.since), (Stopped, Some(ago(900))));
    assert_eq!(hop.why.as_deref(), Some("replication slot \"shop_relay\" is lost"));
    let never = snapshot(Ops { relay: None, ..well() });
    assert_eq!(states(&never)[2], Stopped);
}

#[test]
fn postgresql_away_leaves_what_reports_through_it_unknown() {
    let last = seen(well());
    let gone = Snapshot { ops: away(last.clone(), 20, "no answer within 2 s"), ..snapshot(well()) };
    assert_eq!(states(&gone), [Unknown, Stopped, Unknown, Waits, Unknown, Waits]);
    let hop = hop(&gone, HopName::Postgresql);
    assert_eq!((hop.since, hop.why.as_deref()), (Some(ago(20)), Some("no answer within 2 s")));
    // It may have been slow once.
    let slow = Snapshot { ops: away(last, 1, "no answer within 2 s"), ..snapshot(well()) };
    assert_eq!(states(&slow)[1], Unknown);
}

#[test]
fn kafka_away_is_to_blame_for_a_relay_that_tries_again() {
    let mut gone = relay(|relay| {
        relay.state = "reconnecting".into();
        relay.detail = "kafka: broker transport failure".into();
    });
    assert_eq!(states(&gone), [Runs, Runs, Stopped, Waits, Waits, Waits]);
    gone.kafka = away(gone.kafka, 30, "broker transport failure");
    assert_eq!(states(&gone), [Runs, Runs, Waits, Stopped, Waits, Waits]);
    let hop = hop(&gone, HopName::Relay);
    assert_eq!((hop.waits_for, hop.why.is_some()), (Some(HopName::Kafka), true));
    assert_eq!(worst(&hops(&gone, now())).unwrap().hop, HopName::Kafka);
}

#[test]
fn a_job_that_restarts_says_why_and_since_when() {
    let mut ops = well();
    ops.run.as_mut().unwrap().state = "restarting".into();
    ops.run.as_mut().unwrap().detail = "cube failed: Lost task 0.0".into();
    ops.run_since = Some(ago(98));
    let hop_seen = hop(&snapshot(ops.clone()), HopName::Spark);
    assert_eq!(
        (hop_seen.state, hop_seen.since, hop_seen.since_is),
        (Stopped, Some(ago(98)), Some(SinceIs::Seen))
    );
    assert_eq!(hop_seen.why.as_deref(), Some("cube failed: Lost task 0.0"));
    let fault = Fault { occurred_at: ago(100), ..Fault::default() };
    ops.standing = std::sync::Arc::new(Standing { faults: vec![fault], ..Standing::default() });
    let hop = hop(&snapshot(ops), HopName::Spark);
    assert_eq!((hop.since, hop.since_is), (Some(ago(100)), Some(SinceIs::Reported)));
}

#[test]
fn spark_connect_away_is_what_the_supervisor_says() {
    let gone = job(|run| {
        run.state = "restarting".into();
        run.detail = "spark connect: connection refused".into();
    });
    assert_eq!(states(&gone), [Runs, Runs, Runs, Runs, Stopped, Waits]);
    assert!(crate::line::advice::advice(&hop(&gone, HopName::Spark)).unwrap().contains("Spark Connect"));
}

#[test]
fn a_silent_supervisor_has_lost_the_job() {
    let mut ops = well();
    ops.lease.as_mut().unwrap().expires_at = ago(1);
    ops.run.as_mut().unwrap().reported_at = ago(12);
    let hop = hop(&snapshot(ops), HopName::Spark);
    assert_eq!((hop.state, hop.since, hop.since_is), (Stopped, Some(ago(12)), Some(SinceIs::Reported)));
    let stopped = job(|run| run.state = "stopped".into());
    assert_eq!(states(&stopped)[4..], [Stopped, Waits]);
    assert_eq!(states(&snapshot(Ops { run: None, ..well() }))[4], Stopped);
}

#[test]
fn a_supervisor_that_has_the_job_and_says_nothing_is_not_gone() {
    let silent = job(|run| run.reported_at = ago(20));
    let hop = hop(&silent, HopName::Spark);
    assert_eq!((hop.state, hop.since), (Stopped, Some(ago(20))));
    assert!(hop.seen.unwrap().contains("does not report"));
}

#[test]
fn cassandra_away_is_to_blame_for_a_job_that_fails() {
    let mut gone = job(|run| run.state = "restarting".into());
    gone.shop = away(gone.shop, 40, "no host answers");
    assert_eq!(states(&gone), [Runs, Runs, Runs, Runs, Waits, Stopped]);
    let running = Snapshot { shop: away(snapshot(well()).shop, 40, "no host answers"), ..snapshot(well()) };
    assert_eq!(states(&running), [Runs, Runs, Runs, Runs, Runs, Stopped]);
}

#[test]
fn a_quiet_shop_is_not_a_line_that_stands_still() {
    let mut ops = well();
    ops.ingest = crate::watch::ops::Ingest::default().read(now(), &[], Some(ago(900)));
    ops.queries =
        ops.queries.into_keys().map(|name| (name.clone(), query(&name, batch(&name, 800)))).collect();
    let quiet = snapshot(ops);
    assert_eq!(states(&quiet), [Runs; 6]);
    assert!(hop(&quiet, HopName::Senders).seen.unwrap().contains("quiet"));
}

#[test]
fn figures_that_trail_make_spark_late() {
    let mut ops = well();
    let slow = crate::watch::ops::Batch { lag_p50_ms: Some(10_001), ..batch("cube", 2) };
    ops.queries.insert("cube".into(), query("cube", slow));
    assert_eq!(states(&snapshot(ops)), [Runs, Runs, Runs, Runs, Late, Runs]);
}

#[test]
fn a_query_that_hangs_is_late_while_records_wait() {
    let hangs = |waiting| {
        let mut ops = well();
        let last = crate::watch::ops::Batch { offsets_behind: waiting, ..batch("cube", 45) };
        ops.queries.insert("cube".into(), query("cube", last));
        hop(&snapshot(ops), HopName::Spark)
    };
    assert_eq!((hangs(47).state, hangs(47).since), (Late, Some(ago(45))));
    assert_eq!(hangs(0).state, Runs);
}

#[test]
fn a_query_beside_the_cube_that_ended_is_named() {
    let mut ops = well();
    ops.queries.get_mut("sessions").unwrap().told.state = "ended".into();
    let hop = hop(&snapshot(ops), HopName::Spark);
    assert_eq!((hop.state, hop.seen.unwrap().contains("sessions")), (Late, true));
}

#[test]
fn a_slot_that_is_given_up_is_told() {
    let mut ops = well();
    ops.slot.as_mut().unwrap().wal_status = Some("unreserved".into());
    assert_eq!(states(&snapshot(ops))[1], Late);
    let warned = relay(|relay| {
        relay.warning = Some("retained_log".into());
        relay.warning_detail = "5 GiB of log are kept".into();
    });
    assert_eq!(hop(&warned, HopName::Relay).why.as_deref(), Some("5 GiB of log are kept"));
}
