//! Hours in seconds: past the watermark, state is removed, and no event is dropped for it.

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{Sent, on_shared_stack};

/// Simulations, each half an hour by the shoppers' clock, one after the other.
const HALF_HOURS: i64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn past_the_watermark_state_is_removed_and_stops_growing() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let began: DateTime<Utc> = "2026-03-02T20:30:00Z".parse().unwrap();
        let mut sent = Sent::default();
        let mut state_rows = Vec::new();
        for half_hour in 0..HALF_HOURS {
            let start = (began + TimeDelta::minutes(30 * half_hour)).to_rfc3339();
            sent +=
                line.simulate(&format!("--rate 2 --duration 30m --seed {half_hour} --start {start}")).await;
            state_rows.push(line.until_read(sent.committed).await.state_rows);
        }
        let progress = line.progress().await;
        assert_eq!(progress.rows_dropped_by_watermark, 0, "{progress:?}");
        assert!(progress.state_rows_removed > 0, "{progress:?}");
        // Kept: what the last micro-batches brought, and the 20 minutes before. Each half hour makes about as
        // many rows.
        let a_half_hour = (progress.state_rows + progress.state_rows_removed) / HALF_HOURS;
        for rows in &state_rows {
            assert!(*rows <= 2 * a_half_hour, "{rows} of {state_rows:?} kept, {a_half_hour} made each time");
        }
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
