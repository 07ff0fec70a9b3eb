//! The doctor finds the whole line well, and names the part that is missing.

use crate::support::{Line, Sent, on_shared_stack, until};

async fn doctors_events(line: &Line) -> i64 {
    line.count("select count(*) from raw.events where country = 'XD'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_followed_to_its_row_or_to_the_part_that_is_missing() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let stopped = line.run("doctor --timeout 30s").await.failed();
        for words in ["ok  kafka record", "stopped at spark offsets", "start `storepulse job run`"] {
            assert!(stopped.out.contains(words), "{words}: {stopped}");
        }

        let job = line.job().await;
        let arrived = line.run("doctor").await.succeeded();
        let hops = [
            "services",
            "postgresql commit",
            "relay position",
            "kafka record",
            "spark offsets",
            "cassandra row",
        ];
        let mut rest = arrived.out.as_str();
        for hop in hops {
            let at = rest.find(&format!("ok  {hop}")).unwrap_or_else(|| panic!("{hop}: {arrived}"));
            rest = &rest[at..];
        }
        assert!(arrived.out.contains("arrived: "), "{arrived}");
        let json = line.run("doctor --json").await.succeeded();
        assert!(json.out.contains("\"stopped\": null"), "{json}");
        line.run("relay status").await.succeeded();
        let json = line.run("relay status --json").await.succeeded();
        assert!(json.out.contains("\"streams\": true"), "{json}");

        let metrics = line.run("metrics --once").await.succeeded();
        for series in [
            "storepulse_relay_streaming 1.0",
            "storepulse_slot_active 1.0",
            "storepulse_job_running{query=\"cube\"} 1.0",
            "storepulse_job_lag_seconds{query=\"cube\",percentile=\"50\"} ",
            "storepulse_ingested_records{stage=",
            "# TYPE storepulse_relay_records_total counter",
            "storepulse_relay_records_total{topic=\"events\"} ",
        ] {
            assert!(metrics.out.contains(series), "{series}: {metrics}");
        }

        // Its events count as any others do.
        let sent = line.simulate("--rate 100 --duration 3s --seed 3").await;
        let own = doctors_events(line).await;
        assert_eq!(own, 3);
        line.assert_verified(Sent { committed: sent.committed + own, ..sent }).await;

        relay.stop().await.succeeded();
        let stopped = line.run("doctor").await.failed();
        for words in ["stopped at relay position", "has stopped", "start `storepulse relay run`"] {
            assert!(stopped.out.contains(words), "{words}: {stopped}");
        }
        let status = line.run("relay status").await.failed();
        assert!(status.out.contains("stopped by pid"), "{status}");

        // One that was killed has told nobody.
        let relay = line.relay().await;
        relay.kill_9().await;
        until("the relay is silent", async || {
            let status = line.run("relay status").await;
            if status.status.success() { Err(status.out) } else { Ok(()) }
        })
        .await;
        let stopped = line.run("doctor --json").await.failed();
        for words in ["\"hop\": \"relay\"", "has been silent since"] {
            assert!(stopped.out.contains(words), "{words}: {stopped}");
        }
        job.stop().await.succeeded();
    })
    .await;
}
