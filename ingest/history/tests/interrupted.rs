//! Killed, cancelled or done twice at once, a replay is complete when it is run again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use history::{HistoryError, Progress};
use ingest::store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::support::files::{rows, write_csv, write_parquet};
use crate::support::{MAPPING, Scene, replay_into, with_id};

const VARIABLE: &str = "HISTORY_TEST_CHILD";
/// More than two transactions.
const ROWS: usize = 25_000;
/// More than are on their way at once, with two transactions to spare.
const MANY_ROWS: usize = 70_000;

/// A replay that stops after its first commit and waits to be killed; as a test of its own it has nothing to
/// do.
#[tokio::test(flavor = "multi_thread")]
async fn process() {
    let Ok(setting) = std::env::var(VARIABLE) else { return };
    let [pg_url, path, mapping] = setting.split('\n').collect::<Vec<_>>()[..] else { panic!("{setting}") };
    let mapping = std::fs::read_to_string(mapping).unwrap();
    let cancel = CancellationToken::new();
    let mut on_progress = |progress| {
        if matches!(progress, Progress::Reading { .. }) {
            println!("committed");
            loop {
                std::thread::park();
            }
        }
    };
    replay_into(pg_url, Path::new(path), &mapping, false, &cancel, &mut on_progress).await.unwrap();
}

/// Starts that replay and kills it after its first commit.
fn kill_half_way(scene: &Scene, path: &Path, mapping: &str) {
    let file = scene.path("mapping.toml");
    std::fs::write(&file, mapping).unwrap();
    let setting = [scene.pg_url.as_str(), path.to_str().unwrap(), file.to_str().unwrap()].join("\n");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "interrupted::process", "--nocapture"])
        .env(VARIABLE, setting)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let committed = output.lines().map_while(Result::ok).any(|line| line.ends_with("committed"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(committed, "the replay ended before it was killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_half_way_and_run_again_each_row_is_there_once() {
    let scene = Scene::new().await;
    let all = rows(ROWS);
    let (csv, parquet) = (scene.path("old.csv"), scene.path("old.parquet"));
    write_csv(&csv, &all);
    write_parquet(&parquet, &all);
    let repeats = ROWS as u64 / 20;
    // By the rows' own ids, which are passed over, and by their content, which is counted again; another
    // shop's, so that neither finds the other's events.
    let content = MAPPING.replace("\"acme\"", "\"other\"");
    for (path, mapping, repeated) in [(&csv, with_id(), repeats), (&parquet, content, 0)] {
        let before = scene.events().await;
        kill_half_way(&scene, path, &mapping);
        let half = scene
            .count(
                "select coalesce(sum(rows_done), 0)::bigint from ops.replayed_file where finished_at is null",
            )
            .await;
        assert!((1..ROWS as i64).contains(&half), "{half} rows were done");
        let resumed = scene.replay(path, &mapping).await.unwrap();
        assert_eq!(resumed.rows_before, half.unsigned_abs());
        assert_eq!((resumed.rows, resumed.repeated), (ROWS as u64, repeated));
        assert_eq!(scene.events().await - before, (ROWS as u64 - repeated).cast_signed());
    }
    scene.assert_ledger_balances().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_and_run_again_it_goes_on_and_two_at_once_do_not() {
    let scene = Scene::new().await;
    let path = scene.path("old.csv");
    write_csv(&path, &rows(MANY_ROWS));
    let cancel = CancellationToken::new();
    let mut stop = |progress| {
        if matches!(progress, Progress::Reading { .. }) {
            cancel.cancel();
        }
    };
    let stopped = replay_into(&scene.pg_url, &path, MAPPING, false, &cancel, &mut stop).await.unwrap();
    assert!(!stopped.is_finished && stopped.rows > 0 && stopped.rows < MANY_ROWS as u64, "{stopped:?}");

    // Another one overtakes this one: it notices, and nothing of it counts twice.
    let (url, other) = (scene.pg_url.clone(), path.clone());
    let mut overtaken = false;
    let mut overtake = |progress| {
        if matches!(progress, Progress::Reading { .. }) && !overtaken {
            overtaken = true;
            tokio::task::block_in_place(|| {
                let none = CancellationToken::new();
                let mut unheard = |_| {};
                let other = replay_into(&url, &other, MAPPING, false, &none, &mut unheard);
                tokio::runtime::Handle::current().block_on(other).unwrap();
            });
        }
    };
    let refused =
        replay_into(&scene.pg_url, &path, MAPPING, false, &CancellationToken::new(), &mut overtake).await;
    assert!(matches!(refused, Err(HistoryError::Store(StoreError::FileElsewhere))), "{refused:?}");
    let done = scene.replay(&path, MAPPING).await.unwrap();
    assert!(done.finished_before.is_some());
    assert_eq!((done.rows, done.accepted), (MANY_ROWS as u64, MANY_ROWS as u64));
    assert_eq!(scene.events().await, MANY_ROWS as i64);
    scene.assert_ledger_balances().await;
}
