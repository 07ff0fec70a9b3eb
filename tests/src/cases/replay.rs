//! Case 10: what is old is written after what is new, and comes late.

use contracts::lateness::ON_TIME_SQL;

use super::{folder, plan, replace};
use crate::support::on_shared_stack;

/// Shoppers of both simulations are in the shop in the same ten minutes, so the second one raises the first
/// one's figures.
const TEN_MINUTES: &str = "--rate 5 --duration 10m --start 2026-03-02T20:30:00Z";
const TROUBLE: &str = "--late-pct 5 --repeated-pct 5 --out-of-order-pct 5";

#[tokio::test(flavor = "multi_thread")]
async fn old_batches_written_after_newer_ones_change_nothing_and_late_events_are_counted() {
    if !crate::long_tests() {
        return;
    }
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = line.simulate(&format!("{TEN_MINUTES} --seed 1")).await;
        line.until_read(sent.committed).await;
        job.stop().await.succeeded();
        let checkpoint = folder(&plan(line).await);
        let kept = tempfile::tempdir().unwrap();
        let kept = kept.path().join("checkpoint");
        replace(&kept, &checkpoint);

        let job = line.job().await;
        let second = line.simulate(&format!("{TEN_MINUTES} --seed 2 {TROUBLE}")).await;
        sent += second;
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        assert!(second.repeated > 0, "{second:?}");
        let late = line.count(&format!("select count(*) from raw.events where not ({ON_TIME_SQL})")).await;
        assert!(late > 0);

        // The same records again, in smaller batches: each row is written with figures that its final ones
        // have overtaken.
        replace(&checkpoint, &kept);
        let job = line.job_with("--max-offsets-per-trigger 300").await;
        let progress = line.until_read(second.committed).await;
        assert!(progress.batches > 3, "{progress:?}");
        assert_eq!(progress.rows_dropped_by_watermark, 0, "{progress:?}");
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
