//! The same six series for both evaluators: where ours fires, Prometheus fires at the same evaluation, or one
//! beside it.
//!
//! Each series is of ten seconds a step, as Prometheus scrapes. `promtool` is Debian's, fetched by
//! `services/promtool`: where it cannot be had, its half is skipped.

use std::fmt::Write as _;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};

use super::board::{Board, Key};
use super::rules::RULES;
use super::state::{Held, State};
use crate::line::hops::tests_support::{now, seen, snapshot, well};
use crate::prometheus::lint::promtool;
use crate::watch::ops::reports::Progress;
use crate::watch::ops::{Ops, Relay, Run, Slot};
use crate::watch::quarantine::{Counts, Summary};
use crate::watch::registry::Subjects;
use crate::watch::services::Services;
use crate::watch::{Away, Seen, Snapshot};

const STEP_S: i64 = 10;

/// A series: what a rule looks at, step by step, as `/metrics` has it and as the console sees it.
struct Recorded {
    rule: &'static str,
    subject: &'static str,
    /// Names as Prometheus writes them, one value a step each.
    metrics: Vec<(&'static str, Vec<i64>)>,
    seen: fn(&[i64], DateTime<Utc>) -> Snapshot,
}

fn at(step: usize) -> DateTime<Utc> {
    now() + TimeDelta::seconds(STEP_S * i64::try_from(step).unwrap())
}

fn with(at: DateTime<Utc>, change: impl FnOnce(&mut Ops)) -> Snapshot {
    let mut ops = well();
    ops.at = at;
    ops.queries.clear();
    if let Some(relay) = &mut ops.relay {
        relay.reported_at = at;
    }
    if let Some(run) = &mut ops.run {
        run.reported_at = at;
    }
    ops.slot = Some(Slot { active: true, retained_bytes: Some(1), ..Slot::default() });
    change(&mut ops);
    Snapshot {
        registry: seen(Subjects::default()),
        services: seen(Services { asked: vec![("spark_connect", None)] }),
        quarantine: seen(Summary::default()),
        ..snapshot(ops)
    }
}

fn run(at: DateTime<Utc>, progress: Progress, restarts: i64) -> Option<Run> {
    Some(Run {
        state: "running".into(),
        reported_at: at,
        progress: Some(progress),
        restarts,
        ..Run::default()
    })
}

/// Stretches of `(steps, value)`.
fn stretches(of: &[(usize, i64)]) -> Vec<i64> {
    of.iter().flat_map(|(steps, value)| std::iter::repeat_n(*value, *steps)).collect()
}

fn recorded() -> Vec<Recorded> {
    vec![
        Recorded {
            rule: "FiguresLate",
            subject: "",
            metrics: vec![
                (
                    "storepulse_job_lag_seconds{query=\"cube\",percentile=\"50\"}",
                    // It climbs, falls back for a moment, stays, and is over.
                    stretches(&[(20, 1), (10, 12), (3, 8), (45, 14), (40, 2)]),
                ),
                (
                    "storepulse_job_input_records_total{query=\"cube\"}",
                    (0..118).map(|step| step * 500).collect(),
                ),
            ],
            seen: |values, at| {
                let progress = Progress {
                    lag_p50_ms: Some(values[0] * 1_000),
                    input_rows: values[1],
                    ..Progress::default()
                };
                with(at, |ops| ops.run = run(at, progress, 0))
            },
        },
        Recorded {
            rule: "RelayNotStreaming",
            subject: "",
            metrics: vec![
                ("storepulse_relay_streaming", stretches(&[(12, 1), (20, 1), (10, 0), (30, 1)])),
                (
                    "storepulse_relay_report_age_seconds",
                    stretches(&[(12, 1), (2, 10), (18, 40), (10, 1), (30, 1)]),
                ),
            ],
            seen: |values, at| {
                let state = if values[0] == 1 { "streaming" } else { "reconnecting" };
                let reported_at = at - TimeDelta::seconds(values[1]);
                with(at, |ops| {
                    ops.relay = Some(Relay { state: state.into(), reported_at, ..Relay::default() });
                })
            },
        },
        Recorded {
            rule: "SlotNearlyLost",
            subject: "",
            metrics: vec![
                (
                    "storepulse_slot_safe_bytes",
                    stretches(&[(10, 4_000), (10, 2_500), (20, 900), (20, 4_000)]),
                ),
                (
                    "storepulse_slot_retained_bytes",
                    stretches(&[(10, 100), (10, 1_600), (20, 3_200), (20, 100)]),
                ),
            ],
            seen: |values, at| {
                let slot = Slot {
                    active: true,
                    safe_bytes: Some(values[0]),
                    retained_bytes: Some(values[1]),
                    ..Slot::default()
                };
                with(at, |ops| ops.slot = Some(slot))
            },
        },
        Recorded {
            rule: "JobRestarts",
            subject: "",
            metrics: vec![(
                "storepulse_job_restarts_total{query=\"cube\"}",
                stretches(&[(100, 0), (6, 1), (6, 2), (6, 3), (6, 4), (110, 5)]),
            )],
            seen: |values, at| with(at, |ops| ops.run = run(at, Progress::default(), values[0])),
        },
        Recorded {
            rule: "QuarantineGrows",
            subject: "",
            metrics: vec![
                (
                    "storepulse_quarantine_open_records{reason=\"malformed\"}",
                    stretches(&[(100, 40), (20, 90), (60, 400), (130, 400)]),
                ),
                ("storepulse_up{service=\"postgres\"}", stretches(&[(310, 1)])),
            ],
            seen: |values, at| {
                let total = Counts { open: values[0], ..Counts::default() };
                Snapshot { quarantine: seen(Summary { total, ..Summary::default() }), ..with(at, |_| ()) }
            },
        },
        Recorded {
            rule: "ServiceDown",
            subject: "kafka",
            metrics: vec![(
                "storepulse_up{service=\"kafka\"}",
                stretches(&[(10, 1), (3, 0), (2, 1), (20, 0), (20, 1)]),
            )],
            seen: |values, at| {
                let line = with(at, |_| ());
                let away = (values[0] == 0).then(|| Away { since: at, why: String::new() });
                Snapshot { kafka: Seen { away, ..line.kafka.clone() }, ..line }
            },
        },
    ]
}

/// Whether ours fires, step by step. What is over here and not yet cleared counts: Prometheus keeps firing as
/// long.
fn ours(series: &Recorded) -> Vec<bool> {
    let rules: Vec<Held> = RULES.iter().map(Held::from).collect();
    let key = Key { rule: series.rule.into(), subject: series.subject.into() };
    let mut board = Board::default();
    let steps = series.metrics[0].1.len();
    (0..steps)
        .map(|step| {
            let values: Vec<i64> = series.metrics.iter().map(|(_, values)| values[step]).collect();
            board.evaluate(&rules, &(series.seen)(&values, at(step)), at(step));
            board.alerts.get(&key).is_some_and(|alert| alert.state >= State::Firing)
        })
        .collect()
}

/// The steps at which it begins and ends to fire.
fn turns(fires: &[bool]) -> Vec<usize> {
    (1..fires.len()).filter(|step| fires[*step] != fires[step - 1]).collect()
}

#[test]
fn each_series_fires_once_and_is_over() {
    for series in recorded() {
        let fires = ours(&series);
        assert_eq!(turns(&fires).len(), 2, "{}: {:?}", series.rule, turns(&fires));
    }
}

/// Where Prometheus is asked: well inside of what fires and of what does not, but for a step on either side
/// of each turn.
fn prometheus_test(series: &Recorded, rules_file: &str) -> String {
    let fires = ours(series);
    let turns = turns(&fires);
    let mut text = format!("rule_files: [{rules_file:?}]\nevaluation_interval: 10s\ntests:\n");
    let mut line = |words: String| writeln!(text, "{words}").unwrap();
    line("  - interval: 10s\n    input_series:".to_owned());
    for (name, values) in &series.metrics {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        line(format!("      - series: '{name}'\n        values: '{}'", values.join(" ")));
    }
    line("    alert_rule_test:".to_owned());
    let rule = RULES.iter().find(|rule| rule.name == series.rule).unwrap();
    for (step, fires) in fires.iter().enumerate() {
        let begins = turns[0];
        // Without a second threshold it may end earlier there; that it ends no later is asked.
        let ends = turns[1];
        let asked = step.abs_diff(begins) > 1 && (step < begins + 4 || step > ends + 1);
        if !asked {
            continue;
        }
        line(format!(
            "      - eval_time: {}s\n        alertname: {}",
            STEP_S * i64::try_from(step).unwrap(),
            rule.name
        ));
        if *fires {
            line("        exp_alerts: [{exp_labels: {FIRES: yes}}]".to_owned());
        }
    }
    text
}

/// promtool compares labels and texts too; here only whether an alert fires is asked, so that its answer is
/// read.
fn unexpected(output: &str) -> Vec<String> {
    // A difference of labels has both sides; one side empty is an alert too many, or one too few.
    output
        .split("alertname:")
        .skip(1)
        .filter(|part| {
            let (expected, got) = part.split_once("got:").unwrap_or((part, ""));
            let none = |text: &str| text.contains("[]");
            none(expected) || none(got.split("alertname").next().unwrap_or_default())
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_alert_too_many_and_one_too_few_are_seen() {
    let answer = |exp: &str, got: &str| {
        format!("  FAILED:\n    alertname: X, time: 5m, \n        exp:{exp}, \n        got:{got}\n")
    };
    let fires = "[\n            0:\n              Labels:{alertname=\"X\"}\n              Annotations:{}\n            ]";
    assert_eq!(unexpected(&answer("[]", fires)).len(), 1);
    assert_eq!(unexpected(&answer(fires, "[]")).len(), 1);
    assert!(unexpected(&answer(fires, fires)).is_empty(), "labels are not compared");
}

#[test]
fn prometheus_fires_where_ours_does() {
    let Some(promtool) = promtool() else { return };
    let folder = std::env::temp_dir().join(format!("storepulse-promtool-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("alerts.yml"), super::COMMITTED).unwrap();
    let checked =
        Command::new(&promtool).args(["check", "rules"]).arg(folder.join("alerts.yml")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    for series in recorded() {
        let file = folder.join(format!("{}.yml", series.rule));
        std::fs::write(&file, prometheus_test(&series, "alerts.yml")).unwrap();
        let asked = Command::new(&promtool).args(["test", "rules"]).arg(&file).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
        assert!(said.contains("exp:") || asked.status.success(), "{}: {said}", series.rule);
        let wrong = unexpected(&said);
        assert!(
            wrong.is_empty(),
            "{}: ours turns at {:?}: {}",
            series.rule,
            turns(&ours(&series)),
            wrong.join("\n")
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}
