//! The ten cases that a chaos suite of this chain must have, beside the random runs (`chaos_run`).
//!
//! | # | what happens | where it is tested |
//! |---|---|---|
//! | 1 | relay killed at each failpoint | `ingest/relay/tests/restart.rs`: committed reads hold each row once; `crashes.rs` with the whole line |
//! | 2 | slot lost or invalidated | `ingest/relay/tests/guard.rs`: warned before, then refused; `repair.rs`: made anew by a rebuild |
//! | 3 | long and short transactions side by side, PostgreSQL crashes | `ingest/relay/tests/crash.rs` |
//! | 4 | broker killed and frozen with records in flight | [`broker`] |
//! | 5 | Connect server, executor killed at the sink's failpoints | [`sink`] |
//! | 6 | supervisor gone, session lost, two supervisors | `supervision.rs`; `jobs/tests/session.rs` |
//! | 7 | checkpoint truncated, zeroed, deleted; plan changed | [`checkpoint`]; `control.rs` |
//! | 8 | Cassandra away, slow, its disk full, and back | [`cassandra`] |
//! | 9 | poison records | `poison.rs`, `jobs/tests/refusals.rs` |
//! | 10 | old batch after a newer write, late data, a key twice | [`replay`]; one key twice in a batch of the sink: `UpsertSinkTest.theHigherWriteTimeStaysInAnyOrder` |
//!
//! Cases 4, 5, 7, 8 and 10 take long, 4, 5 and 8 on stacks of their own: they belong to `make test-all`, as
//! does [`overload`].
//!
//! Open: in case 4 a change of leader, which takes a second broker. Erasure: `erasure.rs`.

mod broker;
mod cassandra;
mod checkpoint;
mod overload;
mod replay;
mod sink;

use jobs::control;
use jobs::plans::{self, CUBE_QUERY, Plan};
use jobs::progress::JobProgress;
use std::path::PathBuf;

use crate::support::Line;

/// The job has read this much when something happens, and as much again after: all of the line is at work.
const IN_MID_STREAM: i64 = 600;

/// Waits until the line is at work again after what happened.
async fn until_flowing(line: &Line) -> JobProgress {
    let read = line.progress().await.input_rows;
    let progress = line.until_read(read + IN_MID_STREAM).await;
    assert_eq!(progress.rows_dropped_by_watermark, 0, "{progress:?}");
    progress
}

/// The job in a state, after more faults than before.
async fn in_state(line: &Line, state: &str, faults_before: u32) -> Result<JobProgress, String> {
    let run = control::latest(&line.pg, CUBE_QUERY).await.unwrap().unwrap();
    match run.progress {
        Some(progress) if run.state == state && progress.restarts > faults_before => Ok(progress),
        progress => Err(format!("{}: {progress:?}", run.state)),
    }
}

/// The plan in force.
async fn plan(line: &Line) -> Plan {
    plans::in_force(&line.pg, CUBE_QUERY).await.unwrap().remove(0)
}

/// The folder of a plan's checkpoint.
fn folder(plan: &Plan) -> PathBuf {
    PathBuf::from(plan.checkpoint.strip_prefix("file://").unwrap())
}

/// The newest batch in a log of a checkpoint.
fn newest(plan: &Plan, log: &str) -> u64 {
    let entries = std::fs::read_dir(folder(plan).join(log)).unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).max().unwrap()
}

/// Puts a copy of a folder in a place, instead of what is there.
fn replace(place: &std::path::Path, copy: &std::path::Path) {
    if place.exists() {
        std::fs::remove_dir_all(place).unwrap();
    }
    let copied = std::process::Command::new("cp").arg("-a").arg(copy).arg(place).status().unwrap();
    assert!(copied.success());
}
