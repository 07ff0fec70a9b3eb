//! Overload: events come in faster than the line can count them. It falls behind, goes on, and catches up.

use std::time::{Duration, Instant};

use crate::support::{Line, Sent, isolated_stack, on_services};

/// About twice what two cores can count beside all that sends and stores: at 9,000 events/s they were 32,000
/// records behind at most.
const LOAD: &str = "simulate --rate 18000 --duration 180s";
/// How long the line may need for what it was late with, and the check of it.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn overload_slows_the_line_down_and_does_not_break_it() {
    if !crate::long_tests() {
        return;
    }
    let (_turn, stack) = isolated_stack().await;
    let test = async |line: &Line| {
        let relay = line.relay().await;
        let job = line.job().await;
        // Warm, as a line in use is.
        line.simulate("--rate 200 --duration 20s --seed 1").await;
        let mut load = line.start(LOAD);
        let mut most_behind = 0;
        // A sample a second, for as long as the load lasts.
        while load.is_running() {
            most_behind = most_behind.max(line.progress().await.offsets_behind);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let sent = Sent::of(load.ended().await);
        tell(line, "after the load").await;
        assert!(most_behind > 50_000, "no overload: {most_behind} records behind at most");

        let ended = Instant::now();
        loop {
            let progress = line.progress().await;
            most_behind = most_behind.max(progress.offsets_behind);
            if progress.offsets_behind == 0 && progress.input_rows >= sent.committed {
                break;
            }
            assert!(ended.elapsed() < CAUGHT_UP_WITHIN, "{most_behind} behind at most: {progress:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        println!("{most_behind} records behind at most; caught up {:?} after the load", ended.elapsed());
        let verify = line.start(&format!("verify --wait-s {}", CAUGHT_UP_WITHIN.as_secs()));
        let verified = verify.ended_within(2 * CAUGHT_UP_WITHIN).await.succeeded();
        println!("verified {:?} after the load: {verified}", ended.elapsed());
        tell(line, "at the end").await;
        assert_eq!(line.progress().await.restarts, 0, "{}", job.printed());
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    };
    Box::pin(on_services(&stack, test)).await;
}

/// What micro-batches took, and how many records they had, by query.
async fn tell(line: &Line, when: &str) {
    let sql = "select query, count(*), max(duration_ms), max(rows_in), \
                      (percentile_disc(0.5) within group (order by duration_ms))::bigint \
               from ops.job_batch group by query order by query";
    println!("{when}: query, micro-batches, longest in ms, most records, median in ms");
    for row in line.pg.query(sql, &[]).await.unwrap() {
        let query: String = row.get(0);
        let figures: Vec<i64> = (1..5).map(|index| row.get(index)).collect();
        println!("  {query:<14} {figures:?}");
    }
}
