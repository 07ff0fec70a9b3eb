use super::*;
use crate::line::hops::tests_support::{ago, away, now, seen, snapshot, well};
use crate::watch::ops::{Relay, Run, Slot};
use crate::watch::registry::Subjects;
use crate::watch::services::Services;

fn told(signal: Signal, snapshot: &Snapshot) -> Readings {
    let snapshot = &Snapshot {
        services: seen(Services::default()),
        registry: seen(Subjects::default()),
        ..snapshot.clone()
    };
    let mut ring = Ring::default();
    ring.add(snapshot, now());
    read(signal, &Sight { snapshot, ring: &ring, now: now() })
}

fn value(signal: Signal, ops: Ops) -> Option<f64> {
    match told(signal, &snapshot(ops)) {
        Readings::Known(readings) => readings.first().map(|reading| reading.value),
        Readings::Missing => panic!("{signal:?} is missing"),
    }
}

#[test]
fn a_line_that_is_well_raises_nothing() {
    let well = snapshot(Ops { slot: Some(Slot { retained_bytes: Some(1), ..Slot::default() }), ..well() });
    for signal in [
        Signal::JobSilent,
        Signal::JobHeld,
        Signal::RelaySilent,
        Signal::SlotLost,
        Signal::UnderReplicated,
        Signal::IntakeDown,
        Signal::ServiceDown,
        Signal::QueryFailed,
        Signal::Freshness,
        Signal::Blind,
    ] {
        let Readings::Known(readings) = told(signal, &well) else { panic!("{signal:?}") };
        assert!(!readings.is_empty() && readings.iter().all(|reading| reading.value == 0.0), "{readings:?}");
    }
}

#[test]
fn what_is_reported_through_postgresql_is_missing_without_it() {
    let gone = Snapshot { ops: away(seen(well()), 70, "no answer within 2 s"), ..snapshot(well()) };
    for signal in [Signal::LagP50, Signal::JobSilent, Signal::RelaySilent, Signal::SlotLost, Signal::Restarts]
    {
        assert_eq!(told(signal, &gone), Readings::Missing, "{signal:?}");
    }
    let Readings::Known(blind) = told(Signal::Blind, &gone) else { panic!() };
    let postgres = blind.iter().find(|reading| reading.subject == "postgres").unwrap();
    assert_eq!((postgres.value, postgres.detail.as_str()), (70.0, "no answer within 2 s"));
    let Readings::Known(down) = told(Signal::IntakeDown, &gone) else { panic!() };
    assert_eq!((down.len(), down[0].value), (1, 1.0));
}

#[test]
fn a_part_is_silent_after_its_own_time() {
    let relay = |state: &str, age| Ops {
        relay: Some(Relay { state: state.into(), reported_at: ago(age), ..Relay::default() }),
        ..well()
    };
    assert_eq!(value(Signal::RelaySilent, relay("streaming", 15)), Some(0.0));
    assert_eq!(value(Signal::RelaySilent, relay("streaming", 16)), Some(1.0));
    assert_eq!(value(Signal::RelaySilent, relay("reconnecting", 0)), Some(1.0));
    let run = |state: &str, age| Ops {
        run: Some(Run { state: state.into(), reported_at: ago(age), ..Run::default() }),
        ..well()
    };
    assert_eq!(value(Signal::JobSilent, run("running", 30)), Some(0.0));
    assert_eq!(value(Signal::JobSilent, run("stopped", 1)), Some(1.0));
    // Held on purpose is a rule of its own.
    assert_eq!(
        (value(Signal::JobSilent, run("held", 1)), value(Signal::JobHeld, run("held", 1))),
        (Some(0.0), Some(1.0))
    );
    // What has never been there does not fire.
    assert_eq!(value(Signal::RelaySilent, Ops { relay: None, ..well() }), None);
}

#[test]
fn a_slot_is_nearly_lost_when_less_is_safe_than_is_kept() {
    let slot = |safe, retained| Ops {
        slot: Some(Slot { safe_bytes: safe, retained_bytes: retained, ..Slot::default() }),
        ..well()
    };
    assert_eq!(value(Signal::SlotMargin, slot(Some(900), Some(3_100))), Some(-2_200.0));
    assert_eq!(value(Signal::SlotMargin, slot(None, Some(3_100))), None);
    assert_eq!(value(Signal::SlotLost, slot(Some(900), Some(3_100))), Some(0.0));
    assert_eq!(value(Signal::SlotLost, slot(None, None)), Some(1.0));
    assert_eq!(value(Signal::SlotLost, Ops { slot: None, ..well() }), Some(1.0));
}
